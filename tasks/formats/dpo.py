"""DPO pairs (TRL's conversational preference format): an answer whose code passed over one whose code failed.

A triplet gives as many pairs as it has both; an answer is in one pair at most. Answers without code make no pair: what
they would teach is the fence. Nor do those whose failure another execution need not repeat: they may be right answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.formats import layout
from tasks.formats.format import Answered, Format
from tasks.formats.layout import ABOUT, MESSAGES, Column, about
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.formats.sft import answer_text
from tasks.sandbox.types import VerdictKind

NAME = "dpo"
VERSION = "2"

# What was slow or large passes within other limits, what is flaky passes now and then, and what reached for its judges
# passes where nothing confirms it. The proof of a release, which judges once, would find such a rejected answer right.
_UNSURE = frozenset({
    VerdictKind.FLAKY, VerdictKind.TAMPERED, VerdictKind.TIMED_OUT, VerdictKind.MEMORY_EXCEEDED,
    VerdictKind.INFRASTRUCTURE,
})  # fmt: skip

_COLUMNS: tuple[Column, ...] = (
    ("prompt", MESSAGES, "The question, one user message."),
    ("chosen", MESSAGES, "An answer whose code passed, one assistant message."),
    ("rejected", MESSAGES, "An answer whose code failed, one assistant message."),
    *ABOUT,
)


def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    """The pairs of a triplet, by attempt."""
    for chosen, rejected in _pairs(responses):
        yield FormattedRow(
            layout.split_of(record),
            {
                "prompt": [{"role": "user", "content": record.question}],
                "chosen": [{"role": "assistant", "content": answer_text(chosen)}],
                "rejected": [{"role": "assistant", "content": answer_text(rejected)}],
                **about(record),
            },
        )


def _pairs(responses: Sequence[ResponseRecord]) -> Iterator[tuple[ResponseRecord, ResponseRecord]]:
    ordered = sorted((one for one in responses if one.code is not None), key=lambda one: one.attempt)
    passed = [one for one in ordered if one.passed]
    failed = [one for one in ordered if not one.passed and one.verdict not in _UNSURE]
    return zip(passed, failed, strict=False)


FORMAT = Format(
    name=NAME,
    version=VERSION,
    splits=layout.SPLITS,
    columns=_COLUMNS,
    rows=rows,
    shows=lambda responses: [one for pair in _pairs(responses) for one in pair],
    proof=Answered(lambda row: [(row["chosen"][-1]["content"], True), (row["rejected"][-1]["content"], False)]),
)
