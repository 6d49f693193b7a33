"""Thousands of trials, some of them hostile: no leaked process, mount, descriptor or file, and no wrong verdict."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox

pytestmark = pytest.mark.slow

TRIALS = int(os.environ.get("KODCODE_ENDURANCE_TRIALS", "20000"))
TEST = "def test_a():\n    assert add(1, 2) == 3\n"
RIGHT = "def add(a, b):\n    return a + b\n"
HOSTILE = [
    "import os\nos._exit(77)\n",
    "import os\nos.kill(-1, 9)\n",
    "import os\nfor fd in range(3, 20):\n    try: os.write(fd, b'x')\n    except OSError: pass\n",
    "x = [0] * 10**10\n",
    "f = open('big', 'wb')\nwhile True: f.write(bytes(10**6))\n",
    "while True: print('x' * 10000)\n",
    "import threading, time\nfor _ in range(50): threading.Thread(target=time.sleep, args=(60,)).start()\n",
    "import ctypes\nctypes.string_at(0)\n",
    "import sys\nsys.setrecursionlimit(10**8)\ndef f(): f()\nf()\n",
    "def add(a, b):\n    while True: pass\n",
]


def _jobs(count: int) -> Iterator[Job]:
    chance = random.Random(20)
    for number in range(count):
        if chance.random() < 0.05:
            yield Job(f"hostile {number}", chance.choice(HOSTILE), test=TEST, timeout_s=0.3, coverage=False)
        elif chance.random() < 0.1:
            yield Job(f"wrong {number}", RIGHT.replace("+", "-"), test=TEST)
        elif chance.random() < 0.1:
            yield Job(f"right {number}", "print(int(input()) + 1)", judge="stdio", stdin=("1",), stdout=("2",))
        else:
            yield Job(f"right {number}", RIGHT, test=TEST)


def _descendants(parent: int) -> set[int]:
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found |= {int(entry.name)} | _descendants(int(entry.name))
    return found


def _children(parent: int) -> set[int]:
    tasks = Path(f"/proc/{parent}/task")
    return {int(pid) for task in tasks.glob("*/children") for pid in task.read_text().split()}


def _resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def _state() -> dict[str, object]:
    return {
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "threads": threading.active_count(),
        "processes": len(_descendants(os.getpid())),
        "slots": sorted(path.name for path in Path("/tmp").glob("kodcode-slot-*")),
    }


def test_nothing_leaks_and_no_verdict_is_wrong() -> None:
    with Sandbox(Policy(timeout_s=10, memory_mb=256, disk_mb=8, output_kb=64)) as sandbox:
        assert all(verdict.id.startswith("right") == verdict.passed for verdict in sandbox.run(_jobs(300)))
        before, memory = _state(), _resident_kb()
        for verdict in sandbox.run(_jobs(TRIALS)):
            assert verdict.passed == verdict.id.startswith("right"), verdict
        assert _state() == before
        assert _resident_kb() < memory + 20_000


def test_zygotes_killed_at_random_make_no_verdict_wrong() -> None:
    ours = os.getpid()
    before = _descendants(ours)
    chance = random.Random(7)
    kinds, kills, next_kill = {}, 0, 20
    with Sandbox(Policy(timeout_s=10)) as sandbox:
        jobs = [Job(f"{n}", RIGHT if n % 3 else RIGHT.replace("+", "-"), test=TEST) for n in range(2000)]
        for verdict in sandbox.run(jobs):
            kinds[verdict.id] = verdict
            if len(kinds) < next_kill:
                continue
            next_kill += chance.randint(20, 60)
            keepers = [pid for pid in _children(ours) if pid not in before]
            victims = keepers + [pid for keeper in keepers for pid in _children(keeper)]
            try:
                os.kill(chance.choice(victims), signal.SIGKILL)
                kills += 1
            except (ProcessLookupError, IndexError):
                continue
    wrong = [v for n, v in kinds.items() if v.kind != ("passed" if int(n) % 3 else "failed")]
    assert len(kinds) == 2000 and kills > 20
    assert [v for v in wrong if v.kind != "infrastructure"] == []
    assert 3 * len(wrong) <= kills  # a job is given up when it was hit three times in a row
    assert _descendants(ours) - before == set()
