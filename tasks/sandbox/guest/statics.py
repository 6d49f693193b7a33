"""What is known about the files of a trial before any of it runs: which tests must appear, which lines can be covered.

Runs in the trial's own process, so that a source made to crash the parser takes nothing else with it.
"""

from __future__ import annotations

import ast


def _decorator_names(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[str]:
    names = []
    for decorator in node.decorator_list:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        parts = []
        while isinstance(target, ast.Attribute):
            parts.append(target.attr)
            target = target.value
        if isinstance(target, ast.Name):
            parts.append(target.id)
        names.append(".".join(reversed(parts)))
    return names


# What lets a program look at, or reach into, those who judge it. Solutions of the tasks judged here need none of it.
_REACHING = frozenset({
    "_getframe", "_current_frames", "currentframe", "f_back", "f_code", "f_locals", "f_globals", "tb_frame",
    "gi_frame", "co_consts", "co_code", "co_names", "get_objects", "get_referrers", "get_referents", "settrace",
    "setprofile", "__subclasses__", "ctypes", "_ctypes", "_pytest", "pluggy", "_testcapi", "__closure__",
    "cell_contents",
})  # fmt: skip


def reaching(source: bytes) -> str:
    """The first name in a solution, as an identifier or a string, that reaches for its judges; empty if none does.

    A screen, not a proof: a name put together at run time is not seen. Raises what the parser raises.
    """
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [part for alias in node.names for part in alias.name.split(".")]
        elif isinstance(node, ast.ImportFrom):
            names = [*(node.module or "").split("."), *[alias.name for alias in node.names]]
        elif isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Name):
            names = [node.id]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value]
        found = _REACHING.intersection(names)
        if found:
            return min(found)
    return ""


def suspicious(source: bytes) -> str:
    """What a solution mentions that no honest one needs; empty if nothing. Raises what the parser raises."""
    mock = False
    any_of_mock = False
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            mock = mock or any("mock" in alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            mock = mock or "mock" in (node.module or "").split(".") or any(a.name == "mock" for a in node.names)
            any_of_mock = any_of_mock or any(alias.name == "ANY" for alias in node.names)
        elif isinstance(node, ast.Attribute) and node.attr == "ANY":
            any_of_mock = True
    return "mock.ANY" if mock and any_of_mock else ""


def _is_plain(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Undecorated but for marks: what is called must then be the very code of the file."""
    marks = ("pytest.mark.", "mark.")
    return all(name.startswith(marks) for name in _decorator_names(node))


def _is_fixture(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(name.rpartition(".")[2] == "fixture" for name in _decorator_names(node))


def _methods(node: ast.ClassDef) -> list[str]:
    found: dict[str, str] = {}
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            if child.name in {"__init__", "__new__"}:
                return []  # pytest does not collect such a class
            if child.name.startswith("test"):
                found[child.name] = "" if _is_fixture(child) else _signed(child, not node.decorator_list)
        elif isinstance(child, ast.Assign | ast.AnnAssign | ast.Delete):
            for name in _bound(child):
                found.pop(name, None)
                if name == "__test__":
                    return []
    return [f"{signed[0]}{node.name}::{name}" for name, signed in found.items() if signed]


def _signed(node: ast.FunctionDef | ast.AsyncFunctionDef, plain: bool = True) -> str:
    return ("=" if plain and _is_plain(node) else "~") + node.name


def _bound(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Assign | ast.Delete):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []


def _is_test_class(node: ast.ClassDef) -> bool:
    if node.name.startswith("Test"):
        return True
    for base in node.bases:
        last = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
        if last == "TestCase":
            return True
    return False


def expected_tests(tree: ast.Module) -> list[str]:
    """The tests that a test file defines for certain, at its top level and in its top-level classes: their names,
    behind `=` where the function called must be the file's own code, `~` where a decorator may have replaced it."""
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("test"):
                found[node.name] = [] if _is_fixture(node) else [_signed(node)]
        elif isinstance(node, ast.ClassDef):
            if _is_test_class(node):
                found[node.name] = _methods(node)
        else:
            for name in _bound(node):
                found.pop(name, None)
    return [name for names in found.values() for name in names]
