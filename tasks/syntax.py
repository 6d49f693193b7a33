"""Python source to syntax tree, from any thread."""

from __future__ import annotations

import ast
import threading

# CPython 3.11 and 3.12 keep the depth of the tree under construction per interpreter, not per thread: two threads in
# ast.parse at once can fail with "AST constructor recursion depth mismatch" (python/cpython#106905).
_one_at_a_time = threading.Lock()


def parse(source: str, filename: str = "<source>") -> ast.Module:
    """ast.parse. Raises SyntaxError, ValueError (NUL), RecursionError or MemoryError for what is not fit."""
    with _one_at_a_time:
        return ast.parse(source, filename)


def literal(source: str) -> object:
    """ast.literal_eval, with parse's errors."""
    with _one_at_a_time:
        return ast.literal_eval(source)
