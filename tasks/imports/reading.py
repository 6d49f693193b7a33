"""Rows of Parquet, JSON lines and CSV files as dicts, a few at a time, from any row on."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.imports.errors import ImportFileError
from tasks.imports.rows import BadRow

LINES = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
SUFFIXES = (".parquet", *LINES, *CSV)
BATCH = 500

Raw = tuple[int, dict[str, Any] | BadRow]
# csv refuses longer fields as an attack; texts are bounded later, with a reason.
csv.field_size_limit(1 << 30)


def column_names(path: Path) -> list[str]:
    """The columns; of JSON lines, those of the first row that is an object. Raises ImportFileError."""
    if _ends(path, (".parquet",)):
        with _readable(path):
            return list(pq.ParquetFile(path).schema_arrow.names)
    return next((list(row) for _, row in read_rows(path) if isinstance(row, dict)), [])


def read_rows(path: Path, after: int = 0, columns: frozenset[str] | None = None) -> Iterator[Raw]:
    """(number, row) of every row with a number above `after`; what is no row is a BadRow. Raises ImportFileError.

    Of a Parquet file only `columns` are read, where they are given.
    """
    if not _ends(path, SUFFIXES):
        raise ImportFileError(
            f"{path} has an ending that is not known. Questions are imported from: {', '.join(SUFFIXES)}."
        )
    with _readable(path):
        if _ends(path, (".parquet",)):
            yield from _parquet(path, after, columns)
        elif _ends(path, LINES):
            yield from (raw for raw in _json_lines(path) if raw[0] > after)
        else:
            yield from itertools.islice(_csv(path), after, None)


def _parquet(path: Path, after: int, columns: frozenset[str] | None) -> Iterator[Raw]:
    file = pq.ParquetFile(path)
    names = [name for name in file.schema_arrow.names if columns is None or name in columns]
    number = 0
    groups: list[int] = []
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if groups or number + size > after:
            groups.append(group)
        else:
            number += size
    for batch in file.iter_batches(BATCH, row_groups=groups, columns=names):
        if number + len(batch) <= after:
            number += len(batch)
            continue
        for row in batch.to_pylist():
            number += 1
            if number > after:
                yield number, row


def _json_lines(path: Path) -> Iterator[Raw]:
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
                yield number, BadRow(number, "not_json", str(error).splitlines()[0][:300])
                continue
            if isinstance(row, dict):
                yield number, row
            else:
                yield number, BadRow(number, "not_json", f"no JSON object but a {type(row).__name__}")


def _csv(path: Path) -> Iterator[Raw]:
    delimiter = "\t" if _ends(path, (".tsv", ".tsv.gz")) else ","
    with _opened(path) as lines:
        decoded = (line.decode("utf-8-sig" if number == 0 else "utf-8") for number, line in enumerate(lines))
        reader = csv.reader(decoded, delimiter=delimiter)
        header = next(reader, [])
        for number, cells in enumerate((cells for cells in reader if cells), 1):
            if len(cells) == len(header):
                yield number, dict(zip(header, cells, strict=True))
            else:
                detail = f"{len(cells)} cells, but the header has {len(header)}"
                yield number, BadRow(number, "not_csv", detail)


def _opened(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.GzipFile(path) if path.name.lower().endswith(".gz") else path.open("rb")


def _ends(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.name.lower().endswith(suffixes)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns what a broken file raises into ImportFileError."""
    try:
        yield
    except (OSError, EOFError, UnicodeDecodeError, zlib.error, pa.ArrowException, csv.Error) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:300]
        raise ImportFileError(f"{path} cannot be read: {first}") from error
