"""A file to import: which layout it has, what it is called, and its rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.imports.errors import ImportFileError
from tasks.imports.kodcode import COLUMNS, is_kodcode, read_kodcode
from tasks.imports.reading import SUFFIXES, column_names, read_rows
from tasks.imports.rows import BadRow, ImportedRow, Pair, UnusableRow, text_of
from tasks.subsets import SubsetError, get_subset

Layout = Literal["kodcode", "plain"]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a plain table holds what; KodCode's layouts name theirs themselves."""

    question: str = "question"
    solution: str = "solution"
    test: str = "test"
    subset: str = "subset"


@dataclass(frozen=True, slots=True)
class Source:
    """One file, with how it is read. The same content read in the same way has the same id, wherever it lies."""

    source_id: str  # SHA-256 of the content and of what decides how it is read
    path: Path
    name: str  # what imported rows have for a model
    layout: Layout
    subset: str | None  # of a plain table's rows that name none
    columns: Columns
    licence: str | None

    def rows(self, after: int = 0) -> Iterator[ImportedRow | BadRow]:
        """The rows with a number above `after`, in order. Raises ImportFileError where the file cannot be read on."""
        for number, raw in read_rows(self.path, after, COLUMNS if self.layout == "kodcode" else None):
            if isinstance(raw, BadRow):
                yield raw
                continue
            try:
                yield read_kodcode(number, raw) if self.layout == "kodcode" else self._read_plain(number, raw)
            except UnusableRow as problem:
                yield BadRow(number, problem.reason, problem.detail)

    def _read_plain(self, number: int, row: Mapping[str, Any]) -> ImportedRow:
        names = self.columns
        question, solution, test = (text_of(row, name) for name in (names.question, names.solution, names.test))
        subset = self.subset if row.get(names.subset) is None else text_of(row, names.subset)
        if subset is None:
            raise UnusableRow("unknown_subset", f"there is no {names.subset!r}, and no subset was named")
        try:
            subset = get_subset(subset).name
        except SubsetError as error:
            raise UnusableRow("unknown_subset", str(error)) from error
        return ImportedRow(number, subset, question, (Pair(solution, test),))


def check_files(paths: Sequence[Path], subset: str | None = None, columns: Columns = Columns()) -> None:
    """Look at the heads of the files. Raises ImportFileError for what open_sources would not open."""
    for path in _all_files(paths):
        _layout(path, subset, columns)


def open_sources(
    paths: Sequence[Path],
    *,
    subset: str | None = None,
    columns: Columns = Columns(),
    name: str | None = None,
    licence: str | None = None,
) -> list[Source]:
    """The files to import, those of a folder in the order of their names; each is read once for its checksum.

    Raises ImportFileError for what does not exist, cannot be read or lacks a column.
    """
    return [_open(path, subset, columns, name, licence) for path in _all_files(paths)]


def _all_files(paths: Sequence[Path]) -> list[Path]:
    if not paths:
        raise ImportFileError("No file is named. Name Parquet, JSON lines or CSV files, or folders of them.")
    return [path for given in paths for path in _files(given)]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file() and file.name.lower().endswith(SUFFIXES))
    if not found:
        what = f"The folder {path} holds no such file" if path.is_dir() else f"There is no file {path}"
        raise ImportFileError(f"{what}. Questions are imported from: {', '.join(SUFFIXES)}.")
    return found


def _open(path: Path, subset: str | None, columns: Columns, name: str | None, licence: str | None) -> Source:
    layout = _layout(path, subset, columns)
    how: dict[str, Any] = {"layout": layout}
    if layout == "plain":
        how |= {"subset": subset, "columns": asdict(columns)}
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    told = json.dumps({"content": content} | how, sort_keys=True)
    source_id = hashlib.sha256(told.encode()).hexdigest()
    return Source(source_id, path, name or path.name, layout, subset, columns, licence)


def _layout(path: Path, subset: str | None, columns: Columns) -> Layout:
    names = column_names(path)
    if is_kodcode(frozenset(names)):
        return "kodcode"
    _check_columns(path, names, subset, columns)
    return "plain"


def _check_columns(path: Path, names: Sequence[str], subset: str | None, columns: Columns) -> None:
    lacking = [
        (role, column)
        for role, column in (("question", columns.question), ("solution", columns.solution), ("test", columns.test))
        if column not in names
    ]
    shown = ", ".join(names[:40]) or "none"
    if lacking:
        told = " and ".join(f"no {column!r} (--{role}-column)" for role, column in lacking)
        raise ImportFileError(
            f"{path} has {told}. Its columns are: {shown}. Name those that hold the question, a solution and its "
            "pytest module; files in KodCode-V1's layout are known by question_id, style, subset, question, solution "
            "and test or test_code."
        )
    if subset is None and columns.subset not in names:
        raise ImportFileError(
            f"{path} does not say which subset its questions belong to: name the one that they are most like with "
            f"--subset, or the column that says so with --subset-column. Its columns are: {shown}."
        )
