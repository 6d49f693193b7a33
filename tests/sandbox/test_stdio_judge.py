"""Programs judged by what they print."""

from __future__ import annotations

import pytest

from tasks.sandbox import Job, Sandbox, Verdict, VerdictKind

DOUBLE = "n = int(input())\nprint(n * 2)\n"


def judge(sandbox: Sandbox, program: str, stdin: tuple[str, ...], stdout: tuple[str, ...] | None) -> Verdict:
    return sandbox.submit(Job("p", program, judge="stdio", stdin=stdin, stdout=stdout)).result()


def test_every_case_is_reported(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, DOUBLE, ("1\n", "2\n", "x\n", "4"), ("2\n", "5\n", "6\n", "8"))
    assert verdict.kind is VerdictKind.FAILED
    assert verdict.tests == {"0": "passed", "1": "failed", "2": "error", "3": "passed"}
    assert verdict.message == "case 1: line 1: expected '5', got '4'"
    assert verdict.outputs == ("2\n", "4\n", "", "8\n")


@pytest.mark.parametrize("expected", ["2", "2\n", "2  \n\n\n", "2\r\n"])
def test_trailing_white_space_does_not_count(sandbox: Sandbox, expected: str) -> None:
    assert judge(sandbox, DOUBLE, ("1\n",), (expected,)).passed


@pytest.mark.parametrize("expected", ["", "3", "2\n3", " 2", "2\n\n2"])
def test_everything_else_counts(sandbox: Sandbox, expected: str) -> None:
    assert judge(sandbox, DOUBLE, ("1\n",), (expected,)).kind is VerdictKind.FAILED


def test_without_expected_output_it_is_recorded(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, DOUBLE, ("1", "21"), None)
    assert verdict.passed and verdict.outputs == ("2\n", "42\n")
    assert judge(sandbox, "import sys\nprint(1)\nsys.exit(3)", ("",), None).kind is VerdictKind.ERROR


@pytest.mark.parametrize(
    ("program", "output"),
    [
        ("import sys\nfor line in sys.stdin:\n    print(line.strip()[::-1])", "cba\nfed\n"),
        ("import sys\nprint(sys.stdin.read().split())", "['abc', 'def']\n"),
        ("import sys\nprint(sys.stdin.buffer.readline())", "b'abc\\n'\n"),
        ("print(open(0).read().upper(), end='')", "ABC\nDEF\n"),
        ("import os\nprint(os.read(0, 3))", "b'abc'\n"),
        ("if __name__ == '__main__':\n    print(input())", "abc\n"),
        ("import sys\nsys.stdout.write(input())\nsys.exit()", "abc"),
        ("import atexit\natexit.register(print, 'bye')\nprint('hi')", "hi\nbye\n"),
        ("import threading\nthreading.Thread(target=print, args=('t',)).start()", "t\n"),
        ("class A:\n    x: int\nimport pickle, __main__\nprint(__main__.A is A)", "True\n"),
        ("import sys\ninput = sys.stdin.readline\nprint(repr(input()))", "'abc\\n'\n"),
        ("print(len(__import__('sys').argv))", "1\n"),
        ("import sys\nprint('é', file=sys.stderr)\nprint('é')", "é\n"),
    ],
)
def test_programs_run_as_scripts_do(sandbox: Sandbox, program: str, output: str) -> None:
    verdict = judge(sandbox, program, ("abc\ndef\n",), (output,))
    assert verdict.passed, verdict


@pytest.mark.parametrize(
    ("program", "kind"),
    [
        ("print(1", VerdictKind.ERROR),
        ("raise ValueError('odd')", VerdictKind.ERROR),
        ("print(input(), input())", VerdictKind.ERROR),
        ("while True: pass", VerdictKind.TIMED_OUT),
        ("x = [0] * 10**10", VerdictKind.MEMORY_EXCEEDED),
    ],
)
def test_failures_are_named(sandbox: Sandbox, program: str, kind: VerdictKind) -> None:
    job = Job("p", program, judge="stdio", stdin=("1",), stdout=("1",), timeout_s=1)
    verdict = sandbox.submit(job).result()
    assert verdict.kind is kind, verdict


def test_the_traceback_shows_the_programs_own_lines_only(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "def f():\n    raise ValueError('odd')\nf()\n", ("",), ("",))
    assert "ValueError: odd" in verdict.message
    assert "zygote" not in verdict.message and "judge_stdio" not in verdict.message


def test_a_job_without_cases_has_no_tests(sandbox: Sandbox) -> None:
    assert judge(sandbox, DOUBLE, (), ()).kind is VerdictKind.NO_TESTS


@pytest.mark.parametrize(
    ("printed", "same"),
    [
        ("0.3000001 x\n2", True),
        ("0.3 x\n2.0", True),
        ("3e-1 x\n2", True),
        ("0.31 x\n2", False),
        ("0.3 y\n2", False),
        ("0.3 x\n2\n2", False),
        ("0.3\nx 2", False),
        ("0.3 x\nnan", False),
        ("0.3 x\n2_", False),
    ],
)
def test_numbers_may_differ_by_the_tolerance_and_nothing_else_may(sandbox: Sandbox, printed: str, same: bool) -> None:
    program = f"print({printed!r})"
    job = Job("p", program, judge="stdio", stdin=("",), stdout=("0.3 x\n2\n",), tolerance=1e-5)
    assert sandbox.submit(job).result().passed is same


def test_a_checker_decides_where_many_answers_are_right(sandbox: Sandbox) -> None:
    def is_a_divisor(stdin: str, expected: str, printed: str) -> bool:
        return int(stdin) % int(printed) == 0 and expected == "any"

    for program, kind in (("print(3)", VerdictKind.PASSED), ("print(5)", VerdictKind.FAILED)):
        job = Job("p", program, judge="stdio", stdin=("12",), stdout=("any",), checker=is_a_divisor)
        assert sandbox.submit(job).result().kind is kind
