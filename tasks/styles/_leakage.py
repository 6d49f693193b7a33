"""Whether a text gives the solution away: how much of the solution's function bodies it repeats."""

from __future__ import annotations

import ast
import keyword
import re
from collections.abc import Iterable, Iterator

from tasks import syntax
from tasks.trials import BUILTINS, Function

# No parentheses and commas: where they stand is often a matter of taste, and unparsing moves them.
_TOKEN = re.compile(r"\w+|[^\w\s(),]")
_LINE_PREFIX = re.compile(r"^\s*(?:#+|>>>|\.\.\.|>|[-*+]\s|\d{1,3}[.)]\s)?\s*", re.ASCII)

MIN_LINE_TOKENS = 4  # shorter lines ("return s", "i = 0") occur within honest prose
MIN_WHOLE_LINE_TOKENS = 3  # but seldom alone on a line of it
MIN_LEAKED_TOKENS = 6
MAX_SHARE = 0.3  # of the weight of all lines that count
MAX_LINES = 5
MAX_LINE_WEIGHT = 20  # a table is one line of a solution, not all of it
MIN_RENAMED_TOKENS = 6  # with names blanked, short lines match anything
MIN_RENAMED_LINES = 2
MIN_RENAMED_WEIGHT = 16
MIN_RENAMED_WHOLE_WEIGHT = 9
MAX_RENAMED_SHARE = 0.5

_Line = tuple[str, ...]


def leak(text: str, solution: str) -> str | None:
    """What the text leaks of the solution, which must parse, or None.

    Compared are the statements of the solution's function bodies, token by token, with the text's; line prefixes of
    comments, doctests and lists don't hide them. First anywhere in the text, then as whole lines of it, which finds
    short ones; then both again with all names of variables blanked, which finds a body that was renamed.
    """
    module = syntax.parse(solution)
    # Two spellings a statement: as it was written, and as it would be unparsed.
    lines = {(tuple(_tokens(written)), tuple(_tokens(plain))) for written, plain in _Bodies(solution, module).lines()}
    told = [_tokens(_LINE_PREFIX.sub("", line, count=1)) for line in text.splitlines()]
    whole = {tuple(line) for line in told}
    words = [token for line in told for token in line]

    longer = {line for line in lines if len(line[1]) >= MIN_LINE_TOKENS}
    found = _found(longer, f" {' '.join(words)} ")
    leaked = _weight(found)
    if leaked >= MIN_LEAKED_TOKENS and (leaked >= MAX_SHARE * _weight(longer) or len(found) >= MAX_LINES):
        return _report(found, longer)

    short = {line for line in lines if len(line[1]) >= MIN_WHOLE_LINE_TOKENS}
    found = {line for line in short if not whole.isdisjoint(line)}
    if found and _weight(found) >= MAX_SHARE * _weight(short):
        return _report(found, short)

    return _renamed(lines, told, _kept_names(module))


def _renamed(lines: set[tuple[_Line, _Line]], told: list[list[str]], kept: frozenset[str]) -> str | None:
    blanked = {(_blank(written, kept), _blank(plain, kept)) for written, plain in lines}
    blanked_told = [_blank(line, kept) for line in told]

    longer = {line for line in blanked if len(line[1]) >= MIN_RENAMED_TOKENS}
    found = _found(longer, f" {' '.join(token for line in blanked_told for token in line)} ")
    if len(found) >= MIN_RENAMED_LINES and _weight(found) >= max(
        MIN_RENAMED_WEIGHT, MAX_RENAMED_SHARE * _weight(longer)
    ):
        return f"repeats {len(found)} of the solution's {len(longer)} longer lines with other names"

    whole = set(blanked_told)
    found = {line for line in blanked if not whole.isdisjoint(line)}
    wanted = max(MIN_RENAMED_WHOLE_WEIGHT, MAX_RENAMED_SHARE * _weight(blanked))
    if len(found) >= MIN_RENAMED_LINES and _weight(found) >= wanted:
        return f"repeats {len(found)} of the solution's {len(blanked)} lines with other names"
    return None


def _found(lines: Iterable[tuple[_Line, _Line]], stream: str) -> set[tuple[_Line, _Line]]:
    return {line for line in lines if any(f" {' '.join(spelling)} " in stream for spelling in line)}


def _weight(lines: Iterable[tuple[_Line, _Line]]) -> int:
    return sum(min(len(plain), MAX_LINE_WEIGHT) for _, plain in lines)


def _report(found: set[tuple[_Line, _Line]], lines: set[tuple[_Line, _Line]]) -> str:
    longest = max(found, key=lambda line: len(line[1]))
    return f"repeats {len(found)} of the solution's {len(lines)} lines, among them: {' '.join(longest[0])}"


def _tokens(line: str) -> list[str]:
    return ["if" if word == "elif" else word for word in _TOKEN.findall(line.replace('"', "'"))]


class _Bodies:
    """The statements in a module's function bodies, compound ones by their heads, docstrings left out."""

    def __init__(self, source: str, module: ast.Module) -> None:
        self._module = module
        # Columns of a syntax tree count UTF-8 bytes, its lines end as below.
        self._lines = [line.encode() for line in source.replace("\r\n", "\n").replace("\r", "\n").split("\n")]

    def lines(self) -> Iterator[tuple[str, str]]:
        seen: set[ast.AST] = set()
        for function in ast.walk(self._module):
            if isinstance(function, Function):
                for node in (part for statement in function.body for part in ast.walk(statement)):
                    if node not in seen:
                        seen.add(node)
                        yield from self._line(node)

    def _line(self, node: ast.AST) -> Iterator[tuple[str, str]]:
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # docstrings are what a prompt is made of
        if isinstance(node, ast.If | ast.While):
            word = "if" if isinstance(node, ast.If) else "while"
            yield f"{word} {self._text(node.test)}:", f"{word} {ast.unparse(node.test)}:"
        elif isinstance(node, ast.For | ast.AsyncFor):
            written = f"for {self._text(node.target)} in {self._text(node.iter)}:"
            yield written, f"for {ast.unparse(node.target)} in {ast.unparse(node.iter)}:"
        elif isinstance(node, ast.With | ast.AsyncWith):
            plain = f"with {', '.join(map(ast.unparse, node.items))}:"
            yield plain, plain
        elif isinstance(node, ast.stmt) and not isinstance(node, Function | ast.ClassDef | ast.Try | ast.Match):
            yield self._text(node), ast.unparse(node)

    def _text(self, node: ast.stmt | ast.expr) -> str:
        lines = self._lines[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode(errors="replace")


def _kept_names(solution: ast.Module) -> frozenset[str]:
    """What renaming does not touch: keywords, builtins, attributes, imported names."""
    names = {*keyword.kwlist, *BUILTINS}
    for node in ast.walk(solution):
        if isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return frozenset(names)


def _blank(tokens: Iterable[str], kept: frozenset[str]) -> _Line:
    return tuple("_" if token.isidentifier() and token not in kept else token for token in tokens)
