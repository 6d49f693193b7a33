"""Memory and task limits for a slot as a whole by cgroup v2, where the host has delegated a subtree to this process.

They come on top of each trial's own limits and bound what those do not see: pages of a tmpfs, pipes, several processes
together. A subtree is delegated by `systemd-run --user --scope -p Delegate=yes COMMAND`, for instance; nothing outside
it is touched. (Linux: Documentation/admin-guide/cgroup-v2.rst, "Delegation" and "No Internal Process Constraint".)
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_MOUNT = Path("/sys/fs/cgroup")
_OURS = "kodcode-supervisor"
_CONTROLLERS = frozenset({"memory", "pids"})
ZYGOTE_MB = 512  # for the zygotes themselves, beside a trial's memory


class NotDelegatedError(Exception):
    """This process has no subtree in which it may set limits; the message says why."""


def _own_group(mount: Path, membership: str) -> Path:
    """The v2 group that /proc/self/cgroup names. Raises NotDelegatedError."""
    for line in membership.splitlines():
        if line.startswith("0::/"):
            group = mount / line.removeprefix("0::/")
            if (group / "cgroup.controllers").is_file():
                return group
    raise NotDelegatedError("no cgroup v2 hierarchy with this process in it")


def claim(mount: Path = _MOUNT, membership: str | None = None) -> Path:
    """The group below which slots may have groups of their own, with its controllers switched on. Moves this process
    into a leaf, since a group with controllers for its children may hold no process itself.

    Raises NotDelegatedError, and leaves this process where it was.
    """
    text = Path("/proc/self/cgroup").read_text() if membership is None else membership
    own = _own_group(mount, text)
    top = own.parent if own.name == _OURS else own
    missing = _CONTROLLERS - set((top / "cgroup.controllers").read_text().split())
    if missing:
        raise NotDelegatedError(f"{top} offers no {' and no '.join(sorted(missing))} controller")
    if set((top / "cgroup.subtree_control").read_text().split()) >= _CONTROLLERS:
        return top
    leaf = top / _OURS
    try:
        leaf.mkdir(exist_ok=True)
        _write(leaf / "cgroup.procs", str(os.getpid()))
        try:
            _write(top / "cgroup.subtree_control", "+memory +pids")
        except OSError:
            _write(top / "cgroup.procs", str(os.getpid()))
            raise
    except OSError as error:
        raise NotDelegatedError(f"{top} is not ours to divide: {error.strerror}") from error
    return top


class SlotGroup:
    """The group of one slot: every process of its zygotes and their trials."""

    def __init__(self, top: Path, number: int, memory_mb: int, tasks: int) -> None:
        """Raises OSError where the group cannot be made."""
        self.path = top / f"kodcode-{os.getpid()}-slot-{number}"
        self.path.mkdir(exist_ok=True)
        _write(self.path / "memory.max", str((memory_mb + ZYGOTE_MB) << 20))
        _write(self.path / "pids.max", str(tasks))
        with contextlib.suppress(OSError):  # a kernel without swap accounting has no such file
            _write(self.path / "memory.swap.max", "0")

    def add(self, pid: int) -> None:
        """Puts a process in, and with it all that it will start."""
        _write(self.path / "cgroup.procs", str(pid))

    def remove(self) -> None:
        """Ends what is left in it and removes it."""
        with contextlib.suppress(OSError):
            _write(self.path / "cgroup.kill", "1")
        with contextlib.suppress(OSError):
            self.path.rmdir()


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
