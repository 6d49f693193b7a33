"""Finds out what this machine can contain, by doing it, and chooses the level from that."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import cgroups, launch, seccomp
from .types import Level, Policy, SandboxError

SLOT_UID = 60706  # first of a range that Debian, systemd and container tools leave alone
MAX_TASKS = 128  # processes and threads of a trial
_NAMESPACES = ("user", "mount", "pid", "network", "ipc", "uts")
_cache: dict[tuple[Path, bool], Probe] = {}
_cache_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Probe:
    """What was tried, how it went ("ok" or why not), and the level that follows."""

    level: Level
    tried: dict[str, str]
    own_user_id: bool
    landlock_abi: int
    environment: str
    python: Path
    cgroup: Path | None = None  # below it slots have groups of their own

    def report(self) -> dict[str, str]:
        """For people and `doctor`: each primitive tried, then the level."""
        return {**self.tried, "level": self.level.value}


def filters(processes: bool, level: Literal["full", "container"]) -> dict[str, str]:
    """The seccomp programs of slot and trial as hex; none where this machine's call numbers are unknown."""
    try:
        programs = seccomp.assemble(processes=processes, level=level)
    except seccomp.UnsupportedMachineError:
        return {}
    return {"slot": programs.slot.hex(), "trial": programs.trial.hex()}


def base_config(policy: Policy) -> dict[str, Any]:
    """What a guest has to know, apart from its level."""
    return {
        "work": "/box/trial",
        "disk_mb": policy.disk_mb,
        "inodes": 4096 + 64 * policy.disk_mb,
        "max_tasks": MAX_TASKS,
        "processes": policy.allow_processes,
        "preload": list(policy.preload),
        "uid": SLOT_UID if os.geteuid() == 0 else None,
        "landlock_abi": 0,
        "level": "full",
        "seccomp": filters(policy.allow_processes, "full"),
        "seccomp_missing": f"no system call table for {seccomp.machine()}",
    }


def examine(policy: Policy) -> Probe:
    """Probes once a process and interpreter.

    Raises SandboxError where the interpreter cannot run the guest or lacks pytest or coverage.
    """
    python = launch.interpreter(policy)
    with _cache_lock:
        key = (python, policy.allow_processes)
        if key not in _cache:
            _cache[key] = _examine(python, policy)
        return _cache[key]


def _examine(python: Path, policy: Policy) -> Probe:
    guest = launch.start(python, "probe")
    try:
        guest.control.settimeout(60)
        try:
            guest.control.send(json.dumps(base_config(policy)).encode())
            data = guest.control.recv(launch.MESSAGE_BYTES)
        except OSError:
            data = b""
        if not data:
            guest.process.wait()  # its last words are complete then
            raise SandboxError(f"{python} could not examine this machine: {guest.log().strip()[-500:] or 'no answer'}")
        answer = json.loads(data)
    finally:
        guest.end()
    for name, version in answer["modules"].items():
        if not version:
            raise SandboxError(f"{python} has no {name}: install {name} there, or name another sandbox python.")
    tried: dict[str, str] = answer["tried"]
    own_user_id = tried["own user id"] == "ok"
    namespaces = all(tried[f"{name} namespace"] == "ok" for name in _NAMESPACES)
    room = own_user_id or tried["private root"] == "ok"
    if namespaces and room and tried["seccomp"] == "ok":
        level = Level.FULL
    elif tried["landlock"] == "ok" and tried["seccomp"] == "ok":
        level = Level.CONTAINER
    else:
        level = Level.WEAK
    try:
        cgroup = cgroups.claim()
        tried["cgroup v2 limits"] = "ok"
    except cgroups.NotDelegatedError as error:
        cgroup = None
        tried["cgroup v2 limits"] = str(error)
    return Probe(level, tried, own_user_id, answer["landlock_abi"], answer["environment"], python, cgroup)


def probe(policy: Policy | None = None) -> dict[str, str]:
    """Each primitive of isolation that was tried on this machine -> "ok" or why not, and the `level` that results."""
    return examine(policy or Policy()).report()
