"""Linux calls that the standard library does not offer, through ctypes. Needs CPython 3.10+ and nothing else.

Numbers and structures follow the kernel's user-space headers (linux/sched.h, linux/mount.h, linux/landlock.h,
linux/prctl.h, linux/capability.h).
"""

from __future__ import annotations

import ctypes
import os
import platform
import stat
import struct

MACHINE = platform.machine()

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_SECUREBITS = 28
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
# NOROOT, NO_SETUID_FIXUP and their locks: user id 0 means nothing, for ever.
SECUREBITS = 0b1111

SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}.get(MACHINE, -1)
SYS_CAPSET = {"x86_64": 126, "aarch64": 91}.get(MACHINE, -1)
SYS_MOUNT_SETATTR = 442
SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 444, 445, 446
AT_EMPTY_PATH, AT_RECURSIVE = 0x1000, 0x8000
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4

_libc = ctypes.CDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_mount = _libc.mount
_mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_prctl = _libc.prctl
_prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)
_unshare = _libc.unshare
_setns = _libc.setns
_umount2 = _libc.umount2


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def syscall(what: str, number: int, *arguments: object) -> int:
    if number < 0:
        raise OSError(38, f"{what}: number unknown on {MACHINE}")
    wrapped = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _check(_syscall(ctypes.c_long(number), *wrapped), what)


def unshare(flags: int) -> None:
    _check(_unshare(flags), f"unshare({flags:#x})")


def setns(fd: int, kind: int) -> None:
    _check(_setns(fd, kind), "setns")


def prctl(option: int, a: int = 0, b: int = 0, c: int = 0, d: int = 0) -> int:
    return _check(_prctl(option, a, b, c, d), f"prctl({option})")


def mount(source: str, target: str, kind: str | None, flags: int = 0, data: str = "") -> None:
    kind_bytes = kind.encode() if kind else None
    result = _mount(os.fsencode(source), os.fsencode(target), kind_bytes, flags, data.encode() or None)
    _check(result, f"mount {kind or 'bind'} on {target}")


def unmount(target: str, flags: int = 0) -> None:
    _check(_umount2(os.fsencode(target), flags), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    syscall("pivot_root", SYS_PIVOT_ROOT, ctypes.c_char_p(os.fsencode(new)), ctypes.c_char_p(os.fsencode(old)))


def make_read_only(target: str, *, device: bool = False) -> None:
    """Makes the mount at `target` and all below it read-only, without set-user-id programs and, unless it is one
    itself, without devices."""
    set_bits = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | (0 if device else MOUNT_ATTR_NODEV)
    attributes = struct.pack("QQQQ", set_bits, 0, 0, 0)
    path = ctypes.c_char_p(os.fsencode(target))
    try:
        syscall("mount_setattr", SYS_MOUNT_SETATTR, -100, path, AT_RECURSIVE, attributes, len(attributes))
    except OSError as error:
        if error.errno != 38:
            raise
        # Kernels before 5.12: the mount itself only; its flags may only be added to, so the old ones are repeated.
        kept = os.statvfs(target).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC | 0x400 | 0x800 | 0x200000)
        nodev = 0 if device else MS_NODEV
        mount("none", target, None, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | nodev | kept)


def drop_capabilities() -> None:
    """Empties every capability set that counts and locks user id 0 out of regaining any. The bounding set is left:
    only a program file could raise it from there, and no_new_privileges forbids that."""
    _prctl(PR_SET_SECUREBITS, SECUREBITS, 0, 0, 0)
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = struct.pack("Ii", 0x20080522, 0)
    syscall("capset", SYS_CAPSET, header, b"\0" * 24)


def no_new_privileges() -> None:
    prctl(PR_SET_NO_NEW_PRIVS, 1)


_FILTERS: list[object] = []  # a filter's memory has to outlive the call that hands it over


def install_seccomp(program: bytes) -> None:
    """Installs an assembled classic BPF program, 8 bytes an instruction. Needs no_new_privileges before."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)), 16)
    _FILTERS.extend((buffer, fprog))
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(fprog))


# Landlock access rights on files, by the ABI version that brought them.
_LL_EXECUTE, _LL_WRITE_FILE, _LL_READ_FILE, _LL_READ_DIR = 1, 2, 4, 8
_LL_ALL_1 = (1 << 13) - 1
_LL_REFER, _LL_TRUNCATE, _LL_IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_LL_FILE_ONLY = _LL_EXECUTE | _LL_WRITE_FILE | _LL_READ_FILE | _LL_TRUNCATE | _LL_IOCTL_DEV
LL_READ = _LL_EXECUTE | _LL_READ_FILE | _LL_READ_DIR


def landlock_abi() -> int:
    """Version of Landlock that the kernel offers; OSError where it has none or a filter forbids it."""
    return syscall("landlock_create_ruleset", SYS_LANDLOCK_CREATE, None, 0, 1)


def landlock_ruleset(read: list[str], write: list[str], abi: int) -> int:
    """Descriptor of rules: reading below `read`, anything below `write`. No TCP; with ABI 6 neither signals nor
    abstract sockets out of the domain. Paths that do not exist are passed over. A rule on a folder holds for what is
    mounted below it later, but not for what is mounted on itself."""
    handled = _LL_ALL_1
    if abi >= 2:
        handled |= _LL_REFER
    if abi >= 3:
        handled |= _LL_TRUNCATE
    if abi >= 5:
        handled |= _LL_IOCTL_DEV
    network = 3 if abi >= 4 else 0
    scoped = 3 if abi >= 6 else 0
    attributes = struct.pack("QQQ", handled, network, scoped)[: 8 if abi < 4 else 16 if abi < 6 else 24]
    ruleset = syscall("landlock_create_ruleset", SYS_LANDLOCK_CREATE, attributes, len(attributes), 0)
    try:
        for paths, rights in ((read, LL_READ), (write, handled)):
            for path in paths:
                try:
                    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
                except OSError:
                    continue
                allowed = rights & handled
                if not stat.S_ISDIR(os.fstat(fd).st_mode):
                    allowed &= _LL_FILE_ONLY
                try:
                    syscall("landlock_add_rule", SYS_LANDLOCK_ADD, ruleset, 1, struct.pack("=Qi", allowed, fd), 0)
                finally:
                    os.close(fd)
    except BaseException:  # whatever it was, the descriptor must not stay
        os.close(ruleset)
        raise
    return ruleset


def landlock_restrict(ruleset: int) -> None:
    """Binds this process to the rules and closes their descriptor. Needs no_new_privileges before."""
    syscall("landlock_restrict_self", SYS_LANDLOCK_RESTRICT, ruleset, 0)
    os.close(ruleset)


def tiny_init() -> bytes:
    """A complete ELF program that sleeps for ever: process 1 of a trial's pid namespace.

    As process 1 itself, a judged program would be immune to its own signals; as process 2 it behaves as usual, and
    killing the sleeper makes the kernel kill everything in the namespace. Started with SIGCHLD ignored it reaps too.
    """
    if MACHINE == "x86_64":
        code = bytes.fromhex("b8220000000f05ebf7")  # again: mov eax, pause; syscall; jmp again
        machine = 62
    elif MACHINE == "aarch64":
        words = [0xD2800000 | register for register in range(4)]  # x0..x3 = 0
        words += [0xD2800000 | 73 << 5 | 8, 0xD4000001, 0x17FFFFFA]  # x8 = ppoll; svc 0; b first
        code = struct.pack(f"<{len(words)}I", *words)
        machine = 183
    else:
        return b""
    base, header = 0x400000, 64 + 56
    size = header + len(code)
    identity = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    elf = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, machine, 1, base + header, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000)
    return elf + segment + code
