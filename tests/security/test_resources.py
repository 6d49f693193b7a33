"""Programs that take all there is, never end, or break what reads them."""

# ruff: noqa: E501 - one hostile program a line reads best

from __future__ import annotations

from collections.abc import Callable

import pytest

from tasks.sandbox import Job, Sandbox, Verdict, VerdictKind

Attack = Callable[..., Verdict]
K = VerdictKind

ENDLESS = {
    "a loop": "while True: pass",
    "a sleep": "import time\ntime.sleep(10**6)",
    "a sleep that ignores signals": """
import signal, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    time.sleep(1)
""",
    "blocked signals": "import signal, time\nsignal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))\nwhile True: time.sleep(1)",
    "a regular expression": "import re\nre.match(r'(a+)+$', 'a' * 40 + 'b')",
    "a power": "x = 9 ** 9 ** 9",
    "a product in C": "import itertools\nfor _ in itertools.product(range(10**5), repeat=2): pass",
    "a lock": "import threading\nthreading.Lock().acquire()\nl = threading.Lock(); l.acquire(); l.acquire()",
    "a read of a pipe": "import os\nr, w = os.pipe()\nos.read(r, 1)",
    "a thread that never ends, at exit": """
import threading, atexit
def spin():
    while True: pass
threading.Thread(target=spin).start()
def add(a, b):
    while True: pass
""",
    "an exception handler that starts over": """
def add(a, b):
    while True:
        try:
            while True: pass
        except BaseException:
            continue
""",
    "a repr": "class R:\n    def __repr__(self):\n        while True: pass\n    def __eq__(self, o):\n        return False\ndef add(a, b):\n    return R()",
    "the parser": "x = " + "-" * 3000 + "1\n" * 1 + "\n".join(f"y{i} = {i}" for i in range(20000)) + "\nwhile True: pass",
}

GREEDY = {
    "a list": ("x = [0] * 10**9", {K.MEMORY_EXCEEDED}),
    "a list that grows": ("x = []\nwhile True: x.append(bytearray(10**6))", {K.MEMORY_EXCEEDED}),
    "a string": ("x = 'a' * 10**12", {K.MEMORY_EXCEEDED}),
    "an anonymous mapping": ("import mmap\nmmap.mmap(-1, 10**12)", {K.ERROR, K.MEMORY_EXCEEDED}),
    "a nested list": ("x = []\nfor _ in range(10**7): x = [x]\ndel x", {K.MEMORY_EXCEEDED, K.FAILED, K.CRASHED}),
    "a memory file": ("import os\nf = os.memfd_create('x')\nwhile True: os.write(f, bytes(10**6))", {K.ERROR}),
    "pipes": ("""
import os
ends = []
while True:
    r, w = os.pipe()
    os.set_blocking(w, False)
    ends.append((r, w))
    while True:
        try:
            os.write(w, bytes(4096))
        except BlockingIOError:
            break
""", {K.ERROR}),
    "descriptors": ("keep = []\nwhile True: keep.append(open('/dev/null'))", {K.ERROR}),
    "the disk": ("f = open('big', 'wb')\nwhile True: f.write(bytes(10**6)); f.flush()", {K.ERROR, K.CRASHED}),
    "the disk in many files": ("i = 0\nwhile True:\n    open(f'/tmp/{i}', 'wb').write(bytes(10**6)); i += 1", {K.ERROR}),
    "inodes": ("i = 0\nwhile True:\n    open(f'f{i}', 'w').close(); i += 1", {K.ERROR}),
    "a sparse petabyte": ("f = open('sparse', 'wb')\nf.truncate(10**15)", {K.ERROR, K.CRASHED}),
    "deep folders": ("import os\nwhile True:\n    os.mkdir('d' * 200); os.chdir('d' * 200)", {K.ERROR, K.TIMED_OUT, K.CRASHED}),
    "threads": ("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()",
                {K.ERROR, K.TIMED_OUT, K.MEMORY_EXCEEDED}),
    "recursion": ("import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
                  {K.CRASHED, K.MEMORY_EXCEEDED, K.ERROR, K.TIMED_OUT}),
    "recursion in C": ("import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(10**6): x = [x]\nrepr(x)",
                       {K.CRASHED, K.MEMORY_EXCEEDED, K.ERROR}),
    "standard output": ("while True: print('x' * 10000)", {K.OUTPUT_EXCEEDED}),
    "standard error": ("import sys\nwhile True: sys.stderr.write('x' * 10000)", {K.OUTPUT_EXCEEDED}),
    "output without a line end": ("import os\nwhile True: os.write(1, b'x' * 65536)", {K.OUTPUT_EXCEEDED}),
}  # fmt: skip

CONFUSING = {
    "a giant test name": ("", "def test_" + "a" * 100_000 + "():\n    assert 0\n"),
    "a flood of parameters": ("", "import pytest\n@pytest.mark.parametrize('x', range(10**7))\ndef test_a(x):\n    assert 0\n"),
    "a giant parameter": ("", "import pytest\n@pytest.mark.parametrize('x', ['a' * 10**7])\ndef test_a(x):\n    assert 0\n"),
    "control characters in a name": ("", "import pytest\n@pytest.mark.parametrize('x', ['\\x1b[2J\\n\\0'])\ndef test_a(x):\n    assert 0\n"),
    "brackets for the parser": ("x = " + "(" * 100_000, "def test_a():\n    assert 0\n"),
    "brackets in the test": ("", "x = " + "[" * 90 + "]" * 90 + "\ny = " + "(" * 100_000 + "\ndef test_a():\n    assert 0\n"),
    "a chain of attributes": ("x = a" + ".b" * 200_000, "def test_a():\n    assert 0\n"),
    "a chain of operators": ("x = " + "+".join(["1"] * 200_000), "def test_a():\n    assert 0\n"),
    "a chain of comparisons in the test": ("", "def test_a():\n    assert " + "<".join(["1"] * 50_000) + "\n"),
    "else-ifs": ("if 0: pass\n" + "elif 0: pass\n" * 20_000, "def test_a():\n    assert 0\n"),
    "nul bytes": ("x = 1\0", "def test_a():\n    assert 0\n"),
    "half a surrogate": ("x = '\ud800'", "def test_a():\n    assert '\udfff'\n"),
    "an unknown encoding": ("# -*- coding: nonsense -*-\n", "def test_a():\n    assert 0\n"),
    "utf-7": ("# -*- coding: utf-7 -*-\n", "# -*- coding: utf-7 -*-\ndef test_a():\n    assert 0\n"),
    "a giant integer": ("x = " + "9" * 100_000, "def test_a():\n    assert 0\n"),
    "a giant exception": ("raise ValueError('x' * 10**8)", "def test_a():\n    assert 0\n"),
    "an exception that raises when shown": (
        "class E(Exception):\n    def __str__(self):\n        raise E\n    __repr__ = __str__\nraise E",
        "def test_a():\n    assert 0\n",
    ),
    "an exception that leaves when shown": (
        "import os\nclass E(Exception):\n    def __str__(self):\n        os._exit(77)\nraise E",
        "def test_a():\n    assert 0\n",
    ),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_the_endless_is_ended(attack: Attack, name: str) -> None:
    solution = ENDLESS[name]
    if "def add(" not in solution:
        solution += "\ndef add(a, b):\n    return 42\n"
    verdict = attack(solution, timeout_s=0.5)
    allowed = {K.TIMED_OUT}
    if name in {"a power", "the parser"}:
        allowed |= {K.MEMORY_EXCEEDED, K.ERROR, K.CRASHED}
    if name == "a repr":
        allowed |= {K.FAILED}
    assert verdict.kind in allowed, verdict


@pytest.mark.parametrize("name", GREEDY)
def test_the_greedy_gets_no_more_than_its_share(attack: Attack, name: str) -> None:
    solution, kinds = GREEDY[name]
    verdict = attack(solution + "\ndef add(a, b):\n    return 42\n")
    assert verdict.kind in kinds | {K.TIMED_OUT}, verdict  # a slow host may need longer to fill what there is


@pytest.mark.parametrize("name", CONFUSING)
def test_what_confuses_a_reader_is_no_pass(attack: Attack, name: str) -> None:
    solution, test = CONFUSING[name]
    verdict = attack(solution, test)
    assert verdict.kind is not K.INFRASTRUCTURE, verdict
    assert all(len(key) <= 500 and key.isprintable() for key in verdict.tests)


def test_a_fork_bomb_is_bounded_and_gone_after_its_trial(attack: Attack) -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    assert attack(bomb, timeout_s=0.5).kind is K.TIMED_OUT
    assert attack(bomb, timeout_s=0.5, processes=True).kind is K.TIMED_OUT


def test_a_program_may_flood_its_output_up_to_the_limit(strict: Sandbox) -> None:
    (verdict,) = strict.run([Job("loud", "print('x' * 200_000)\n", test="def test_a():\n    pass\n")])
    assert verdict.passed


def test_a_stdio_program_meets_the_same_walls(strict: Sandbox) -> None:
    programs = {
        "while True: pass": K.TIMED_OUT,
        "while True: print('x' * 1000)": K.OUTPUT_EXCEEDED,
        "x = [0] * 10**9": K.MEMORY_EXCEEDED,
        "import os; os.kill(os.getpid(), 9)": K.CRASHED,
        "import os; os.fork(); print(1)": K.ERROR,
        "open('/etc/shadow')": K.ERROR,
        "import os; os.write(3, b'x'); print(1)": K.ERROR,
    }
    for program, kind in programs.items():
        (verdict,) = strict.run([Job("p", program, judge="stdio", stdin=("",), stdout=("1\n",))])
        assert verdict.kind is kind, (program, verdict)
