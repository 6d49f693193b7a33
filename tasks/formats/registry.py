"""Every format that a release can have, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.formats import chat, dpo, kodcode_v1, layout, nemo_gym, open_instruct, provenance, sft, verifiers_env, verl
from tasks.formats.errors import UnknownFormat
from tasks.formats.format import Answered, Format
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord


def _v1_rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    yield kodcode_v1.v1_row(record)


def _sft_rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    row = sft.sft_row(record, responses)
    if row is not None:
        yield row


def _sft_answers(row: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Rows of `incorrect` say so themselves, and are not judged again: their failures may be endless loops."""
    return [(row["conversations"][-1]["value"], True)] if row["r1_correctness"] == "True" else []


V1 = Format(
    kodcode_v1.NAME, kodcode_v1.VERSION, layout.SPLITS, kodcode_v1.edition_columns(), _v1_rows, kodcode_v1.v1_laid
)
SFT = Format(
    sft.NAME, sft.VERSION, sft.SPLITS, sft.edition_columns(), _sft_rows, sft.sft_laid, sft.shown_answer,
    proof=Answered(_sft_answers),
)  # fmt: skip
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        V1,
        SFT,
        chat.MESSAGES_FORMAT,
        chat.MESSAGES_JSONL_FORMAT,
        chat.SHAREGPT_FORMAT,
        dpo.FORMAT,
        verl.FORMAT,
        open_instruct.FORMAT,
        nemo_gym.FORMAT,
        verifiers_env.FORMAT,
        provenance.FORMAT,
    )
}


def chosen_formats(names: Sequence[str]) -> tuple[Format, ...]:
    """KodCode-V1 and provenance, which every release has, and these; KodCode-V1-SFT where none is named.

    In the registry's order, whatever order they are named in. Raises UnknownFormat for a name that is not known.
    """
    unknown = [name for name in names if name not in FORMATS]
    if unknown:
        raise UnknownFormat(f"There is no format {unknown[0]!r}; there are {', '.join(FORMATS)}.")
    wanted = {V1.name, provenance.NAME, *(names or (SFT.name,))}
    return tuple(format for name, format in FORMATS.items() if name in wanted)
