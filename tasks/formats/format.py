"""What a format is: a name, its columns, the rows of a triplet, the files beside them, and how a row is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.formats.batch import Batch, Laid
from tasks.formats.layout import Column
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.formats.writer import DatasetWriter, FileEntry, FileType
from tasks.sandbox import Sandbox

Row = Mapping[str, Any]
Rows = Callable[[TripletRecord, Sequence[ResponseRecord]], Iterable[FormattedRow]]
# The responses to a triplet to those of them whose text is in its rows.
Shown = Callable[[Sequence[ResponseRecord]], Sequence[ResponseRecord]]
# Release number and written files to the files beside them: path in the format's folder -> content.
Companions = Callable[[int, Sequence[FileEntry]], Mapping[str, bytes]]


@dataclass(frozen=True, slots=True)
class Rewarded:
    """A row for reinforcement learning. `score(row, answer, sandbox)` is the reward of its trainer's own path, 1.0 at
    most, but judged in this sandbox."""

    score: Callable[[Row, str, Sandbox], float]


@dataclass(frozen=True, slots=True)
class Answered:
    """A row with answers. `answers(row)` gives each text with whether its code must pass the triplet's test."""

    answers: Callable[[Row], Sequence[tuple[str, bool]]]


@dataclass(frozen=True, slots=True)
class Format:
    """One layout that a release can have.

    `rows` says what becomes of a triplet; `laid`, where there is one, says the same of many at once, which is faster.
    `shows` tells which answers are in the rows; None where none is. `row_id` is the triplet that a row came from.
    """

    name: str
    version: str
    splits: tuple[str, ...]
    columns: Sequence[Column]
    rows: Rows
    laid: Callable[[Batch], Laid] | None = None
    shows: Shown | None = None
    file_type: FileType = "parquet"
    companions: Companions | None = None
    proof: Rewarded | Answered | None = None
    row_id: Callable[[Row], str] = lambda row: str(row["question_id"])

    @property
    def schema(self) -> pa.Schema:
        """The columns' names and types."""
        return pa.schema([(name, kind) for name, kind, _ in self.columns])

    @property
    def descriptions(self) -> dict[str, str]:
        """What each column holds."""
        return {name: text for name, _, text in self.columns}

    def writer(self, release: Path, shard: str = "00000", splits: Sequence[str] | None = None) -> DatasetWriter:
        """Writes a shard of rows into this format's folder of a release; `splits` are to have a file, be it one of no
        rows: all where None."""
        return DatasetWriter(
            release / self.name,
            format=self.name,
            version=self.version,
            schema=self.schema,
            splits=self.splits,
            prefix=self.name,
            shard=shard,
            always=self.splits if splits is None else splits,
            file_type=self.file_type,
        )
