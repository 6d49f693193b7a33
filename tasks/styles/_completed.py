"""A completion prompt as a completer would leave it: its own declarations, with the solution's bodies in them."""

from __future__ import annotations

import ast
from typing import TypeVar

from tasks.trials import Definition, Function

_Declared = TypeVar("_Declared", ast.FunctionDef, ast.AsyncFunctionDef)


def completed(prompt: ast.Module, solution: ast.Module) -> str:
    """The prompt's imports and constants, then the solution's statements in their order, in which every definition
    that the prompt declares has the prompt's decorators, bases and first line, and the solution's body.

    What the declarations lack of the solution's (a base, a decorator, a field that the prompt does not show) is
    missing here as it would be for a completer. Expects a prompt that declares only what the solution defines.
    """
    futures = [node for module in (prompt, solution) for node in module.body if _is_future(node)]
    declared = {node.name: node for node in prompt.body if isinstance(node, Definition)}
    head = [node for node in prompt.body if not isinstance(node, Definition) and not _is_future(node)]
    rest = [_filled(declared.get(_name(node)), node) for node in solution.body if not _is_future(node)]
    return ast.unparse(ast.fix_missing_locations(ast.Module([*futures, *head, *rest], type_ignores=[]))) + "\n"


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _name(node: ast.stmt) -> str:
    return node.name if isinstance(node, Definition) else ""


def _filled(declared: Definition | None, node: ast.stmt) -> ast.stmt:
    if isinstance(declared, ast.ClassDef) and isinstance(node, ast.ClassDef):
        methods = {part.name: part for part in declared.body if isinstance(part, Function)}
        own = [part for part in declared.body if not isinstance(part, Function | ast.Pass)]
        body = [*own, *(_filled(methods.get(_name(part)), part) for part in node.body)]
        return ast.ClassDef(declared.name, declared.bases, declared.keywords, body, declared.decorator_list)
    if isinstance(declared, ast.FunctionDef) and isinstance(node, ast.FunctionDef):
        return _with_body(declared, node)
    if isinstance(declared, ast.AsyncFunctionDef) and isinstance(node, ast.AsyncFunctionDef):
        return _with_body(declared, node)
    return node


def _with_body(declared: _Declared, node: _Declared) -> _Declared:
    return type(node)(
        name=declared.name, args=declared.args, body=node.body, decorator_list=declared.decorator_list,
        returns=declared.returns,
    )  # fmt: skip
