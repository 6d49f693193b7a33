"""Streams rows into shards, Parquet or JSON Lines: bounded memory, and the same rows always give the same bytes."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.formats.errors import FormatError

ROW_GROUP = 2_000
FileType = Literal["parquet", "jsonl"]
_ZSTD_LEVEL = 3
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


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
        if split not in self._splits:
            raise FormatError(f"The layout has no split {split!r}; it has {', '.join(self._splits)}.")
        self._splits[split].add(columns)

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
    writer: _Part = pq.ParquetWriter(path, schema, compression="zstd", compression_level=_ZSTD_LEVEL, version="2.6")
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
        if len(self._buffer) >= self._row_group:
            self._flush()

    def finish(self) -> None:
        if self._buffer or (self._always and self._writer is None):
            self._flush()
        if self._writer is not None:
            self._close()

    def abandon(self) -> None:
        """Remove the part that is not finished, if there is one."""
        writer, self._writer = self._writer, None
        self._buffer = []
        if writer is not None:
            try:
                writer.close()
            except (OSError, pa.ArrowException):
                pass  # the disk may be full: that is why we are here, and the part goes anyway
            finally:
                self._partial.unlink(missing_ok=True)

    def _flush(self) -> None:
        table = _table(self._buffer, self._schema)
        try:
            if self._writer is None:
                self._writer = _part(self._partial, self._schema, self._file_type)
            if table.num_rows:  # a row group of no rows is more than `datasets` can load
                self._writer.write_table(table, row_group_size=self._row_group)
        except OSError as error:
            raise FormatError(f"{self._partial} cannot be written: {error}.") from error
        self._rows += len(self._buffer)
        self._buffer = []

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
            return pa.Table.from_pylist([_encodable(row) for row in rows], schema=schema)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        name, reason = _culprit(rows, schema) or ("a row", error)
        raise FormatError(f"{name} does not fit the layout: {reason}.") from error


def _culprit(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> tuple[str, Exception] | None:
    """The first row that fails alone, by its first column of ids, and why."""
    for row in rows:
        try:
            pa.Table.from_pylist([_encodable(row)], schema=schema)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            return f"row {str(row.get('question_id', '?'))[:80]}", error
    return None


def _encodable(value: Any) -> Any:
    """Lone surrogates, which UTF-8 cannot say, as replacement characters."""
    if isinstance(value, str):
        return _LONE_SURROGATE.sub("\ufffd", value)
    if isinstance(value, Mapping):
        return {key: _encodable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(item) for item in value]
    return value
