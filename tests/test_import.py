"""What a file's rows become in the database: which numbers they get, what they meet there, where reading goes on."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, text, update

from tasks.backends import Backends
from tasks.import_ import MOST_TRIALS, _again, _import_questions, _plan_trials
from tasks.imports import BadRow, ImportedRow, ImportFileError, Source, open_sources
from tasks.run import Run
from tasks.screening import text_hash
from tasks.settings import Settings
from tasks.store import open_artifacts
from tasks.store.schema import Question


@pytest.fixture
def run(database: Engine, tmp_path: Path) -> Run:
    return Run("r", Backends(Settings(), database, open_artifacts((tmp_path / "store").as_uri(), None, None), None))


def file(tmp_path: Path, *rows: dict[str, Any], name: str = "rows.jsonl") -> Source:
    path = tmp_path / name
    path.write_text("".join(json.dumps({"solution": "s", "test": "t"} | row) + "\n" for row in rows))
    (source,) = open_sources([path], subset="Docs")
    return source


def kodcode_row(row_id: str, question: str, **more: Any) -> dict[str, Any]:
    return {"question_id": row_id, "style": "instruct", "subset": "Docs", "question": question} | more


def found(run: Run, query: str) -> list[tuple[Any, ...]]:
    with run.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def propose(run: Run, number: int, question: str) -> None:
    with run.engine.begin() as connection:
        connection.execute(
            insert(Question).values(
                question_id=f"Docs_{number:08d}", subset="Docs", number=number, provider="openai", model="m",
                prompt_index=number, seed_ids=[], text=question, text_hash=text_hash(question), status="pending",
            )
        )  # fmt: skip


def test_ids_are_kept_where_they_are_free(run: Run, tmp_path: Path) -> None:
    propose(run, 3, "Proposed here.")
    rows = [
        kodcode_row("Docs_7_I", "Seven."),
        kodcode_row("Docs_00000003_I", "Not what is number 3 here."),
        kodcode_row("Docs_7_I", "Seven, another."),
        kodcode_row("Apps_9_I", "An id of another subset."),
        kodcode_row("Docs_00000005_I", "Proposed here."),
        kodcode_row("Docs_00000005_I", "Five."),
    ]
    _import_questions(run, file(tmp_path, *rows))
    assert found(run, "select question_id, text, provider from kodcode.questions order by 1") == [
        ("Docs_00000003", "Proposed here.", "openai"),
        ("Docs_00000005", "Five.", "imported"),
        ("Docs_00000007", "Seven.", "imported"),
        ("Docs_00000008", "Not what is number 3 here.", "imported"),
        ("Docs_00000009", "Seven, another.", "imported"),
        ("Docs_00000010", "An id of another subset.", "imported"),
    ]
    assert found(run, "select row, reason, question_id from kodcode.import_rows where status = 'skipped'") == [
        (5, "proposed_here", "Docs_00000003")
    ]


def test_reading_goes_on_after_the_last_row_that_was_stored(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = file(tmp_path, *({"question": f"Question {number}"} for number in range(1200)))
    read: list[int] = []
    rows = Source.rows

    def breaking(self: Source, after: int = 0) -> Iterator[ImportedRow | BadRow]:
        for row in rows(self, after):
            if row.row == 900 and not read:
                read.append(0)
                raise ImportFileError("the disk went away")
            if read:
                read.append(row.row)
            yield row

    monkeypatch.setattr(Source, "rows", breaking)
    with pytest.raises(ImportFileError):
        _import_questions(run, source)
    assert found(run, "select count(*) from kodcode.questions") == [(500,)]
    _import_questions(run, source)
    assert read[1:] == list(range(501, 1201))
    assert found(run, "select count(*), max(number) from kodcode.questions") == [(1200, 1199)]
    _import_questions(run, source)
    assert len(read) == 701


def test_the_same_rows_in_another_file_are_the_same_questions_and_trials(run: Run, tmp_path: Path) -> None:
    first = file(tmp_path, {"question": "One."}, {"question": "Two."})
    other = file(
        tmp_path, {"question": "Two."}, {"question": "Two.", "test": "t2"}, {"question": "New."}, name="b.jsonl"
    )
    for source in (first, other):
        _import_questions(run, source)
    with run.engine.begin() as connection:
        connection.execute(update(Question).values(status="accepted"))
    for source in (first, other, first):
        _again(run, source, _plan_trials)
    assert found(run, "select question_id, attempt, test, model from kodcode.trials order by 1, 2") == [
        ("Docs_00000000", 0, "t", "rows.jsonl"),
        ("Docs_00000001", 0, "t", "rows.jsonl"),
        ("Docs_00000001", 1, "t2", "b.jsonl"),
        ("Docs_00000002", 0, "t", "b.jsonl"),
    ]


def test_only_accepted_questions_get_trials_and_of_these_not_too_many(run: Run, tmp_path: Path) -> None:
    rows = [{"question": "Many.", "solution": f"s{number}"} for number in range(MOST_TRIALS + 2)]
    source = file(tmp_path, {"question": "Rejected."}, *rows)
    _import_questions(run, source)
    with run.engine.begin() as connection:
        connection.execute(update(Question).values(status="rejected", reason="not_self_contained"))
        connection.execute(update(Question).where(Question.text == "Many.").values(status="accepted", reason=None))
    _again(run, source, _plan_trials)
    assert found(run, "select question_id, count(*) from kodcode.trials group by 1") == [
        ("Docs_00000001", MOST_TRIALS)
    ]
    told = found(run, "select row, detail from kodcode.import_rows where reason = 'too_many_trials' order by row")
    assert [row for row, _ in told] == [12, 13]


def test_a_source_is_what_it_holds_not_how_it_is_called(run: Run, tmp_path: Path) -> None:
    source = file(tmp_path, {"question": "One."})
    _import_questions(run, source)
    _import_questions(run, dataclasses.replace(source, name="another name", path=source.path))
    assert found(run, "select name from kodcode.imports") == [("rows.jsonl",)]
