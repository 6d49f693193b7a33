"""Parquet shards: whole, deterministic, readable by polars, and clear about what does not fit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

from tasks.formats import (
    FORMATS,
    DatasetWriter,
    FileEntry,
    FormatError,
    FormattedRow,
    ResponseRecord,
    TrialRecord,
    TripletRecord,
    kodcode_v1,
    layout,
    sft,
    sft_row,
    v1_row,
)

Make = Callable[..., TripletRecord]


def write(folder: Path, rows: Iterable[FormattedRow], **options: Any) -> tuple[FileEntry, ...]:
    with DatasetWriter(
        folder, format="kodcode-v1", version="v1.1", schema=kodcode_v1.schema(), splits=layout.SPLITS,
        always=layout.SPLITS, **options,
    ) as writer:  # fmt: skip
        for row in rows:
            writer.add(row.split, row.columns)
    return writer.files


def test_rows_come_back_as_polars_reads_them(tmp_path: Path, triplet: Make) -> None:
    hostile = 'a\x00b\x1b[31m\r\n\u202e"\\N\t{{x}} ${y} \U0001f4a9 \u2028 </script>'
    rows = [
        v1_row(triplet(1)),
        v1_row(triplet(2, question=hostile, solution="", test=hostile * 1000, filter_reason=hostile)),
        v1_row(triplet(3, pass_sequence=(), chosen_attempt=None, trials=(), functions=(), nearest=None)),
        v1_row(triplet(4, trials=tuple(TrialRecord(attempt, None) for attempt in range(10)))),
    ]
    files = write(tmp_path, rows)
    assert [(entry.path, entry.rows) for entry in files] == [
        ("train/part-00000.parquet", 3),
        ("use_with_caution/part-00000.parquet", 1),
    ]
    train = pl.read_parquet(tmp_path / "train" / "*.parquet")
    caution = pl.read_parquet(tmp_path / "use_with_caution" / "*.parquet")
    assert train.columns == kodcode_v1.schema().names
    read = {row["question_id"]: row for row in [*train.to_dicts(), *caution.to_dicts()]}
    for row in rows:
        assert read[row.columns["question_id"]] == row.columns


def test_sft_rows_come_back_as_polars_reads_them(tmp_path: Path, triplet: Make) -> None:
    rows = [sft_row(triplet(number), [ResponseRecord(0, number % 2 == 0, "a", "r", None)]) for number in range(4)]
    with DatasetWriter(
        tmp_path, format=sft.NAME, version=sft.VERSION, schema=sft.schema(), splits=sft.SPLITS, prefix="sft",
        always=["use_with_caution"],
    ) as writer:  # fmt: skip
        for row in rows:
            assert row is not None
            writer.add(row.split, row.columns)
    assert [(entry.path, entry.rows) for entry in writer.files] == [
        ("sft/train/part-00000.parquet", 2),
        ("sft/incorrect/part-00000.parquet", 2),
        ("sft/use_with_caution/part-00000.parquet", 0),
    ]
    train = pl.read_parquet(tmp_path / "train" / "*.parquet").to_dicts()
    assert train == [row.columns for row in rows if row is not None and row.split == "train"]
    nothing = pl.read_parquet(tmp_path / "use_with_caution" / "*.parquet")
    assert (nothing.height, nothing.columns) == (0, sft.schema().names)


def test_the_same_rows_give_the_same_bytes_and_the_entries_tell_them(tmp_path: Path, triplet: Make) -> None:
    rows = [v1_row(triplet(number, question=f"q{number}")) for number in range(100)]
    one = write(tmp_path / "one", rows, row_group=30)
    two = write(tmp_path / "two", iter(rows), row_group=30)
    assert one == two
    for entry in one:
        content = (tmp_path / "two" / entry.path).read_bytes()
        assert content == (tmp_path / "one" / entry.path).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    changed = write(tmp_path / "three", [*rows[:99], v1_row(triplet(99, question="other"))], row_group=30)
    assert {entry.sha256 for entry in changed} != {entry.sha256 for entry in one}


def test_a_shard_has_its_name_and_row_groups_of_the_asked_size(tmp_path: Path, triplet: Make) -> None:
    files = write(tmp_path, (v1_row(triplet(number)) for number in range(10)), shard="Leetcode-00003", row_group=4)
    assert [(entry.path, entry.rows) for entry in files if entry.split == "train"] == [
        ("train/part-Leetcode-00003.parquet", 10),
    ]
    parquet = pq.ParquetFile(tmp_path / "train" / "part-Leetcode-00003.parquet")
    assert [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)] == [4, 4, 2]
    assert parquet.metadata.row_group(0).column(0).compression == "ZSTD"
    assert parquet.schema_arrow.metadata[b"kodcode.format"] == b"kodcode-v1"
    assert parquet.schema_arrow.metadata[b"kodcode.format_version"] == b"v1.1"
    ids = pl.read_parquet(tmp_path / "train" / "*.parquet")["question_id"].to_list()
    assert ids == [f"Leetcode_{number:08d}_I" for number in range(10)]


def test_a_split_without_rows_has_a_file_only_where_that_is_asked_for(tmp_path: Path, triplet: Make) -> None:
    with FORMATS["kodcode-v1"].writer(tmp_path, "a", splits=["use_with_caution"]) as writer:
        pass
    assert [(entry.path, entry.rows) for entry in writer.files] == [("kodcode-v1/use_with_caution/part-a.parquet", 0)]
    with FORMATS["kodcode-v1"].writer(tmp_path, "b", splits=[]) as writer:
        writer.add("train", v1_row(triplet()).columns)
    assert [(entry.path, entry.rows) for entry in writer.files] == [("kodcode-v1/train/part-b.parquet", 1)]


def test_no_rows_give_empty_files_with_all_columns(tmp_path: Path) -> None:
    files = write(tmp_path, [])
    assert [entry.rows for entry in files] == [0, 0]
    assert pl.read_parquet(tmp_path / "train" / "part-00000.parquet").columns == kodcode_v1.schema().names


def test_what_utf8_cannot_say_is_replaced(tmp_path: Path, triplet: Make) -> None:
    record = triplet(trials=(TrialRecord(0, "failed", "a\udc80b"),), question="\ud83d half")
    write(tmp_path, [v1_row(triplet(1)), v1_row(record)])
    rows = pl.read_parquet(tmp_path / "train" / "*.parquet").to_dicts()
    assert rows[1]["question"] == "\ufffd half"
    assert rows[1]["trials"]["trial_gpt4o_0"]["solution_code"] == "a\ufffdb"
    assert rows[0]["question"] == triplet(1).question


def test_a_row_that_does_not_fit_is_named_and_leaves_no_unfinished_file(tmp_path: Path, triplet: Make) -> None:
    rows = [v1_row(triplet(1)), v1_row(triplet(2, difficulty=object())), v1_row(triplet(3))]
    with pytest.raises(FormatError, match="Leetcode_00000002_I does not fit"):
        write(tmp_path, rows, row_group=2)
    with pytest.raises(FormatError, match="Leetcode_00000007_I does not fit"):
        write(tmp_path / "b", [v1_row(triplet(5)), v1_row(triplet(7, pass_sequence=(2**70,)))], row_group=1)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_missing_and_unknown_columns_and_splits_are_refused(tmp_path: Path, triplet: Make) -> None:
    columns = dict(v1_row(triplet()).columns)
    del columns["solution"]
    with pytest.raises(FormatError, match="columns other, solution"):
        write(tmp_path, [FormattedRow("train", columns | {"other": 1})])
    with pytest.raises(FormatError, match="no split 'test'"):
        write(tmp_path, [FormattedRow("test", v1_row(triplet()).columns)])


def test_parts_that_are_there_are_never_overwritten(tmp_path: Path, triplet: Make) -> None:
    write(tmp_path, [v1_row(triplet())])
    with pytest.raises(FormatError, match="empty folder"):
        write(tmp_path, [v1_row(triplet())])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, triplet: Make) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match="cannot be made"):
        write(tmp_path / "file", [v1_row(triplet())])


def test_an_error_of_the_caller_leaves_no_unfinished_file(tmp_path: Path, triplet: Make) -> None:
    def rows() -> Iterable[FormattedRow]:
        for number in range(5):
            yield v1_row(triplet(number))
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        write(tmp_path, rows(), row_group=2)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
