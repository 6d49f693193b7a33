"""Many runs in one process: what each shows, which are shared, and the program on another interpreter's version."""

from __future__ import annotations

import asyncio
import json
from importlib.util import MAGIC_NUMBER

import pytest

from tasks.sandbox import Job, Sandbox, Verdict
from tasks.trust import Planned, Seen, execute
from tasks.trust.program import program

DOUBLE = "def double(a):\n    return 2 * a\n"
STATEFUL = "seen = []\n\n\ndef double(a):\n    seen.append(a)\n    return 2 * a if len(seen) == 1 else 0\n"
TESTS = """def test_one():
    assert double(1) == 2
    assert double(2) == 4


def test_two():
    assert double(3) == 6
"""
SWALLOWED = "def test_it():\n    try:\n        assert double(1) == 3\n    except AssertionError:\n        pass\n"


def seen(sandbox: Sandbox, runs: list[Planned], tests: str = TESTS, **solutions: str) -> list[Seen]:
    return asyncio.run(execute(runs, {"suite": tests}, solutions, sandbox.judge, "job"))


def test_a_soft_run_tells_each_assertion_and_what_became_of_each_test(sandbox: Sandbox) -> None:
    (found,) = seen(sandbox, [Planned("suite", "s", soft=True, names=True)], s=STATEFUL)
    assert found.outcomes == "100"  # lines 2, 3 and 7
    assert found.claims == ("2", "3", "7")
    assert found.tests == (("test_one", False), ("test_two", False))


def test_a_swallowed_assertion_fails_a_soft_run_only(sandbox: Sandbox) -> None:
    runs = [Planned("suite", "s", soft=soft, names=True) for soft in (True, False)]
    soft, hard = seen(sandbox, runs, SWALLOWED, s=DOUBLE)
    assert (soft.tests, hard.tests) == ((("test_it", False),), (("test_it", True),))


def test_tests_without_assertions_claim_that_they_can_be_run(sandbox: Sandbox) -> None:
    tests = "def test_it():\n    print(double(1))\n"
    (found,) = seen(sandbox, [Planned("suite", "s", soft=True, names=True)], tests, s=DOUBLE)
    assert (found.claims, found.outcomes) == (("test_it",), "1")


def test_state_shows_where_tests_are_repeated(sandbox: Sandbox) -> None:
    one = "def test_one():\n    assert double(1) == 2\n"
    (found,) = seen(sandbox, [Planned("suite", "s", order="alone")], one, s=STATEFUL)
    assert (found.outcomes, found.repeated) == ("1", "0")


def test_equal_runs_are_made_once_and_told_each(sandbox: Sandbox) -> None:
    plans: list[dict[str, list[object]]] = []

    async def judge(job: Job) -> Verdict:
        plans.append(json.loads(job.stdin[0]))
        return await sandbox.judge(job)

    runs = [Planned("a", "x"), Planned("b", "y"), Planned("b", "x", seed=1)]
    suites, solutions = dict.fromkeys("ab", TESTS), dict.fromkeys("xy", DOUBLE)
    found = asyncio.run(execute(runs, suites, solutions, judge, "job"))
    assert [one.outcomes for one in found] == ["11", "11", "11"]
    assert [len(plan["runs"]) for plan in plans] == [2]


FORGED: dict[str, dict[str, object]] = {
    "time that is no number": {"took_s": "long"},
    "time without end": {"took_s": float("inf")},
    "claims that are no list": {"claims": 5},
    "more claims than outcomes": {"claims": ["1", "2"]},
    "claims with NUL": {"claims": ["\0"]},
    "a field of its own": {"trust": 1},
}
FORGER = """import os


def double(a):
    for descriptor in range(3, 40):
        try:
            os.write(descriptor, {!r})
        except OSError:
            pass
    return 2 * a
"""


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_a_line_that_the_guest_would_not_write_ends_the_report(sandbox: Sandbox, forged: dict[str, object]) -> None:
    line = {"run": 0, "outcomes": "1", "why": "", "took_s": 0.0, "claims": ["1"]}
    runs = [Planned("suite", name, soft=True, names=True) for name in ("forger", "honest")]
    forgers = [FORGER.format(json.dumps(line | part).encode() + b"\n") for part in ({}, forged)]
    believed, refused = (seen(sandbox, runs, forger=forger, honest=DOUBLE) for forger in forgers)
    assert believed[0].outcomes == "1"  # so the line does arrive
    assert [one.known for one in refused] == [False, False]


def test_an_interpreter_of_another_version_takes_the_sources(sandbox: Sandbox) -> None:
    runs = [{"suite": "t", "solution": "s", "cpu_s": 2, "wall_s": 5, "names": True}]
    plan = json.dumps({"runs": runs, "suites": {"t": TESTS}, "solutions": {"s": DOUBLE}, "usual": {}})
    other = program().replace(repr(MAGIC_NUMBER), repr(b"another"))
    assert other != program()
    for text in (program(), other):
        verdict = asyncio.run(sandbox.judge(Job("program", text, judge="stdio", stdin=(plan,))))
        assert json.loads(verdict.outputs[0].splitlines()[1])["outcomes"] == "11", verdict.message
