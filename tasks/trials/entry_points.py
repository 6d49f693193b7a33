"""Entry points: which functions and classes of a solution its test uses."""

from __future__ import annotations

import ast
from typing import TypedDict

from tasks.trials.source import (
    Definition,
    Function,
    bare_arguments,
    parse_python,
    public_definitions,
    top_level,
)


class EntryPoint(TypedDict):
    """One element of the published column `test_info`; parameters stand without annotations.

    A class has its constructor's parameters.
    """

    function_name: str
    parameter_list: str
    function_declaration: str
    docstring: str | None


def test_info(solution: str, test: str) -> list[EntryPoint]:
    """The public functions and classes of the solution that the test uses, in the solution's order.

    All public ones where the test names none of them, none where the solution is not Python.
    """
    module = parse_python(solution)
    if module is None:
        return []
    found = public_definitions(module)
    return [describe(found[name]) for name in entry_point_names(solution, test)]


# pytest would collect the function in every module that imports it.
test_info.__test__ = False  # type: ignore[attr-defined]


def entry_point_names(solution: str, test: str) -> list[str]:
    """The names of `test_info`."""
    module = parse_python(solution)
    if module is None:
        return []
    public = list(public_definitions(module))
    tested = parse_python(test)
    used = _names_used(tested) if tested is not None else set()
    return [name for name in public if name in used] or public


def _names_used(test: ast.Module) -> set[str]:
    """The names that a test module takes from elsewhere."""
    imported: set[str] = set()
    modules = {"solution"}
    for node in ast.walk(test):
        if isinstance(node, ast.ImportFrom) and node.module == "solution":
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if alias.name == "solution" and alias.asname}
    loaded: set[str] = set()
    own: set[str] = {node.name for node in top_level(test) if isinstance(node, Definition)}
    for node in ast.walk(test):
        if isinstance(node, ast.Name):
            (loaded if isinstance(node.ctx, ast.Load) else own).add(node.id)
        elif isinstance(node, ast.arg):
            own.add(node.arg)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            imported.add(node.attr)
    return imported | (loaded - own)


def describe(node: Definition) -> EntryPoint:
    """A definition as an element of `test_info`."""
    if isinstance(node, ast.ClassDef):
        parameters = _constructor(node)
        bases = ", ".join(ast.unparse(base) for base in [*node.bases, *node.keywords])
        declaration = f"class {node.name}({bases}):" if bases else f"class {node.name}:"
    else:
        parameters = f"({ast.unparse(bare_arguments(node.args))})"
        prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        declaration = f"{prefix} {node.name}{parameters}:"
    return EntryPoint(
        function_name=node.name,
        parameter_list=parameters,
        function_declaration=declaration,
        docstring=ast.get_docstring(node),
    )


def _constructor(node: ast.ClassDef) -> str:
    for part in node.body:
        if isinstance(part, Function) and part.name == "__init__":
            return f"({ast.unparse(bare_arguments(part.args, skip_first=True))})"
    if any("dataclass" in ast.unparse(decorator) for decorator in node.decorator_list):
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name)]
        return f"({', '.join(_field(part) for part in fields)})"
    return "()"


def _field(node: ast.AnnAssign) -> str:
    name = ast.unparse(node.target)
    return f"{name}={ast.unparse(node.value)}" if node.value is not None else name
