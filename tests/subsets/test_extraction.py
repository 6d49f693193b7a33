"""Extraction against a corpus of answers as models write them, recorded answers, and arbitrary text."""

from __future__ import annotations

import json
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.subsets import SUBSETS, Extraction, Reason, extract_question, get_subset, read_annotation

CORPUS = tomllib.loads((Path(__file__).parent / "extraction.toml").read_text("utf-8"))
RECORDED = Path(__file__).resolve().parents[3] / "shared" / "recorded" / "leetcode"
QUESTION = CORPUS["questions"]["merge"].strip()


def _filled(text: str) -> str:
    for name, question in CORPUS["questions"].items():
        text = text.replace(f"@{name}@", question.strip())
    return text


def test_corpus_is_large_and_its_names_are_unique() -> None:
    names = [case["name"] for case in CORPUS["case"]]
    assert len(names) >= 150
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CORPUS["case"], ids=lambda case: case["name"])
def test_corpus(case: dict[str, Any]) -> None:
    spec = get_subset(case.get("subset", "Leetcode"))
    extraction = extract_question(spec, _filled(case["answer"]), case.get("finish", "stop"))
    if "text" in case:
        assert extraction.text == _filled(case["text"])
        assert extraction.reason is None
    else:
        assert (extraction.text, extraction.reason) == (None, case["reason"])
        assert extraction.detail
    if case.get("detail") == "":
        assert extraction.detail == ""
    assert case.get("detail", "") in extraction.detail


@pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded answers are not beside the repository")
def test_every_recorded_answer_gives_the_question_that_was_solved() -> None:
    answers = [json.loads(line) for line in (RECORDED / "questions.jsonl").open(encoding="utf-8")]
    solves = (json.loads(line) for line in (RECORDED / "solves.jsonl").open(encoding="utf-8"))
    solved = {row["prompt_id"]: row["question"].strip() for row in solves}
    found = {row["prompt_id"]: extract_question(get_subset("leetcode"), row["response"]).text for row in answers}
    assert len(found) == 100
    assert found == {prompt_id: solved[prompt_id] for prompt_id in found}


def test_extraction_of_an_extracted_question_changes_nothing() -> None:
    for case in CORPUS["case"]:
        if "text" in case and not SUBSETS[case.get("subset", "Leetcode")].needs_markers:
            text = _filled(case["text"])
            assert extract_question(get_subset(case.get("subset", "Leetcode")), text).text == text


def test_a_question_too_long_is_rejected_with_its_length() -> None:
    extraction = extract_question(get_subset("leetcode"), "word " * 5_000)
    assert extraction.reason is Reason.TOO_LONG
    assert "24,999" in extraction.detail


def test_half_a_surrogate_pair_does_not_reach_the_database() -> None:
    extraction = extract_question(get_subset("leetcode"), QUESTION + " \ud83d")
    assert extraction.text is not None
    extraction.text.encode()


FRAGMENTS = [
    "<|Question Begin|>",
    "<|Question End|>",
    "<|im_end|>",
    "<|im_start|>assistant\n",
    "```",
    "```python\n",
    "\n\n",
    "---\n",
    "### Question 1\n",
    "**Problem 2:** ",
    "BAD_DOCUMENT",
    "Sure! ",
    "Here is a new question:\n",
    "def f(x):\n    return x\n",
    "I'm sorry, but ",
    "<think>",
    "</think>",
    "Let me know ",
    "[Question 5]: ",
    "1. ",
    "Solution:\n",
    QUESTION,
    "{",
    '"category": ',
]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(sorted(SUBSETS)),
    st.one_of(
        st.text(max_size=400), st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=20))).map("".join)
    ),
    st.sampled_from(["stop", "length", "content_filter", "end_turn", ""]),
)
def test_extraction_never_raises_and_its_result_can_be_stored(name: str, answer: str, finish: str) -> None:
    spec = SUBSETS[name]
    extraction = extract_question(spec, answer, finish)
    assert isinstance(extraction, Extraction)
    assert (extraction.text is None) == (extraction.reason is not None)
    for text in (extraction.text or "", extraction.detail):
        text.encode()
        assert "\x00" not in text
    if extraction.text is not None:
        assert extraction.text == extraction.text.strip()
        assert spec.min_chars <= len(extraction.text) <= spec.max_chars
    read_annotation(answer)


@pytest.mark.parametrize(
    "unit",
    [
        "#",
        "*",
        "`",
        "<",
        "<|",
        "[",
        " ",
        "\n",
        "a",
        "{",
        '{"',
        "**Problem ",
        "Here is a ",
        "question ",
        "Sure, ",
        "new ",
        "def ",
        "Q1. ",
        "<|Question Begin|>",
        "<|Question Begin|>\n<|Question End|>\n",
        "\n### Solution\n",
        "---\n",
        "```\n",
        "1. ",
        "<think>",
        "Let me know\n\n",
        "BAD_DOCUMENT ",
        "<|im_start|>",
        "\n\n```python\nimport x\n",
        "Question 1 ",
        "Thanks ",
        "Here is a problem\n",
        "### Question 1\n",
        '"category": "',
        "category:",
        "new coding programming ",
    ],
)
def test_hostile_repetition_costs_no_more_than_its_length(unit: str) -> None:
    answer = (unit * (100_000 // len(unit) + 1))[:100_000]
    for name in ("Leetcode", "Docs", "Prefill", "Filter"):
        start = time.process_time()
        extract_question(SUBSETS[name], answer)
        read_annotation(answer)
        # Tenths of a second when linear, half a minute and more when quadratic; processor time, not the clock.
        assert time.process_time() - start < 5


@pytest.mark.parametrize(
    ("answer", "keep", "problem"),
    [
        ('{"category": "Function Generation", "quality": "good", "reason": "clear"}', True, ""),
        ('{"category": "Algorithm Implementation", "quality": "good", "reason": "clear"}', True, ""),
        ('```json\n{"category": "Function Generation", "quality": "good", "reason": "x"}\n```', True, ""),
        ('Here is my verdict: {"quality": "Good", "category": "function_generation"} Thanks!', True, ""),
        (
            '<think>{"category": "no", "quality": "x"}</think>{"category": "Function Generation", "quality": "good"}',
            True,
            "",
        ),
        ("{'category': 'Function Generation', 'quality': 'good', 'reason': 'single quotes'}", True, ""),
        ('{"category": "Function Generation", "quality": "good", "reason": "trailing",}', True, ""),
        ('{"category": "Function Generation", "quality": "good", "reason": "no brace"', True, ""),
        ('{"Category": "Function Generation", "Quality": "GOOD."}', True, ""),
        ('{"category": "Function Generation", "quality": "bad", "reason": "vague"}', False, "annotated_bad_quality"),
        ('{"category": "Debugging", "quality": "good", "reason": "a fault"}', False, "annotated_other_category"),
        ('{"category": "Other", "quality": "bad"}', False, "annotated_other_category"),
        ('{"category": "Function Generation"}', False, "annotation_unparsed"),
        ('{"category": null, "quality": "good"}', False, "annotation_unparsed"),
        ("I think this is good.", False, "annotation_unparsed"),
        ("", False, "annotation_unparsed"),
        ("[" * 100_000, False, "annotation_unparsed"),
        ("{" * 100_000, False, "annotation_unparsed"),
        ('{"category": ' + "9" * 10_000 + ', "quality": "good"}', False, "annotation_unparsed"),
        ('{"category": {"a": 1}, "quality": ["good"]}', False, "annotated_other_category"),
    ],
)
def test_annotations(answer: str, keep: bool, problem: str) -> None:
    annotation = read_annotation(answer)
    assert (annotation.keep, annotation.problem) == (keep, problem)
    assert annotation.summary or not answer


@pytest.mark.parametrize(
    ("fields", "difficulty", "clarity"),
    [
        ('"difficulty": "medium", "clarity": 4', "medium", 4),
        ('"difficulty": "Hard.", "clarity": "5/5"', "hard", 5),
        ('"difficulty": "EASY", "clarity": 3.0', "easy", 3),
        ('"difficulty": "very hard", "clarity": 9', None, None),
        ('"difficulty": null, "clarity": 45', None, None),
        ('"difficulty": ["easy"], "clarity": 2.5', None, None),
        ("'difficulty': 'easy', 'clarity': 4,", "easy", 4),
        ('"reason": "no more"', None, None),
    ],
)
def test_difficulty_and_clarity_are_read_where_the_annotator_names_them(
    fields: str, difficulty: str | None, clarity: int | None
) -> None:
    annotation = read_annotation('{"category": "Function Generation", ' + fields + ', "quality": "good"}')
    assert (annotation.keep, annotation.difficulty, annotation.clarity) == (True, difficulty, clarity)


def test_outside_filter_the_quality_alone_decides() -> None:
    other = '{"category": "data query", "quality": "good"}'
    assert not read_annotation(other).keep
    assert (read_annotation(other, any_category=True).keep, read_annotation(other).category) == (True, "Data Query")
    assert not read_annotation('{"category": "Other", "quality": "bad"}', any_category=True).keep
