"""Confirmation with solution and tests in two processes: who is proven, who is found out, who is left undecided."""

from __future__ import annotations

import textwrap
from typing import Any

import pytest

from tasks.sandbox import Job, Sandbox, Verdict, VerdictKind


def confirm(sandbox: Sandbox, solution: str, test: str) -> Verdict:
    job = Job("one", textwrap.dedent(solution), test=textwrap.dedent(test), confirm=True)
    return sandbox.submit(job).result()


ADD = "def add(a, b):\n    return a + b\n"
TEST = "def test_add():\n    assert add(1, 2) == 3\n"

PROVEN = {
    "a function": (ADD, TEST),
    "a list that is sorted in place": (
        "def order(items):\n    items.sort()\n",
        "def test_order():\n    items = [3, 1, 2]\n    assert order(items) is None\n    assert items == [1, 2, 3]\n",
    ),
    "an argument that is returned": (
        "def put(items, item):\n    items.append(item)\n    return items\n",
        "def test_put():\n    items = []\n    same = put(items, 1)\n    same.append(2)\n    assert items == [1, 2]\n",
    ),
    "an exception with its message": (
        "def root(x):\n    if x < 0:\n        raise ValueError(f'negative: {x}')\n    return x ** 0.5\n",
        """
        import pytest
        def test_root():
            with pytest.raises(ValueError, match="negative: -1"):
                root(-1)
            assert root(4) == pytest.approx(2)
        """,
    ),
    "state between calls": (
        "SEEN = set()\ndef fresh(x):\n    new = x not in SEEN\n    SEEN.add(x)\n    return new\n",
        "def test_fresh():\n    assert fresh(1)\n    assert not fresh(1)\n",
    ),
    "constants and a library by the star": (
        "import math\nfrom typing import List\nLIMIT = 10\ndef area(r: float) -> float:\n    return math.pi * r * r\n",
        "def test_area():\n    sizes: List[float] = [area(1)]\n    assert sizes == [math.pi] and LIMIT == 10\n",
    ),
    "a file of its own": (
        "def kept(text):\n    open('note', 'w').write(text)\n    return open('note').read()\n",
        "def test_kept():\n    assert kept('x') == 'x'\n",
    ),
    "parameters and a class of tests": (
        ADD,
        """
        import pytest
        @pytest.mark.parametrize("a,b,c", [(1, 2, 3), (0, 0, 0)])
        def test_add(a, b, c):
            assert add(a, b) == c
        class TestMore:
            def test_words(self):
                assert add("a", "b") == "ab"
        """,
    ),
    "a list that is passed, changed and passed again": (
        "def total(items):\n    return sum(items)\n",
        "def test_total():\n    items = [1]\n    assert total(items) == 1\n    items.append(2)\n"
        "    assert total(items) == 3\n",
    ),
    "the module by its name": (ADD, "import solution\ndef test_add():\n    assert solution.add(1, 2) == 3\n"),
}


@pytest.mark.parametrize("name", PROVEN)
def test_calls_with_plain_data_are_proven(sandbox: Sandbox, name: str) -> None:
    verdict = confirm(sandbox, *PROVEN[name])
    assert (verdict.kind, verdict.apart) == (VerdictKind.PASSED, True), verdict


UNDECIDED = {
    "a class": ("class Box:\n    size = 1\n", "def test_box():\n    assert Box().size == 1\n"),
    "a generator": ("def ones():\n    yield 1\n", "def test_ones():\n    assert list(ones()) == [1]\n"),
    "a function as argument": (
        "def twice(f, x):\n    return f(f(x))\n",
        "def test_twice():\n    assert twice(lambda x: x + 1, 0) == 2\n",
    ),
    "what is printed": (
        "def greet():\n    print('hi')\n",
        "def test_greet(capsys):\n    greet()\n    assert capsys.readouterr().out == 'hi\\n'\n",
    ),
    "an exception of its own": (
        "class Odd(Exception):\n    pass\ndef fail():\n    raise Odd('x')\n",
        "import pytest\ndef test_fail():\n    with pytest.raises(Exception):\n        fail()\n",
    ),
    "an attribute of a function": (
        "import functools\n@functools.lru_cache\ndef one():\n    return 1\n",
        "def test_one():\n    assert one() == 1\n    one.cache_clear()\n",
    ),
    "identity": (
        "EMPTY = ()\ndef empty():\n    return EMPTY\n",
        "def test_empty():\n    assert empty() is empty()\n",
    ),
    "a module that is changed": (
        "RATE = 2\ndef price(x):\n    return RATE * x\n",
        "import solution\ndef test_price():\n    solution.RATE = 3\n    assert solution.price(1) == 3\n"
        "    solution.RATE = 2\n",
    ),
    "a list that the solution keeps and changes": (
        "ITEMS = []\ndef add(item):\n    ITEMS.append(item)\n    return ITEMS\n",
        "def test_add():\n    first = add(1)\n    add(2)\n    assert first == [1, 2]\n",
    ),
    "a list that the test changes": (
        "ITEMS = []\ndef items():\n    return ITEMS\ndef count():\n    return len(ITEMS)\n",
        "def test_count():\n    items().append(1)\n    held = items()\n    held.append(2)\n    assert count() == 2\n",
    ),
    "an argument that the solution keeps": (
        "KEPT = []\ndef keep(log):\n    KEPT.append(log)\ndef say(word):\n    KEPT[-1].append(word)\n",
        "def test_say():\n    log = []\n    keep(log)\n    say('a')\n    assert log == ['a']\n",
    ),
    "a nan, equal to itself by identity only": (
        "def same(items):\n    return items\n",
        "def test_same():\n    nan = float('nan')\n    assert same([nan]) == [nan]\n",
    ),
    "the order of random numbers": (
        "import random\ndef draw():\n    return random.random()\n",
        "import random\ndef test_draw():\n    random.seed(1)\n    assert draw() == random.Random(1).random()\n",
    ),
}


@pytest.mark.parametrize("name", UNDECIDED)
def test_what_cannot_be_told_apart_is_confirmed_in_one_process(sandbox: Sandbox, name: str) -> None:
    verdict = confirm(sandbox, *UNDECIDED[name])
    assert (verdict.kind, verdict.apart) == (VerdictKind.PASSED, False), verdict


# Names put together at run time, which no screen sees: in one process these pass every test.
FORGERS = {
    "the constants of a caller": """
        def add(a, b):
            import sys
            frame = getattr(sys, "_get" + "frame")(1)
            while frame:
                for value in getattr(getattr(frame, "f_" + "code"), "co_" + "consts"):
                    if value == 3 and isinstance(value, int):
                        return value
                frame = getattr(frame, "f_" + "back")
    """,
    "the test's function among all objects": """
        def add(a, b):
            found = getattr(__import__("g" + "c"), "get_" + "objects")()
            tests = [item for item in found if getattr(item, "__na" + "me__", "") == "test_add" and callable(item)]
            if tests:
                return max(c for c in getattr(tests[0], "__co" + "de__").co_consts if isinstance(c, int))
    """.replace(".co_consts", '.__getattribute__("co_" + "consts")'),
}


@pytest.mark.parametrize("name", FORGERS)
def test_a_solution_that_reads_its_answers_from_the_tests_is_found_out(sandbox: Sandbox, name: str) -> None:
    source = textwrap.dedent(FORGERS[name])
    assert sandbox.submit(Job("alone", source, test=TEST)).result().passed  # or the attack attacks nothing
    verdict = confirm(sandbox, source, TEST)
    assert verdict.kind is VerdictKind.TAMPERED and "one process" in verdict.message, verdict


# Tried in the solution's own process only, which is told by its folder.
TRIES = {
    "memory": "open(f'/proc/{os.getppid()}/mem', 'rb').read(1)",
    "address space": "open(f'/proc/{os.getppid()}/maps').read()",
    "descriptors": "os.listdir(f'/proc/{os.getppid()}/fd')",
    "a module that the tests import": "open('/box/trial/w/json.py', 'w')",
    "the solution's file": "os.rename('/box/trial/w/solution.py', '/box/trial/tmp/solution.py')",
    "tracing": "assert libc().ptrace(16, os.getppid(), 0, 0) == 0",
    "writing memory": "assert libc().process_vm_writev(os.getppid(), 0, 0, 0, 0, 0) == 0",
    "being traced again": "assert libc().prctl(4, 1, 0, 0, 0) == 0",
    "a process": "os.fork()",
    "the text of the test": "open('/box/trial/w/test_solution.py').read(1)[0]",
}
ATTEMPT = """
import os

def libc():
    return __import__("cty" + "pes").CDLL(None)

def attempt():
    if not os.getcwd().endswith("/tmp"):
        return "refused"
    try:
        {}
    except Exception:
        return "refused"
    return "done"
"""
REFUSED = "def test_attempt():\n    assert attempt() == 'refused'\n"


def test_an_attempt_that_succeeds_is_seen(sandbox: Sandbox) -> None:
    verdict = confirm(sandbox, ATTEMPT.format("open('/box/trial/w/solution.py').read(1)[0]"), REFUSED)
    assert verdict.kind is VerdictKind.TAMPERED, verdict


@pytest.mark.parametrize("name", TRIES)
def test_the_solutions_process_cannot_reach_that_of_the_tests(sandbox: Sandbox, name: str) -> None:
    verdict = confirm(sandbox, ATTEMPT.format(TRIES[name]), REFUSED)
    assert (verdict.kind, verdict.apart) == (VerdictKind.PASSED, True), verdict


CLAIMS = """
import sys

def add(a, b):
    frame = getattr(sys, "_get" + "frame")(1)
    while frame:
        if 3 in getattr(getattr(frame, "f_" + "code"), "co_" + "consts"):
            return 3
        frame = getattr(frame, "f_" + "back")

frame = getattr(sys, "_get" + "frame")()
while frame:
    names = getattr(frame, "f_" + "globals")
    if "_described" in names:
        names["_described"] = lambda module: CLAIM
    frame = getattr(frame, "f_" + "back")
"""


@pytest.mark.parametrize(
    "claim",
    [
        {"functions": [], "constants": {}, "libraries": {"add": ["solution", "add"]}, "others": [], "all": None},
        {"functions": [], "constants": {"add": ["r", 0]}, "libraries": {}, "others": [], "all": None},
        {"functions": ["add"], "constants": {}, "libraries": {}, "others": [], "all": 5},
        {"functions": [["add"]], "constants": {}, "libraries": {"x": ["math"]}, "others": [], "all": None},
        {"functions": "add"},
        {},
    ],
)
def test_what_the_solutions_process_claims_to_hold_is_not_believed(sandbox: Sandbox, claim: dict[str, Any]) -> None:
    source = CLAIMS.replace("CLAIM", repr(claim))
    assert sandbox.submit(Job("alone", source, test=TEST)).result().passed
    verdict = confirm(sandbox, source, TEST)
    assert not verdict.apart, verdict


# What a solution's process may say in place of an answer: none of it makes a pass, none breaks the tests' side.
NONSENSE = {
    "nothing, and leaves": "os._exit(0)",
    "bytes": "os.write(3, b'x' * 100)",
    "a huge length": "os.write(3, b'\\xff' * 4)",
    "no JSON": "say('{')",
    "a list": "say('[]')",
    "no table": """say('{"returned": 3}')""",
    "a number of no container": """say('{"returned": ["r", 9], "table": []}')""",
    "no exception": """say('{"raised": "print", "args": [], "table": []}')""",
}
SAY = "def say(text):\n    import os\n    os.write(3, len(text).to_bytes(4, 'big') + text.encode())\n"


@pytest.mark.parametrize("name", NONSENSE)
def test_nonsense_from_the_solutions_process_proves_nothing(sandbox: Sandbox, name: str) -> None:
    verdict = confirm(sandbox, SAY + ATTEMPT.format(NONSENSE[name]), REFUSED)
    assert (verdict.kind, verdict.apart) == (VerdictKind.PASSED, False), verdict
