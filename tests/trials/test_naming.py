"""Responses that named their entry point otherwise: the repair finds the one that is meant, or leaves the code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.trials import EntryPoint, align_entry_points, parse_python, repair_entry_point
from tasks.trials.entry_points import describe
from tests.trials.test_entry_points import BOMBS

RESPONSE = "def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\n"


def wanted(*declarations: str) -> list[EntryPoint]:
    """The entry points that these first lines declare."""
    found = []
    for declaration in declarations:
        module = parse_python(f"{declaration}\n    pass")
        assert module is not None
        found.append(describe(module.body[0]))  # type: ignore[arg-type]
    return found


def executed(code: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(code, space)
    return space


def test_a_response_with_another_name_gets_an_alias_and_its_recursion_still_works() -> None:
    for code in (
        align_entry_points(RESPONSE, ["factorial"]),
        repair_entry_point(RESPONSE, wanted("def factorial(n):")),
    ):
        assert code == f"{RESPONSE}\n\nfactorial = fact\n"
        assert executed(code)["factorial"](5) == 120


def test_private_helpers_and_main_do_not_hide_which_function_is_meant() -> None:
    code = "def _go(n):\n    return n\n\ndef solve(n):\n    return _go(n)\n\ndef main():\n    print(solve(1))"
    assert align_entry_points(code, ["wanted"]).endswith("\n\n\nwanted = solve\n")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (RESPONSE, ["fact"]),
        (RESPONSE, ["a", "b"]),
        (RESPONSE, []),
        (RESPONSE, ["not a name"]),
        (RESPONSE, ["lambda"]),
        (RESPONSE + "\ndef other(): pass", ["factorial"]),
        (RESPONSE + "\nfactorial = fact", ["factorial"]),
        ("from math import factorial\n" + RESPONSE, ["factorial"]),
        ("class factorial: pass\n" + RESPONSE, ["factorial"]),
        ("class Solution:\n    def factorial(self, n): return 1", ["factorial"]),
        ("not python (", ["factorial"]),
        ("", ["factorial"]),
    ],
)
def test_code_that_needs_no_alias_or_leaves_a_doubt_comes_back_as_it_is(code: str, expected: list[str]) -> None:
    assert align_entry_points(code, expected) == code


HELPER = "def gcd(a, b):\n    return a if b == 0 else gcd(b, a % b)\n\n\n"
STACK = "class MyStack:\n    def __init__(self, size):\n        self.size = size\n"
# What is in the way of the name, and what a call of the repaired code gives: (code, declarations, expression, value).
REPAIRED = {
    "several_functions_one_fits": (
        f"{HELPER}def lowest(numbers):\n    return min(numbers)",
        ["def smallest(values):"],
        "smallest([3, 2])",
        2,
    ),
    "optional_argument": (
        f"{HELPER}def lowest(numbers, key=None):\n    return min(numbers)",
        ["def smallest(values, *, key=None):"],
        "smallest([3, 2])",
        2,
    ),
    "one_of_two_is_missing": (
        "def encode(s):\n    return s[::-1]\n\ndef decode_text(s):\n    return encode(s)",
        ["def encode(s):", "def decode(s):"],
        "decode('ab')",
        "ba",
    ),
    "class": (f"{STACK}\n\ndef demo():\n    return MyStack(1)", ["class Stack:"], "Stack(3).size", 3),
    "name_in_a_string": (
        "def go(n):\n    return 'wanted' + str(n)\n",
        ["def wanted(n):"],
        "wanted(1)",
        "wanted1",
    ),
    "name_of_a_parameter": ("def go(wanted):\n    return wanted + 1\n", ["def wanted(n):"], "wanted(1)", 2),
    "name_of_a_local": ("def go(n):\n    wanted = n\n    return wanted\n", ["def wanted(n):"], "wanted(1)", 1),
    "name_of_a_nested_function": (
        "def go(n):\n    def wanted(k):\n        return k * 2\n    return wanted(n)\n",
        ["def wanted(n):"],
        "wanted(2)",
        4,
    ),
    "name_of_a_method": (
        "class Box:\n    def wanted(self):\n        return 7\n\n\ndef go(n):\n    return Box().wanted() + n\n",
        ["def wanted(n):"],
        "wanted(1)",
        8,
    ),
    "own_name_shadowed_inside": (
        "def go(n):\n    go = [n]\n    return go[0]\n",
        ["def wanted(n):"],
        "wanted(5)",
        5,
    ),
    "calls_itself_by_the_expected_name": (
        "def fact(n):\n    return 1 if n < 2 else n * factorial(n - 1)\n",
        ["def factorial(n):"],
        "factorial(4)",
        24,
    ),
    "mutual_recursion": (
        "def even(n):\n    return n == 0 or _odd(n - 1)\n\n\ndef _odd(n):\n    return n != 0 and even(n - 1)\n",
        ["def is_even(n):"],
        "is_even(10), is_even(7)",
        (True, False),
    ),
    "decorated": (
        "from functools import cache\n\n\n@cache\ndef go(n):\n    return n if n < 2 else go(n - 1) + go(n - 2)\n",
        ["def fib(n):"],
        "fib(40)",
        102334155,
    ),
    "lambda": ("go = lambda n: n + 1\n", ["def wanted(n):"], "wanted(1)", 2),
}


@pytest.mark.parametrize(("code", "declared", "call", "value"), REPAIRED.values(), ids=REPAIRED.keys())
def test_the_one_that_is_meant_gets_the_name_and_means_the_same(
    code: str, declared: list[str], call: str, value: object
) -> None:
    repaired = repair_entry_point(code, wanted(*declared))
    assert repaired.startswith(code.rstrip())
    assert eval(call, executed(repaired)) == value


LEFT = {
    "nothing_missing": (RESPONSE, ["def fact(n):"]),
    "no_entry_points": (RESPONSE, []),
    "two_missing": (RESPONSE, ["def a(n):", "def b(n):"]),
    "two_fit": (f"{RESPONSE}\n\ndef double(n):\n    return n", ["def wanted(n):"]),
    "none_fits": (f"{HELPER}def join(a, b, c):\n    pass", ["def wanted(n):"]),
    "bound_by_an_import": ("from math import factorial\n\n" + RESPONSE, ["def factorial(n):"]),
    "bound_to_a_value": ("factorial = 3\n" + RESPONSE, ["def factorial(n):"]),
    "bound_to_a_class": ("class factorial:\n    pass\n" + RESPONSE, ["def factorial(n):"]),
    "a_class_for_a_function": (STACK, ["def Stack(n):"]),
    "a_function_for_a_class": (RESPONSE, ["class Fact:"]),
    "only_a_method_has_the_name": ("class Solution:\n    def fact(self, n):\n        return 1", ["def fact(n):"]),
    "the_name_is_a_builtin_that_the_code_uses": ("def add(xs):\n    return sum(xs)\n", ["def sum(xs):"]),
    "the_name_may_come_from_a_star_import": (
        "from math import *\n\n\ndef least(a, b):\n    return gcd(a, b)\n",
        ["def gcd(a, b):"],
    ),
    "the_name_is_bound_at_run_time": (
        "def go(n):\n    global wanted\n    wanted = n\n    return n\n",
        ["def wanted(n):"],
    ),
    "only_private_functions": ("def _fact(n):\n    return 1\n", ["def fact(n):"]),
    "no_python": ("not python (", ["def fact(n):"]),
}


@pytest.mark.parametrize(("code", "declared"), LEFT.values(), ids=LEFT.keys())
def test_what_is_bound_or_leaves_a_doubt_is_left(code: str, declared: list[str]) -> None:
    assert repair_entry_point(code, wanted(*declared)) == code


def test_a_builtin_that_the_code_does_not_use_can_be_the_name() -> None:
    code = repair_entry_point("def total(xs):\n    return len(xs)\n", wanted("def sum(xs):"))
    assert executed(code)["sum"]([5, 5]) == 2


def test_the_name_is_exported_where_the_code_lists_its_exports() -> None:
    code = repair_entry_point('__all__ = ("fact",)\n\n\n' + RESPONSE, wanted("def factorial(n):"))
    assert executed(code)["__all__"] == ["fact", "factorial"]


@pytest.mark.parametrize("code", BOMBS.values(), ids=BOMBS.keys())
def test_code_that_is_hostile_to_the_parser_is_survived(code: str) -> None:
    assert align_entry_points(code, ["g"]).startswith(code)
    assert repair_entry_point(code, wanted("def g(n):")).startswith(code)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.lists(st.text(max_size=3), max_size=2))
def test_no_text_makes_them_raise(code: str, names: list[str]) -> None:
    assert align_entry_points(code, names).startswith(code.rstrip())
    expected = [
        EntryPoint(function_name=name, parameter_list=name, function_declaration=name, docstring=None)
        for name in names
    ]
    assert repair_entry_point(code, expected).startswith(code.rstrip())
