"""Writes records in formats as a release does, into a folder of a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.formats import DatasetWriter, FileEntry, Format, ResponseRecord, TripletRecord


def write(
    folder: Path,
    formats: Sequence[Format],
    records: Sequence[TripletRecord],
    responses: Mapping[str, Sequence[ResponseRecord]] = {},
) -> list[FileEntry]:
    """The files of the records' rows, with responses by triplet."""
    files: list[FileEntry] = []
    for format in formats:
        with DatasetWriter(
            folder / format.name, format=format.name, version=format.version, schema=format.schema,
            splits=format.splits, prefix=format.name, file_type=format.file_type,
        ) as writer:  # fmt: skip
            for record in records:
                for row in format.rows(record, responses.get(record.triplet_id, ())):
                    writer.add(row.split, row.columns)
        files += writer.files
    return files
