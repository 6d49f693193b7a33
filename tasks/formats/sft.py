"""The column layout of KodCode-V1-SFT: KodCode-V1's columns, and one reasoning answer as a conversation.

The published names are kept whatever model reasoned: `r1_*` are the results of the answers of this release.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.formats import kodcode_v1
from tasks.formats.batch import Batch, Laid
from tasks.formats.layout import (
    TRAIN,
    USE_WITH_CAUTION,
    Column,
    conversation,
    split_of,
    splits_of,
    texts,
    turns,
)
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord

NAME = "kodcode-v1-sft"
VERSION = kodcode_v1.VERSION
INCORRECT = "incorrect"
SPLITS = (TRAIN, INCORRECT, USE_WITH_CAUTION)

_CONVERSATION = turns("from", "value")
_COLUMNS: tuple[Column, ...] = (
    ("r1_pass_sequence", pa.list_(pa.int64()), "1 for each reasoning answer whose code passed the test, else 0."),
    ("r1_pass_trial_num", pa.int64(), "How many of them passed."),
    ("r1_correctness", pa.string(), "'True' where the conversation's code passed, else 'False'."),
    ("r1_solution", pa.string(), "The code of the conversation's answer; null where it held none."),
    (
        "conversations",
        _CONVERSATION,
        "The question (human) and the answer with its reasoning in <think> tags (gpt).",
    ),
)


def schema(edition: str = VERSION) -> pa.Schema:
    """Columns in published order. Raises FormatError for an edition that does not exist."""
    return pa.schema([(name, kind) for name, kind, _ in edition_columns(edition)])


def edition_columns(edition: str = VERSION) -> list[Column]:
    """(name, type, description) of an edition's columns."""
    return [*kodcode_v1.edition_columns(edition), *_COLUMNS]


def sft_row(record: TripletRecord, responses: Sequence[ResponseRecord], edition: str = VERSION) -> FormattedRow | None:
    """A triplet with its first passing answer, or, where none passed, its first; None where there is no answer."""
    if not responses:
        return None
    ordered = sorted(responses, key=lambda response: response.attempt)
    (shown,) = shown_answer(ordered)
    columns: dict[str, Any] = kodcode_v1.v1_columns(record, edition) | {
        "r1_pass_sequence": [int(response.passed) for response in ordered],
        "r1_pass_trial_num": sum(response.passed for response in ordered),
        "r1_correctness": str(shown.passed),
        "r1_solution": shown.code,
        "conversations": [
            {"from": "human", "value": record.question},
            {"from": "gpt", "value": answer_text(shown)},
        ],
    }
    split = split_of(record)
    return FormattedRow(INCORRECT if split == TRAIN and not shown.passed else split, columns)


def sft_laid(batch: Batch) -> Laid:
    """What `sft_row` makes of the triplets that have answers, for all at once."""
    answered = pa.array(np.flatnonzero([bool(responses) for responses in batch.responses]))
    ordered = [sorted(responses, key=lambda one: one.attempt) for responses in batch.responses if responses]
    shown = [answer for responses in ordered for answer in shown_answer(responses)]
    passed = pa.array([response.passed for response in shown], pa.bool_())
    results = [[int(response.passed) for response in responses] for responses in ordered]
    some = Batch(batch.triplets.take(answered), batch.trials, [])
    said = [("human", some.triplets["question"]), ("gpt", texts([answer_text(response) for response in shown]))]
    columns = [
        *kodcode_v1.v1_arrays(some),
        pa.array(results, pa.list_(pa.int64())),
        pa.array([sum(sequence) for sequence in results], pa.int64()),
        pc.if_else(passed, "True", "False"),
        texts([response.code for response in shown]),
        conversation(_CONVERSATION, said),
    ]
    splits = splits_of(some)
    wrong = pc.and_(pc.equal(splits, TRAIN), pc.invert(passed))
    return Laid(
        pa.RecordBatch.from_arrays(columns, schema=schema()), pc.if_else(wrong, INCORRECT, splits), answered
    )


def shown_answer(responses: Sequence[ResponseRecord]) -> Sequence[ResponseRecord]:
    """The answer that a row holds: the first that passed, else the first; none where there is none."""
    passing = first_passing(responses)
    return [passing] if passing is not None else sorted(responses, key=lambda one: one.attempt)[:1]


def first_passing(responses: Sequence[ResponseRecord]) -> ResponseRecord | None:
    """The passing answer of the lowest attempt."""
    return min((response for response in responses if response.passed), key=lambda one: one.attempt, default=None)


def answer_text(response: ResponseRecord) -> str:
    """The whole answer: reasoning that the provider keeps apart is put in front, in <think> tags."""
    if not response.reasoning or "<think>" in response.text:
        return response.text
    return f"<think>\n{response.reasoning.strip()}\n</think>\n\n{response.text.lstrip()}"
