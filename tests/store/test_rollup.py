"""The rollup agrees with the rows after whatever was done to them, by whomever, at the same time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, text, update

from tasks.store import copy_rows, migrate
from tasks.store.schema import (
    Artifact,
    LlmCall,
    Question,
    Response,
    Trial,
    Triplet,
    fold_rollup,
    rollup_calls,
    rollup_hours,
    rollup_rows,
)
from tests.store.upgrades import migrate_to

LAW = (Path(__file__).resolve().parents[2] / "sql" / "audit" / "rollup.sql").read_text("utf-8")
QUESTIONS = [f"Evol_{n:08d}" for n in range(8)]


def disagreements(engine: Engine) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(LAW.split("\n", 1)[1])))


def call(request: str, stage: str, usd: Decimal | None) -> dict[str, Any]:
    return {
        "request_hash": request, "provider": "openai", "model": "big", "stage": stage, "subset": "Evol", "attempt": 0,
        "sampling": {}, "prompt_key": "k", "answer_key": "k", "finish_reason": "stop", "input_tokens": 100,
        "cached_input_tokens": 40, "output_tokens": 10, "reasoning_tokens": 4, "latency_s": 0.1, "retries": 0,
        "cost_usd": usd,
    }  # fmt: skip


def fill(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(insert(Artifact).values(key="k", size=1, data=b"x"))
        calls = [call(f"propose{n}", "propose", Decimal("0.1") * n or None) for n in range(len(QUESTIONS))]
        calls += [call(f"solve{n}", "solve", None if n % 5 == 0 else Decimal(n)) for n in range(20)]
        connection.execute(insert(LlmCall), calls)
        copy_rows(connection, Question, [
            {"question_id": name, "subset": "Evol", "number": n, "provider": "openai", "model": "big",
             "prompt_index": n, "prompt_version": "p1", "seed_ids": [], "request_hash": f"propose{n}", "text": "q",
             "status": "accepted"}
            for n, name in enumerate(QUESTIONS)
        ])  # fmt: skip
        copy_rows(connection, Trial, [{"question_id": name, "attempt": 0} for name in QUESTIONS])
        connection.execute(insert(Triplet), [
            {"triplet_id": f"{name}_I", "question_id": name, "subset": "Evol", "style": "instruct",
             "status": "accepted", "question": "q", "solution": "s", "test": "t"}
            for name in QUESTIONS
        ])  # fmt: skip


@pytest.fixture
def filled(database: Engine) -> Engine:
    fill(database)
    return database


def judged(draw: random.Random) -> dict[str, Any]:
    passed = draw.random() < 0.5
    return {
        "status": "accepted" if passed else "rejected", "reason": None if passed else draw.choice(["failed", "error"]),
        "provider": "openai", "model": draw.choice(["big", "small"]), "prompt_version": draw.choice(["v1", "v2"]),
        "request_hash": f"solve{draw.randrange(20)}", "coverage": draw.random() * 100,
        "kill_rate": draw.choice([None, draw.random()]), "trust": draw.choice([None, draw.random()]),
        "updated_at": datetime(2026, 11, 25, draw.randrange(24), tzinfo=UTC),
    }  # fmt: skip


def judge(connection: Connection, draw: random.Random) -> None:
    name = draw.choice(QUESTIONS)
    connection.execute(update(Trial).where(Trial.question_id == name).values(**judged(draw)))


def plan(connection: Connection, draw: random.Random) -> None:
    rows = [{"question_id": name, "attempt": draw.randrange(4)} for name in draw.sample(QUESTIONS, 3)]
    copy_rows(connection, Trial, rows)


def replan(connection: Connection, draw: random.Random) -> None:
    """Some of them are there already: one statement inserts and updates."""
    rows = [
        {"question_id": name, "attempt": draw.randrange(4), "status": "failed", "reason": "infrastructure"}
        for name in QUESTIONS
    ]
    copy_rows(connection, Trial, rows, update=("status", "reason"))


def convert(connection: Connection, draw: random.Random) -> None:
    name = draw.choice(QUESTIONS)
    tries = [{"request_hash": f"solve{draw.randrange(20)}"} for _ in range(draw.randrange(3))]
    values = {
        "triplet_id": f"{name}_C", "question_id": name, "subset": "Evol", "style": "complete", "tries": tries,
        "source_triplet_id": f"{name}_I", "status": "rejected", "reason": "leaks_solution",
    }  # fmt: skip
    copy_rows(connection, Triplet, [values], update=("tries", "status", "reason"))


def respond(connection: Connection, draw: random.Random) -> None:
    values = {"triplet_id": f"{draw.choice(QUESTIONS)}_I", "provider": "openai", "model": "r1", "attempt": 0,
              "request_hash": f"solve{draw.randrange(20)}",
              "status": draw.choice(["pending", "accepted"])}  # fmt: skip
    copy_rows(connection, Response, [values], update=("request_hash", "status"))


def forget(connection: Connection, draw: random.Random) -> None:
    connection.execute(text("delete from kodcode.trials where attempt = :n"), {"n": draw.randrange(1, 4)})


def fold(connection: Connection, _: random.Random) -> None:
    fold_rollup(connection)


STEPS: tuple[Callable[[Connection, random.Random], None], ...] = (
    judge, plan, replan, convert, respond, forget, fold,
)  # fmt: skip


def test_after_any_writes_the_rollup_says_what_the_rows_say(filled: Engine) -> None:
    draw = random.Random(1)
    for _ in range(60):
        with filled.connect() as connection, connection.begin() as transaction:
            draw.choice(STEPS)(connection, draw)
            if draw.random() < 0.2:
                transaction.rollback()
    assert disagreements(filled) == []


def test_writers_and_folders_at_the_same_time_lose_nothing(filled: Engine) -> None:
    def work(name: str) -> None:
        """Each writes the trials of a question of its own, and folds now and then."""
        draw = random.Random(name)
        for number in range(40):
            with filled.begin() as connection:
                connection.execute(update(Trial).where(Trial.question_id == name).values(**judged(draw)))
                if number % 5 == 0:
                    fold_rollup(connection)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, QUESTIONS))
    assert disagreements(filled) == []


def entries(engine: Engine) -> int:
    with engine.connect() as connection:
        return sum(
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (rollup_calls, rollup_rows, rollup_hours)
        )


def test_folding_leaves_one_entry_a_key_and_none_for_what_is_gone(filled: Engine) -> None:
    draw = random.Random(2)
    for _ in range(20):
        with filled.begin() as connection:
            judge(connection, draw)
    before = entries(filled)
    with filled.begin() as connection:
        connection.execute(text("delete from kodcode.trials"))
        fold_rollup(connection)
    assert disagreements(filled) == []
    # Calls of two stages, the questions, the instruct triplets.
    assert entries(filled) == 4 < before


@pytest.mark.parametrize("rare", ["update kodcode.llm_calls set cost_usd = 7", "truncate kodcode.trials"])
def test_prices_changed_by_hand_and_emptied_tables_are_counted_anew(filled: Engine, rare: str) -> None:
    with filled.begin() as connection:
        for seed in range(5):
            judge(connection, random.Random(seed))
        connection.execute(text(rare))
    assert disagreements(filled) == []


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("insert into kodcode.rollup_hours values (now(), 1, 0)", "off by 1 trials"),
        ("delete from kodcode.rollup_calls where stage = 'solve'", "off by -20 calls"),
        ("update kodcode.rollup_rows set cost_usd = cost_usd + 1 where stage = 'question'", r"off by 0 rows and \$1"),
    ],
)
def test_the_audit_sees_a_rollup_that_does_not_agree_and_rebuilding_mends_it(
    filled: Engine, tampering: str, said: str
) -> None:
    with filled.begin() as connection:
        connection.execute(text(tampering))
    (found,) = disagreements(filled)
    assert re.search(said, found.problem)
    with filled.begin() as connection:
        connection.execute(text("select kodcode.rebuild_rollup()"))
    assert disagreements(filled) == []


def test_a_history_from_before_the_rollup_is_summed_when_it_is_upgraded(
    empty_database: Engine, tmp_path: Path
) -> None:
    migrate_to("0011", empty_database, tmp_path)
    fill(empty_database)
    draw = random.Random(1)
    with empty_database.begin() as connection:
        for step in (*[judge] * 10, convert, respond):
            step(connection, draw)
    tables = ("llm_calls", "questions", "trials", "triplets", "responses")
    before = {name: stored(empty_database, name) for name in tables}
    migrate(empty_database)
    assert disagreements(empty_database) == []
    with empty_database.connect() as connection:
        assert connection.scalar(text("select sum(calls) from kodcode.rollup_calls")) == len(before["llm_calls"])
    for name, rows in before.items():
        assert [{column: row[column] for column in rows[0]} for row in stored(empty_database, name)] == rows
    with empty_database.begin() as connection:
        judge(connection, draw)
    assert disagreements(empty_database) == []


def stored(engine: Engine, table: str) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(text(f"select * from kodcode.{table} order by 1, 2"))]
