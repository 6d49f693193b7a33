"""Conversions to Complete: every good answer gets through, none that leaks or lies does."""

from __future__ import annotations

import asyncio

import pytest

from tasks.sandbox.types import Job, Verdict, VerdictKind
from tasks.styles import Converted, Judge, JudgeUnavailable, Reason, Rejection, check_complete, parse_complete
from tasks.trials import parse_python
from tests.styles.complete_corpus import BAD, GOOD, TRIPLETS, compress_prompt, even_prompt


def answer(code: str) -> str:
    return f"<|Completion Begin|>\n```python\n{code}\n```\n<|Completion End|>"


def convert(name: str, text: str, judge: Judge) -> Converted | Rejection:
    code = parse_complete(text)
    if isinstance(code, Rejection):
        return code
    return asyncio.run(check_complete(code, *TRIPLETS[name], judge))


@pytest.mark.parametrize(("name", "code"), GOOD.values(), ids=GOOD.keys())
def test_a_good_answer_gets_through(name: str, code: str, judge: Judge) -> None:
    made = convert(name, answer(code), judge)
    assert isinstance(made, Converted), made
    solution, test = TRIPLETS[name]
    assert (made.solution, made.test) == (solution, test)
    assert code.strip() in made.question or "future" in code
    assert parse_python(made.question) is not None


@pytest.mark.parametrize(("name", "code", "reason"), BAD.values(), ids=BAD.keys())
def test_an_answer_that_leaks_or_lies_is_rejected(name: str, code: str, reason: Reason, judge: Judge) -> None:
    made = convert(name, answer(code), judge)
    assert isinstance(made, Rejection), made
    assert (made.reason, made.message != "") == (reason, True), made


def test_forgotten_imports_are_added_from_the_solution_and_typing(judge: Judge) -> None:
    made = convert("compress", answer(compress_prompt(head="LIMIT = 9\n")), judge)
    assert isinstance(made, Converted)
    assert made.question.startswith("from typing import List\nfrom typing import Tuple\n\n\nLIMIT = 9\n")


def test_a_failure_of_the_sandbox_is_no_verdict_on_the_answer() -> None:
    async def broken(job: Job) -> Verdict:
        return Verdict(job.id, VerdictKind.INFRASTRUCTURE, message="no worker")

    with pytest.raises(JudgeUnavailable, match="no worker"):
        convert("even", answer(even_prompt("Whether a number is even.")), broken)


def test_a_message_of_a_rejection_is_printable_and_short() -> None:
    made = Rejection(Reason.FALSE_EXAMPLE, "\x1b[31mred\n" + "x" * 1000)
    assert "\x1b" not in made.message
    assert len(made.message) <= 500
