"""What a trial costs: CPU time of the whole process tree, warm and contained against a fresh process, in one run.

CPU time rather than wall clock, best of several rounds, so that a busy machine does not decide. Run with
`pytest -m benchmark -s tests/benchmarks/test_sandbox.py`.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox, launch

pytestmark = pytest.mark.benchmark

# The fresh process is the same interpreter with the same pytest; that of the suite has pytest-cov beside it.
PYTHON = launch.interpreter(Policy())
FRESH_ENVIRONMENT = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
TICK = os.sysconf("SC_CLK_TCK")

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "recorded" / "leetcode" / "solves.jsonl"
PROGRAM = "n = int(input())\nprint(sum(int(x) for x in input().split()[:n]))\n"


def _recorded_pairs() -> list[tuple[str, str]]:
    """What a model wrote and the original runner passed: solution and test with its star import."""
    pairs = []
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["recorded"] and row["recorded"]["result"] == "Pass":
            parts = [
                row["response"].partition(f"<|{name} Begin|>")[2].partition(f"<|{name} End|>")[0]
                for name in ("Solution", "Test")
            ]
            solution, test = [part.replace("```python\n", "").replace("```", "").strip() + "\n" for part in parts]
            pairs.append((solution, test))
    return pairs


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
                command, cwd=folder, input=stdin, capture_output=True, text=True, check=False, env=FRESH_ENVIRONMENT
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


@pytest.mark.skipif(not RECORDED.is_file(), reason=f"the recorded pairs are not at {RECORDED}")
def test_a_trial_costs_a_small_part_of_a_fresh_process() -> None:
    pairs = _recorded_pairs()
    with tempfile.TemporaryDirectory() as name:
        folders = []
        for number, (solution, test) in enumerate(pairs):
            folder = Path(name, str(number))
            folder.mkdir()
            (folder / "solution.py").write_text(solution)
            (folder / "test_solution.py").write_text("from solution import *\n\n" + test)
            (folder / "program.py").write_text(PROGRAM)
            folders.append(folder)
        covered = [sys.executable, "-m", "pytest", "-p", "pytest_cov", "--cov=solution", "--cov-report=json"]
        fresh_covered = _fresh_ms(covered, folders, 3)
        fresh_plain = _fresh_ms([str(PYTHON), "-m", "pytest"], folders, 3)
        fresh_stdio = _fresh_ms([str(PYTHON), "-c", PROGRAM], folders * 2, 3, stdin="3\n1 2 3\n")
    floor = _floor_ms()
    jobs = [Job(f"{n}", solution, test=test) for n, (solution, test) in enumerate(pairs * 10)]
    programs = [
        Job(f"{n}", PROGRAM, judge="stdio", stdin=("3\n1 2 3\n",), stdout=("6\n",)) for n in range(300)
    ]
    uncovered = [dataclasses.replace(job, coverage=False) for job in jobs]
    with Sandbox(Policy(jobs=1)) as sandbox:
        level = sandbox.level
        _warm_ms(sandbox, jobs[:20], 1)
        warm_covered = _warm_ms(sandbox, jobs, 5)
        warm_plain = _warm_ms(sandbox, uncovered, 5)
        warm_stdio = _warm_ms(sandbox, programs, 5)
        one = _wall_s(lambda: list(sandbox.run(jobs)))
    cores = min(2, len(os.sched_getaffinity(0)))
    with Sandbox(Policy(jobs=cores)) as sandbox:
        list(sandbox.run(jobs[:20]))
        several = _wall_s(lambda: list(sandbox.run(jobs)))

    print(f"\nCPU milliseconds a trial of {len(pairs)} recorded pairs (level {level.value}, best of several rounds)")
    for label, fresh, warm in (
        ("pytest with coverage", fresh_covered, warm_covered),
        ("pytest without coverage", fresh_plain, warm_plain),
        ("stdio program", fresh_stdio, warm_stdio),
    ):
        print(f"  {label:26} fresh {fresh:7.1f}   here {warm:6.1f}   {fresh / warm:5.1f} times less")
    floors = warm_covered / floor
    print(f"  {'floor (fork and exit)':26} {'':13}   here {floor:6.1f}   a covered trial is {floors:.1f} floors")
    print(f"wall: {len(jobs)} trials: {one:.2f} s on one core, {several:.2f} s on {cores}, {one / several:.2f} times")
    assert fresh_covered / warm_covered >= 20
    assert fresh_plain / warm_plain >= 25
    assert fresh_stdio / warm_stdio >= 2.5
