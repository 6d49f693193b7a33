"""The leakage measure against benchmark problems: honest prompts pass, bodies in comments do not."""

from __future__ import annotations

import ast
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.styles._leakage import leak

# Benchmark code with bad escapes in its strings.
pytestmark = pytest.mark.filterwarnings("ignore:invalid escape sequence")

BENCHMARKS = Path(__file__).resolve().parents[3] / "shared" / "benchmarks"

needs_benchmarks = pytest.mark.skipif(
    not (BENCHMARKS / "mbpp.jsonl.gz").exists(), reason=f"no benchmark problems beside the repository, in {BENCHMARKS}"
)


def rows(name: str) -> list[dict[str, Any]]:
    with gzip.open(BENCHMARKS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def commented(code: str) -> str:
    return "\n".join(f"# {line}" for line in code.splitlines())


@needs_benchmarks
def test_no_honest_prompt_leaks_and_every_body_in_comments_does() -> None:
    for row in rows("HumanEval"):
        # The prompts of some hold whole helper functions; the part behind them is honest.
        prompt = row["prompt"][row["prompt"].index(f"def {row['entry_point']}(") :]
        body = row["canonical_solution"]
        solution = f"{prompt}{body}"
        assert leak(prompt, solution) is None, row["task_id"]
        assert leak(f"{prompt}\n{commented(body)}", solution), row["task_id"]


@needs_benchmarks
def test_no_short_description_leaks_and_the_code_does() -> None:
    missed = []
    for row in rows("mbpp"):
        assert leak(row["text"], row["code"]) is None, row["task_id"]
        if not leak(f"A hint:\n\n{row['code']}", row["code"]):
            missed.append(row["task_id"])
    assert len(missed) <= 2, missed


SOLUTION = '''def mean(values):
    """Arithmetic mean."""
    total = 0.0
    for value in values:
        total += value
    return total / len(values)
'''


@pytest.mark.parametrize(
    "text",
    [
        "The arithmetic mean of the values.",
        "Add up every value in values, then divide the total by how many there are.",
        "Arithmetic mean.\n\n>>> mean([1, 2])\n1.5",
        "For value in values, look at total.",
        "mean(values) = sum(values) / n",
        "",
    ],
)
def test_prose_is_no_leak(text: str) -> None:
    assert leak(text, SOLUTION) is None


@pytest.mark.parametrize(
    "text",
    [
        "total = 0.0\nfor value in values:\n    total += value\nreturn total / len(values)",
        "# total += value\n# return (total / len(values))",
        "1. total = 0.0\n2. for value in values:\n3.     total += value",
        ">>> total += value\n... return total / len(values)",
        "First total += value for each, then return total / len( values ).",
        "s = 0.0\nfor x in xs:\n    s += x\nreturn s / len(xs)",
    ],
)
def test_code_in_any_dress_is_a_leak(text: str) -> None:
    assert leak(text, SOLUTION)


def test_a_solution_without_function_bodies_cannot_be_leaked() -> None:
    assert leak("class Point: pass", "class Point:\n    pass\n") is None


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_no_text_makes_it_raise(text: str) -> None:
    leak(text, SOLUTION)
    assert ast.parse(SOLUTION)
