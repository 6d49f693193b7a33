"""Layouts made for many triplets at once are those of each triplet alone, byte for byte, whatever the texts hold."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, insert, select

from tasks.backends import Backends
from tasks.formats import (
    FORMATS,
    AuthorRecord,
    FormatError,
    FunctionRecord,
    NearestProblem,
    ResponseRecord,
    TrialRecord,
    TripletRecord,
)
from tasks.formats.batch import TRIALS, TRIPLETS, Batch
from tasks.formats.sft import shown_answer
from tasks.licences import TermsTable
from tasks.loading import Lens, load
from tasks.rendering import _written
from tasks.run import Run
from tasks.settings import Settings
from tasks.store import ArtifactStore
from tasks.store.columns import read_columns
from tasks.store.schema import BenchmarkItem, Question, Trial, Triplet
from tests.formats.verified import store

LAID = ["kodcode-v1", "kodcode-v1-sft", "provenance"]
HOSTILE = "a\x1b[31m\r\n\u202e\"\\N\t{{x}} ', \U0001f4a9 \u2028 </script>"


def batch_of(records: Sequence[TripletRecord], responses: Sequence[Sequence[ResponseRecord]]) -> Batch:
    """The records as columns; those of one number are of one question, whose trials the first has."""
    questions = {record.number: row for row, record in enumerate(reversed(records))}
    firsts = {questions[record.number]: record for record in reversed(records)}
    rows: list[dict[str, Any]] = [
        asdict(record)
        | {
            "question_row": questions[record.number],
            "benchmark": record.nearest and record.nearest.benchmark,
            "benchmark_item": record.nearest and record.nearest.item_id,
            "benchmark_text": record.nearest and record.nearest.text,
            "benchmark_similarity": record.nearest and record.nearest.similarity,
        }
        for record in records
    ]
    trials = [{"question_row": row, **asdict(trial)} for row, record in firsts.items() for trial in record.trials]
    return Batch(
        pa.RecordBatch.from_pylist([{name: row[name] for name in TRIPLETS.names} for row in rows], TRIPLETS),
        pa.RecordBatch.from_pylist(trials, TRIALS),
        responses,
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.just(HOSTILE)
perhaps = st.none() | texts
trials = st.builds(
    TrialRecord, attempt=st.integers(0, 9), verdict=st.sampled_from([None, "passed", "failed", "timed_out"]),
    solution=perhaps, test=perhaps, coverage=st.none() | st.floats(0, 100), source=perhaps,
)  # fmt: skip
records = st.builds(
    TripletRecord, triplet_id=texts, subset=texts, style=st.sampled_from(["instruct", "complete"]), question=texts,
    solution=texts, test=texts, number=st.integers(0, 10**9), difficulty=texts,
    pass_sequence=st.lists(st.integers(0, 1), max_size=10).map(tuple), chosen_attempt=st.none() | st.integers(0, 9),
    trials=st.lists(trials, max_size=4, unique_by=lambda one: one.attempt).map(tuple),
    functions=st.lists(st.builds(FunctionRecord, texts, texts, texts, perhaps), max_size=2).map(tuple),
    original_question=perhaps, seed_ids=st.lists(texts, max_size=3).map(tuple),
    nearest=st.none() | st.builds(NearestProblem, texts, texts, texts, st.floats(0, 1)),
    filter_reason=perhaps, seed_licences=st.lists(texts, max_size=2).map(tuple),
    authors=st.lists(st.builds(AuthorRecord, texts, texts, texts, texts, texts), max_size=2).map(tuple),
    licence=perhaps,
)  # fmt: skip
answers = st.lists(
    st.builds(
        ResponseRecord, attempt=st.integers(0, 99), passed=st.booleans(), text=texts | st.just("\ud83d half"),
        reasoning=perhaps, code=perhaps | st.just("a\udc80b"),
    ), max_size=3, unique_by=lambda one: one.attempt,
)  # fmt: skip


@pytest.mark.parametrize("name", LAID)
@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(records, answers), max_size=6, unique_by=lambda pair: pair[0].number), st.integers(1, 4))
def test_many_at_once_are_written_as_each_alone(
    name: str, pairs: list[tuple[TripletRecord, list[ResponseRecord]]], size: int
) -> None:
    format = FORMATS[name]
    members: dict[str, list[str]] = {}
    wanted: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        with format.writer(Path(folder) / "alone") as alone:
            for record, responses in pairs:
                for row in format.rows(record, responses):
                    alone.add(row.split, row.columns)
                    wanted.setdefault(row.split, []).append(record.triplet_id)
        with format.writer(Path(folder) / "together") as together:
            for start in range(0, len(pairs), size):
                some = pairs[start : start + size]
                batch = batch_of([record for record, _ in some], [responses for _, responses in some])
                for _, split, ids in _written(batch, [format], [together]):
                    members.setdefault(split, []).extend(ids)
        assert together.files == alone.files
        assert members == wanted


def test_triplets_of_one_question_share_its_trials() -> None:
    shared = (TrialRecord(1, "passed", "s", "t", 50.0, "m"),)
    both = [
        TripletRecord(f"Leetcode_00000001_{s}", "Leetcode", s, "q", "s", "t", 1, "easy", (1,), 0, shared) for s in "IC"
    ]
    batch = batch_of(both, [(), ()])
    assert len(batch.trials) == 1
    assert batch.records() == both
    laid = FORMATS["kodcode-v1"].laid
    assert laid is not None
    assert [row["trials"]["trial_gpt4o_1"]["solution_code"] for row in laid(batch).columns.to_pylist()] == ["s", "s"]


def test_an_eleventh_attempt_is_named_in_many_too() -> None:
    one = TripletRecord("Leetcode_00000001_I", "L", "I", "q", "s", "t", 1, "easy", (1,), 0, (TrialRecord(10, None),))
    laid = FORMATS["kodcode-v1"].laid
    assert laid is not None
    with pytest.raises(FormatError, match="Leetcode_00000001_I has an attempt 10"):
        laid(batch_of([one], [()]))


def test_columns_are_read_as_rows_are(database: Engine) -> None:
    query = """
    select * from (values (1, 'é', 1.5::float8), (2, '', null), (null, null, 'nan'), (-4, '𝄞"\\', '-0')) as v(a, b, c)
    """
    with database.connect() as connection:
        table = read_columns(connection, query, {"a": "int", "b": "text", "c": "float"}, {})
        assert repr(table.to_pylist()) == repr(
            [
                {"a": 1, "b": "é", "c": 1.5},
                {"a": 2, "b": "", "c": None},
                {"a": None, "b": None, "c": float("nan")},
                {"a": -4, "b": '𝄞"\\', "c": -0.0},
            ]
        )
        none = "select 1 as a, ''::text as b, 1.0 as c where false"
        assert len(read_columns(connection, none, {"a": "int", "b": "text", "c": "float"}, {})) == 0


def test_a_triplet_comes_out_of_the_database_as_it_is_stored(
    database: Engine, artifacts: ArtifactStore, tmp_path: Path
) -> None:
    run = Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))
    store(run, 1, licences=["MIT", None, "MIT"])
    store(run, 2, answered=False)
    function = {"function_name": HOSTILE, "parameter_list": "(a)", "function_declaration": "def f(a):"}
    with database.begin() as connection:
        connection.execute(
            insert(BenchmarkItem).values(benchmark="B", item_id="B/1", text=HOSTILE, text_hash="h")
        )
        connection.execute(
            insert(Triplet).values(
                triplet_id="Leetcode_00000001_C", question_id="Leetcode_00000001", subset="Leetcode", style="complete",
                status="accepted", question=HOSTILE, solution="", test=HOSTILE, test_info=[function],
                provider="openai", model="converter", prompt_version="v", filter_reason="",
            )
        )  # fmt: skip
        connection.execute(
            insert(Trial).values(
                question_id="Leetcode_00000001", attempt=3, provider=None, model=None, solution=None, test=None,
                status="rejected", reason="unparsed",
            )
        )  # fmt: skip
        connection.execute(
            Question.__table__.update()
            .where(Question.number == 1)
            .values(benchmark="B", benchmark_item="B/1", benchmark_similarity=0.25, caution=HOSTILE)
        )
        ids = connection.scalars(select(Triplet.triplet_id).order_by(Triplet.triplet_id.desc())).all()
        (loaded,) = load(connection, artifacts, ids, Lens(TermsTable.load(), shows=(shown_answer,)))
    plain, first, converted = loaded.batch.records()
    assert [record.triplet_id for record in (plain, first, converted)] == ids
    assert plain.trials == (TrialRecord(0, "passed", plain.solution, plain.test, None, "deepseek-r1"),)
    assert (plain.nearest, plain.filter_reason, plain.original_question, plain.seed_ids) == (None, None, None, ())
    assert first.trials == converted.trials == (*plain.trials, TrialRecord(3, None))
    assert converted.nearest == NearestProblem("B", "B/1", HOSTILE, 0.25)
    assert (converted.question, converted.solution, converted.test) == (HOSTILE, "", HOSTILE)
    assert converted.functions == (FunctionRecord(HOSTILE, "(a)", "def f(a):", None),)
    assert converted.filter_reason == HOSTILE
    assert converted.original_question == "Add."
    assert (converted.pass_sequence, converted.chosen_attempt, converted.difficulty) == ((1,), 0, "easy")
    assert converted.seed_ids == tuple(f"Leetcode_00000001-{place}" for place in range(3))
    assert set(converted.seed_licences) == {"MIT", "NOASSERTION"}
    assert [(author.part, author.model) for author in converted.authors] == [
        ("conversion", "converter"), ("question", "deepseek-r1"), ("solution", "deepseek-r1"),
    ]  # fmt: skip
    assert [[(one.passed, one.verdict) for one in responses] for responses in loaded.batch.responses] == [
        [], [(True, "passed"), (False, "failed")], [],
    ]  # fmt: skip
    assert sum(loaded.backgrounds.values()) == 3
