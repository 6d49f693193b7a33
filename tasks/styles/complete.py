"""Complete style: the question is code to be completed, proven to fit the verified solution and not to tell it."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterator
from uuid import uuid4

from tasks import syntax
from tasks.sandbox.types import Job
from tasks.styles._answers import answer_text, only_python_block, single_block
from tasks.styles._completed import completed
from tasks.styles._examples import examples_test, find_examples
from tasks.styles._execution import join_modules, parse_verified, run
from tasks.styles._leakage import leak
from tasks.styles._skeleton import check_skeleton, described_entry_points
from tasks.styles.types import Converted, Judge, Reason, Rejected, Rejection
from tasks.trials import BUILTINS, bound_names, entry_point_names, parse_python, sections, top_level


def parse_complete(answer: str, finish_reason: str = "stop") -> str | Rejection:
    """The completion prompt's code: between `<|Completion Begin|>` and `<|Completion End|>`, fenced or not.

    An answer without markers is accepted where it holds exactly one Python block.
    """
    try:
        return _parse(answer_text(answer, finish_reason))
    except Rejected as rejected:
        return rejected.rejection


def _parse(text: str) -> str:
    found = sections(text, ("Completion",))
    if found and found[-1].ended_by != "end":
        raise Rejected(Reason.UNPARSED, "the marker <|Completion End|> is missing")
    code = single_block(found[-1].text) if found else only_python_block(text)
    if not code:
        raise Rejected(Reason.UNPARSED, "the answer holds no completion, or several")
    if parse_python(code) is None:
        raise Rejected(Reason.SYNTAX_ERROR, "the completion is not valid Python")
    return code


async def check_complete(
    code: str, solution: str, test: str, judge: Judge, job_id: str | None = None
) -> Converted | Rejection:
    """Proves that a completion prompt fits the verified solution.

    Its declarations are those of the entry points that the test uses, with the solution's parameters and empty bodies;
    its text does not tell the solution; its examples call each of them and hold when executed against the solution,
    in another process with other hashes too, where a set has another order; and the prompt with the solution's bodies
    in it passes the test. Imports that the declarations need and forgot are added from the solution's or from
    `typing`. Costs two executions and the confirmation of the examples. Raises JudgeUnavailable where the sandbox
    failed.
    """
    try:
        return await _check(code, solution, test, judge, job_id or f"complete-{uuid4().hex}")
    except Rejected as rejected:
        return rejected.rejection
    except RecursionError:
        return Rejection(Reason.SYNTAX_ERROR, "the completion is nested too deeply to be examined")


async def _check(code: str, solution: str, test: str, judge: Judge, job_id: str) -> Converted:
    original = parse_verified(solution)
    code, prompt = _with_imports(code, original)
    entry_points = entry_point_names(solution, test)
    problem = check_skeleton(prompt, original, entry_points, parse_python(test))
    if problem:
        raise Rejected(problem.reason, problem.message)
    # As it is written, and what its strings say: escapes and strings in pieces hide nothing.
    strings = "\n".join(
        node.value for node in ast.walk(prompt) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    told = leak(code, solution) or leak(strings, solution)
    if told:
        raise Rejected(Reason.LEAKS_SOLUTION, told)
    try:
        examples = find_examples(code, prompt, original)
    except ValueError as error:
        raise Rejected(Reason.FALSE_EXAMPLE, str(error)) from error
    if examples:
        module = examples_test(examples, prompt)
        job = Job(f"{job_id}-examples", solution, test=module, star_import=False, coverage=False, confirm=True)
        verdict = await run(judge, job)
        if not verdict.passed:
            raise Rejected(Reason.FALSE_EXAMPLE, f"{verdict.kind}: {verdict.message}")
    silent = [name for name in described_entry_points(prompt, entry_points) if name not in examples.called]
    if silent:
        raise Rejected(Reason.MISSING_EXAMPLE, f"no example calls {', '.join(silent)}")
    whole = completed(prompt, original)
    verdict = await run(judge, Job(id=f"{job_id}-completed", solution=whole, test=test, coverage=False))
    if not verdict.passed:
        raise Rejected(Reason.PROMPT_FAILS, f"{verdict.kind}: {verdict.message}")
    return Converted(question=code, solution=solution, test=test)


def _with_imports(code: str, solution: ast.Module) -> tuple[str, ast.Module]:
    """The code with the imports that its declarations use and that a completer would only stumble over."""
    prompt = parse_python(code)
    if prompt is None:
        raise Rejected(Reason.SYNTAX_ERROR, "the completion is not valid Python")
    used = {node.id for node in ast.walk(prompt) if isinstance(node, ast.Name)}
    available = dict(_imports(solution))
    missing = sorted(used - bound_names(prompt) - BUILTINS)
    lines = list(dict.fromkeys(filter(None, (available.get(name) or _from_typing(name) for name in missing))))
    if not lines:
        return code, prompt
    gap = "\n" if isinstance(prompt.body[0], ast.Import | ast.ImportFrom) else "\n\n\n"
    code = join_modules("\n".join(lines) + gap + code).rstrip()
    return code, syntax.parse(code)


def _imports(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Name and import statement for everything that a module imports."""
    for node in top_level(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.asname or alias.name.partition(".")[0], ast.unparse(ast.Import([alias]))
        elif isinstance(node, ast.ImportFrom) and node.module not in ("__future__", "solution"):
            for alias in node.names:
                statement = ast.unparse(ast.ImportFrom(node.module, [alias], node.level))
                yield alias.asname or alias.name, statement


def _from_typing(name: str) -> str | None:
    return f"from typing import {name}" if name in typing.__all__ else None
