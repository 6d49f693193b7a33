"""Reading files: every layout and ending, bad rows by number and reason, any row to go on from."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.formats import TripletRecord, kodcode_v1
from tasks.imports import BadRow, Columns, ImportedRow, ImportFileError, Pair, Source, check_files, open_sources
from tests.formats.conftest import triplet  # noqa: F401 (a fixture)

ROW = {"question": "Add.", "solution": "def add(a, b): ...", "test": "def test(): ..."}


def opened(path: Path, **options: Any) -> Source:
    (source,) = open_sources([path], **options)
    return source


def csv_text(delimiter: str = ",") -> str:
    return delimiter.join(ROW) + "\n" + delimiter.join(f'"{text}"' for text in ROW.values()) + "\n"


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson", ".jsonl.gz", ".csv", ".tsv", ".csv.gz", ".parquet"])
def test_a_plain_table_gives_the_same_row_in_every_ending(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows{ending}"
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist([ROW]), path)
    else:
        delimiter = "\t" if ending.startswith(".tsv") else ","
        text = csv_text(delimiter) if ending.startswith((".csv", ".tsv")) else json.dumps(ROW) + "\n"
        content = b"\xef\xbb\xbf" + text.encode()
        path.write_bytes(gzip.compress(content) if ending.endswith(".gz") else content)
    assert list(opened(path, subset="Docs").rows()) == [
        ImportedRow(1, "Docs", "Add.", (Pair("def add(a, b): ...", "def test(): ..."),))
    ]


def test_columns_and_subset_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = {"prompt": "Add.", "code": "s", "tests": "t", "kind": "data-structure"}
    path.write_text(json.dumps(row) + "\n" + json.dumps(row | {"kind": "haiku"}) + "\n")
    first, second = opened(path, columns=Columns("prompt", "code", "tests", "kind")).rows()
    assert first == ImportedRow(1, "Data_Structure", "Add.", (Pair("s", "t"),))
    assert isinstance(second, BadRow)
    assert (second.row, second.reason) == (2, "unknown_subset")


def test_what_no_row_can_be_is_told_by_number_and_reason(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(ROW), "{", "[1]", "", json.dumps(ROW | {"test": ["t"]}), json.dumps(ROW | {"solution": " "}),
             json.dumps({"question": "q", "solution": "s"}), json.dumps(ROW | {"question": "x" * 1_000_001}),
             b"\xff".decode("latin-1")]  # fmt: skip
    path.write_bytes("\n".join(lines).encode("latin-1"))
    found = [(row.row, row.reason) for row in opened(path, subset="Docs").rows() if isinstance(row, BadRow)]
    assert found == [
        (2, "not_json"), (3, "not_json"), (5, "not_text"), (6, "empty"), (7, "missing"), (8, "too_long"),
        (9, "not_json"),
    ]  # fmt: skip


def test_texts_are_made_such_as_the_database_can_hold(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROW | {"question": "NUL \0 and \ud800"}))
    (row,) = opened(path, subset="Docs").rows()
    assert isinstance(row, ImportedRow)
    assert "\0" not in row.question
    row.question.encode()


@pytest.mark.parametrize("ending", [".jsonl", ".csv", ".parquet"])
def test_reading_goes_on_after_any_row(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows{ending}"
    rows = [ROW | {"question": f"Question {number}"} for number in range(1, 1201)]
    if ending == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=500)
    elif ending == ".csv":
        path.write_text("question,solution,test\n" + "".join(f"{row['question']},s,t\n" for row in rows))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = opened(path, subset="Docs")
    everything = list(source.rows())
    assert [row.row for row in everything] == list(range(1, 1201))
    for after in (0, 1, 499, 500, 501, 999, 1000, 1199, 1200):
        assert list(source.rows(after)) == everything[after:]


@pytest.mark.parametrize("edition", kodcode_v1.EDITIONS)
def test_a_kodcode_row_keeps_its_number_trials_and_claims(
    tmp_path: Path,
    edition: str,
    triplet: Callable[..., TripletRecord],  # noqa: F811
) -> None:
    path = tmp_path / "train.parquet"
    records = [
        triplet(),
        triplet(
            triplet_id="Leetcode_00000012_C", style="complete", question="def add(a, b):", original_question="Add."
        ),
        triplet(triplet_id="Leetcode_00000013_C", style="complete"),
    ]
    rows = [dict(kodcode_v1.v1_columns(record, edition)) for record in records]
    rows[1]["style"] = "instruct"  # as some published conversions say
    pq.write_table(pa.Table.from_pylist(rows, schema=kodcode_v1.schema(edition)), path)
    source = opened(path)
    assert source.layout == "kodcode"
    instruct, complete, orphan = source.rows()
    assert isinstance(instruct, ImportedRow)
    assert isinstance(complete, ImportedRow)
    assert (instruct.subset, instruct.number, instruct.style) == ("Leetcode", 12, "instruct")
    pairs = (Pair("s0", "t0", 0), Pair("s1", "t1", 1), Pair("s2", "t2", 2))
    # The row's own pair is none of the trials: it is one more.
    assert instruct.pairs == (*pairs, Pair(records[0].solution, records[0].test))
    assert instruct.claim == {
        "question_id": "Leetcode_00000012_I", "pass_sequence": [0, 1, 1], "difficulty": "easy",
    }  # fmt: skip
    assert (complete.style, complete.question, complete.pairs) == ("complete", "Add.", pairs)
    assert complete.converted == ("def add(a, b):", records[0].solution, records[0].test)
    assert isinstance(orphan, BadRow)
    assert (orphan.row, orphan.reason) == (3, "no_source")


def test_an_attempt_without_code_is_an_attempt(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    hash_ = "0" * 64
    row = ROW | {
        "solution": "s", "test": "t", "question_id": "Docs_7", "style": "instruct", "subset": "Docs",
        "trials": {
            "trial_gpt4o_0": {"solution_code": "s", "test_code": "t", "file_source": f"m-1 {hash_}"},
            "trial_gpt4o_1": {"solution_code": None, "test_code": None, "file_source": "m-1 None"},
            "trial_gpt4o_2": {"solution_code": None, "test_code": None, "file_source": None},
            "trial_gpt4o_3": None,
        },
    }  # fmt: skip
    path.write_text(json.dumps(row))
    (read,) = opened(path).rows()
    assert isinstance(read, ImportedRow)
    assert read.number == 7
    assert read.pairs == (Pair("s", "t", 0, "m-1"), Pair(None, None, 1))


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_claims_that_are_no_numbers_are_none(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"rows{ending}"
    row = ROW | {
        "question_id": "Docs_7", "style": "instruct", "subset": "Docs", "gpt_difficulty": math.nan,
        "gpt_pass_sequence": [1.0, math.nan, {"most": math.inf, "least": -math.inf}, None, "NaN"],
    }  # fmt: skip
    wanted: list[Any] = [1.0, None, {"most": None, "least": None}, None, "NaN"]
    if ending == ".jsonl":
        path.write_text(json.dumps(row))  # NaN, Infinity
    else:
        pq.write_table(pa.Table.from_pylist([row | {"gpt_pass_sequence": [1.0, math.nan, math.inf]}]), path)
        wanted = [1.0, None, None]
    (read,) = opened(path).rows()
    assert isinstance(read, ImportedRow)
    assert read.claim == {"question_id": "Docs_7", "pass_sequence": wanted, "difficulty": None}


def test_the_same_content_read_the_same_way_is_the_same_source(tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(json.dumps(ROW))
    first, second = open_sources([tmp_path], subset="Docs")
    assert first.source_id == second.source_id
    assert (first.name, second.name) == ("a.jsonl", "b.jsonl")
    assert opened(tmp_path / "a.jsonl", subset="Apps").source_id != first.source_id


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rows.xlsx", b"", "has an ending that is not known"),
        ("rows.parquet", b"no parquet", "cannot be read"),
        ("rows.jsonl.gz", b"no gzip", "cannot be read"),
        ("rows.csv", b"question,\xff\n", "cannot be read"),
        ("rows.jsonl", b'{"prompt": "p"}', "no 'question' (--question-column) and no 'solution'"),
        ("rows.jsonl", json.dumps(ROW).encode(), "--subset"),
        ("rows.jsonl", b"", "no 'question'"),
    ],
)
def test_a_file_that_cannot_be_imported_says_why(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportFileError) as problem:
        check_files([tmp_path / name])
    assert said in str(problem.value)


def test_nothing_to_import_says_what_could_be(tmp_path: Path) -> None:
    with pytest.raises(ImportFileError, match="There is no file"):
        check_files([tmp_path / "absent.jsonl"])
    with pytest.raises(ImportFileError, match="holds no such file"):
        check_files([tmp_path])
    with pytest.raises(ImportFileError, match="No file is named"):
        check_files([])
