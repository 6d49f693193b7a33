"""Some triplets of a release side by side, a column a field: layouts can be made of all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.formats.records import (
    AuthorRecord,
    FunctionRecord,
    NearestProblem,
    ResponseRecord,
    TrialRecord,
    TripletRecord,
)

FUNCTION = pa.struct(
    [
        ("docstring", pa.string()),
        ("function_declaration", pa.string()),
        ("function_name", pa.string()),
        ("parameter_list", pa.string()),
    ]
)
AUTHOR = pa.struct(
    [
        ("part", pa.string()),
        ("provider", pa.string()),
        ("model", pa.string()),
        ("licence", pa.string()),
        ("training", pa.string()),
    ]
)
# The fields of TripletRecord; those of its nearest problem, and `question_row`, a number of its question in the batch.
TRIPLETS = pa.schema(
    [
        ("triplet_id", pa.string()),
        ("subset", pa.string()),
        ("style", pa.string()),
        ("question", pa.string()),
        ("solution", pa.string()),
        ("test", pa.string()),
        ("number", pa.int64()),
        ("difficulty", pa.string()),
        ("pass_sequence", pa.list_(pa.int64())),
        ("chosen_attempt", pa.int64()),
        ("functions", pa.list_(FUNCTION)),
        ("original_question", pa.string()),
        ("seed_ids", pa.list_(pa.string())),
        ("benchmark", pa.string()),
        ("benchmark_item", pa.string()),
        ("benchmark_text", pa.string()),
        ("benchmark_similarity", pa.float64()),
        ("filter_reason", pa.string()),
        ("seed_licences", pa.list_(pa.string())),
        ("authors", pa.list_(AUTHOR)),
        ("licence", pa.string()),
        ("question_row", pa.int64()),
    ]
)
# The fields of TrialRecord; triplets of one question share its trials.
TRIALS = pa.schema(
    [
        ("question_row", pa.int64()),
        ("attempt", pa.int64()),
        ("verdict", pa.string()),
        ("solution", pa.string()),
        ("test", pa.string()),
        ("coverage", pa.float64()),
        ("source", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Rows of TRIPLETS; of TRIALS, by question and attempt; and the responses of each triplet, by attempt."""

    triplets: pa.RecordBatch
    trials: pa.RecordBatch
    responses: Sequence[Sequence[ResponseRecord]]

    def records(self) -> list[TripletRecord]:
        """The same triplets one by one."""
        trials: dict[int, list[TrialRecord]] = {}
        for trial in self.trials.to_pylist():
            trials.setdefault(trial.pop("question_row"), []).append(TrialRecord(**trial))
        return [
            TripletRecord(
                triplet_id=row["triplet_id"],
                subset=row["subset"],
                style=row["style"],
                question=row["question"],
                solution=row["solution"],
                test=row["test"],
                number=row["number"],
                difficulty=row["difficulty"],
                pass_sequence=tuple(row["pass_sequence"]),
                chosen_attempt=row["chosen_attempt"],
                trials=tuple(trials.get(row["question_row"], ())),
                functions=tuple(FunctionRecord(**function) for function in row["functions"]),
                original_question=row["original_question"],
                seed_ids=tuple(row["seed_ids"]),
                nearest=None
                if row["benchmark_item"] is None
                else NearestProblem(
                    row["benchmark"], row["benchmark_item"], row["benchmark_text"], row["benchmark_similarity"]
                ),
                filter_reason=row["filter_reason"],
                seed_licences=tuple(row["seed_licences"]),
                authors=tuple(AuthorRecord(**author) for author in row["authors"]),
                licence=row["licence"],
            )
            for row in self.triplets.to_pylist()
        ]


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """Rows of a layout: its columns, the split of each row, and the row of the batch that each was made from."""

    columns: pa.RecordBatch
    splits: pa.StringArray
    triplets: pa.Int64Array


def trial_places(trials: pa.RecordBatch, questions: int, attempts: int) -> np.ndarray:
    """Where each question has each attempt among rows of TRIALS, questions x attempts; -1 where it has not.

    No question_row may be `questions` or more, and no attempt `attempts` or more."""
    places = np.full((questions, attempts), -1)
    places[np.asarray(trials["question_row"]), np.asarray(trials["attempt"])] = np.arange(len(trials))
    return places


def by_value(column: pa.Array, change: Callable[[str], str | None]) -> pa.Array:
    """A column of texts, few of which differ, each changed; null stays null."""
    encoded = column.dictionary_encode()
    return pa.array([change(text) for text in encoded.dictionary.to_pylist()], pa.string()).take(encoded.indices)


def lengths(column: pa.Array) -> np.ndarray:
    """How many items each list of a column has, which holds no null."""
    return np.asarray(pc.list_value_length(column))


def offsets(counts: np.ndarray) -> np.ndarray:
    """Where lists of these lengths begin and end, one after the other."""
    return np.concatenate(([0], np.cumsum(counts)))
