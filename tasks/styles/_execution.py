"""How conversions are executed: modules put together, verdicts told apart from infrastructure failures."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tasks.sandbox.types import Job, Verdict, VerdictKind
from tasks.styles.types import Judge, JudgeUnavailable, Reason, Rejected
from tasks.trials import is_main_guard, parse_python


async def run(judge: Judge, job: Job) -> Verdict:
    """The verdict on a job; raises JudgeUnavailable where the sandbox failed."""
    verdict = await judge(job)
    if verdict.kind is VerdictKind.INFRASTRUCTURE:
        raise JudgeUnavailable(f"job {job.id}: {verdict.message or 'no verdict'}; run the stage again")
    return verdict


def parse_verified(code: str) -> ast.Module:
    """The tree of code that was executed before. Raises Rejected where it runs but is too much for our reading, as a
    sum of 400 terms is."""
    module = parse_python(code)
    if module is None:
        raise Rejected(Reason.SYNTAX_ERROR, "the solution, or what is put below it, cannot be read")
    return module


def join_modules(*codes: str) -> str:
    """The modules one below the other, `from __future__` imports first, where Python wants them.

    Raises Rejected for code that cannot be read.
    """
    futures: list[str] = []
    parts: list[str] = []
    for code in codes:
        module = parse_verified(code)
        imports = [node for node in module.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
        futures += [alias.name for node in imports for alias in node.names]
        parts.append(without_statements(code, module, imports).strip("\n"))
    head = [f"from __future__ import {', '.join(dict.fromkeys(futures))}"] if futures else []
    return "\n\n\n".join([*head, *parts]) + "\n"


def without_main_guard(code: str) -> str:
    """The code without its `if __name__ == "__main__":` part, which would run when it becomes part of a program."""
    module = parse_verified(code)
    return without_statements(code, module, [node for node in module.body if is_main_guard(node)])


def without_statements(code: str, module: ast.Module, dropped: Sequence[ast.stmt]) -> str:
    """The code without some of its module's top-level statements; comments and layout of the others stay."""
    if not dropped:
        return code
    # Not splitlines: Python's own line counting knows only these ends.
    lines = code.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    gone = {number for node in dropped for number in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    kept = [node for node in module.body if node not in dropped]
    if any(node.lineno in gone or node.end_lineno in gone for node in kept):
        # Several statements on one line: the text cannot be cut, so it is written anew.
        return ast.unparse(ast.Module(body=kept, type_ignores=[]))
    return "\n".join(line for number, line in enumerate(lines, 1) if number not in gone)
