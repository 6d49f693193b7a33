"""Bad pairs that a judge may pass, one of a kind, each with what is known to catch it.

`caught_by` names signals: "judge" (no pass), "consensus" (the other trials disagree), "kill rate" (mutants survive),
or a sign of `tasks.trust.score.FACTORS`. An empty set says that nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BadPair:
    kind: str
    task: str  # of HONEST
    solution: str
    test: str
    caught_by: frozenset[str] = frozenset()


TOTAL = """def total(values):
    result = 0
    for value in values:
        if value > 0:
            result += value
    return result
"""
TOTAL_WRONG = TOTAL.replace("value > 0", "value > 1")
AVERAGE = """def average(values):
    if not values:
        return 0.0
    return sum(values) / len(values)
"""
APPENDED = """def appended(item, items=None):
    return [*(items or []), item]
"""
UNIQUE = """def unique(words):
    return list(dict.fromkeys(words))
"""

# Two honest pairs a task: the other trials of the question.
HONEST: dict[str, tuple[tuple[str, str], ...]] = {
    "total": (
        (TOTAL, """def test_signs():
    assert total([1, -2, 3]) == 4
    assert total([]) == 0

def test_ones():
    assert total([1, 1]) == 2
    assert total([-1]) == 0
"""),
        ("""def total(values):
    return sum(v for v in values if v > 0)
""", """def test_total():
    assert total([1]) == 1
    assert total([5, 0, -5, 2]) == 7
    assert total([0]) == 0
"""),
    ),
    "average": (
        (AVERAGE, """def test_average():
    assert average([1, 2]) == 1.5
    assert average([]) == 0.0
    assert average([4]) == 4
"""),
        ("""def average(values):
    return sum(values) / len(values) if values else 0.0
""", """def test_mean():
    assert average([2, 4, 9]) == 5
    assert average([-1, 1]) == 0
    assert average([]) == 0
"""),
    ),
    "appended": (
        (APPENDED, """def test_appended():
    assert appended(1) == [1]
    assert appended(2) == [2]
    assert appended(3, [1]) == [1, 3]
"""),
        ("""def appended(item, items=None):
    found = [] if items is None else list(items)
    found.append(item)
    return found
""", """def test_kept():
    old = [1]
    assert appended(2, old) == [1, 2]
    assert old == [1]
    assert appended(5) == [5]
    assert appended(6) == [6]
"""),
    ),
    "unique": (
        (UNIQUE, """def test_unique():
    assert unique(['b', 'a', 'b']) == ['b', 'a']
    assert unique([]) == []
    assert unique(['z', 'y', 'x', 'w']) == ['z', 'y', 'x', 'w']
"""),
        ("""def unique(words):
    found = []
    for word in words:
        if word not in found:
            found.append(word)
    return found
""", """def test_order():
    assert unique(['q', 'p', 'q', 'o']) == ['q', 'p', 'o']
    assert unique(['a']) == ['a']
"""),
    ),
}  # fmt: skip


def _pair(kind: str, task: str, solution: str, body: str, *caught_by: str) -> BadPair:
    return BadPair(kind, task, solution, body, frozenset(caught_by))


def _in_test(body: str, before: str = "") -> str:
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"{before}\ndef test_it():\n{lines}\n"


_REIMPLEMENTS = _in_test("values = [1, 2, -3]\nassert total(values) == sum(v for v in values if v > 1)")
_LIES = _in_test("assert total([1, 1, 5]) == 5\nassert total([-4]) == 0")

BAD_PAIRS: tuple[BadPair, ...] = (
    # Tests that say nothing.
    _pair("assert True", "total", TOTAL_WRONG, _in_test("total([1])\nassert True"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("prints only", "total", TOTAL_WRONG, _in_test("print(total([1, 2]))"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("calls only", "total", TOTAL_WRONG, _in_test("total([1, 2])\ntotal([])"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("pass", "total", TOTAL_WRONG, _in_test("pass"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("assert on a tuple", "total", TOTAL_WRONG, _in_test("assert (total([1]) == 1, 'one')"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("compares with itself", "total", TOTAL_WRONG, _in_test("result = total([1])\nassert result == result"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("calls twice, compares", "total", TOTAL_WRONG, _in_test("assert total([1, 4]) == total([1, 4])"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("is not None", "total", TOTAL_WRONG, _in_test("assert total([1]) is not None"),
          "consensus", "kill rate"),
    _pair("is an int", "total", TOTAL_WRONG, _in_test("assert isinstance(total([1]), int)"),
          "consensus", "kill rate"),
    _pair("is callable", "total", TOTAL_WRONG, _in_test("assert callable(total)"),
          "consensus", "kill rate", "stub passes"),
    _pair("or True", "total", TOTAL_WRONG, _in_test("assert total([1]) == 1 or True"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("any of many values", "total", TOTAL_WRONG, _in_test("assert total([1]) in (0, 1, None)"),
          "consensus", "kill rate", "stub passes"),
    _pair("not negative", "total", TOTAL_WRONG, _in_test("assert total([1, 2]) >= 0"),
          "consensus", "kill rate"),
    _pair("empty loop", "total", TOTAL_WRONG,
          _in_test("for values, wanted in []:\n    assert total(values) == wanted"),
          "consensus", "kill rate"),
    _pair("no parameters", "total", TOTAL_WRONG,
          """import pytest
@pytest.mark.parametrize('v, w', [])
def test_it(v, w):
    assert total(v) == w
""",
          "judge"),
    _pair("assert after return", "total", TOTAL_WRONG, _in_test("total([1])\nreturn\nassert total([1]) == 1"),
          "consensus", "kill rate"),
    _pair("assert in a function never called", "total", TOTAL_WRONG,
          _in_test("def check():\n    assert total([1]) == 1\ntotal([1])"),
          "consensus", "kill rate"),
    _pair("lambda is asserted", "total", TOTAL_WRONG, _in_test("assert lambda: total([1]) == 1"),
          "consensus", "kill rate", "no assertion", "stub passes"),
    _pair("condition that never holds", "total", TOTAL_WRONG,
          _in_test("result = total([1])\nif result > 99:\n    assert result == 100"),
          "consensus", "kill rate"),
    # Tests that do not let failures out.
    _pair("exception swallowed", "total", TOTAL_WRONG,
          _in_test("try:\n    assert total([1]) == 1\nexcept Exception:\n    pass"),
          "consensus", "kill rate", "no assertion"),
    _pair("assertion printed", "total", TOTAL_WRONG,
          _in_test("try:\n    assert total([1]) == 1\nexcept AssertionError as error:\n    print(error)"),
          "consensus", "kill rate", "no assertion"),
    _pair("suppressed", "total", TOTAL_WRONG,
          _in_test("with contextlib.suppress(AssertionError):\n    assert total([1]) == 1", "import contextlib\n"),
          "consensus", "kill rate"),
    _pair("raises Exception", "total", TOTAL_WRONG,
          _in_test("with pytest.raises(Exception):\n    assert total([1]) == 1", "import pytest\n"),
          "consensus", "kill rate", "stub passes"),
    _pair("asserts in a thread", "total", TOTAL_WRONG,
          _in_test("def check():\n    try:\n        assert total([1]) == 1\n    except BaseException:\n        pass\n"
                   "thread = threading.Thread(target=check)\nthread.start()\nthread.join()", "import threading\n"),
          "consensus", "kill rate", "no assertion"),
    _pair("skips", "total", TOTAL_WRONG, _in_test("pytest.skip('later')\nassert total([1]) == 1", "import pytest\n"),
          "judge"),
    _pair("expected to fail", "total", TOTAL_WRONG,
          """import pytest
@pytest.mark.xfail
def test_it():
    assert total([1]) == 1
""",
          "judge"),
    _pair("no test is collected", "total", TOTAL_WRONG, """def check_it():
    assert total([1]) == 1
""",
          "judge"),
    # Solution and test are wrong together.
    _pair("wrong value in both", "total", TOTAL_WRONG, _LIES,
          "consensus"),
    _pair("test reimplements the bug", "total", TOTAL_WRONG, _REIMPLEMENTS,
          "consensus"),
    _pair("test asks the solution for the value", "total", TOTAL_WRONG,
          _in_test("expected = [total([1]), total([2])]\nassert [total([n]) for n in (1, 2)] == expected"),
          "consensus", "kill rate", "stub passes"),
    _pair("mock of the solution", "total", TOTAL_WRONG,
          _in_test("total = mock.Mock(return_value=1)\nassert total([1]) == 1", "from unittest import mock\n"),
          "consensus", "kill rate", "stub passes"),
    _pair("test has a solution of its own", "total", TOTAL_WRONG,
          TOTAL + _in_test("assert total([1, 1]) == 2\nassert total([-1]) == 0"),
          "consensus", "kill rate", "stub passes"),
    _pair("edge is never tried", "total", TOTAL_WRONG,
          _in_test("assert total([2, -3, 4]) == 6\nassert total([]) == 0"),
          "consensus"),
    _pair("one input, solution hard-coded", "total", """def total(values):
    return 6
""", _in_test("assert total([1, 2, 3]) == 6"),
          "consensus"),
    _pair("table of the tested inputs", "total",
          "def total(values):\n    return {(1, 2): 3, (): 0, (5,): 5}.get(tuple(values), 0)\n",
          _in_test("assert total([1, 2]) == 3\nassert total([]) == 0\nassert total([5]) == 5"),
          "consensus"),
    _pair("wrong rounding in both", "average", """def average(values):
    return sum(values) // len(values) if values else 0.0
""",
          _in_test("assert average([1, 2]) == 1\nassert average([2, 4]) == 3"),
          "consensus"),
    # Luck.
    _pair("float equality", "average", """def average(values):
    return sum(v / len(values) for v in values)
""",
          _in_test("assert average([0.1, 0.2, 0.4]) == 0.23333333333333334\nassert average([1, 3]) == 2"),
          "consensus", "float equality"),
    _pair("tolerance that holds anything", "average", """def average(values):
    return 0.0
""",
          _in_test("assert abs(average([1, 2]) - 1.5) < 10"),
          "consensus", "kill rate"),
    _pair("order of a set", "unique", """def unique(words):
    return list(set(words))
""",
          _in_test("assert unique(['a', 'a']) == ['a']\nassert set(unique(['a', 'b'])) == {'a', 'b'}"),
          "consensus"),
    _pair("values sorted before they are compared", "unique", """def unique(words):
    return sorted(set(words))
""",
          _in_test("assert sorted(unique(['b', 'a', 'b'])) == ['a', 'b']"),
          "consensus"),
    _pair("mutable default", "appended",
          """def appended(item, items=[]):
    items.append(item)
    return items
""",
          _in_test("assert appended(1) == [1]\nassert appended(2, [1]) == [1, 2]"),
          "consensus", "not repeatable"),
    _pair("order dependence", "appended", """def appended(item, items=[]):
    items.append(item)
    return items
""",
          """def test_a():
    assert appended(1) == [1]

def test_b():
    assert appended(2) == [1, 2]
""",
          "consensus", "not repeatable", "unstable"),
    _pair("passes by chance", "total",
          """import random

def total(values):
    return sum(v for v in values if v > 0) + (random.random() > 0.999999)
""",
          _in_test("assert total([1, 2]) == 3\nassert total([-1]) == 0"),
          "randomness"),
    _pair("passes today", "total",
          """import time

def total(values):
    return sum(v for v in values if v > 0) if time.time() < 1.9e9 else 0
""",
          _in_test("assert total([1, 2]) == 3\nassert total([-1]) == 0"),
          "clock"),
    _pair("asserts speed", "total", TOTAL,
          _in_test("begun = time.perf_counter()\nassert total([1, 2]) == 3\nassert time.perf_counter() - begun < 5",
                   "import time\n"),
          "clock"),
    _pair("sleeps", "total", TOTAL_WRONG, _in_test("time.sleep(0.05)\nassert total([2]) == 2", "import time\n"),
          "consensus"),
    # Looks where it should not, or cheats.
    _pair("reads its own source", "total", TOTAL_WRONG,
          _in_test("assert 'value > 1' in open('solution.py').read()\nassert total([2]) == 2"),
          "consensus", "introspection"),
    _pair("reads the source by inspect", "total", TOTAL_WRONG,
          _in_test("assert 'for' in inspect.getsource(total)\nassert total([2]) == 2", "import inspect\n"),
          "consensus", "introspection"),
    _pair("looks at its caller", "total",
          """import sys

def total(values):
    return sys._getframe(1).f_locals['wanted']
""",
          _in_test("wanted = 3\nassert total([1, 2]) == wanted"),
          "consensus", "introspection"),
    _pair("equals everything", "total",
          """class Any:
    def __eq__(self, other):
        return True

def total(values):
    return Any()
""",
          _in_test("assert total([1]) == 1"),
          "judge"),
    _pair("ends the process", "total", """import os

def total(values):
    os._exit(0)
""", _in_test("assert total([1]) == 1"),
          "judge"),
    _pair("network caught", "total",
          TOTAL_WRONG,
          _in_test("try:\n    socket.create_connection(('192.0.2.1', 9), 0.1)\nexcept OSError:\n    pass\n"
                   "assert total([2]) == 2", "import socket\n"),
          "consensus", "network"),
)  # fmt: skip
