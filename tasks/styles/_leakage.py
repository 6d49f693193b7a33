"""Whether a text gives the solution away: how much of the solution's function bodies it repeats."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Iterator

from tasks.trials import BUILTINS, Function

_TOKEN = re.compile(r"\w+|[^\w\s]")
_LINE_PREFIX = re.compile(r"^\s*(?:#+|>>>|\.\.\.|>|[-*+]\s|\d{1,3}[.)]\s)?\s*", re.ASCII)

MIN_LINE_TOKENS = 4  # shorter lines ("return s", "i = 0") occur in honest prose
MIN_LEAKED_TOKENS = 6
MAX_SHARE = 0.3  # of the tokens of all lines that count
MAX_LINES = 5
MIN_RENAMED_TOKENS = 6  # with names blanked, short lines match anything
MIN_RENAMED_LINES = 3
MAX_RENAMED_SHARE = 0.5


def leak(text: str, solution: ast.Module) -> str | None:
    """What the text leaks, or None.

    Compared are the statements of the solution's function bodies, token by token, with the text's running tokens; line
    prefixes of comments, doctests and lists don't hide them. Once as they are, once with all names of variables
    blanked, which finds a body that was renamed.
    """
    lines = {tuple(line) for line in map(_tokens, _body_lines(solution)) if len(line) >= MIN_LINE_TOKENS}
    if not lines:
        return None
    words = [token for line in text.splitlines() for token in _tokens(_LINE_PREFIX.sub("", line, count=1))]
    stream = f" {' '.join(words)} "
    found = [line for line in lines if f" {' '.join(line)} " in stream]
    leaked = _weight(found)
    if leaked >= MIN_LEAKED_TOKENS and (leaked >= MAX_SHARE * _weight(lines) or len(found) >= MAX_LINES):
        longest = " ".join(sorted(found, key=len)[-1])
        return f"repeats {len(found)} of the solution's {len(lines)} lines, among them: {longest}"
    kept = _kept_names(solution)
    blanked = {tuple(_blank(line, kept)) for line in lines if len(line) >= MIN_RENAMED_TOKENS}
    stream = f" {' '.join(_blank(words, kept))} "
    found = [line for line in blanked if f" {' '.join(line)} " in stream]
    if len(found) >= MIN_RENAMED_LINES and _weight(found) >= MAX_RENAMED_SHARE * _weight(blanked):
        return f"repeats {len(found)} of the solution's {len(blanked)} lines with other names"
    return None


def _weight(lines: Iterable[tuple[str, ...]]) -> int:
    return sum(map(len, lines))


def _tokens(line: str) -> list[str]:
    return _TOKEN.findall(line.replace('"', "'"))


def _body_lines(solution: ast.Module) -> Iterator[str]:
    for function in ast.walk(solution):
        if not isinstance(function, Function):
            continue
        for node in (part for statement in function.body for part in ast.walk(statement)):
            yield from _line(node)


def _line(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return  # docstrings are what a prompt is made of
    if isinstance(node, ast.If | ast.While):
        yield f"{'if' if isinstance(node, ast.If) else 'while'} {ast.unparse(node.test)}:"
    elif isinstance(node, ast.For | ast.AsyncFor):
        yield f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}:"
    elif isinstance(node, ast.With | ast.AsyncWith):
        yield f"with {', '.join(map(ast.unparse, node.items))}:"
    elif isinstance(node, ast.stmt) and not isinstance(node, Function | ast.ClassDef | ast.Try | ast.Match):
        yield ast.unparse(node)


def _kept_names(solution: ast.Module) -> frozenset[str]:
    """What renaming does not touch: keywords, builtins, attributes, imported names."""
    names = {*keyword.kwlist, *BUILTINS}
    for node in ast.walk(solution):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return frozenset(names)


def _blank(tokens: Iterable[str], kept: frozenset[str]) -> list[str]:
    return ["_" if token.isidentifier() and token not in kept else token for token in tokens]
