"""Assembles the seccomp filters of a trial as classic BPF, built once, used as bytes.

There are two, and the stricter answer counts. The slot's is an allow list, long, installed once in the zygote and
inherited by every fork for nothing; it lets through what the zygote itself needs to make a trial's room. The trial's
is short, for each trial pays for its installation: it takes those calls away and looks at arguments. What neither
lists fails with EPERM; numbers newer than this table and clone3 with ENOSYS, which is what libraries take as the sign
to fall back. The tables read: name, x86-64, arm64 (linux/asm/unistd.h); `-` where a machine lacks it.
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass
from typing import Literal

EPERM, EAGAIN, ENOSYS, ENOTTY = 1, 11, 38, 25

_ALLOWED = """
read 0 63; write 1 64; open 2 -; close 3 57; stat 4 -; fstat 5 80; lstat 6 -; poll 7 -; lseek 8 62; mmap 9 222;
mprotect 10 226; munmap 11 215; brk 12 214; rt_sigaction 13 134; rt_sigprocmask 14 135; rt_sigreturn 15 139;
pread64 17 67; pwrite64 18 68; readv 19 65; writev 20 66; preadv 295 69; pwritev 296 70; preadv2 327 286;
pwritev2 328 287; access 21 -; pipe 22 -; pipe2 293 59; select 23 -; pselect6 270 72; ppoll 271 73; sched_yield
24 124; mremap 25 216; msync 26 227; mincore 27 232; madvise 28 233; dup 32 23; dup2 33 -; dup3 292 24; pause 34
-; nanosleep 35 101; clock_nanosleep 230 115; getitimer 36 102; setitimer 38 103; alarm 37 -; getpid 39 172;
gettid 186 178; getppid 110 173; sendfile 40 71; exit 60 93; exit_group 231 94; wait4 61 260; waitid 247 95;
kill 62 129; tgkill 234 131; tkill 200 130; uname 63 160; fsync 74 82; fdatasync 75 83; truncate 76 45;
ftruncate 77 46; getdents 78 -; getdents64 217 61; getcwd 79 17; chdir 80 49; fchdir 81 50; rename 82 -;
renameat 264 38; renameat2 316 276; mkdir 83 -; mkdirat 258 34; rmdir 84 -; creat 85 -; link 86 -; linkat 265
37; unlink 87 -; unlinkat 263 35; symlink 88 -; symlinkat 266 36; readlink 89 -; readlinkat 267 78; chmod 90 -;
fchmod 91 52; fchmodat 268 53; chown 92 -; fchown 93 55; lchown 94 -; fchownat 260 54; umask 95 166;
gettimeofday 96 169; time 201 -; times 100 153; clock_gettime 228 113; clock_getres 229 114; getrlimit 97 163;
setrlimit 160 164; prlimit64 302 261; getrusage 98 165; sysinfo 99 179; getuid 102 174; getgid 104 176; geteuid
107 175; getegid 108 177; getresuid 118 148; getresgid 120 150; getgroups 115 158; getpgrp 111 -; getpgid 121
155; getsid 124 156; setsid 112 157; setpgid 109 154; rt_sigpending 127 136; rt_sigtimedwait 128 137;
rt_sigsuspend 130 133; rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240; sigaltstack 131 132; utime 132 -;
utimes 235 -; utimensat 280 88; futimesat 261 -; statfs 137 43; fstatfs 138 44; arch_prctl 158 -; sched_getparam
143 121; sched_getscheduler 145 120; sched_get_priority_max 146 125; sched_get_priority_min 147 126;
sched_rr_get_interval 148 127; getpriority 140 141; setpriority 141 140; futex 202 98; futex_waitv 449 449;
sched_getaffinity 204 123; sched_setaffinity 203 122; set_tid_address 218 96; restart_syscall 219 128; fadvise64
221 223; fallocate 285 47; timer_create 222 107; timer_settime 223 110; timer_gettime 224 108; timer_getoverrun
225 109; timer_delete 226 111; timerfd_create 283 85; timerfd_settime 286 86; timerfd_gettime 287 87;
epoll_create 213 -; epoll_create1 291 20; epoll_ctl 233 21; epoll_wait 232 -; epoll_pwait 281 22; epoll_pwait2
441 441; eventfd 284 -; eventfd2 290 19; signalfd 282 -; signalfd4 289 74; openat 257 56; openat2 437 437;
newfstatat 262 79; faccessat 269 48; faccessat2 439 439; statx 332 291; set_robust_list 273 99; get_robust_list
274 100; splice 275 76; tee 276 77; sync_file_range 277 84; getcpu 309 168; getrandom 318 278; membarrier 324
283; mlock 149 228; munlock 150 229; mlock2 325 284; copy_file_range 326 285; rseq 334 293; close_range 436 436;
socketpair 53 199; shutdown 48 210; sendto 44 206; recvfrom 45 207; sendmsg 46 211; recvmsg 47 212; getsockopt
55 209; setsockopt 54 208; getsockname 51 204; getpeername 52 205; capget 125 90; listxattr 194 11; llistxattr
195 12; flistxattr 196 13; getxattr 191 8; lgetxattr 192 9; fgetxattr 193 10; pidfd_open 434 434;
pidfd_send_signal 424 424; fchmodat2 452 452; cachestat 451 451; map_shadow_stack 453 453
"""

_SPECIAL = """
kill 62 129; tgkill 234 131; tkill 200 130; rt_sigqueueinfo 129 138; rt_tgsigqueueinfo 297 240; sync 162 81;
syncfs 306 267; pidfd_open 434 434; pidfd_send_signal 424 424; clone 56 220; clone3 435 435; fork 57 -; vfork 58
-; execve 59 221; execveat 322 281; ioctl 16 29; prctl 157 167; fcntl 72 25
"""

# The zygote's own needs between two trials and on the way into one.
_SLOT_ONLY = """
mount 165 40; umount2 166 39; unshare 272 97; setns 308 268; capset 126 91; landlock_create_ruleset 444 444;
landlock_add_rule 445 445; landlock_restrict_self 446 446
"""

_ARCHITECTURES = {"x86_64": (0xC000003E, 1), "aarch64": (0xC00000B7, 2)}
_NEWEST = 470  # numbers above are unknown to this table

_RET_ALLOW = 0x7FFF0000
_RET_ERRNO = 0x00050000
_RET_KILL = 0x80000000

_CLONE_THREAD = 0x00010000
_CLONE_NEW_ANYTHING = 0x7E020080
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS TIOCGWINSZ FIONREAD FIONBIO FIONCLEX FIOCLEX
_PRCTLS = (1, 2, 3, 15, 16, 21, 38, 39)  # PDEATHSIG, DUMPABLE (get), NAME, get SECCOMP, NO_NEW_PRIVS
_PRCTL_VMA = 0x53564D41  # names memory areas; the allocator of glibc and others use it
_FCNTLS_DENIED = (1024, 1026, 1031, 1033)  # SETLEASE NOTIFY SETPIPE_SZ ADD_SEALS

OWN_PID = 0x7FABCDEF  # stands in the filter where the trial writes its own process id

Instruction = tuple[int, int, int, int]
Program = list[Instruction]


@dataclass(frozen=True, slots=True)
class Filters:
    """Two programs, 8 bytes an instruction, ready for PR_SET_SECCOMP: of the slot's zygote and of its trials."""

    slot: bytes
    trial: bytes


class UnsupportedMachineError(Exception):
    """No table of system call numbers for this architecture."""


def machine() -> str:
    return platform.machine()


def _table(text: str, name: str) -> dict[str, int]:
    column = _ARCHITECTURES[name][1]
    entries = (entry.split() for entry in text.replace("\n", " ").split(";"))
    return {fields[0]: int(fields[column]) for fields in entries if fields[column] != "-"}


def _ret(value: int) -> Program:
    return [(0x06, 0, 0, value)]


def _error(number: int) -> Program:
    return _ret(_RET_ERRNO | number)


def _load(offset: int) -> Instruction:
    return (0x20, 0, 0, offset)


def _argument(index: int) -> int:
    """Offset of the low half of an argument in struct seccomp_data (little endian)."""
    return 16 + 8 * index


def _one_of(index: int, values: tuple[int, ...], hit: Program, miss: Program) -> Program:
    """Tests the low half of an argument against `values`."""
    last = len(values) - 1
    tests: Program = [(0x15, last - place + len(miss), 0, value) for place, value in enumerate(values)]
    return [_load(_argument(index)), *tests, *miss, *hit]


def _clone(processes: bool) -> Program:
    """Threads; processes where asked for; never a new namespace."""
    has_thread = (0x45, 0, 1, _CLONE_THREAD)
    has_new = (0x45, 0, 1, _CLONE_NEW_ANYTHING)
    body: Program = [_load(_argument(0)), has_new, *_error(EPERM)]
    if processes:
        return [*body, *_ret(_RET_ALLOW)]
    return [*body, has_thread, *_ret(_RET_ALLOW), *_error(EAGAIN)]


def _trial_rules(name: str, processes: bool, contained: bool) -> dict[int, Program]:
    allow = _ret(_RET_ALLOW)
    rules = dict.fromkeys(_table(_SLOT_ONLY, name).values(), _error(EPERM))
    special = _table(_SPECIAL, name)

    def put(call: str, program: Program) -> None:
        if call in special:
            rules[special[call]] = program

    put("clone", _clone(processes))
    put("clone3", _error(ENOSYS))
    for call in ("fork", "vfork"):
        put(call, allow if processes else _error(EAGAIN))
    for call in ("execve", "execveat"):
        put(call, allow if processes else _error(EPERM))
    for call in ("sync", "syncfs"):
        put(call, _error(0))  # pretends: a judged program has no say in when the host writes its disks
    put("ioctl", _one_of(1, _IOCTLS, allow, _error(ENOTTY)))
    put("prctl", _one_of(0, (*_PRCTLS, _PRCTL_VMA), allow, _error(EPERM)))
    put("fcntl", _one_of(1, _FCNTLS_DENIED, _error(EPERM), allow))
    if contained:
        # No pid namespace around it: it may signal itself only. The process id is filled in by the trial.
        for call in ("kill", "tgkill"):
            put(call, _one_of(0, (OWN_PID,), allow, _error(EPERM)))
        for call in ("tkill", "pidfd_open", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
            put(call, _error(EPERM))
    return rules


def _tree(ranges: list[tuple[int, Program]]) -> Program:
    """Binary search over sorted (first number, program)."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    left, right = _tree(ranges[:middle]), _tree(ranges[middle:])
    if len(left) <= 255:
        return [(0x35, len(left), 0, ranges[middle][0]), *left, *right]
    return [(0x35, 0, 1, ranges[middle][0]), (0x05, 0, 0, len(left)), *left, *right]


def _program(rules: dict[int, Program], otherwise: Program, unknown: Program) -> Program:
    """The search for a call's rule; `unknown` is for numbers newer than the table."""
    ranges: list[tuple[int, Program]] = []
    for number in range(_NEWEST + 1):
        program = rules.get(number, otherwise)
        if not ranges or ranges[-1][1] != program:
            ranges.append((number, program))
    if ranges[-1][1] != unknown:
        ranges.append((_NEWEST + 1, unknown))  # the x32 ABI's numbers (0x40000000 and up) too
    return [_load(0), *_tree(ranges)]


def _packed(program: Program) -> bytes:
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def assemble(*, processes: bool, level: Literal["full", "container"], name: str | None = None) -> Filters:
    """The filters for an architecture (this machine's by default).

    Raises UnsupportedMachineError where the numbers are not known.
    """
    name = name or machine()
    if name not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
        raise UnsupportedMachineError(f"no system call table for {name}; the sandbox knows {known}")
    allow = _ret(_RET_ALLOW)
    listed = {**_table(_ALLOWED, name), **_table(_SPECIAL, name), **_table(_SLOT_ONLY, name)}
    slot = _program(dict.fromkeys(listed.values(), allow), _error(EPERM), _error(ENOSYS))
    foreign: Program = [_load(4), (0x15, 1, 0, _ARCHITECTURES[name][0]), *_ret(_RET_KILL)]
    trial = _program(_trial_rules(name, processes, level == "container"), allow, allow)
    return Filters(_packed([*foreign, *slot]), _packed(trial))
