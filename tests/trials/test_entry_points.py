"""Entry points of solutions."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.trials import entry_point_names, test_info

SOLUTION = '''
import math
from dataclasses import dataclass

LIMIT = 3

def add(a: int, b: int = 2, *rest: int, key: str = "k", **more) -> int:
    """Adds.

    Twice.
    """
    return _helper(a) + b

def _helper(a):
    return a

async def fetch(url, /):
    return url

square = lambda x: x * x

class Stack(list):
    """A stack."""

    def __init__(self, items=()):
        self.items = items

@dataclass
class Point:
    x: int
    y: int = 0

try:
    from fast import median
except ImportError:
    def median(xs):
        return sorted(xs)[len(xs) // 2]

if __name__ == "__main__":
    def demo():
        pass
'''
PUBLIC = ["add", "fetch", "square", "Stack", "Point", "median"]


def test_an_entry_point_is_described_without_annotations() -> None:
    assert test_info(SOLUTION, "def test_a():\n    assert add(1) == 3 and Stack([1])") == [
        {
            "function_name": "add",
            "parameter_list": "(a, b=2, *rest, key='k', **more)",
            "function_declaration": "def add(a, b=2, *rest, key='k', **more):",
            "docstring": "Adds.\n\nTwice.",
        },
        {
            "function_name": "Stack",
            "parameter_list": "(items=())",
            "function_declaration": "class Stack(list):",
            "docstring": "A stack.",
        },
    ]


def test_every_kind_of_definition_has_its_parameters() -> None:
    described = {row["function_name"]: row["function_declaration"] for row in test_info(SOLUTION, "")}
    assert described["fetch"] == "async def fetch(url, /):"
    assert described["square"] == "def square(x):"
    assert described["median"] == "def median(xs):"
    assert {row["function_name"]: row["parameter_list"] for row in test_info(SOLUTION, "")}["Point"] == "(x, y=0)"


@pytest.mark.parametrize(
    ("test", "names"),
    [
        ("def test_a():\n    assert add(1) == 3", ["add"]),
        ("from solution import add, Stack as S\n\ndef test_a():\n    assert S()", ["add", "Stack"]),
        ("import solution\n\ndef test_a():\n    assert solution.fetch", ["fetch"]),
        ("import solution as s\n\ndef test_a():\n    assert s.Point(1)", ["Point"]),
        ("def median(x):\n    return x\n\ndef test_a():\n    assert add(median(1))", ["add"]),
        ("def test_a():\n    square = 4\n    assert add(2) == square", ["add"]),
        ("def test_a(fetch):\n    assert add(fetch)", ["add"]),
        ("def test_a():\n    assert _helper(1) == 1", PUBLIC),
        ("def test_nothing():\n    assert True", PUBLIC),
        ("not python (", PUBLIC),
        ("", PUBLIC),
    ],
)
def test_the_entry_points_are_those_that_the_test_uses(test: str, names: list[str]) -> None:
    assert entry_point_names(SOLUTION, test) == names


BOMBS = {
    "unary": "-" * 100_000 + "1",
    "attributes": "x" + ".a" * 60_000,
    "sums": "1+" * 60_000 + "1",
    "parentheses": "(" * 5_000,
    "lambdas": "lambda:" * 5_000 + "1",
    "nul": "a = 1\x00",
    "surrogate": "a = '\ud800'",
    "megabytes": "a = 1\n" * 500_000,
    "nested_calls": "f(" * 90 + ")" * 90,
    "chained_comparison": "def f():\n    return " + "1<" * 20_000 + "1",
}


@pytest.mark.parametrize("code", BOMBS.values(), ids=BOMBS.keys())
def test_code_that_is_hostile_to_the_parser_is_survived(code: str) -> None:
    for name in entry_point_names(code, code):
        assert name == "f"
    test_info(code, "f()")


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text())
def test_no_text_makes_them_raise(code: str, test: str) -> None:
    test_info(code, test)
