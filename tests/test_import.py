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
from tasks.import_ import MOST_TRIALS, _again, _import_questions, _plan_trials, state_licences
from tasks.imports import BadRow, ImportedRow, ImportFileError, Source, open_sources
from tasks.run import Run
from tasks.screening import text_hash
from tasks.settings import Settings
from tasks.store import migrate, open_artifacts
from tasks.store.schema import Question
from tests.store.upgrades import migrate_to


@pytest.fixture
def run(database: Engine, tmp_path: Path) -> Run:
    return Run("r", Backends(Settings(), database, open_artifacts((tmp_path / "store").as_uri(), None, None), None))


def file(tmp_path: Path, *rows: dict[str, Any], name: str = "rows.jsonl", licence: str | None = None) -> Source:
    path = tmp_path / name
    path.write_text("".join(json.dumps({"solution": "s", "test": "t"} | row) + "\n" for row in rows))
    (source,) = open_sources([path], subset="Docs", licence=licence)
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


LICENCES = """
select q.text, array_agg(s.licence order by place) from kodcode.questions q
cross join lateral unnest(q.seed_ids) with ordinality as named (seed_id, place) join kodcode.seeds s using (seed_id)
group by 1 order by 1
"""


def test_a_question_has_the_licence_of_every_file_that_has_it(run: Run, tmp_path: Path) -> None:
    free = file(tmp_path, {"question": "One."}, {"question": "Two."}, licence="MIT")
    bound = file(
        tmp_path, {"question": "Two.", "test": "t2"}, {"question": "Two."}, name="b.jsonl", licence="CC-BY-NC-4.0"
    )
    _import_questions(run, free)
    before = found(run, "select question_id, updated_at from kodcode.questions order by 1")
    _import_questions(run, bound)
    assert found(run, LICENCES) == [("One.", ["MIT"]), ("Two.", ["MIT", "CC-BY-NC-4.0"])]
    after = found(run, "select question_id, updated_at from kodcode.questions order by 1")
    assert after[0] == before[0]
    assert after[1] > before[1]  # or a release would take its rows for unchanged


def test_an_upgrade_gives_questions_the_files_that_they_did_not_name(empty_database: Engine, tmp_path: Path) -> None:
    migrate_to("0016", empty_database, tmp_path / "sql")
    run = Run("r", Backends(Settings(), empty_database, open_artifacts((tmp_path / "s").as_uri(), None, None), None))
    for name, licence in (("a.jsonl", "MIT"), ("b.jsonl", "CC-BY-NC-4.0")):
        _import_questions(run, file(tmp_path, {"question": "One."}, {"question": name}, name=name, licence=licence))
    wanted = found(run, LICENCES)
    with empty_database.begin() as connection:
        connection.execute(text("update kodcode.questions set seed_ids = seed_ids[1:1]"))
    assert found(run, LICENCES) != wanted
    migrate(empty_database)
    assert found(run, LICENCES) == wanted
    law = (Path(__file__).parents[1] / "sql" / "audit" / "imports.sql").read_text("utf-8")
    assert found(run, law.partition("\n")[2]) == []


def test_the_licence_of_a_file_can_be_stated_later_and_corrected(run: Run, tmp_path: Path) -> None:
    rows = {"question": "One."}, {"question": "Two."}
    _import_questions(run, file(tmp_path, *rows))
    said = [
        state_licences(run.engine, [file(tmp_path, *rows, licence=licence)])
        for licence in ("MIT", "CC-BY-NC-4.0", "CC-BY-NC-4.0", None)
    ]
    path = tmp_path / "rows.jsonl"
    assert said == [
        [f"The licence of {path} was NOASSERTION and is MIT now."],
        [f"The licence of {path} was MIT and is CC-BY-NC-4.0 now."],
        [],
        [],
    ]
    assert found(run, LICENCES) == [("One.", ["CC-BY-NC-4.0"]), ("Two.", ["CC-BY-NC-4.0"])]
    assert found(run, "select licence from kodcode.imports") == [("CC-BY-NC-4.0",)]


def test_attempts_with_numbers_are_kept_even_where_they_repeat_each_other(run: Run, tmp_path: Path) -> None:
    def trial(solution: str | None) -> dict[str, Any]:
        return {"solution_code": solution, "test_code": solution and "t", "file_source": "m"}

    trials = {f"trial_gpt4o_{number}": trial(code) for number, code in enumerate(("s", "other", "s", None))}
    first = file(tmp_path, kodcode_row("Docs_1_I", "One.", trials=trials))
    plain = file(
        tmp_path, {"question": "One.", "solution": "other"}, {"question": "One.", "test": "t2"}, name="b.jsonl"
    )
    clash = file(
        tmp_path,
        kodcode_row("Docs_1_I", "One.", trials={"trial_gpt4o_0": trial("other"), "trial_gpt4o_1": trial("new")}),
        name="c.jsonl",
    )
    for source in (first, plain, clash):
        _import_questions(run, source)
    with run.engine.begin() as connection:
        connection.execute(update(Question).values(status="accepted"))
    for source in (first, plain, clash, first, clash):
        _again(run, source, _plan_trials)
    assert found(run, "select attempt, solution, test, status from kodcode.trials order by 1") == [
        (0, "s", "t", "pending"),
        (1, "other", "t", "pending"),
        (2, "s", "t", "pending"),
        (3, None, None, "rejected"),
        (4, "s", "t2", "pending"),
        (5, "new", "t", "pending"),
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
    source = dataclasses.replace(file(tmp_path, {"question": "One."}), licence="MIT")
    _import_questions(run, source)
    _import_questions(run, dataclasses.replace(source, name="another name"))
    assert found(run, "select name from kodcode.imports") == [("rows.jsonl",)]
    # Its licence is that of a seed, which no prompt of a subset is built from.
    assert found(run, "select s.source, s.licence, s.subset from kodcode.questions, unnest(seed_ids) as u(seed_id)"
                 " join kodcode.seeds s using (seed_id)") == [("import of rows.jsonl", "MIT", "imported")]  # fmt: skip
