"""Bulk writes: what goes in comes out, collisions are left or updated as told, and what cannot be stored is named."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, Engine, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from tasks.store import ValueNotStorable, copy_rows, storable
from tasks.store.schema import BenchmarkItem, Embedding, Question, Run, Seed, Triplet

AWKWARD = [
    "", " ", "\\N", "\\", "\\.", "\\x41", "\\u0000", "null", "NULL", "{}", '{"a","b"}', "a\tb\nc\rd\x0be\x7f",
    "''; drop table x; --", "naïve – 漢字 🜚", '"quoted"', "%s %(x)s %%",
]


def item(number: int, value: str = "text") -> dict[str, Any]:
    return {"benchmark": "b", "item_id": str(number), "text": value, "text_hash": "h"}


def triplet(number: int, **columns: Any) -> dict[str, Any]:
    return {"triplet_id": f"t{number}", "question_id": "q", "subset": "s", "style": "instruct", **columns}


def run(**columns: Any) -> dict[str, Any]:
    return {"run_id": "r", "flow": "f", "parameters": {}, "code_version": "c", "host": "h", "pid": 1, **columns}


@pytest.fixture
def question(database: Engine) -> Engine:
    with database.begin() as connection:
        copy_rows(
            connection, Question,
            [{"question_id": "q", "subset": "s", "number": 1, "provider": "p", "model": "m", "prompt_index": 0,
              "seed_ids": []}],
        )
    return database


@pytest.mark.parametrize("value", AWKWARD)
def test_awkward_texts_come_back_as_they_were(database: Engine, value: str) -> None:
    with database.begin() as connection:
        assert copy_rows(connection, BenchmarkItem, [item(1, value)]) == 1
        assert connection.scalar(select(BenchmarkItem.text)) == value


TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXTS, max_size=5), outcomes=st.dictionaries(TEXTS, JSONS, max_size=4), raw=st.binary(max_size=50)
)
def test_any_value_comes_back_as_it_was(
    database: Engine, texts: list[str], outcomes: dict[str, Any], raw: bytes
) -> None:
    with database.connect() as connection:
        copy_rows(
            connection, Question,
            [{"question_id": "q", "subset": "s", "number": 1, "provider": "p", "model": "m", "prompt_index": 0,
              "seed_ids": texts, "similarity": 0.1}],
        )
        copy_rows(connection, Triplet, [triplet(1, tries=[outcomes], pass_sequence=[1, 0, -1], test_info=None)])
        copy_rows(connection, Embedding, [{"model": "m", "text_hash": "h", "vector": raw}])
        assert connection.execute(select(Question.seed_ids, Question.similarity)).one() == (texts, 0.1)
        stored = connection.execute(select(Triplet.tries, Triplet.pass_sequence)).one()
        assert stored == ([outcomes], [1, 0, -1])
        assert connection.scalar(select(Embedding.vector)) == raw
        connection.rollback()


def test_nulls_of_sql_and_of_json_stay_apart(question: Engine) -> None:
    with question.begin() as connection:
        copy_rows(connection, Triplet, [triplet(1, tries=None)])
        copy_rows(connection, Triplet, [triplet(2, style="complete") | {"tries": JSON.NULL}])
        found = connection.execute(
            text("select triplet_id, tries is null, jsonb_typeof(tries) from kodcode.triplets order by 1")
        ).all()
    assert found == [("t1", True, None), ("t2", False, "null")]


def test_times_and_amounts_keep_their_value(database: Engine) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)
    with database.begin() as connection:
        copy_rows(connection, Run, [run(budget_usd=Decimal("0.00000001"), started_at=moment)])
        assert connection.execute(select(Run.budget_usd, Run.started_at, Run.status)).one() == (
            Decimal("0.00000001"), moment, "running")


@pytest.mark.parametrize("value", ["a\x00b", "lone \ud800"])
def test_what_texts_cannot_hold_is_replaced_as_in_any_other_statement(database: Engine, value: str) -> None:
    with database.begin() as connection:
        copy_rows(connection, BenchmarkItem, [item(1, value)])
        connection.execute(insert(BenchmarkItem), [item(2, value)])
        assert connection.scalars(select(BenchmarkItem.text)).all() == [storable(value)] * 2
        copy_rows(connection, Run, [run(parameters={value: [value]})])
        assert connection.scalar(select(Run.parameters)) == {storable(value): [storable(value)]}


@pytest.mark.parametrize("value", [[float("nan")], [{1, 2}], [{"a": float("inf")}]])
def test_what_is_no_json_is_refused_by_name(database: Engine, value: Any) -> None:
    with database.begin() as connection, pytest.raises(ValueNotStorable, match=r"tries of the triplets row.*'t1'"):
        copy_rows(connection, Triplet, [triplet(1, tries=value)])


def test_a_list_with_a_text_that_has_no_room_is_refused_by_name(database: Engine) -> None:
    row = {"question_id": "q", "subset": "s", "number": 1, "provider": "p", "model": "m", "prompt_index": 0}
    with database.begin() as connection:
        for unfit, why in (("a\x00", "NUL at character 1"), ("\ud800", "lone surrogate at character 0")):
            with pytest.raises(ValueNotStorable, match=f"seed_ids of the questions row .*'q'.*{why}"):
                copy_rows(connection, Question, [row | {"seed_ids": ["fine", unfit]}])
        # The transaction is whole: nothing had been sent.
        assert copy_rows(connection, Question, [row | {"seed_ids": ["fine"]}]) == 1


def test_rows_that_are_there_are_left_as_they_are(database: Engine) -> None:
    with database.begin() as connection:
        assert copy_rows(connection, BenchmarkItem, [item(1, "first"), item(1, "same batch")]) == 1
        assert copy_rows(connection, BenchmarkItem, [item(1, "second"), item(2)]) == 1
        found = connection.scalars(select(BenchmarkItem.text).order_by(BenchmarkItem.item_id))
        assert found.all() == ["first", "text"]


def test_a_collision_of_another_constraint_leaves_the_row_out_too(database: Engine) -> None:
    seed = {"subset": "s", "content_hash": "h", "text": "t", "source": "x"}
    with database.begin() as connection:
        assert copy_rows(connection, Seed, [seed | {"seed_id": "1"}, seed | {"seed_id": "2"}]) == 1


def test_named_columns_are_updated_and_only_new_rows_counted(database: Engine) -> None:
    with database.begin() as connection:
        copy_rows(connection, BenchmarkItem, [item(1, "old")])
        changed = [item(1, "dropped") | {"text_hash": "x"}, item(1, "new") | {"text_hash": "x"}, item(2)]
        assert copy_rows(connection, BenchmarkItem, changed, update=["text"]) == 1
        found = connection.execute(select(BenchmarkItem.text, BenchmarkItem.text_hash).order_by(BenchmarkItem.item_id))
        assert found.all() == [("new", "h"), ("text", "h")]


def test_rows_can_be_matched_by_another_unique_key(database: Engine) -> None:
    seed = {"seed_id": "1", "subset": "s", "content_hash": "h", "text": "t", "source": "old"}
    with database.begin() as connection:
        copy_rows(connection, Seed, [seed])
        again = [seed | {"seed_id": "2", "source": "new"}]
        assert copy_rows(connection, Seed, again, update=["source"], key=["subset", "content_hash"]) == 0
        assert connection.execute(select(Seed.seed_id, Seed.source)).one() == ("1", "new")


def test_the_write_is_part_of_the_callers_transaction(database: Engine) -> None:
    with database.connect() as connection:
        copy_rows(connection, BenchmarkItem, [item(1)])
        copy_rows(connection, BenchmarkItem, [item(2)])
        connection.commit()
        copy_rows(connection, BenchmarkItem, [item(3)])
        connection.rollback()
    with database.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(BenchmarkItem)) == 2


def test_the_databases_own_refusals_are_sqlalchemys_errors(database: Engine) -> None:
    with database.connect() as connection:
        with pytest.raises(IntegrityError, match="fk_triplets_question_id"):
            copy_rows(connection, Triplet, [triplet(1)])
        connection.rollback()
        with pytest.raises(DBAPIError, match="smallint"):
            copy_rows(connection, Triplet, [triplet(1, pass_sequence=[10**6])])


def test_rows_of_differing_columns_are_refused(database: Engine) -> None:
    with database.begin() as connection:
        with pytest.raises(ValueError, match=r"differ in their columns.*text_hash"):
            copy_rows(connection, BenchmarkItem, [item(1), {k: v for k, v in item(2).items() if k != "text_hash"}])
        with pytest.raises(ValueError, match="lack the columns"):
            copy_rows(connection, BenchmarkItem, [{"benchmark": "b"}])
        assert copy_rows(connection, BenchmarkItem, []) == 0


def test_writers_of_the_same_rows_in_other_orders_both_end(database: Engine) -> None:
    rows = [item(number) for number in range(2000)]
    new: list[int] = []
    errors: list[Exception] = []
    barrier = threading.Barrier(4)

    def run(turn: int) -> None:
        try:
            barrier.wait()
            with database.begin() as connection:
                new.append(copy_rows(connection, BenchmarkItem, rows[:: -1 if turn % 2 else 1], update=["text"]))
        except Exception as error:  # noqa: BLE001 (handed to the test)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sum(new) == len(rows)
