"""The parsers against what language models really answered."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tasks.trials import SolveAnswer, Unparsed, extract_response_code, parse_solve, strip_reasoning, test_info

RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded" / "leetcode"

pytestmark = pytest.mark.skipif(
    not (RECORDED / "solves.jsonl").exists(), reason=f"no recorded answers beside the repository, in {RECORDED}"
)


def rows(name: str) -> list[dict[str, Any]]:
    with (RECORDED / f"{name}.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def original_section(text: str, name: str) -> str:
    """As the original pipeline took it: every fence replaced by nothing."""
    match = re.search(rf"<\|{name} Begin\|>(.*?)<\|{name} End\|>", text, re.DOTALL)
    assert match
    return match[1].replace("```python\n", "").replace("```", "").strip()


def test_every_recorded_trial_is_parsed_as_the_original_did_byte_for_byte() -> None:
    compared = 0
    for row in rows("solves"):
        parsed = parse_solve(row["response"], "stop")
        if row["recorded"] is None:
            assert isinstance(parsed, Unparsed), row["prompt_id"]
        else:
            wanted = (original_section(row["response"], "Solution"), original_section(row["response"], "Test"))
            assert isinstance(parsed, SolveAnswer)
            assert (parsed.solution, parsed.test) == wanted, (row["prompt_id"], row["trial"])
            compared += 1
    assert compared == 299


def test_every_recorded_response_gives_the_code_that_the_original_took() -> None:
    for row in rows("reasoning"):
        _, end, answer = row["response"].rpartition("</think>")
        block = re.search(r"```python\n(.*?)```", answer, re.DOTALL) if end else None
        code = extract_response_code(row["response"])
        assert code == (block[1].strip() if block else None), (row["question_id"], row["trial"])
        assert (code is None) == (row["recorded"] is None)


def test_reasoning_and_answer_of_the_recorded_responses_are_told_apart() -> None:
    for row in rows("reasoning"):
        reasoning, answer = strip_reasoning(row["response"])
        assert reasoning
        assert "<think>" not in reasoning
        assert bool(answer) == ("</think>" in row["response"])


def test_the_entry_points_of_the_recorded_triplets_are_those_of_their_test_info() -> None:
    """The original knew no classes (null) and listed functions nested in others, which no test can call."""
    solutions: dict[str, str] = {}
    for row in rows("solves"):
        parsed = parse_solve(row["response"], "stop")
        if isinstance(parsed, SolveAnswer):
            solutions.setdefault(parsed.test, parsed.solution)
    compared = 0
    for row in rows("reasoning"):
        solution = solutions[row["test_code"].strip()]
        ours = test_info(solution, row["test_code"])
        if row["test_info"] is None:
            assert any(entry["function_declaration"].startswith("class ") for entry in ours)
        else:
            nested = [entry for entry in row["test_info"] if f"\ndef {entry['function_name']}(" not in f"\n{solution}"]
            assert ours == [entry for entry in row["test_info"] if entry not in nested]
            compared += 1
    assert compared > 30
