"""What a trial's process does to itself before it touches judged code. Every step is one-way."""

from __future__ import annotations

import fcntl
import functools
import os
import resource
import struct
from typing import Any

from . import kernel, report, room

_TRIAL_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNET
_OWN_PID = struct.pack("=I", 0x7FABCDEF)


def namespaces(config: dict[str, Any], has_proc: bool) -> None:
    """Own mounts, network, IPC and host name; an empty sized tmpfs as the only writable place; then an own user
    namespace, so that nothing of the room is owned by the trial."""
    kernel.unshare(_TRIAL_NAMESPACES)
    work = config["work"]
    quota = f"size={config['disk_mb']}m,nr_inodes={config['inodes']},mode=700"
    kernel.mount("tmpfs", work, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, quota)
    os.mkdir(work + "/w")
    os.mkdir(work + "/tmp")
    room.link_hidden(work + "/tmp")
    if not has_proc:
        return
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    try:
        kernel.mount("proc", "/proc", "proc", flags, "subset=pid")
    except OSError:
        kernel.mount("tmpfs", "/proc", "tmpfs", flags | kernel.MS_RDONLY, "size=4k,nr_inodes=1")
        return
    kernel.unshare(kernel.CLONE_NEWUSER)
    identity = room.INSIDE_ID
    for name, text in (
        ("setgroups", b"deny"),
        ("uid_map", b"%d %d 1" % (identity, identity)),
        ("gid_map", b"%d %d 1" % (identity, identity)),
    ):
        fd = os.open(f"/proc/self/{name}", os.O_WRONLY)
        os.write(fd, text)
        os.close(fd)


def _limit(kind: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY and ceiling < hard:
        soft, hard = min(soft, ceiling), ceiling
    resource.setrlimit(kind, (soft, hard))


def common_limits(config: dict[str, Any]) -> None:
    """rlimits that are the same for every trial: set once in the zygote, inherited."""
    for kind, soft, hard in (
        (resource.RLIMIT_FSIZE, config["disk_mb"] << 20, config["disk_mb"] << 20),
        (resource.RLIMIT_NOFILE, 256, 256),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_SIGPENDING, 256, 256),
        *([(resource.RLIMIT_NPROC, config["max_tasks"], config["max_tasks"])] if config["max_tasks"] else []),
    ):
        _limit(kind, soft, hard)


def limits(memory_mb: int, cpu_s: int, mapped_bytes: int) -> None:
    """rlimits of one trial. Address space counts from what the zygote had mapped; CPU time is a backstop only."""
    address_space = mapped_bytes + (memory_mb << 20)
    _limit(resource.RLIMIT_AS, address_space, address_space)
    _limit(resource.RLIMIT_CPU, cpu_s, cpu_s + 2)


def ruleset(config: dict[str, Any], visible: list[str], writable: str = "") -> int:
    """What a trial may touch, as Landlock rules for `lock`: made once in the zygote. -1 where there is no Landlock.
    What it may write to is its whole folder, unless `writable` is another."""
    if not config["landlock_abi"]:
        return -1
    if config["level"] == "full":
        # The folder above: each trial mounts its own on `work` itself, and nothing else lies beside it.
        readable, writable = ["/"], writable or os.path.dirname(config["work"])
    else:
        readable = [*visible, "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
        writable = writable or config["work"]
    made = kernel.landlock_ruleset(readable, [writable, "/dev/null"], config["landlock_abi"])
    # Out of the way of what a trial puts in place.
    kept = fcntl.fcntl(made, fcntl.F_DUPFD_CLOEXEC, report.APART_FD + 1)
    os.close(made)
    return kept


def slot_filter(config: dict[str, Any]) -> None:
    """no_new_privs and the zygote's seccomp filter, which each trial inherits."""
    kernel.no_new_privileges()
    program = _program(config, "slot")
    if program:
        kernel.install_seccomp(program)


def lock(config: dict[str, Any], ruleset: int) -> None:
    """Capabilities, Landlock, the trial's own seccomp filter. The slot's filter and no_new_privs are inherited."""
    kernel.drop_capabilities()
    if ruleset >= 0:
        kernel.landlock_restrict(ruleset)
    program = _program(config, "trial")
    if program and config["level"] != "full":  # in a pid namespace of its own, a trial may signal whom it sees
        program = program.replace(_OWN_PID, struct.pack("=I", os.getpid()))
    if program:
        kernel.install_seccomp(program)


def _program(config: dict[str, Any], name: str) -> bytes:
    return decoded(config["seccomp"].get(name, ""))


@functools.cache
def decoded(text: str) -> bytes:
    """The seccomp program that `text` gives as hex. Called once before the first fork, so that no trial decodes it."""
    return bytes.fromhex(text)
