"""Whether an adapter lets the verified solution do the work: statically, and by a run with the solution emptied."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from tasks.sandbox.types import Verdict
from tasks.styles._execution import join_modules, parse_verified, without_main_guard
from tasks.styles.types import Reason, Rejected
from tasks.trials import Definition, Function, bound_names, definitions, entry_point_names, public_definitions

_REACHING = frozenset({"setattr", "delattr", "exec", "globals", "vars"})
CALLED = "[entry point called]"
# Written past Python's own buffer, so that an adapter that captures or replaces sys.stdout does not swallow it.
_EMPTY_FUNCTION = """{prefix}def {name}(*args, **kwargs):
    __import__("os").write(1, b"{called}\\n")
"""
_EMPTY_CLASS = """class {name}:
    def __init__(self, *args, **kwargs):
        __import__("os").write(1, b"{called}\\n")

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: None
"""


def control_program(solution: str, adapter: str, test: str) -> str:
    """The program with the entry points that the adapter uses replaced by ones that announce a call and do nothing.

    Raises Rejected where the adapter redefines what the solution consists of, or names no entry point that does work;
    a class without methods of its own only holds data.
    """
    defined = public_definitions(parse_verified(solution))
    entry_points = {name: defined[name] for name in entry_point_names(solution, test)}
    tree = parse_verified(adapter)
    redefined = sorted(_bound_anywhere(tree) & set(entry_points) | _exchanged(tree, solution))
    if redefined:
        raise Rejected(Reason.ADAPTER_UNUSED, f"the adapter redefines or reaches around {', '.join(redefined)}")
    working = {name: node for name, node in entry_points.items() if _does_work(node)} or entry_points
    loaded = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used = {name: node for name, node in working.items() if name in loaded}
    if not used:
        raise Rejected(Reason.ADAPTER_UNUSED, f"the adapter uses none of {', '.join(working) or 'the solution'}")
    emptied = {name: node for name, node in used.items() if isinstance(node, Function)} or used
    stubs = "\n\n".join(_empty(name, node) for name, node in emptied.items())
    return join_modules(without_main_guard(solution), stubs, adapter)


def _does_work(node: Definition) -> bool:
    if isinstance(node, Function):
        return True
    return any(isinstance(part, Function) and not part.name.startswith("_") for part in node.body)


def _bound_anywhere(tree: ast.Module) -> set[str]:
    """Names that the adapter binds in any scope: in each of them an entry point's name would be hidden."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, Definition):
            names.add(node.name)
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names.add(node.id)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.ExceptHandler) and node.name:
            names.add(node.name)
    return names


def _exchanged(adapter: ast.Module, solution: str) -> set[str]:
    """What the solution uses of its own and the adapter, in the same namespace, puts something else in place of.

    Importing the same once more does no harm.
    """
    module = parse_verified(without_main_guard(solution))
    used = {node.id for node in ast.walk(module) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    own = bound_names(module)
    bound = bound_names(ast.Module([n for n in adapter.body if not isinstance(n, ast.Import | ast.ImportFrom)], []))
    nodes = list(ast.walk(adapter))
    bound |= {name for node in nodes if isinstance(node, ast.Global) for name in node.names}
    patched = {
        node.value.id
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    reached = {
        node.func.id
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _REACHING
    }
    return (bound & own & used) | (patched & set(definitions(module))) | reached


def _empty(name: str, node: Definition) -> str:
    if isinstance(node, ast.ClassDef):
        return _EMPTY_CLASS.format(name=name, called=CALLED)
    prefix = "async " if isinstance(node, ast.AsyncFunctionDef) else ""
    return _EMPTY_FUNCTION.format(prefix=prefix, name=name, called=CALLED)


def depends(verdicts: Sequence[Verdict], outputs: Sequence[str]) -> list[bool]:
    """Which cases' outputs come from the solution, by the control program's verdicts on the first of them.

    A case depends on the solution where the control program called an entry point or broke without it; cases behind
    the last verdict count as such. Raises Rejected where fewer than half do, or where no output changed.
    """
    called = [not verdict.passed or CALLED in _printed(verdict) for verdict in verdicts]
    called += [True] * (len(outputs) - len(called))
    if 2 * sum(called) < len(called):
        raise Rejected(Reason.ADAPTER_UNUSED, f"the solution is called in {sum(called)} of {len(called)} cases")
    same = [
        verdict.passed and _printed(verdict).replace(f"{CALLED}\n", "") == output
        for verdict, output in zip(verdicts, outputs, strict=False)
    ]
    if all(same):
        raise Rejected(Reason.ADAPTER_UNUSED, "the output is the same whatever the solution returns")
    return called


def _printed(verdict: Verdict) -> str:
    return "".join(verdict.outputs)
