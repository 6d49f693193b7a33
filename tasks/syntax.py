"""Python source to syntax tree, from any thread.

CPython up to 3.12 keeps the depth of the tree under construction per interpreter, not per thread: when two threads
build trees at once, one can fail with SystemError "AST constructor recursion depth mismatch"
(python/cpython#106905). A lock keeps our own threads apart; libraries that parse on theirs (inspect.signature does)
are met by trying again.
"""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable
from typing import TypeVar

Parsed = TypeVar("Parsed")

_one_at_a_time = threading.Lock()
_TRIES = 10


def parse(source: str, filename: str = "<source>") -> ast.Module:
    """ast.parse. Raises SyntaxError, ValueError (NUL), RecursionError or MemoryError for what is not fit."""
    return _alone(lambda: ast.parse(source, filename))


def literal(source: str) -> object:
    """ast.literal_eval, with parse's errors and TypeError."""
    return _alone(lambda: ast.literal_eval(source))


def _alone(build: Callable[[], Parsed]) -> Parsed:
    with _one_at_a_time:
        for _ in range(_TRIES - 1):
            try:
                return build()
            except SystemError:  # the race of the module's docstring; the tree was thrown away
                continue
        return build()
