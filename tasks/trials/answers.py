"""Parsing what a model answered: solution and test of a trial, code of a reasoning response."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.trials.markup import Block, Section, fenced_blocks, sections, strip_reasoning, without_fences
from tasks.trials.source import MAX_CODE_CHARS, definitions, parse_python, storable

TRUNCATED_REASONS = frozenset({"length", "max_tokens"})


@dataclass(frozen=True, slots=True)
class SolveAnswer:
    """Source code of the two modules, without outer blank lines."""

    solution: str
    test: str


@dataclass(frozen=True, slots=True)
class Unparsed:
    """Why an answer is no trial's code: cut off by the token limit, or not in the form that was asked for."""

    reason: Literal["truncated", "unparsed"]
    detail: str


def parse_solve(text: str, finish_reason: str = "stop") -> SolveAnswer | Unparsed:
    """Solution and test of one answer.

    They stand between `<|Solution Begin|>` and `<|Solution End|>`, `<|Test Begin|>` and `<|Test End|>`, fenced or not.
    Accepted besides: a solution whose end marker is missing but whose fence is closed before the test begins, the test
    before the solution, repeated sections where the last pair is whole, and, in an answer without any marker, one
    Python block with and one without tests. A test without an end marker is never accepted: it may be half a test.
    """
    if finish_reason in TRUNCATED_REASONS:
        return Unparsed("truncated", "the answer was cut at the token limit")
    _, answer = strip_reasoning(text)
    if text.strip() and not answer.strip():
        return Unparsed("truncated", "the answer ends inside the reasoning")
    if not storable(answer):
        return Unparsed("unparsed", "the answer holds NUL or broken Unicode")
    found = sections(answer, ("Solution", "Test"))
    parsed = _from_sections(found) if found else _from_blocks(fenced_blocks(answer))
    if isinstance(parsed, SolveAnswer):
        for name, code in (("solution", parsed.solution), ("test", parsed.test)):
            if not 0 < len(code) <= MAX_CODE_CHARS:
                return Unparsed("unparsed", f"the {name} has {len(code)} characters, not 1 to {MAX_CODE_CHARS}")
    return parsed


def _from_sections(found: Sequence[Section]) -> SolveAnswer | Unparsed:
    whole: list[tuple[str, str]] = []
    for section in found:
        if section.ended_by == "end" or (section.name == "Solution" and _whole_without_end(section)):
            code = without_fences(section.text)
            if (section.name, code) not in whole:  # the same section told twice is told once
                whole.append((section.name, code))
    names = [name for name, _ in whole]
    for name in ("Solution", "Test"):
        if name not in names:
            begun = any(section.name == name for section in found)
            missing = f"<|{name} End|>" if begun else f"<|{name} Begin|>"
            return Unparsed("unparsed", f"the marker {missing} is missing")
    if names == ["Test", "Solution"]:
        return SolveAnswer(whole[1][1], whole[0][1])
    if names[-2:] != ["Solution", "Test"] or found[-1].ended_by == "nothing":
        return Unparsed("unparsed", "several sections that contradict each other, the last pair not whole")
    return SolveAnswer(whole[-2][1], whole[-1][1])


def _whole_without_end(section: Section) -> bool:
    """Another section follows and the only fence is closed: then only the end marker was forgotten."""
    blocks = fenced_blocks(section.text)
    return section.ended_by == "next" and len(blocks) == 1 and blocks[0].closed


def _from_blocks(blocks: Sequence[Block]) -> SolveAnswer | Unparsed:
    if any(not block.closed for block in blocks):
        return Unparsed("unparsed", "no markers, and a code block that is not closed")
    python = [block.text.strip("\n").rstrip() for block in blocks if block.is_python]
    tests = [code for code in python if _holds_tests(code)]
    solutions = [code for code in python if code not in tests and code.strip()]
    if len(tests) != 1 or len(solutions) != 1:
        return Unparsed("unparsed", f"no markers, {len(solutions)} Python blocks without and {len(tests)} with tests")
    return SolveAnswer(solutions[0], tests[0])


def _holds_tests(code: str) -> bool:
    module = parse_python(code)
    if module is None:
        return False
    found = definitions(module).items()
    return any(name.startswith("Test" if isinstance(node, ast.ClassDef) else "test_") for name, node in found)


def extract_response_code(text: str, reasoning_apart: bool = False) -> str | None:
    """The code of a reasoning response: its last closed ```python block behind the reasoning, or None.

    Not an earlier one: what a model writes first may be a draft that it takes back below. `reasoning_apart`: the text
    is the answer alone, and a `</think>` in it is part of the answer.
    """
    answer = text if reasoning_apart else strip_reasoning(text)[1]
    codes = [block.text.strip("\n").rstrip() for block in fenced_blocks(answer) if block.is_python and block.closed]
    codes = [code for code in codes if code.strip() and storable(code) and len(code) <= MAX_CODE_CHARS]
    return codes[-1] if codes else None
