"""Loads the problems that training data must not contain: published benchmarks' own files, or a private one's."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.screening.errors import BenchmarkError

# Four problems that come with the project, so that decontamination has something to find offline.
DEMO_BENCHMARK = Path(__file__).with_name("demo_bench.jsonl")
_SHOWN_PROBLEMS = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One item of a benchmark: what a question is compared with."""

    benchmark: str
    item_id: str
    text: str
    solution: str | None = None  # a whole module, where the benchmark publishes a reference solution


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a benchmark keeps ids and texts. An item's second text is a problem too, its id followed by `#COLUMN`."""

    benchmark: str
    id_column: str
    text_columns: tuple[str, ...]
    sign: frozenset[str] = frozenset()  # columns by which a file of this layout is known
    name_column: str | None = None  # where each row names its benchmark
    solution_columns: tuple[str, ...] = ()  # joined, they are the reference solution; rows may lack it

    @property
    def columns(self) -> list[str]:
        named = {self.name_column} if self.name_column else set()
        return sorted({self.id_column, *self.text_columns, *named})


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "HumanEval", "task_id", ("prompt",), frozenset({"task_id", "prompt", "entry_point", "canonical_solution"}),
        solution_columns=("prompt", "canonical_solution"),
    ),
    Layout("MBPP", "task_id", ("text",), frozenset({"task_id", "text", "test_list"}), solution_columns=("code",)),
    Layout(  # the sanitised edition
        "MBPP", "task_id", ("prompt",), frozenset({"task_id", "prompt", "test_list"}), solution_columns=("code",)
    ),
    Layout(
        "BigCodeBench", "task_id", ("instruct_prompt", "complete_prompt"),
        frozenset({"task_id", "instruct_prompt", "complete_prompt"}),
        solution_columns=("complete_prompt", "canonical_solution"),
    ),
    Layout("LiveCodeBench", "question_id", ("question_content",), frozenset({"question_id", "question_content"})),
    # This project's own.
    Layout(
        "", "item_id", ("text",), frozenset({"benchmark", "item_id", "text"}), name_column="benchmark",
        solution_columns=("solution",),
    ),
)  # fmt: skip

# What the columns of a private benchmark may be called, in order of preference.
_ID_COLUMNS = ("item_id", "task_id", "question_id", "problem_id", "id")
_TEXT_COLUMNS = ("text", "prompt", "question", "problem", "instruction", "statement")
_SOLUTION_COLUMNS = ("solution", "canonical_solution", "code", "reference_solution")


def load_benchmark(
    path: Path, *, benchmark: str | None = None, id_column: str | None = None, text_column: str | None = None,
    solution_column: str | None = None,
) -> list[Problem]:  # fmt: skip
    """Problems of a JSONL, JSONL.gz or Parquet file.

    The published layouts of HumanEval, MBPP, BigCodeBench and LiveCodeBench are known by their columns, and rows may
    name their `benchmark` beside `item_id` and `text`. Any other file needs an id and a text under a usual name, or
    `id_column` and `text_column`, and is called after the file where `benchmark` does not name it. Reference solutions
    are taken where the file has them.
    Raises BenchmarkError with the row numbers (from 1) of what is wrong.
    """
    if (id_column is None) != (text_column is None):
        raise BenchmarkError("Give both the id column and the text column of the benchmark, or neither.")
    layout: Layout | None = None
    if id_column is not None and text_column is not None:
        solution = (solution_column,) if solution_column else ()
        layout = Layout(_file_name(path), id_column, (text_column,), solution_columns=solution)
    found: dict[tuple[str, str], Problem] = {}
    wrong: list[str] = []
    count = 0
    for number, row in _rows(path, layout):
        count += 1
        if isinstance(row, str):
            wrong.append(f"row {number} {row}")
            continue
        layout = layout or _recognise(path, row)
        problem = _take(row, layout, benchmark, found)
        if problem is not None:
            wrong.append(f"row {number} {problem}")
    if not count:
        raise BenchmarkError(f"{path} has no rows.")
    if wrong:
        more = f" and {len(wrong) - _SHOWN_PROBLEMS} more" if len(wrong) > _SHOWN_PROBLEMS else ""
        raise BenchmarkError(f"{path} cannot be used: {'; '.join(wrong[:_SHOWN_PROBLEMS])}{more}.")
    return list(found.values())


def _take(
    row: Mapping[str, Any], layout: Layout, name: str | None, found: dict[tuple[str, str], Problem]
) -> str | None:
    """Add a row's problems to `found`, or say what is wrong with it."""
    item = row.get(layout.id_column)
    if isinstance(item, bool) or not isinstance(item, str | int) or item == "":
        return f"has no id in column {layout.id_column!r}"
    item_id = _clean(str(item))
    benchmark = name or (row.get(layout.name_column) if layout.name_column else layout.benchmark)
    if not isinstance(benchmark, str) or not benchmark.strip():
        return f"has no name of a benchmark in column {layout.name_column!r}"
    benchmark = _clean(benchmark)
    if (benchmark, item_id) in found:
        return f"repeats the id {item_id[:80]!r}"
    texts = {column: row.get(column) for column in layout.text_columns}
    for column, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            return f"has no text in column {column!r}"
    parts = [row.get(column) for column in layout.solution_columns]
    whole = "".join(part for part in parts if isinstance(part, str)) if parts and isinstance(parts[-1], str) else ""
    for index, (column, text) in enumerate(texts.items()):
        key = item_id if index == 0 else f"{item_id}#{column}"
        # Of an item's problems the first has the solution: one finding is enough.
        solution = _clean(whole) if index == 0 and whole.strip() else None
        found[benchmark, key] = Problem(benchmark, key, _clean(str(text)), solution)
    return None


def _recognise(path: Path, row: Mapping[str, Any]) -> Layout:
    for layout in LAYOUTS:
        if layout.sign <= row.keys():
            return layout
    id_column = next((name for name in _ID_COLUMNS if name in row), None)
    text_column = next((name for name in _TEXT_COLUMNS if name in row), None)
    if id_column is None or text_column is None:
        columns = ", ".join(repr(str(name)[:40]) for name in sorted(row)[:20])
        raise BenchmarkError(
            f"{path} is in no layout known here (its columns: {columns}). Each row needs an id "
            f"({', '.join(_ID_COLUMNS)}) and a text ({', '.join(_TEXT_COLUMNS)})."
        )
    solution = next(((name,) for name in _SOLUTION_COLUMNS if name in row), ())
    return Layout(_file_name(path), id_column, (text_column,), solution_columns=solution)


def _file_name(path: Path) -> str:
    return path.name.split(".")[0] or path.name


def _rows(path: Path, layout: Layout | None) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Numbered rows; a string instead of a row says what is wrong with it."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".parquet"]:
        return _parquet_rows(path, layout)
    if suffixes[-1:] in ([".jsonl"], [".json"], [".ndjson"]) or suffixes[-2:-1] in ([".jsonl"], [".json"]):
        return _json_rows(path)
    raise BenchmarkError(f"{path} is neither .jsonl, .jsonl.gz nor .parquet.")


def _json_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    try:
        with gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError):
                    yield number, "is not JSON"
                    continue
                yield number, row if isinstance(row, dict) else "is not a JSON object"
    except (OSError, EOFError, zlib.error) as error:
        raise BenchmarkError(f"{path} cannot be read: {error}.") from error


def _parquet_rows(path: Path, layout: Layout | None) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    import pyarrow as pa  # noqa: PLC0415 (slow to import, and most benchmarks are JSONL)
    import pyarrow.parquet as pq  # noqa: PLC0415

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            wanted = _wanted(path, file.schema_arrow.names, layout)
            for batch in file.iter_batches(batch_size=256, columns=wanted):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        raise BenchmarkError(f"{path} cannot be read after row {number}: {error}.") from error


def _wanted(path: Path, names: Sequence[str], layout: Layout | None) -> list[str]:
    """The columns to read: LiveCodeBench's hidden tests, which nobody asked for, are gigabytes."""
    layout = layout or _recognise(path, dict.fromkeys(names))
    missing = set(layout.columns) - set(names)
    if missing:
        raise BenchmarkError(f"{path} has no column {' and no column '.join(map(repr, sorted(missing)))}.")
    return sorted({*layout.columns, *set(layout.solution_columns) & set(names)})


def _clean(text: str) -> str:
    """What PostgreSQL can store: without null characters and lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()
