"""The column layout of KodCode-V1: a verified triplet a row, with all trials.

The published names are kept whatever model wrote the trials: `gpt_*` are the teacher's results, `trial_gpt4o_3` is the
teacher's fourth attempt. Two editions exist; the newer one adds `version` and calls `test_code` `test`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.formats.batch import FUNCTION, Batch, Laid, by_value, lengths, offsets, trial_places
from tasks.formats.errors import FormatError
from tasks.formats.layout import QUESTION_ID, STYLE, SUBSET, Column, split_of, splits_of
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
    ("test_info", pa.list_(FUNCTION), "The functions that the test calls."),
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
    ("benchmark_instruction", pa.string(), "The text of that item; none in a permissive release."),
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
        "chosen_trial": None if record.chosen_attempt is None else _place(record.triplet_id, record.chosen_attempt),
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


def v1_laid(batch: Batch) -> Laid:
    """What `v1_row` makes of each triplet, for all at once."""
    rows = len(batch.triplets)
    columns = v1_arrays(batch)
    return Laid(
        pa.RecordBatch.from_arrays(columns, schema=schema()),
        splits_of(batch),
        pa.array(np.arange(rows)),
    )


def v1_arrays(batch: Batch) -> list[pa.Array]:
    """The columns of all triplets' rows, in the newest edition. Raises FormatError as `v1_row` does."""
    triplets = batch.triplets
    rows = len(triplets)
    attempts, passes = _passes(triplets["pass_sequence"])
    metadata = [
        triplets["original_question"],
        pc.utf8_lpad(triplets["number"].cast(pa.string()), 8, padding="0"),
        triplets["number"],
        _json(triplets["seed_ids"]),
    ]
    return [
        pa.repeat(VERSION, rows),
        *(triplets[name] for name in ("style", "subset", "triplet_id", "question", "solution", "test", "functions")),
        triplets["pass_sequence"],
        pa.array(passes),
        triplets["difficulty"],
        _shares(passes, attempts),
        _trial_arrays(batch),
        by_value(triplets["chosen_attempt"].cast(pa.string()), lambda attempt: f"trial_gpt4o_{attempt}"),
        pa.StructArray.from_arrays(metadata, fields=list(_METADATA)),
        triplets["benchmark_similarity"],
        triplets["benchmark_text"],
        triplets["benchmark_item"],
        triplets["filter_reason"],
    ]


def _json(column: pa.Array) -> pa.Array:
    """Lists of texts as `json.dumps` spells them."""
    if pc.any(pc.match_substring_regex(column.flatten(), r"[^ !#-\[\]-~]")).as_py():  # what it escapes
        return pa.array([json.dumps(texts) for texts in column.to_pylist()], pa.string())
    joined = pc.binary_join_element_wise('["', pc.binary_join(column, '", "'), '"]', "")
    return pc.if_else(pc.equal(pc.list_value_length(column), 0), "[]", joined)


def _passes(sequences: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """How many attempts, and how many that passed, each row has."""
    attempts = lengths(sequences)
    passed = offsets(np.asarray(sequences.flatten()))
    ends = offsets(attempts)
    return attempts, passed[ends[1:]] - passed[ends[:-1]]


def _shares(passes: np.ndarray, attempts: np.ndarray) -> pa.Array:
    width = 1 + int(attempts.max(initial=0))
    pairs, place = np.unique(passes * width + attempts, return_inverse=True)
    shares = [round(passed / of, 3) if of else None for passed, of in (divmod(pair, width) for pair in pairs.tolist())]
    return pa.array(shares, pa.float64()).take(place)


def _trial_arrays(batch: Batch) -> pa.Array:
    trials = batch.trials
    question, attempt = np.asarray(trials["question_row"]), np.asarray(trials["attempt"])
    asked = np.asarray(batch.triplets["question_row"])
    for row in np.flatnonzero((attempt < 0) | (attempt >= TRIALS)):
        for triplet in np.flatnonzero(asked == question[row]):
            _place(batch.triplets["triplet_id"][triplet].as_py(), int(attempt[row]))
    places = trial_places(trials, 1 + np.concatenate([asked, question]).max(initial=0), TRIALS)
    published = [
        trials["source"],
        trials["solution"],
        trials["test"],
        trials["coverage"],
        by_value(trials["verdict"], published_result),
    ]
    one = pa.StructArray.from_arrays(published, fields=list(_TRIAL))
    taken = [places[asked, number] for number in range(TRIALS)]
    columns = [
        one.take(pa.array(place, mask=place < 0)) if (place >= 0).any() else pa.nulls(len(asked), _TRIAL)
        for place in taken
    ]
    return pa.StructArray.from_arrays(columns, fields=[pa.field(f"trial_gpt4o_{n}", _TRIAL) for n in range(TRIALS)])


def published_result(verdict: str | None) -> str | None:
    """A verdict in the words of the published dataset; None where nothing was executed."""
    return None if verdict is None else _RESULTS.get(verdict, "Fail")


def _trials(record: TripletRecord) -> dict[str, Any]:
    trials: dict[str, Any] = {f"trial_gpt4o_{attempt}": None for attempt in range(TRIALS)}
    for trial in record.trials:
        trials[_place(record.triplet_id, trial.attempt)] = {
            "file_source": trial.source,
            "solution_code": trial.solution,
            "test_code": trial.test,
            "test_coverage": trial.coverage,
            "test_result": published_result(trial.verdict),
        }
    return trials


def _place(triplet_id: str, attempt: int) -> str:
    if not 0 <= attempt < TRIALS:
        raise FormatError(
            f"{triplet_id} has an attempt {attempt}, but KodCode-V1's layout holds attempts 0 to {TRIALS - 1}. "
            "Release it with at most 10 attempts a question."
        )
    return f"trial_gpt4o_{attempt}"


def _v1_0(name: str) -> str:
    return "test_code" if name == "test" else name
