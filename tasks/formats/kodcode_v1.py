"""The column layout of KodCode-V1: a verified triplet a row, with all trials.

The published names are kept whatever model wrote the trials: `gpt_*` are the teacher's results, `trial_gpt4o_3` is the
teacher's fourth attempt. Two editions exist; the newer one adds `version` and calls `test_code` `test`.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from tasks.formats.errors import FormatError
from tasks.formats.layout import QUESTION_ID, STYLE, SUBSET, Column, split_of
from tasks.formats.records import FormattedRow, TripletRecord

NAME = "kodcode-v1"
VERSION = "v1.1"
EDITIONS = ("v1.0", "v1.1")
TRIALS = 10

_TRIAL = pa.struct(
    [
        ("file_source", pa.string()),
        ("solution_code", pa.string()),
        ("test_code", pa.string()),
        ("test_coverage", pa.float64()),
        ("test_result", pa.string()),
    ]
)
_FUNCTION = pa.struct(
    [
        ("docstring", pa.string()),
        ("function_declaration", pa.string()),
        ("function_name", pa.string()),
        ("parameter_list", pa.string()),
    ]
)
_METADATA = pa.struct(
    [
        ("original_instruction", pa.string()),
        ("prompt_id", pa.string()),
        ("row_id", pa.int64()),
        ("seed_ids", pa.string()),
    ]
)
_COLUMNS: tuple[Column, ...] = (
    ("version", pa.string(), "Edition of this layout."),
    STYLE,
    SUBSET,
    QUESTION_ID,
    ("question", pa.string(), "The task as a model is asked."),
    ("solution", pa.string(), "Python code that passes the test."),
    ("test", pa.string(), "A pytest module; for online_judge a literal {'stdin': [...], 'stdout': [...]}."),
    ("test_info", pa.list_(_FUNCTION), "The functions that the test calls."),
    ("gpt_pass_sequence", pa.list_(pa.int64()), "1 for each attempt of the teacher that passed its own test, else 0."),
    ("gpt_pass_trial_num", pa.int64(), "How many attempts passed."),
    ("gpt_difficulty", pa.string(), "easy, medium or hard, by the share of attempts that passed."),
    ("gpt_pass_percentage", pa.float64(), "That share, from 0 to 1, to three decimals."),
    (
        "trials",
        pa.struct([(f"trial_gpt4o_{attempt}", _TRIAL) for attempt in range(TRIALS)]),
        "Each attempt's solution, test, result, line coverage in percent and origin; null where there was none.",
    ),
    ("chosen_trial", pa.string(), "The attempt that solution and test come from."),
    ("metadata", _METADATA, "A conversion's instruct question; the question's number; its seeds, as a JSON list."),
    ("benchmark_similarity", pa.float64(), "Highest cosine to an item of the benchmarks; null where none were given."),
    ("benchmark_instruction", pa.string(), "The text of that item."),
    ("benchmark_task_id", pa.string(), "The id of that item."),
    ("filter_reason", pa.string(), "Why the row is in use_with_caution; null elsewhere."),
)

# The published results; every other verdict on a program is a plain failure.
_RESULTS = {"passed": "Pass", "timed_out": "Fail - Timed Out"}


def schema(edition: str = VERSION) -> pa.Schema:
    """Columns in published order. Raises FormatError for an edition that does not exist."""
    return pa.schema([(name, kind) for name, kind, _ in edition_columns(edition)])


def edition_columns(edition: str = VERSION) -> list[Column]:
    """(name, type, description) of an edition's columns."""
    if edition not in EDITIONS:
        raise FormatError(f"KodCode-V1 has no edition {edition!r}; there are {' and '.join(EDITIONS)}.")
    if edition == VERSION:
        return list(_COLUMNS)
    return [(_v1_0(name), kind, text) for name, kind, text in _COLUMNS if name != "version"]


def v1_row(record: TripletRecord, edition: str = VERSION) -> FormattedRow:
    """A triplet as a row. Raises FormatError where it has more attempts than the layout has places."""
    return FormattedRow(split_of(record), v1_columns(record, edition))


def v1_columns(record: TripletRecord, edition: str = VERSION) -> dict[str, Any]:
    """The columns of a triplet's row."""
    passes = sum(record.pass_sequence)
    nearest = record.nearest
    columns = {
        "version": VERSION,
        "style": record.style,
        "subset": record.subset,
        "question_id": record.triplet_id,
        "question": record.question,
        "solution": record.solution,
        "test": record.test,
        "test_info": [
            {
                "docstring": function.docstring,
                "function_declaration": function.function_declaration,
                "function_name": function.function_name,
                "parameter_list": function.parameter_list,
            }
            for function in record.functions
        ],
        "gpt_pass_sequence": list(record.pass_sequence),
        "gpt_pass_trial_num": passes,
        "gpt_difficulty": record.difficulty,
        "gpt_pass_percentage": round(passes / len(record.pass_sequence), 3) if record.pass_sequence else None,
        "trials": _trials(record),
        "chosen_trial": None if record.chosen_attempt is None else _place(record, record.chosen_attempt),
        "metadata": {
            "original_instruction": record.original_question,
            "prompt_id": f"{record.number:08d}",
            "row_id": record.number,
            "seed_ids": json.dumps(list(record.seed_ids)),
        },
        "benchmark_similarity": nearest.similarity if nearest else None,
        "benchmark_instruction": nearest.text if nearest else None,
        "benchmark_task_id": nearest.item_id if nearest else None,
        "filter_reason": record.filter_reason,
    }
    if edition == VERSION:
        return columns
    return {_v1_0(name): value for name, value in columns.items() if name != "version"}


def published_result(verdict: str | None) -> str | None:
    """A verdict in the words of the published dataset; None where nothing was executed."""
    return None if verdict is None else _RESULTS.get(verdict, "Fail")


def _trials(record: TripletRecord) -> dict[str, Any]:
    trials: dict[str, Any] = {f"trial_gpt4o_{attempt}": None for attempt in range(TRIALS)}
    for trial in record.trials:
        trials[_place(record, trial.attempt)] = {
            "file_source": trial.source,
            "solution_code": trial.solution,
            "test_code": trial.test,
            "test_coverage": trial.coverage,
            "test_result": published_result(trial.verdict),
        }
    return trials


def _place(record: TripletRecord, attempt: int) -> str:
    if not 0 <= attempt < TRIALS:
        raise FormatError(
            f"{record.triplet_id} has an attempt {attempt}, but KodCode-V1's layout holds attempts 0 to {TRIALS - 1}. "
            "Release it with at most 10 attempts a question."
        )
    return f"trial_gpt4o_{attempt}"


def _v1_0(name: str) -> str:
    return "test_code" if name == "test" else name
