"""The zygote's own namespaces and private root: what a trial can see at all is decided here, once a zygote.

As root the zygote lives under a user id of its own; as an ordinary user under that user's. Inside, both are 1000.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from . import kernel

INSIDE_ID = 1000
NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWCGROUP
)
_DEVICES = ("null", "zero", "full", "random", "urandom")
_ETC = {
    "passwd": f"root:x:0:0::/:/bin/false\nuser:x:{INSIDE_ID}:{INSIDE_ID}::/box/trial:/bin/false\n",
    "group": f"root:x:0:\nuser:x:{INSIDE_ID}:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
# Besides the interpreter: shared libraries of the system, the linker's cache and the time zones.
_SYSTEM = ("/lib", "/lib64", "/lib32", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/usr/share/zoneinfo",
           "/etc/ld.so.cache", "/etc/localtime")  # fmt: skip
_PROGRAMS = ("/bin", "/usr/bin", "/usr/local/bin")
INIT = "/init"
HIDDEN = "/.tmp"


def interpreter_paths() -> list[str]:
    """Where this interpreter, its standard library and its installed packages lie."""
    executable = os.path.realpath(sys.executable)
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix, executable, sys.executable}
    found.update(path for path in sys.path if path and os.path.exists(path))
    # A prefix like /usr holds far more than Python; what is needed of it is on sys.path and in _SYSTEM.
    return sorted(path for path in found if path not in {"/", "/usr", "/usr/local"})


def visible_paths(processes: bool) -> list[str]:
    """Everything of the host that a trial may read, shortest first, without those that lie below another."""
    wanted = [*interpreter_paths(), *_SYSTEM, *(_PROGRAMS if processes else ())]
    kept: list[str] = []
    for path in sorted(set(wanted), key=len):
        if os.path.lexists(path) and not any(path.startswith(parent + "/") for parent in kept):
            kept.append(path)
    return kept


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def _write_maps(pid: int, uid: int, gid: int) -> None:
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{INSIDE_ID} {uid} 1"),
        ("gid_map", f"{INSIDE_ID} {gid} 1"),
    ):
        _write(f"/proc/{pid}/{name}", text.encode())


def _unshare_mapped(uid: int, gid: int) -> None:
    """Enters new namespaces with `uid`:`gid` mapped to 1000. A helper outside writes the maps: a process that has just
    left its user namespace may map itself only."""
    parent = os.getpid()
    ready_read, ready_write = os.pipe()
    helper = os.fork()
    if helper == 0:
        try:
            os.close(ready_write)
            os.read(ready_read, 1)
            _write_maps(parent, uid, gid)
            os._exit(0)
        except OSError as error:
            os.write(2, f"user namespace maps: {error}\n".encode())
        finally:
            os._exit(1)
    os.close(ready_read)
    kernel.unshare(NAMESPACES)
    os.write(ready_write, b"x")
    os.close(ready_write)
    if os.waitpid(helper, 0)[1] != 0:
        raise PermissionError("the kernel refused the user namespace's maps")


def _bind(fd: int, path: str, root: str) -> None:
    target = root + _place(path)
    if os.path.isdir(f"/proc/self/fd/{fd}"):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _write(target, b"")
    kernel.mount(f"/proc/self/fd/{fd}", target, None, kernel.MS_BIND | kernel.MS_REC)
    kernel.make_read_only(target, device=path.startswith("/dev/"))


def link_hidden(tmp: str, root: str = "") -> None:
    """Makes what the host has below /tmp (an interpreter in a checkout there, say) found below the room's own /tmp."""
    if os.path.isdir(root + HIDDEN):
        for name in os.listdir(root + HIDDEN):
            os.symlink(f"{HIDDEN}/{name}", f"{root}{tmp}/{name}")


def _place(path: str) -> str:
    """Where a host path goes in the room. /tmp is the trial's own, so what lies below it is kept elsewhere."""
    return HIDDEN + path.removeprefix("/tmp") if path.startswith("/tmp/") else path


def _furnish(sources: list[tuple[str, int]], links: list[tuple[str, str]], root: str, work: str) -> None:
    for path, target in links:
        place = root + _place(path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.symlink(target, place)
    for path, fd in sources:
        _bind(fd, path, root)
    for name in ("proc", "dev", "etc"):
        os.makedirs(f"{root}/{name}", exist_ok=True)
    os.symlink(work + "/tmp", root + "/tmp")
    os.symlink(work + "/tmp", root + "/dev/shm")
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(f"/proc/self/{target}", f"{root}/dev/{name}")
    for name, text in _ETC.items():
        _write(f"{root}/etc/{name}", text.encode())
    _write(root + INIT, kernel.tiny_init())
    os.chmod(root + INIT, 0o555)  # noqa: S103 - a program that sleeps
    for name in ("w", "tmp"):
        os.makedirs(f"{root}{work}/{name}")
    link_hidden(work + "/tmp", root)


def enter(config: dict[str, Any]) -> bool:
    """Moves this process into its room. Returns in a new process, number 1 of the room's pid namespace; the old one
    stays outside as its keeper and ends with it. True if /proc is there (some containers refuse a fresh one).

    Raises OSError where the kernel refuses a primitive.
    """
    uid, gid = (config["uid"], config["uid"]) if config["uid"] is not None else (os.geteuid(), os.getegid())
    if config["uid"] is not None:
        os.setgroups([])
    _unshare_mapped(uid, gid)
    # Opened while still the user who started us: the way to the interpreter may lead through a private folder.
    sources: list[tuple[str, int]] = []
    links: list[tuple[str, str]] = []
    for path in visible_paths(config["processes"]):
        if os.path.islink(path) and os.path.isdir(path):
            links.append((path, os.readlink(path)))
        else:
            sources.append((path, os.open(path, os.O_PATH | os.O_CLOEXEC)))
    sources.extend((f"/dev/{name}", os.open(f"/dev/{name}", os.O_PATH | os.O_CLOEXEC)) for name in _DEVICES)
    os.setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    os.setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    # The change of user cleared both.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    alive_read, alive_write = os.pipe()
    child = os.fork()
    if child:
        os.close(alive_read)
        _keep(child, alive_write)
    os.close(alive_write)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    # Inside the new namespace the keeper has no number; that it is alive shows in its end of the pipe.
    os.set_blocking(alive_read, False)
    try:
        if os.read(alive_read, 1) == b"":
            os._exit(1)
    except BlockingIOError:
        pass
    os.close(alive_read)
    return _build(sources, links, config["work"])


def _keep(child: int, alive: int) -> None:
    """The outer process: holds nothing but the sign that it lives, waits for the room to end, reports how."""
    os.closerange(3, alive)
    os.closerange(alive + 1, 1 << 16)
    while True:
        try:
            status = os.waitpid(child, 0)[1]
        except InterruptedError:
            continue
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _build(sources: list[tuple[str, int]], links: list[tuple[str, str]], work: str) -> bool:
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    root = "/tmp"  # only the place to mount on; hidden from the host by our mount namespace
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID, "size=1m,nr_inodes=4096,mode=755")
    _furnish(sources, links, root, work)
    for _, fd in sources:
        os.close(fd)
    try:
        kernel.mount("proc", root + "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        has_proc = True
    except OSError:
        has_proc = False
    os.chdir(root)
    kernel.pivot_root(".", ".")
    kernel.unmount(".", kernel.MNT_DETACH)
    os.chdir("/")
    kernel.mount("none", "/", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID)
    return has_proc
