"""What a trial costs: CPU time of the whole process tree, warm and contained against a fresh process, in one run.

CPU time rather than wall clock, best of several rounds, so that a busy machine does not decide. Run with
`pytest -m benchmark -s tests/benchmarks/test_sandbox.py`.
"""

from __future__ import annotations

import dataclasses
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox, launch

pytestmark = pytest.mark.benchmark

PYTHON = launch.interpreter(Policy())
TICK = os.sysconf("SC_CLK_TCK")

# Pairs of the size that models write: a class, a search, string work; 4 to 7 tests each.
PAIRS = [
    (
        '''
class Stack:
    """A stack that knows its smallest element."""

    def __init__(self):
        self.items = []
        self.smallest = []

    def push(self, value):
        self.items.append(value)
        if not self.smallest or value <= self.smallest[-1]:
            self.smallest.append(value)

    def pop(self):
        if not self.items:
            raise IndexError("empty")
        value = self.items.pop()
        if value == self.smallest[-1]:
            self.smallest.pop()
        return value

    def minimum(self):
        return self.smallest[-1] if self.smallest else None
''',
        """
import pytest

def test_push_and_pop():
    s = Stack()
    s.push(3)
    s.push(1)
    assert s.pop() == 1
    assert s.pop() == 3

def test_minimum():
    s = Stack()
    for value in [5, 3, 4, 1, 2]:
        s.push(value)
    assert s.minimum() == 1
    s.pop()
    s.pop()
    assert s.minimum() == 3

def test_empty():
    with pytest.raises(IndexError):
        Stack().pop()

def test_minimum_of_empty():
    assert Stack().minimum() is None

def test_duplicates():
    s = Stack()
    s.push(1)
    s.push(1)
    s.pop()
    assert s.minimum() == 1
""",
    ),
    (
        """
def longest_unique(s):
    start, best, seen = 0, 0, {}
    for i, c in enumerate(s):
        if c in seen and seen[c] >= start:
            start = seen[c] + 1
        seen[c] = i
        best = max(best, i - start + 1)
    return best


def two_sum(numbers, target):
    seen = {}
    for i, n in enumerate(numbers):
        if target - n in seen:
            return [seen[target - n], i]
        seen[n] = i
    return []
""",
        """
from solution import longest_unique, two_sum

def test_basic():
    assert longest_unique("abcabcbb") == 3

def test_same():
    assert longest_unique("bbbbb") == 1

def test_mixed():
    assert longest_unique("pwwkew") == 3

def test_empty():
    assert longest_unique("") == 0

def test_two_sum():
    assert two_sum([2, 7, 11, 15], 9) == [0, 1]
    assert two_sum([3, 2, 4], 6) == [1, 2]

def test_two_sum_none():
    assert two_sum([1, 2], 10) == []
""",
    ),
]
PROGRAM = "n = int(input())\nprint(sum(int(x) for x in input().split()[:n]))\n"


def _tree_cpu_s(pid: int) -> float:
    """User and system time of a process and all its descendants, those already reaped included."""
    total, waiting = 0.0, [pid]
    parents: dict[int, list[int]] = {}
    times: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
            times[int(entry.name)] = sum(int(field) for field in fields[11:15]) / TICK
    while waiting:
        current = waiting.pop()
        total += times.get(current, 0.0)
        waiting += parents.get(current, [])
    return total


def _fresh_ms(command: list[str], folders: list[Path], rounds: int, stdin: str = "") -> float:
    best = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        for folder in folders:
            done = subprocess.run(
                [str(PYTHON), *command], cwd=folder, input=stdin, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stdout + done.stderr
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        best = min(best, spent * 1000 / len(folders))
    return best


def _warm_ms(sandbox: Sandbox, jobs: list[Job], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        before = _tree_cpu_s(os.getpid())
        verdicts = list(sandbox.run(jobs))
        after = _tree_cpu_s(os.getpid())
        assert all(verdict.passed for verdict in verdicts)
        best = min(best, (after - before) * 1000 / len(jobs))
    return best


def _wall_s(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _floor_ms() -> float:
    """Fork and exit of a process with pytest and coverage loaded, and nothing else."""
    script = (
        "import os, gc, pytest, coverage, _pytest.python, _pytest.assertion.rewrite, ctypes, json, time\n"
        "gc.collect(); gc.freeze()\n"
        "best = 1e9\n"
        "for _ in range(5):\n"
        "    before = sum(os.times()[:4])\n"
        "    for _ in range(100):\n"
        "        pid = os.fork()\n"
        "        if not pid: os._exit(0)\n"
        "        os.waitpid(pid, 0)\n"
        "    best = min(best, (sum(os.times()[:4]) - before) * 10)\n"
        "print(best)\n"
    )
    return float(subprocess.run([str(PYTHON), "-c", script], capture_output=True, text=True, check=True).stdout)


def test_a_trial_costs_a_small_part_of_a_fresh_process() -> None:
    with tempfile.TemporaryDirectory() as name:
        folders = []
        for number, (solution, test) in enumerate(PAIRS):
            folder = Path(name, str(number))
            folder.mkdir()
            (folder / "solution.py").write_text(solution)
            (folder / "test_solution.py").write_text("from solution import *\n\n" + test)
            (folder / "program.py").write_text(PROGRAM)
            folders.append(folder)
        plain = ["-m", "pytest", "--rootdir=.", "-p", "no:cacheprovider"]
        fresh_covered = _fresh_ms(["-m", "coverage", "run", "--source=solution", *plain], folders * 2, 3)
        fresh_plain = _fresh_ms(plain, folders * 2, 3)
        fresh_stdio = _fresh_ms(["program.py"], folders * 4, 3, stdin="3\n1 2 3\n")
    floor = _floor_ms()
    pairs = [Job(f"{n}", *pair[:1], test=pair[1]) for n, pair in enumerate(PAIRS * 100)]
    programs = [
        Job(f"{n}", PROGRAM, judge="stdio", stdin=("3\n1 2 3\n",), stdout=("6\n",)) for n in range(300)
    ]
    uncovered = [dataclasses.replace(job, coverage=False) for job in pairs]
    with Sandbox(Policy(jobs=1)) as sandbox:
        level = sandbox.level
        _warm_ms(sandbox, pairs[:20], 1)
        warm_covered = _warm_ms(sandbox, pairs, 5)
        warm_plain = _warm_ms(sandbox, uncovered, 5)
        warm_stdio = _warm_ms(sandbox, programs, 5)
        one = _wall_s(lambda: list(sandbox.run(pairs)))
    cores = min(2, len(os.sched_getaffinity(0)))
    with Sandbox(Policy(jobs=cores)) as sandbox:
        list(sandbox.run(pairs[:20]))
        several = _wall_s(lambda: list(sandbox.run(pairs)))

    print(f"\nCPU milliseconds a trial (level {level.value}, best of several rounds)")
    for label, fresh, warm in (
        ("pytest with coverage", fresh_covered, warm_covered),
        ("pytest without coverage", fresh_plain, warm_plain),
        ("stdio program", fresh_stdio, warm_stdio),
    ):
        print(f"  {label:26} fresh {fresh:7.1f}   here {warm:6.1f}   {fresh / warm:5.1f} times less")
    floors = warm_covered / floor
    print(f"  {'floor (fork and exit)':26} {'':13}   here {floor:6.1f}   a covered trial is {floors:.1f} floors")
    print(f"wall: {len(pairs)} trials: {one:.2f} s on one core, {several:.2f} s on {cores}, {one / several:.2f} times")
    assert fresh_covered / warm_covered >= 15
    assert fresh_plain / warm_plain >= 15
    assert fresh_stdio / warm_stdio >= 1.5
