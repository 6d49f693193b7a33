"""Writes records in formats as a release does, into a folder of a test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.formats import FileEntry, Format, ResponseRecord, TripletRecord


def write(
    folder: Path,
    formats: Sequence[Format],
    records: Sequence[TripletRecord],
    responses: Mapping[str, Sequence[ResponseRecord]] = {},
) -> list[FileEntry]:
    """The files of the records' rows, with responses by triplet."""
    files: list[FileEntry] = []
    for format in formats:
        with format.writer(folder) as writer:
            for record in records:
                for row in format.rows(record, responses.get(record.triplet_id, ())):
                    writer.add(row.split, row.columns)
        files += writer.files
    return files
