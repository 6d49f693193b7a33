"""What is judged and what came out: the vocabulary of the sandbox."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal


class VerdictKind(StrEnum):
    """How one execution ended. Only `passed` is a pass; `infrastructure` is no verdict on the program at all."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"  # import or collection failed
    TIMED_OUT = "timed_out"
    MEMORY_EXCEEDED = "memory_exceeded"
    OUTPUT_EXCEEDED = "output_exceeded"
    CRASHED = "crashed"
    NO_TESTS = "no_tests"
    TAMPERED = "tampered"
    FLAKY = "flaky"
    INFRASTRUCTURE = "infrastructure"


class Level(StrEnum):
    """What contains the judged program, strongest first; probed, stored with every verdict, never lowered silently."""

    FULL = "full"  # user, mount, pid, net, ipc and uts namespaces + seccomp + rlimits (+ Landlock)
    CONTAINER = "container"  # Landlock + seccomp + rlimits, where user namespaces are refused
    WEAK = "weak"  # rlimits alone; refused unless asked for


@dataclass(frozen=True, slots=True)
class Policy:
    """Limits of one trial and of the pool."""

    python: Path | None = None  # interpreter of judged programs; None: the one that ./kodcode set up, else this one
    timeout_s: float = 30.0  # wall clock
    memory_mb: int = 4096
    output_kb: int = 1024
    disk_mb: int = 64
    jobs: int = 0  # trials at once; 0: one a core
    allow_processes: bool = False
    allow_weak: bool = False
    preload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Job:
    """One program to judge.

    judge "pytest": `solution` becomes solution.py and `test` test_solution.py; `star_import` puts
    `from solution import *` in front of the test, as the original pipeline does. judge "stdio": `solution` is a
    program, run once a case of `stdin`; its standard output is compared with `stdout`, or, where that is None, only
    recorded in Verdict.outputs (the verdict is then `passed` if every case ended with exit status 0). Trailing white
    space does not count; with `tolerance`, words that are numbers may differ by that much, absolutely or relatively; a
    `checker(stdin, expected, printed)` of the caller's decides instead of both.

    `confirm` runs what passed a second time: in another process, with another hash seed, the tests in reverse order
    and, under pytest, with pytest's own assertion rewriting and runner in place of ours. What does not pass again is
    `flaky`; `tampered` where the second harness finds it so or the solution names what reaches for its judges (frames,
    the garbage collector's lists, ctypes, pytest's insides). Where the test only calls functions with plain data, the
    solution runs in a process of its own then, where nothing of the tests can be found: see Verdict.apart.
    """

    id: str
    solution: str
    judge: Literal["pytest", "stdio"] = "pytest"
    test: str = ""
    stdin: tuple[str, ...] = ()
    stdout: tuple[str, ...] | None = None
    star_import: bool = True
    coverage: bool = True
    tolerance: float | None = None
    checker: Callable[[str, str, str], bool] | None = None
    confirm: bool = False
    timeout_s: float | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the supervisor concluded from one Job; the judged program cannot write it."""

    id: str
    kind: VerdictKind
    tests: dict[str, str] = field(default_factory=dict)  # node id or case number -> passed | failed | skipped | error
    coverage: float | None = None  # line coverage of solution.py, percent, as coverage.py rounds it
    duration_s: float = 0.0
    peak_memory_mb: float | None = None
    message: str = ""  # first failing assertion or error, truncated, printable
    outputs: tuple[str, ...] = ()  # stdio: what each case printed, truncated
    level: Level = Level.FULL
    environment: str = ""  # fingerprint of interpreter and installed packages
    apart: bool = False  # a confirmed pass that was repeated with solution and tests in two processes

    @property
    def passed(self) -> bool:
        return self.kind is VerdictKind.PASSED


class SandboxError(Exception):
    """The sandbox itself cannot work; the message says what to do."""
