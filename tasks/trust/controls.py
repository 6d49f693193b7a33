"""Controls: solutions that no test worth its name lets pass. They have the solution's names and none of its work."""

from __future__ import annotations

import ast

from tasks.trials import Definition, Function, parse_python, public_definitions

_ANYTHING = """class _Anything:
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return True

    def __call__(self, *args, **kwargs):
        return self

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __bool__(self):
        return True

    def __hash__(self):
        return 0

    def _yes(self, other):
        return True

    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _yes


_ANYTHING = _Anything()
"""


def stub(solution: str) -> str | None:
    """Every public function and method returns None; None where the solution is not Python."""
    return _hollow(solution, "None")


def always_equal(solution: str) -> str | None:
    """Every public function returns an object that equals everything; None where the solution is not Python."""
    hollow = _hollow(solution, "_ANYTHING")
    return None if hollow is None else f"{_ANYTHING}\n\n{hollow}"


def _hollow(solution: str, result: str) -> str | None:
    module = parse_python(solution)
    if module is None:
        return None
    parts = [_emptied(name, node, result) for name, node in public_definitions(module).items()]
    return "\n\n".join(parts) + "\n"


def _emptied(name: str, node: Definition, result: str) -> str:
    if isinstance(node, Function):
        prefix = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        return f"{prefix} {name}(*args, **kwargs):\n    return {result}"
    lines = [f"class {name}:", "    def __init__(self, *args, **kwargs):", "        pass"]
    for part in node.body:
        if isinstance(part, Function) and not part.name.startswith("__"):
            prefix = "async def" if isinstance(part, ast.AsyncFunctionDef) else "def"
            binding = [ast.unparse(decorator) for decorator in part.decorator_list]
            lines += [f"    @{name}" for name in binding if name in ("staticmethod", "classmethod", "property")]
            lines += [f"    {prefix} {part.name}(*args, **kwargs):", f"        return {result}"]
    return "\n".join(lines)
