"""KodCode-V1-SFT: which answer is shown, in which split, as which conversation."""

from __future__ import annotations

from collections.abc import Callable

from tasks.formats import FORMATS, ResponseRecord, TripletRecord, kodcode_v1, sft, sft_row

Make = Callable[..., TripletRecord]

WRONG = ResponseRecord(0, False, "<think>hm</think>\nNo.", None, None)
RIGHT = ResponseRecord(1, True, "<think>so</think>\n```python\nx\n```", None, "x")
LATER = ResponseRecord(2, True, "Later.", "thoughts", "y")


def test_the_columns_are_those_of_v1_and_five_more() -> None:
    added = {
        "r1_pass_sequence": "list<element: int64>",
        "r1_pass_trial_num": "int64",
        "r1_correctness": "string",
        "r1_solution": "string",
        "conversations": "list<element: struct<from: string, value: string>>",
    }
    schema = sft.schema()
    count = len(kodcode_v1.schema())
    assert schema.names[:count] == kodcode_v1.schema().names
    assert {
        field.name: str(field.type).replace("list<item:", "list<element:") for field in list(schema)[count:]
    } == added
    assert FORMATS["kodcode-v1-sft"].schema == schema
    assert "test_code" in sft.schema("v1.0").names


def test_the_first_passing_answer_is_shown(triplet: Make) -> None:
    row = sft_row(triplet(), [LATER, RIGHT, WRONG])
    assert row is not None
    assert row.split == "train"
    assert list(row.columns) == sft.schema().names
    assert row.columns["r1_pass_sequence"] == [0, 1, 1]
    assert row.columns["r1_pass_trial_num"] == 2
    assert (row.columns["r1_correctness"], row.columns["r1_solution"]) == ("True", "x")
    assert row.columns["conversations"] == [
        {"from": "human", "value": "Write `add(a, b)`."},
        {"from": "gpt", "value": RIGHT.text},
    ]


def test_where_none_passed_the_first_is_shown_as_incorrect(triplet: Make) -> None:
    second = ResponseRecord(1, False, "b", None, "code")
    row = sft_row(triplet(), [second, WRONG])
    assert row is not None
    assert (row.split, row.columns["r1_correctness"], row.columns["r1_solution"]) == ("incorrect", "False", None)
    assert row.columns["conversations"][1]["value"] == WRONG.text


def test_a_filtered_triplet_is_to_be_used_with_caution_whatever_its_answers(triplet: Make) -> None:
    for answers in ([RIGHT], [WRONG]):
        row = sft_row(triplet(filter_reason="weak test"), answers)
        assert row is not None
        assert row.split == "use_with_caution"


def test_a_triplet_without_answers_has_no_row(triplet: Make) -> None:
    assert sft_row(triplet(), []) is None


def test_reasoning_that_came_apart_stands_in_think_tags_before_the_answer() -> None:
    assert sft.answer_text(LATER) == "<think>\nthoughts\n</think>\n\nLater."
    both = ResponseRecord(0, True, "<think>a</think>b", "a", "c")
    assert sft.answer_text(both) == both.text
    assert sft.answer_text(ResponseRecord(0, True, "plain")) == "plain"
