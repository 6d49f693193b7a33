"""Conversions to Online Judge: outputs come from executing; every good answer gets through, none that lies does."""

from __future__ import annotations

import ast
import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.sandbox.types import Job, Verdict, VerdictKind
from tasks.styles import (
    Converted,
    Judge,
    JudgeUnavailable,
    Limits,
    OnlineJudge,
    Reason,
    Rejection,
    check_online_judge,
    parse_online_judge,
    read_online_judge,
)  # fmt: skip
from tasks.styles._execution import join_modules, without_main_guard
from tasks.styles._statement import examples
from tests.styles.online_judge_corpus import ADAPTER, BAD, CASES, EXAMPLE, GOOD, STATEMENT, TRIPLETS, answer


def convert(name: str, text: str, judge: Judge, limits: Limits | None = None) -> Converted | Rejection:
    parsed = parse_online_judge(text)
    if isinstance(parsed, Rejection):
        return parsed
    solution, test = TRIPLETS[name]
    return asyncio.run(check_online_judge(parsed, solution, test, judge, limits or Limits()))


def outputs_of(program: str, stdin: list[str], judge: Judge) -> list[str]:
    async def judged() -> list[str]:
        return list((await judge(Job("again", program, judge="stdio", stdin=tuple(stdin)))).outputs)

    return asyncio.run(judged())


@pytest.mark.parametrize(("name", "text"), GOOD.values(), ids=GOOD.keys())
def test_a_good_answer_gets_through_with_executed_outputs(name: str, text: str, judge: Judge) -> None:
    made = convert(name, text, judge)
    assert isinstance(made, Converted), made
    test = ast.literal_eval(made.test)
    assert set(test) == {"stdin", "stdout"}
    assert len(test["stdin"]) == len(test["stdout"]) >= 3
    assert len(set(test["stdin"])) == len(test["stdin"])
    assert outputs_of(made.solution, test["stdin"], judge) == test["stdout"]


@pytest.mark.parametrize("which", ["with_an_example", "future_import", "main_guard"])
def test_a_finished_conversion_is_taken_apart_and_proven_again(which: str, judge: Judge) -> None:
    name, text = GOOD[which]
    made = convert(name, text, judge)
    assert isinstance(made, Converted), made
    solution, test = TRIPLETS[name]
    parsed = read_online_judge(made.question, made.solution, made.test, solution)
    assert isinstance(parsed, OnlineJudge), parsed
    assert asyncio.run(check_online_judge(parsed, solution, test, judge)) == made


@pytest.mark.parametrize(
    ("program", "test", "reason"),
    [
        ("print(3)\n", "{'stdin': ['1'], 'stdout': ['3']}", Reason.ADAPTER_UNUSED),
        (join_modules(without_main_guard(TRIPLETS["gaps"][0])), "{'stdin': []}", Reason.ADAPTER_UNUSED),
        (join_modules(without_main_guard(TRIPLETS["gaps"][0]), ADAPTER), "[1]", Reason.UNPARSED),
        (join_modules(without_main_guard(TRIPLETS["gaps"][0]), ADAPTER), "{'stdin': [7]}", Reason.UNPARSED),
        (join_modules(without_main_guard(TRIPLETS["gaps"][0]), ADAPTER), "open('x')", Reason.UNPARSED),
        (
            join_modules(without_main_guard(TRIPLETS["gaps"][0])) + "print(largest_gap(int(input()))\n",
            "{'stdin': ['1'], 'stdout': ['3']}",
            Reason.SYNTAX_ERROR,
        ),
    ],
)
def test_a_finished_conversion_of_something_else_is_rejected(program: str, test: str, reason: Reason) -> None:
    made = read_online_judge(STATEMENT, program, test, TRIPLETS["gaps"][0])
    assert isinstance(made, Rejection)
    assert made.reason == reason


@pytest.mark.parametrize(("name", "text", "reason"), BAD.values(), ids=BAD.keys())
def test_an_answer_that_leaks_lies_or_fails_is_rejected(name: str, text: str, reason: Reason, judge: Judge) -> None:
    made = convert(name, text, judge)
    assert isinstance(made, Rejection), made
    assert (made.reason, made.message != "") == (reason, True), made


def test_a_statement_without_example_gets_the_first_case_as_executed(judge: Judge) -> None:
    made = convert("gaps", answer(), judge)
    assert isinstance(made, Converted)
    assert made.question == f"{STATEMENT}\n### Example\n\nInput:\n```\n1 5 2\n```\n\nOutput:\n```\n3\n```"


def test_a_statement_with_an_example_stays_as_it_is(judge: Judge) -> None:
    made = convert("gaps", answer(STATEMENT + EXAMPLE), judge)
    assert isinstance(made, Converted)
    assert made.question == (STATEMENT + EXAMPLE).strip()


def test_what_the_cases_reach_and_reject_is_told(judge: Judge) -> None:
    made = convert(*GOOD["every_line_and_edge"], judge)
    assert isinstance(made, Converted)
    assert (made.coverage, made.kill_rate) == (100.0, 1.0)
    weaker = convert(*GOOD["plain"], judge)
    assert isinstance(weaker, Converted)
    assert weaker.coverage == 89.0  # its part for `python solution.py` is not reached by its test either


def test_cases_that_the_adapter_answers_alone_are_left_out(judge: Judge) -> None:
    made = convert(*GOOD["special_case_of_its_own"], judge)
    assert isinstance(made, Converted)
    assert ast.literal_eval(made.test)["stdin"] == [case for case in CASES if case != "7\n"]


def test_cases_answered_with_an_empty_line_are_left_out(judge: Judge) -> None:
    made = convert("gaps", answer(program=f"{ADAPTER[:-1]} or '')"), judge)
    assert isinstance(made, Converted)
    assert ast.literal_eval(made.test)["stdout"] == ["3\n", "1\n", "20\n"]


def test_an_adapter_that_hangs_without_the_solution_gets_through(judge: Judge) -> None:
    program = "number = largest_gap([*map(int, input().split())])\nwhile number is None:\n    pass\nprint(number)"
    made = convert("gaps", answer(program=program), judge, Limits(control_timeout_s=0.2))
    assert isinstance(made, Converted)
    assert ast.literal_eval(made.test)["stdin"] == CASES


def test_a_program_that_hangs_is_rejected_after_one_case(judge: Judge) -> None:
    asked: list[str] = []

    async def counting(job: Job) -> Verdict:
        asked.append(job.id)
        return await judge(job)

    made = convert("gaps", answer(program=f"{ADAPTER}\nwhile True: pass"), counting, Limits(timeout_s=0.2))
    assert isinstance(made, Rejection)
    assert made.reason is Reason.PROGRAM_FAILS
    assert len(asked) == 1


def test_a_failure_of_the_sandbox_is_no_verdict_on_the_answer() -> None:
    async def broken(job: Job) -> Verdict:
        return Verdict(job.id, VerdictKind.INFRASTRUCTURE, message="no worker")

    with pytest.raises(JudgeUnavailable, match="no worker"):
        convert("gaps", answer(), broken)


def test_more_cases_than_the_limit_are_left_out(judge: Judge) -> None:
    made = convert("gaps", answer(), judge, Limits(max_cases=3))
    assert isinstance(made, Converted)
    assert ast.literal_eval(made.test)["stdin"] == CASES[:3]


def test_an_answer_cut_at_the_token_limit_is_rejected() -> None:
    parsed = parse_online_judge(answer(), "length")
    assert isinstance(parsed, Rejection)
    assert parsed.reason is Reason.TRUNCATED


PIECES = ["<|Statement Begin|>", "<|Statement End|>", "<|Program Begin|>", "<|Program End|>", "<|Cases Begin|>"]
PIECES += ["<|Cases End|>", "```", "```python\n", '["a"]', "x = 1", "\n", "Input:", "Output:", "[", "## Example"]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6))).map("".join))
def test_no_text_makes_the_parser_raise(text: str) -> None:
    assert isinstance(parse_online_judge(text), OnlineJudge | Rejection)


HOSTILE = ["**a**" + " " * 300_000 + "x", "Input" + " " * 300_000 + "x", "```\n" * 100_000, "Input:\n" * 50_000]
HOSTILE += ["#" * 300_000, "```" + "`" * 300_000, "Example\n" + "Input: 1\nOutput: 1\n" * 20_000]


@pytest.mark.parametrize("statement", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_statement_is_read_in_linear_time(statement: str) -> None:
    assert isinstance(parse_online_judge(answer(statement=f"x\n{statement}\nx")), OnlineJudge)
    examples(statement)
