"""What a format is: a name, a schema, the rows of a triplet, the files beside them, and how a row is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.formats.writer import FileEntry, FileType

Row = Mapping[str, Any]
Rows = Callable[[TripletRecord, Sequence[ResponseRecord]], Iterable[FormattedRow]]
# Release number and written files to the files beside them: path in the format's folder -> content.
Companions = Callable[[int, Sequence[FileEntry]], Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A row for reinforcement learning. `score(row, answer)` is the reward of its trainer's own path, 1.0 at most."""

    score: Callable[[Row, str], float]


@dataclass(frozen=True, slots=True)
class Answered:
    """A row with answers. `answers(row)` gives each text with whether its code must pass the triplet's test."""

    answers: Callable[[Row], Sequence[tuple[str, bool]]]


@dataclass(frozen=True, slots=True)
class Format:
    """One layout that a release can have. `row_id` is the triplet that a row came from."""

    name: str
    version: str
    splits: tuple[str, ...]
    schema: pa.Schema
    descriptions: Mapping[str, str]  # of the schema's columns
    rows: Rows
    file_type: FileType = "parquet"
    companions: Companions | None = None
    proof: Rewarded | Answered | None = None
    row_id: Callable[[Row], str] = lambda row: str(row["question_id"])
