"""A rehearsal in the zygote: one whole trial before the first real one.

It imports, compiles and caches what pytest, coverage and the standard library put off until first use, and lets the
interpreter specialise the byte code that every trial runs; the forked children inherit all of it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from .judge_pytest import PytestJudge

# Modules that judged programs import most, and that cost little to have.
_COMMON = (
    "abc", "array", "bisect", "collections", "contextlib", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "io", "itertools", "json", "math", "operator", "os", "random", "re",
    "statistics", "string", "sys", "textwrap", "threading", "time", "typing", "unittest", "uuid",
)  # fmt: skip
_ROUNDS = 24  # CPython specialises a function's byte code after a handful of calls
_SOLUTION = '''
"""Module."""
import collections
from typing import Dict, List, Optional


class Queue:
    """A queue."""

    def __init__(self, size: int = 3):
        self.size = size
        self.items: List[int] = []

    def push(self, value: int) -> bool:
        if len(self.items) == self.size:
            return False
        self.items.append(
            value
        )
        return True

    def __eq__(self, other):
        return self.items == other.items


def count(text: str) -> Dict[str, int]:
    found = collections.defaultdict(int)
    for character in text:
        found[character] += 1
    return dict(found)


def divide(a: float, b: float) -> Optional[float]:
    try:
        return a / b
    except ZeroDivisionError as error:
        raise ValueError("no") from error
    finally:
        pass
'''
_TEST = """
from solution import *

import unittest
import pytest
from solution import Queue, count, divide


@pytest.fixture
def queue():
    yield Queue(2)


def test_fixture(queue):
    assert queue.push(1) is True
    assert queue.push(2) == True and not queue.push(3)


@pytest.mark.parametrize("text, expected", [("a", {"a": 1}), ("aab", {"a": 2, "b": 1}), ("", {})])
def test_many(text, expected):
    assert count(text) == expected, f"for {text}"


def test_raises():
    with pytest.raises(ValueError, match="no"):
        divide(1, 0)


def test_approx():
    assert divide(1, 3) == pytest.approx(0.3333, rel=1e-3)
    assert [len(count(t)) for t in ("ab", "c")] == [2, 1]
    assert "a" in count("a") and 1 < 2 <= 3


def test_fails():
    assert count("ab")["a"] == 2


class TestClass:
    def setup_method(self):
        self.value = 1

    def test_method(self):
        assert self.value == 1


class Case(unittest.TestCase):
    def test_unit(self):
        self.assertEqual(divide(4, 2), 2)
""" + "".join(f"\ndef test_{n}():\n    q = Queue({n})\n    assert q.push(1) == {n > 0}\n" for n in range(_ROUNDS))


def rehearse(folder: str) -> None:
    """Runs the sample pair in `folder`, which must be writable and empty, and leaves no trace in this process."""
    with contextlib.suppress(ImportError):
        for name in _COMMON:
            __import__(name)
    judge = PytestJudge(folder)
    with _streams_kept():
        how = {"star_import": False, "coverage": True, "again": False, "apart": False}
        judge.run({"solution": _SOLUTION, "test": _TEST, **how}, lambda *_: None)
        for _ in range(_ROUNDS):
            judge.scope.coverable(judge.solution_path)
    judge.dismantle()
    for name in (judge.solution_path, judge.test_path):
        Path(name).unlink()


@contextlib.contextmanager
def _streams_kept() -> Iterator[None]:
    kept = sys.stdin
    try:
        yield
    finally:
        sys.stdin = kept
