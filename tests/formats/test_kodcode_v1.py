"""KodCode-V1: the published columns with their types, and what stands in them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa
import pytest

from tasks.formats import FORMATS, FormatError, TrialRecord, TripletRecord, kodcode_v1, v1_row

Make = Callable[..., TripletRecord]

TRIAL = (
    "struct<file_source: string, solution_code: string, test_code: string, test_coverage: double, test_result: string>"
)
PUBLISHED = {
    "version": "string",
    "style": "string",
    "subset": "string",
    "question_id": "string",
    "question": "string",
    "solution": "string",
    "test": "string",
    "test_info": "list<element: struct<docstring: string, function_declaration: string, function_name: string, "
    "parameter_list: string>>",
    "gpt_pass_sequence": "list<element: int64>",
    "gpt_pass_trial_num": "int64",
    "gpt_difficulty": "string",
    "gpt_pass_percentage": "double",
    "trials": "struct<" + ", ".join(f"trial_gpt4o_{attempt}: {TRIAL}" for attempt in range(10)) + ">",
    "chosen_trial": "string",
    "metadata": "struct<original_instruction: string, prompt_id: string, row_id: int64, seed_ids: string>",
    "benchmark_similarity": "double",
    "benchmark_instruction": "string",
    "benchmark_task_id": "string",
    "filter_reason": "string",
}


def types(schema: pa.Schema) -> dict[str, str]:
    return {field.name: str(field.type).replace("list<item:", "list<element:") for field in schema}


def test_every_published_column_is_there_in_order_with_its_type() -> None:
    assert list(types(kodcode_v1.schema()).items()) == list(PUBLISHED.items())


def test_the_older_edition_has_test_code_and_no_version(triplet: Make) -> None:
    names = ["test_code" if name == "test" else name for name in PUBLISHED if name != "version"]
    assert kodcode_v1.schema("v1.0").names == names
    columns = v1_row(triplet(), "v1.0").columns
    assert list(columns) == names
    assert columns["test_code"] == triplet().test
    with pytest.raises(FormatError, match=r"v1\.0 and v1\.1"):
        kodcode_v1.schema("v2")


def test_every_column_is_described() -> None:
    descriptions = FORMATS["kodcode-v1"].descriptions
    assert list(descriptions) == list(PUBLISHED)
    assert all(text.endswith(".") for text in descriptions.values())


def test_a_row_holds_the_triplet_and_its_history(triplet: Make) -> None:
    row = v1_row(triplet())
    columns = row.columns
    assert row.split == "train"
    assert list(columns) == list(PUBLISHED)
    assert (columns["version"], columns["style"], columns["subset"]) == ("v1.1", "instruct", "Leetcode")
    assert columns["question_id"] == "Leetcode_00000012_I"
    assert columns["gpt_pass_sequence"] == [0, 1, 1]
    assert (columns["gpt_pass_trial_num"], columns["gpt_pass_percentage"], columns["gpt_difficulty"]) == (
        2, 0.667, "easy",
    )  # fmt: skip
    assert columns["chosen_trial"] == "trial_gpt4o_2"
    assert columns["trials"]["trial_gpt4o_0"] == {
        "file_source": "teacher/aa", "solution_code": "s0", "test_code": "t0", "test_coverage": None,
        "test_result": "Fail - Timed Out",
    }  # fmt: skip
    assert columns["trials"]["trial_gpt4o_1"]["test_result"] == "Pass"
    assert [columns["trials"][f"trial_gpt4o_{attempt}"] for attempt in range(3, 10)] == [None] * 7
    (function,) = columns["test_info"]
    assert function == {
        "docstring": None, "function_declaration": "def add(a, b):", "function_name": "add",
        "parameter_list": "(a, b)",
    }  # fmt: skip
    metadata = columns["metadata"]
    assert (metadata["prompt_id"], metadata["row_id"], metadata["original_instruction"]) == ("00000012", 12, None)
    assert json.loads(metadata["seed_ids"]) == ["Leetcode-1", "Leetcode-2"]
    assert columns["benchmark_similarity"] == 0.61
    assert columns["benchmark_task_id"] == "HumanEval/53"
    assert columns["benchmark_instruction"] == "def add(x, y): ..."
    assert columns["filter_reason"] is None


def test_a_filter_reason_sends_the_row_to_use_with_caution(triplet: Make) -> None:
    row = v1_row(triplet(filter_reason="low coverage"))
    assert (row.split, row.columns["filter_reason"]) == ("use_with_caution", "low coverage")


def test_a_bare_triplet_has_nulls_and_empty_lists(triplet: Make) -> None:
    columns = v1_row(
        triplet(pass_sequence=(), chosen_attempt=None, trials=(), functions=(), seed_ids=(), nearest=None)
    ).columns
    assert columns["gpt_pass_sequence"] == columns["test_info"] == []
    assert (columns["gpt_pass_trial_num"], columns["gpt_pass_percentage"], columns["chosen_trial"]) == (0, None, None)
    assert set(columns["trials"].values()) == {None}
    assert columns["metadata"]["seed_ids"] == "[]"
    assert columns["benchmark_similarity"] is columns["benchmark_task_id"] is None


def test_verdicts_are_told_in_the_published_words() -> None:
    told = {"passed": "Pass", "failed": "Fail", "timed_out": "Fail - Timed Out", "error": "Fail", None: None}
    assert {verdict: kodcode_v1.published_result(verdict) for verdict in told} == told


def test_an_eleventh_attempt_does_not_fit(triplet: Make) -> None:
    with pytest.raises(FormatError, match="Leetcode_00000012_I has an attempt 10"):
        v1_row(triplet(trials=(TrialRecord(10, "passed"),)))
