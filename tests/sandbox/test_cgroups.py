"""Limits by cgroup v2. The hierarchy is played by a folder: a host without systemd delegates none to its processes."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox, cgroups, probe
from tasks.sandbox.probe import examine
from tasks.sandbox.slot import Slot, Trial


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    """A delegated group as the kernel presents it."""
    group = tmp_path / "user.slice" / "run.scope"
    group.mkdir(parents=True)
    (group / "cgroup.controllers").write_text("cpu memory pids\n")
    (group / "cgroup.subtree_control").write_text("")
    (group / "cgroup.procs").write_text("")
    return group


def test_a_delegated_group_is_divided_and_this_process_moves_to_a_leaf(tmp_path: Path, scope: Path) -> None:
    top = cgroups.claim(tmp_path, "9:name=systemd:/\n0::/user.slice/run.scope\n")
    assert top == scope
    assert (scope / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (scope / "kodcode-supervisor" / "cgroup.procs").read_text() == str(os.getpid())


def test_a_process_in_the_leaf_finds_the_group_above(tmp_path: Path, scope: Path) -> None:
    (scope / "cgroup.subtree_control").write_text("memory pids\n")
    leaf = scope / "kodcode-supervisor"
    leaf.mkdir()
    (leaf / "cgroup.controllers").write_text("")
    assert cgroups.claim(tmp_path, "0::/user.slice/run.scope/kodcode-supervisor\n") == scope


@pytest.mark.parametrize(
    ("membership", "controllers", "reason"),
    [
        ("8:pids:/\n", "memory pids", "no cgroup v2"),
        ("0::/elsewhere\n", "memory pids", "no cgroup v2"),
        ("0::/user.slice/run.scope\n", "cpu pids", "no memory controller"),
    ],
)
def test_what_is_not_delegated_is_said(
    tmp_path: Path, scope: Path, membership: str, controllers: str, reason: str
) -> None:
    (scope / "cgroup.controllers").write_text(controllers)
    with pytest.raises(cgroups.NotDelegatedError, match=reason):
        cgroups.claim(tmp_path, membership)
    assert not (scope / "kodcode-supervisor").exists()


def test_a_slots_zygotes_stand_under_its_limits(tmp_path: Path) -> None:
    policy = Policy(memory_mb=256)
    slot = Slot(policy, dataclasses.replace(examine(policy), cgroup=tmp_path), 3)
    group = tmp_path / f"kodcode-{os.getpid()}-slot-3"
    try:
        content = {"solution": "print(1)"}
        assert slot.run(Trial("stdio", content, 5, 256, 1 << 16, "")).stdout == b"1\n"
        assert (group / "memory.max").read_text() == str((256 + cgroups.ZYGOTE_MB) << 20)
        assert int((group / "pids.max").read_text()) > 128
        assert (group / "cgroup.procs").read_text() == str(slot.start("stdio").process.pid)
    finally:
        slot.close()
    assert (group / "cgroup.kill").read_text() == "1"


def test_the_probe_says_whether_there_are_any(sandbox: Sandbox) -> None:
    assert probe()["cgroup v2 limits"]
    assert sandbox.submit(Job("a", "x = 1", test="def test_a():\n    assert x == 1\n")).result().passed
