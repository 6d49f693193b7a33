"""Passes that are to enter a dataset are repeated under another harness, hash seed and order."""

from __future__ import annotations

import textwrap

import pytest

from tasks.sandbox import Job, Sandbox, Verdict, VerdictKind

ADD = "def add(a, b):\n    return a + b\n"


def confirm(sandbox: Sandbox, solution: str, test: str) -> Verdict:
    job = Job("one", textwrap.dedent(solution), test=textwrap.dedent(test), confirm=True)
    return sandbox.submit(job).result()


def test_a_right_pair_stays_passed_with_its_coverage(sandbox: Sandbox) -> None:
    test = "def test_a():\n    assert add(1, 2) == 3\ndef test_b():\n    assert add(0, 0) == 0\n"
    verdict = confirm(sandbox, ADD, test)
    assert verdict.passed and verdict.coverage == 100.0
    assert verdict.tests == {"test_solution.py::test_a": "passed", "test_solution.py::test_b": "passed"}


def test_what_failed_is_not_run_again(sandbox: Sandbox) -> None:
    assert confirm(sandbox, ADD, "def test_a():\n    assert add(1, 2) == 4\n").kind is VerdictKind.FAILED


LUCK = {
    "the order of tests": (
        "SEEN = []\n",
        """
        def test_first():
            SEEN.append(1)
        def test_second():
            assert SEEN == [1]
        """,
    ),
    "the order of a set": (
        "def first():\n    return next(iter({'alpha', 'beta', 'gamma', 'delta', 'epsilon', 'zeta', 'eta'}))\n",
        "def test_first():\n    assert first() == WORD\n",
    ),
}


@pytest.mark.parametrize("name", LUCK)
def test_a_pass_by_luck_is_flaky(sandbox: Sandbox, name: str) -> None:
    solution, test = LUCK[name]
    if "WORD" in test:
        show = Job("show", solution + "print(first())\n", judge="stdio", stdin=("",))
        test = test.replace("WORD", repr(sandbox.submit(show).result().outputs[0].strip()))
    verdict = confirm(sandbox, solution, test)
    assert verdict.kind is VerdictKind.FLAKY, verdict
    assert "failed" in verdict.tests.values() and "reverse order" in verdict.message


CHEATS = {
    # Both answer what the test is about to compare with: nothing in one process can keep that from them.
    "the constants of the caller": """
        import sys

        def add(a, b):
            return max(c for c in sys._getframe(1).f_code.co_consts if isinstance(c, int))
    """,
    "the test found through the collector": """
        import gc

        def add(a, b):
            return 3 if any(getattr(thing, "__name__", "") == "test_a" for thing in gc.get_objects()) else None
    """,
    "a name given as text": """
        import sys

        def add(a, b):
            return max(c for c in getattr(sys, "_getframe")(1).f_code.co_consts if isinstance(c, int))
    """,
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_program_that_reaches_for_its_judges_is_not_confirmed(sandbox: Sandbox, name: str) -> None:
    verdict = confirm(sandbox, CHEATS[name], "def test_a():\n    assert add(1, 2) == 3\n")
    assert verdict.kind is VerdictKind.TAMPERED, verdict


def test_programs_are_repeated_too(sandbox: Sandbox) -> None:
    program = "print(hash('text') % 1000)\n"
    shown = sandbox.submit(Job("show", program, judge="stdio", stdin=("",))).result().outputs[0]
    job = Job("p", program, judge="stdio", stdin=("",), stdout=(shown,), confirm=True)
    assert sandbox.submit(job).result().kind is VerdictKind.FLAKY
    job = Job("p", "print(input())", judge="stdio", stdin=("1",), stdout=("1",), confirm=True)
    assert sandbox.submit(job).result().passed
