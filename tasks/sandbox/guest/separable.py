"""Whether a test file can be run in another process than the solution and mean the same: only calls of its functions
with plain data, and nothing that looks at the process in which they run. Where in doubt, it cannot."""

from __future__ import annotations

import ast
import builtins

# What a test may import: nothing that observes output, files, warnings, frames or modules.
LIBRARIES = frozenset({
    "bisect", "cmath", "collections", "copy", "datetime", "decimal", "enum", "fractions", "functools", "heapq",
    "itertools", "json", "math", "numbers", "operator", "pytest", "random", "re", "solution", "statistics", "string",
    "textwrap", "time", "typing", "unittest",
})  # fmt: skip
_OBSERVING_FIXTURES = frozenset({
    "cache", "capfd", "capfdbinary", "caplog", "capsys", "capsysbinary", "doctest_namespace", "monkeypatch", "mocker",
    "pytester", "recwarn", "request", "testdir", "tmp_path", "tmp_path_factory", "tmpdir", "tmpdir_factory",
})  # fmt: skip
_OBSERVING_CALLS = frozenset({
    "__import__", "breakpoint", "compile", "deprecated_call", "dir", "eval", "exec", "getattr", "globals", "hasattr",
    "assertIs", "assertIsNot", "assertLogs", "assertNoLogs", "assertWarns", "assertWarnsRegex", "id", "input",
    "locals", "open", "patch", "print", "seed", "setattr", "vars", "warns",
})  # fmt: skip


def why_not(test: ast.Module, functions: set[str], others: set[str]) -> str:
    """The first reason found against it; empty if there is none.

    `functions` and `others` are the names of the solution: functions, and what is neither function nor plain constant.
    """
    for node in ast.walk(test):
        reason = _of_node(node, functions)
        if reason:
            return reason
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name)}
    names |= {alias.name for node in ast.walk(test) if isinstance(node, ast.ImportFrom) for alias in node.names}
    names |= {node.attr for node in ast.walk(test) if isinstance(node, ast.Attribute)}
    for name in sorted(names & others):
        return f"{name} of the solution is neither a function nor a plain constant"
    for name in sorted(names & functions & set(dir(builtins))):
        return f"{name} of the solution stands for a builtin"
    for name in sorted(functions | others):
        if name.startswith(("test", "Test")):
            return f"{name} of the solution would be collected"
    return ""


def _of_node(node: ast.AST, functions: set[str]) -> str:  # noqa: PLR0911 - one a rule
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        for name in names:
            if name not in LIBRARIES:
                return f"the test imports {name}"
    elif isinstance(node, ast.arg) and node.arg in _OBSERVING_FIXTURES:
        return f"the test uses {node.arg}"
    elif isinstance(node, ast.Compare) and any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
        sides = (node.left, *node.comparators)
        singletons = (None, True, False)
        if not any(isinstance(side, ast.Constant) and any(side.value is one for one in singletons) for side in sides):
            return "the test compares identities"
    elif isinstance(node, ast.Call):
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if called in _OBSERVING_CALLS:
            return f"the test calls {called}"
    elif isinstance(node, ast.Attribute):
        if node.attr.startswith("__"):
            return f"the test looks at {node.attr}"
        owner = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
        if owner in functions:
            return f"the test looks at an attribute of {owner}"
        if owner == "solution" and not isinstance(node.ctx, ast.Load):
            return "the test changes the solution"
    return ""
