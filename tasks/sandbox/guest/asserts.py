"""Compiles a test file so that a failing assertion tells its values.

pytest's own rewriting explains every subexpression and is the dearest step of a small trial. Here the two sides of a
comparison are kept as they are evaluated, and rendered only when the assertion has failed: `assert f(1) == 2` becomes
`assert (@left := f(1)) == (@right := 2), @explain(...)`, after which both names are emptied. Nothing is evaluated
twice, in another order, or more often than Python itself would.
"""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from typing import Any

from _pytest._io.saferepr import saferepr

EXPLAIN = "@explain"  # no identifier, so no program's own name
_LEFT, _RIGHT = "@left", "@right"
_SOURCE_CHARACTERS = 200
_OPERATORS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
# Where statements hold statements. A class body is left out: its names would become attributes.
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")

_render: Callable[[object], str] = saferepr


def explain(source: str, operator: str, left: object, right: object = None, said: object = None) -> str:
    """The message of a failed assertion: its values, what the test says about it, and its first line."""
    values = f"{_render(left)} {operator} {_render(right)}" if operator else _render(left)
    return f"assert {values}" + ("" if said is None else f": {said}") + f"\n{source}"


def compile_test(tree: ast.Module, source: bytes, path: str) -> types.CodeType:
    """Byte code of a parsed test file; changes `tree`. Raises what compile raises (SyntaxError, ValueError ...)."""
    lines = source.decode("utf-8", "replace").split("\n")
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        for name in _BLOCKS:
            block = getattr(node, name, None)
            if not isinstance(block, list):  # a lambda's body, a conditional expression's branches
                continue
            _rewrite(block, lines)
            waiting += [child for child in block if not isinstance(child, ast.ClassDef)]
            waiting += [inner for child in block if isinstance(child, ast.ClassDef) for inner in _functions(child)]
    return compile(tree, path, "exec", dont_inherit=True)


def _functions(node: ast.ClassDef) -> list[ast.AST]:
    """The functions of a class and of the classes in it."""
    found: list[ast.AST] = []
    for child in node.body:
        if isinstance(child, ast.ClassDef):
            found += _functions(child)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(child)
    return found


def _rewrite(block: list[ast.AST], lines: list[str]) -> None:
    place = 0
    while place < len(block):
        node = block[place]
        place += 1
        if not isinstance(node, ast.Assert):
            continue
        where = _place(node)
        names = [_LEFT]
        test = node.test
        if isinstance(test, ast.Compare) and len(test.ops) == 1:
            names.append(_RIGHT)
            operator = _OPERATORS[type(test.ops[0])]
            test.left = _kept(_LEFT, test.left, where)
            test.comparators[0] = _kept(_RIGHT, test.comparators[0], where)
        else:
            operator = ""
            node.test = _kept(_LEFT, test, where)
        text = lines[node.lineno - 1].strip()[:_SOURCE_CHARACTERS] if node.lineno <= len(lines) else ""
        arguments = [
            *[ast.Constant(value, **where) for value in (text, operator)],
            *[ast.Name(name, ast.Load(), **where) for name in names],
        ]
        keywords = [ast.keyword("said", node.msg, **where)] if node.msg is not None else []
        node.msg = ast.Call(ast.Name(EXPLAIN, ast.Load(), **where), arguments, keywords, **where)
        # Tests may count references.
        targets: list[ast.expr] = [ast.Name(name, ast.Store(), **where) for name in names]
        block.insert(place, ast.Assign(targets, ast.Constant("", **where), **where))
        place += 1


def _place(node: ast.stmt) -> dict[str, Any]:
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }


def _kept(name: str, value: ast.expr, where: dict[str, Any]) -> ast.expr:
    return ast.NamedExpr(ast.Name(name, ast.Store(), **where), value, **where)
