"""DPO pairs (TRL's conversational preference format): an answer whose code passed over one whose code failed.

A triplet gives as many pairs as it has both; an answer is in one pair at most. Answers without code make no pair: what
they would teach is the fence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from tasks.formats import rl
from tasks.formats.chat import about
from tasks.formats.format import Answered, Format
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.formats.sft import answer_text

NAME = "dpo"
VERSION = "1"

_MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
_COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("prompt", _MESSAGES, "The question, one user message."),
    ("chosen", _MESSAGES, "An answer whose code passed, one assistant message."),
    ("rejected", _MESSAGES, "An answer whose code failed, one assistant message."),
    ("question_id", pa.string(), "Subset, number and style (_I, _C, _O)."),
    ("subset", pa.string(), "The generator that the question comes from."),
    ("style", pa.string(), "instruct, complete or online_judge."),
    ("difficulty", pa.string(), "easy, medium or hard, by the share of the teacher's attempts that passed."),
)


def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    """The pairs of a triplet, by attempt."""
    ordered = sorted((one for one in responses if one.code is not None), key=lambda one: one.attempt)
    passed = [one for one in ordered if one.passed]
    failed = [one for one in ordered if not one.passed]
    for chosen, rejected in zip(passed, failed, strict=False):
        yield FormattedRow(
            rl.split_of(record),
            {
                "prompt": [{"role": "user", "content": record.question}],
                "chosen": [{"role": "assistant", "content": answer_text(chosen)}],
                "rejected": [{"role": "assistant", "content": answer_text(rejected)}],
                **about(record),
            },
        )


FORMAT = Format(
    name=NAME,
    version=VERSION,
    splits=rl.SPLITS,
    schema=pa.schema([(name, kind) for name, kind, _ in _COLUMNS]),
    descriptions={name: text for name, _, text in _COLUMNS},
    rows=rows,
    proof=Answered(lambda row: [(row["chosen"][-1]["content"], True), (row["rejected"][-1]["content"], False)]),
)
