"""What a trial's process does to itself before it touches judged code. Every step is one-way."""

# Plain os calls: little is imported, and /tmp in here is not the host's.
# ruff: noqa: PTH102, S108

from __future__ import annotations

import functools
import os
import resource
import struct
from typing import Any

from . import kernel, room

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


def lock(config: dict[str, Any], visible: list[str]) -> None:
    """Capabilities, no_new_privs, Landlock, seccomp."""
    kernel.drop_capabilities()
    kernel.no_new_privileges()
    work = config["work"]
    if config["landlock_abi"]:
        if config["level"] == "full":
            kernel.landlock(["/"], [work, "/dev/null"], config["landlock_abi"])
        else:
            readable = [*visible, "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
            kernel.landlock(readable, [work, "/dev/null"], config["landlock_abi"])
    program = system_call_filter(config["seccomp"])
    if program and config["level"] != "full":  # in a pid namespace of its own, a trial may signal whom it sees
        program = program.replace(_OWN_PID, struct.pack("=I", os.getpid()))
    if program:
        kernel.install_seccomp(program)


@functools.cache
def system_call_filter(text: str) -> bytes:
    """The seccomp program that `text` gives as hex. Called once before the first fork, so that no trial decodes it."""
    return bytes.fromhex(text)
