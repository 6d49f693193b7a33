"""Responses that named their entry point otherwise than the test does: the missing name becomes an alias.

An alias and no renaming: recursion, callers, strings and attributes keep what they mean, whatever else has the name.
"""

from __future__ import annotations

import ast
import keyword
import math
from collections.abc import Sequence

from tasks.trials.entry_points import EntryPoint, describe
from tasks.trials.source import BUILTINS, Definition, bound_names, parse_python, public_definitions


def align_entry_points(code: str, expected_names: Sequence[str]) -> str:
    """The code with an alias below it where its only public function has another name than the only expected one.

    Code that binds the expected name, or that leaves a doubt which function is meant, comes back as it is.
    """
    module = parse_python(code)
    if module is None or len(expected_names) != 1:
        return code
    return _with_alias(code, module, expected_names[0], list(_candidates(module, expected_names, classes=False)))


def repair_entry_point(code: str, expected: Sequence[EntryPoint]) -> str:
    """The code with an alias below it where it lacks one of the expected entry points and one definition can be meant.

    That is its only other public function (or class, where a class is missing), or, of several, the only one that
    takes as many arguments. Anything else comes back as it is.
    """
    module = parse_python(code)
    if module is None:
        return code
    bound = bound_names(module)
    missing = [entry for entry in expected if entry["function_name"] not in bound]
    if len(missing) != 1:
        return code
    (wanted,) = missing
    names = [entry["function_name"] for entry in expected]
    candidates = _candidates(module, names, classes=wanted["function_declaration"].startswith("class "))
    fitting = list(candidates)
    if len(fitting) > 1:
        needed, _ = _argument_counts(wanted)
        fitting = [name for name, node in candidates.items() if _takes(node, needed)]
    return _with_alias(code, module, wanted["function_name"], fitting)


def _candidates(module: ast.Module, taken: Sequence[str], *, classes: bool) -> dict[str, Definition]:
    found = {
        name: node
        for name, node in public_definitions(module).items()
        if isinstance(node, ast.ClassDef) is classes and name not in taken
    }
    return {name: node for name, node in found.items() if name != "main"} or found


def _with_alias(code: str, module: ast.Module, expected: str, candidates: Sequence[str]) -> str:
    if len(candidates) != 1 or not expected.isidentifier() or keyword.iskeyword(expected):
        return code
    bound = bound_names(module)
    if expected in bound or _means_something_else(module, expected):
        return code
    lines = [f"{expected} = {candidates[0]}"]
    if "__all__" in bound:  # a test that imports everything sees only what is listed there
        lines.append(f'__all__ = [*__all__, "{expected}"]')
    return "\n".join([code.rstrip(), "", "", *lines, ""])


def _means_something_else(module: ast.Module, name: str) -> bool:
    """Whether the code uses the name for a builtin or for what `import *` brings, or binds it while it runs."""
    nodes = list(ast.walk(module))
    if any(isinstance(node, ast.Global) and name in node.names for node in nodes):
        return True
    everything = any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in nodes)
    used = any(isinstance(node, ast.Name) and node.id == name for node in nodes)
    return used and (everything or name in BUILTINS)


def _takes(node: Definition, count: float) -> bool:
    least, most = _argument_counts(describe(node))
    return least <= count <= most


def _argument_counts(entry: EntryPoint) -> tuple[float, float]:
    """The least and the most arguments of a call, keywords that must be given among them; NaN where not known."""
    module = parse_python(f"def f{entry['parameter_list']}: pass")
    if module is None or len(module.body) != 1 or not isinstance(module.body[0], ast.FunctionDef):
        return math.nan, math.nan
    arguments = module.body[0].args
    positional = len(arguments.posonlyargs) + len(arguments.args)
    keywords = sum(default is None for default in arguments.kw_defaults)
    most = math.inf if arguments.vararg else positional + keywords
    return positional - len(arguments.defaults) + keywords, most
