"""The conversion to Complete against what a language model really answered, judged by hand-written rules."""

from __future__ import annotations

import ast
import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tasks.sandbox.types import Job
from tasks.styles import Converted, Judge, Reason, Rejection, check_complete, parse_complete
from tasks.trials import SolveAnswer, parse_solve

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded" / "leetcode"

pytestmark = pytest.mark.skipif(
    not (RECORDED / "converts.jsonl").exists(), reason=f"no recorded answers beside the repository, in {RECORDED}"
)


def rows(name: str) -> list[dict[str, Any]]:
    with (RECORDED / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def passing() -> list[tuple[str, str, str]]:
    """(prompt id, solution, test) of every recorded trial that passed."""
    found = []
    for row in rows("solves"):
        if row["recorded"] and row["recorded"]["result"] == "Pass":
            parsed = parse_solve(row["response"], "stop")
            assert isinstance(parsed, SolveAnswer)
            found.append((row["prompt_id"], parsed.solution, parsed.test))
    return found


def expected(response: str, solution: str, test: str) -> set[Reason | None]:
    """What a reader says to a recorded answer; None is acceptance. Told apart is what these fifteen answers show."""
    inside = response.partition("<|Completion Begin|>")[2].partition("<|Completion End|>")[0].strip()
    code = inside.removeprefix("```python").removesuffix("```").strip()
    if code.startswith("def MyStack:"):
        return {Reason.SYNTAX_ERROR}
    bodies = [node.body for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    if any(len(body) > 1 for body in bodies):
        return {Reason.LEAKS_SOLUTION}
    declared = {node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    defined = {node.name for node in ast.parse(solution).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    if any(name in test and name not in declared for name in defined):
        return {Reason.MISSING_ENTRY_POINT}
    called = {line.partition(">>>")[2].partition("(")[0].strip() for line in code.splitlines() if ">>>" in line}
    if called - declared:
        return {Reason.FALSE_EXAMPLE}
    if any(">>>" in line and not line.rstrip().endswith(")") for line in code.splitlines()):
        return {Reason.FALSE_EXAMPLE}
    return {None} if called else {Reason.MISSING_EXAMPLE}


def test_every_recorded_conversion_is_judged_as_a_reader_judges_it(judge: Judge) -> None:
    triplets = passing()
    judged = []
    for row in rows("converts"):
        for prompt_id, solution, test in triplets:
            if prompt_id != row["prompt_id"]:
                continue
            code = parse_complete(row["response"], "stop")
            made = code if isinstance(code, Rejection) else asyncio.run(check_complete(code, solution, test, judge))
            reason = made.reason if isinstance(made, Rejection) else None
            assert reason in expected(row["response"], solution, test), (prompt_id, made)
            judged.append(reason)
    assert len({row["prompt_id"] for row in rows("converts")}) == 15
    assert {None, Reason.LEAKS_SOLUTION, Reason.FALSE_EXAMPLE} <= set(judged)


def skeleton(solution: str) -> str:
    """The honest prompt of a solution: imports, constants, and every declaration with a docstring alone, whose example
    is true of each: they do not take a thousand arguments."""
    module = ast.parse(solution)
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef):
            node.body = [ast.Expr(ast.Constant("Do what the question asks for."))]
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            call = f">>> {node.name}(*[0] * 1000)  # doctest: +ELLIPSIS"
            refused = "Traceback (most recent call last):\nTypeError: ..."
            node.body.insert(0, ast.Expr(ast.Constant(f"Do it.\n\n{call}\n{refused}\n")))
    kept = (ast.FunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return ast.unparse(ast.Module([node for node in module.body if isinstance(node, kept)], type_ignores=[]))


def test_the_skeleton_of_every_recorded_solution_is_accepted_and_the_solution_itself_never(judge: Judge) -> None:
    for prompt_id, solution, test in passing():
        made = asyncio.run(check_complete(skeleton(solution), solution, test, judge))
        assert isinstance(made, Converted), (prompt_id, made)
        assert not asyncio.run(judge(Job("prompt-alone", made.question, test=test))).passed, prompt_id
        leaked = asyncio.run(check_complete(solution, solution, test, judge))
        assert isinstance(leaked, Rejection)
        assert leaked.reason is Reason.LEAKS_SOLUTION, prompt_id
