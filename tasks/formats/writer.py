"""Streams rows into shards, Parquet or JSON Lines: bounded memory, and the same rows always give the same bytes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.formats.errors import FormatError
from tasks.formats.layout import encodable

ROW_GROUP = 2_000
FileType = Literal["parquet", "jsonl"]
_ZSTD_LEVEL = 1  # a seventh larger than at 3, in six tenths of the time: tests/benchmarks/README.md
_SOUGHT = ("question_id", "subset", "style", "difficulty", "gpt_difficulty")  # readers skip row groups by these


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A finished file; `path` is relative to the release, with forward slashes, `key` where the store holds it."""

    path: str
    format: str
    split: str
    rows: int
    bytes: int
    sha256: str
    key: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able data."""
        return {name: getattr(self, name) for name in self.__slots__}


class DatasetWriter(AbstractContextManager["DatasetWriter"]):
    """Writes one shard of a layout into `folder`: `train/part-SHARD.parquet` and so on, a file a split.

    Use it as a context manager; `files` is complete after it. The splits `always` have a file, be it one of no rows;
    others where they have rows. A file has its name only when it is whole; on an error the unfinished ones are
    removed. No more than a row group a split is held in memory. Raises FormatError for rows that do not fit, for a
    shard that is there already, and for files that cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        format: str,
        version: str,
        schema: pa.Schema,
        splits: Sequence[str],
        prefix: str = "",
        shard: str = "00000",
        always: Sequence[str] = (),
        row_group: int = ROW_GROUP,
        file_type: FileType = "parquet",
    ) -> None:
        if row_group < 1:
            raise ValueError("row_group is at least 1")
        metadata = {"kodcode.format": format, "kodcode.format_version": version}
        self._schema = schema.with_metadata(metadata)
        self._splits = {
            split: _Split(
                folder, format, split, prefix, self._schema, f"part-{shard}", split in always, row_group, file_type
            )
            for split in splits
        }
        self._names = set(schema.names)

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """The finished files, in the order of the splits."""
        return tuple(split.finished for split in self._splits.values() if split.finished is not None)

    def add(self, split: str, columns: Mapping[str, Any]) -> None:
        """Append a row. All columns of the layout must be there, and no other."""
        if columns.keys() != self._names:
            wrong = sorted(columns.keys() ^ self._names)
            raise FormatError(f"A row lacks, or has too much, the columns {', '.join(wrong)}.")
        self._split(split).add(columns)

    def add_batch(self, split: str, rows: pa.RecordBatch) -> None:
        """Append rows, whose columns are the layout's in its order."""
        if not rows.schema.equals(self._schema.remove_metadata()):
            raise FormatError(f"The rows have the columns {rows.schema}, but the layout {self._schema}.")
        self._split(split).add_batch(rows)

    def _split(self, name: str) -> _Split:
        if name not in self._splits:
            raise FormatError(f"The layout has no split {name!r}; it has {', '.join(self._splits)}.")
        return self._splits[name]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                for split in self._splits.values():
                    split.finish()
        finally:
            for split in self._splits.values():
                split.abandon()


class _Part(Protocol):
    """An open file that tables are appended to."""

    def write_table(self, table: pa.Table, row_group_size: int) -> None: ...

    def close(self) -> None: ...


class _JsonLines:
    """A row a line. Rows came through the schema, so that a column has one type in all of them."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def write_table(self, table: pa.Table, row_group_size: int) -> None:
        self._file.writelines(
            json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in table.to_pylist()
        )

    def close(self) -> None:
        self._file.close()


def _part(path: Path, schema: pa.Schema, file_type: FileType) -> _Part:
    if file_type == "jsonl":
        return _JsonLines(path)
    writer: _Part = pq.ParquetWriter(
        path,
        schema,
        version="2.6",
        compression="zstd",
        compression_level=_ZSTD_LEVEL,
        # Most bytes are texts of which no two are the same, and which nobody seeks by their order.
        use_dictionary=False,
        write_statistics=[name for name in schema.names if name in _SOUGHT],
    )
    return writer


class _Split:
    """The file of one split, which is opened for its first rows."""

    def __init__(
        self,
        folder: Path,
        format: str,
        split: str,
        prefix: str,
        schema: pa.Schema,
        name: str,
        always: bool,
        row_group: int,
        file_type: FileType,
    ) -> None:
        self._path = folder / split / f"{name}.{file_type}"
        self._partial = self._path.with_suffix(".partial")
        self._format, self._split, self._prefix = format, split, prefix
        self._schema = schema
        self._always = always
        self._row_group = row_group
        self._file_type: FileType = file_type
        self._buffer: list[Mapping[str, Any]] = []
        self._tables: list[pa.Table] = []  # what came before the rows of the buffer
        self._waiting = 0  # rows of both
        self._writer: _Part | None = None
        self._rows = 0
        self.finished: FileEntry | None = None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FormatError(f"{self._path.parent} cannot be made: {error.strerror or error}.") from error
        if self._path.exists():
            raise FormatError(f"{self._path} is there already; write into an empty folder.")

    def add(self, columns: Mapping[str, Any]) -> None:
        self._buffer.append(columns)
        self._waiting += 1
        if self._waiting >= self._row_group:
            self._flush()

    def add_batch(self, rows: pa.RecordBatch) -> None:
        self._settle()
        self._tables.append(pa.Table.from_batches([rows]))
        self._waiting += rows.num_rows
        while self._waiting >= self._row_group:
            self._flush()

    def finish(self) -> None:
        if self._waiting or (self._always and self._writer is None):
            self._flush()
        if self._writer is not None:
            self._close()

    def abandon(self) -> None:
        """Remove the part that is not finished, if there is one."""
        writer, self._writer = self._writer, None
        self._buffer, self._tables, self._waiting = [], [], 0
        if writer is not None:
            try:
                writer.close()
            except (OSError, pa.ArrowException):
                pass  # the disk may be full: that is why we are here, and the part goes anyway
            finally:
                self._partial.unlink(missing_ok=True)

    def _settle(self) -> None:
        if self._buffer:
            self._tables.append(_table(self._buffer, self._schema))
            self._buffer = []

    def _flush(self) -> None:
        """Write a row group, or what there is where that is less."""
        self._settle()
        tables = [table.replace_schema_metadata(self._schema.metadata) for table in self._tables]
        waiting = pa.concat_tables(tables) if tables else self._schema.empty_table()
        # In one piece: where pages end, and so the bytes, must not depend on how the rows came.
        group, rest = waiting.slice(0, self._row_group).combine_chunks(), waiting.slice(self._row_group)
        try:
            if self._writer is None:
                self._writer = _part(self._partial, self._schema, self._file_type)
            if group.num_rows:  # a row group of no rows is more than `datasets` can load
                self._writer.write_table(group, row_group_size=self._row_group)
        except OSError as error:
            raise FormatError(f"{self._partial} cannot be written: {error}.") from error
        self._rows += group.num_rows
        self._tables, self._waiting = [rest], rest.num_rows

    def _close(self) -> None:
        writer = self._writer
        assert writer is not None
        path, partial = self._path, self._partial
        try:
            writer.close()
            with partial.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = partial.stat().st_size
            partial.replace(path)
        except OSError as error:
            raise FormatError(f"{path} cannot be written: {error}.") from error
        self._writer = None
        relative = "/".join(part for part in (self._prefix.strip("/"), self._split, path.name) if part)
        self.finished = FileEntry(relative, self._format, self._split, self._rows, size, digest)


def _table(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    try:
        try:
            return pa.Table.from_pylist(rows, schema=schema)
        except UnicodeEncodeError:
            # Rare, so the price of looking at every text is paid only now.
            return pa.Table.from_pylist([encodable(row) for row in rows], schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        name, reason = _culprit(rows, schema) or ("a row", error)
        raise FormatError(f"{name} does not fit the layout: {reason}.") from error


def _culprit(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> tuple[str, Exception] | None:
    """The first row that fails alone, by its first column of ids, and why."""
    for row in rows:
        try:
            pa.Table.from_pylist([encodable(row)], schema=schema)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            return f"row {str(row.get('question_id', '?'))[:80]}", error
    return None
