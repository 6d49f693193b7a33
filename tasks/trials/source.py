"""Reading Python that a model wrote without running it: parsing that cannot fail, and what a module defines."""

from __future__ import annotations

import ast
import builtins
import functools
import re
import warnings
from collections.abc import Iterator

from tasks import syntax

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

MAX_CODE_CHARS = 200_000
_FILENAME = "<model answer>"
# A model's bad escape sequences are its own affair: one filter at import, because changing filters around every parse
# is not safe among threads.
warnings.filterwarnings("ignore", module=re.escape(_FILENAME))
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
BUILTINS = frozenset(dir(builtins))


def storable(text: str) -> bool:
    """Whether PostgreSQL, a UTF-8 file and a Parquet column can hold the text (no NUL, no lone surrogate)."""
    return _UNSTORABLE.search(text) is None


def parse_python(code: str) -> ast.Module | None:
    """The module's syntax tree, or None where the text is not Python, is hostile to the parser or absurdly long."""
    if len(code) > MAX_CODE_CHARS:
        return None
    try:
        module = syntax.parse(code, _FILENAME)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return module if _is_passable(code) else None


@functools.lru_cache(maxsize=1024)
def _is_passable(code: str) -> bool:
    """Whether recursive visitors (unparse among them) get through the tree. Dear, and asked of the same texts."""
    try:
        ast.unparse(syntax.parse(code, _FILENAME))
    except (ValueError, RecursionError, MemoryError):
        return False
    return True


def is_main_guard(node: ast.stmt) -> bool:
    """Whether the statement is `if __name__ == "__main__": ...`."""
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Compare)
        and any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test))
    )


def top_level(module: ast.Module) -> Iterator[ast.stmt]:
    """The statements that run at import in order, those inside `if`, `try` and `with` too, a main guard's left out."""
    waiting: list[ast.stmt] = list(reversed(module.body))
    while waiting:
        node = waiting.pop()
        if is_main_guard(node):
            continue
        yield node
        inner: list[ast.stmt] = []
        if isinstance(node, ast.If):
            inner = [*node.body, *node.orelse]
        elif isinstance(node, ast.With):
            inner = list(node.body)
        elif isinstance(node, ast.Try):
            inner = [*node.body, *(part for handler in node.handlers for part in handler.body)]
            inner += [*node.orelse, *node.finalbody]
        waiting.extend(reversed(inner))


def definitions(module: ast.Module) -> dict[str, Definition]:
    """The functions and classes that a module defines by name; a lambda bound to a name counts as a function."""
    found: dict[str, Definition] = {}
    for node in top_level(module):
        if isinstance(node, Definition):
            found.pop(node.name, None)
            found[node.name] = node
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    body: list[ast.stmt] = [ast.Return(value=node.value.body)]
                    found[target.id] = ast.FunctionDef(
                        name=target.id, args=node.value.args, body=body, decorator_list=[]
                    )
    return found


def public_definitions(module: ast.Module) -> dict[str, Definition]:
    return {name: node for name, node in definitions(module).items() if not name.startswith("_")}


def bound_names(module: ast.Module) -> set[str]:
    """Every name that the module binds at its top level: definitions, assignments, imports, loop variables."""
    names = set(definitions(module))
    for node in top_level(module):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        elif not isinstance(node, Definition):
            names |= {
                part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
    return names


def bare_arguments(arguments: ast.arguments, skip_first: bool = False) -> ast.arguments:
    """The parameters without their annotations; `skip_first` leaves out `self`."""
    positional_only, plain = list(arguments.posonlyargs), list(arguments.args)
    if skip_first:
        del (positional_only or plain)[:1]
    defaults = list(arguments.defaults)[-(len(positional_only) + len(plain)) :] if positional_only or plain else []
    return ast.arguments(
        posonlyargs=[ast.arg(arg=part.arg) for part in positional_only],
        args=[ast.arg(arg=part.arg) for part in plain],
        vararg=ast.arg(arg=arguments.vararg.arg) if arguments.vararg else None,
        kwonlyargs=[ast.arg(arg=part.arg) for part in arguments.kwonlyargs],
        kw_defaults=arguments.kw_defaults,
        kwarg=ast.arg(arg=arguments.kwarg.arg) if arguments.kwarg else None,
        defaults=defaults,
    )
