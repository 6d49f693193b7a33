"""What a row of a file is read as, whatever its layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.store.schema import storable

MAX_CHARS = 1_000_000  # of one text; what is longer was not meant as one


@dataclass(frozen=True, slots=True)
class Pair:
    """A solution and its test: an attempt at the question. Both None: an attempt of which the source has no code."""

    solution: str | None
    test: str | None
    attempt: int | None = None  # its number at the source, if it has one
    model: str | None = None  # who wrote it, where the source says so


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """A question with its pairs, and, where the row is of another style, the conversion that it holds.

    `claim` is what the source says of the row: kept as that, and never taken for a verdict.
    """

    row: int  # from 1; of JSON lines, the line
    subset: str
    question: str  # as it was asked; of a conversion, the instruct question that it was made from
    pairs: tuple[Pair, ...]
    number: int | None = None  # in its subset, where its id is one of KodCode's
    style: str = "instruct"
    converted: tuple[str, str, str] | None = None  # question, solution, test in the other style
    claim: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be used; `reason` is a fixed word, `detail` a sentence."""

    row: int
    reason: str
    detail: str


class UnusableRow(Exception):
    """Ends the reading of a row; never leaves the engine."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def text_of(row: Mapping[str, Any], name: str) -> str:
    """The text in a column, as the database can hold it. Raises UnusableRow."""
    value = row.get(name)
    if value is None:
        names = ", ".join(list(map(str, row))[:12]) or "none"
        raise UnusableRow("missing", f"there is no {name!r} (columns: {names})")
    if not isinstance(value, str):
        raise UnusableRow("not_text", f"{name!r} is no text but a {type(value).__name__}")
    if not value.strip():
        raise UnusableRow("empty", f"{name!r} is empty")
    if len(value) > MAX_CHARS:
        raise UnusableRow("too_long", f"{name!r} has {len(value)} characters, more than {MAX_CHARS}")
    return str(storable(value))
