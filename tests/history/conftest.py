"""A small history whose every number can be counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.orm import Session

from tasks.store import connect
from tasks.store.schema import (
    Artifact,
    Base,
    BenchmarkItem,
    Contamination,
    LlmCall,
    Question,
    Release,
    ReleasePart,
    ReleaseShard,
    ReleaseShardRows,
    Response,
    Run,
    Seed,
    Trial,
    Triplet,
)
from tests.conftest import TEMPLATE, PostgresServer

MORNING = datetime(2026, 11, 25, 8, 15, tzinfo=UTC)
NOON = datetime(2026, 11, 25, 12, 45, tzinfo=UTC)


def call(request: str, stage: str, model: str, usd: str | None, at: datetime = MORNING) -> dict[str, Any]:
    return {
        "request_hash": request, "provider": "openai", "model": model, "stage": stage, "subset": "Evol", "attempt": 0,
        "sampling": {}, "prompt_key": "k", "answer_key": "k", "finish_reason": "stop", "input_tokens": 100,
        "cached_input_tokens": 40, "output_tokens": 10, "reasoning_tokens": 4, "latency_s": 2.0, "retries": 0,
        "cost_usd": None if usd is None else Decimal(usd), "run_id": "night", "created_at": at,
    }  # fmt: skip


def question(number: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "question_id": f"Evol_{number:08d}", "subset": "Evol", "number": number, "provider": "openai", "model": "big",
        "prompt_index": number, "prompt_version": "p1", "seed_ids": ["s1"], "request_hash": f"propose{number}",
        "text": f"question {number}", "status": status, "run_id": "night",
    } | more  # fmt: skip


def trial(number: int, attempt: int, model: str, version: str, reason: str | None, **more: Any) -> dict[str, Any]:
    return {
        "question_id": f"Evol_{number:08d}", "attempt": attempt, "provider": "openai", "model": model,
        "prompt_version": version, "request_hash": f"solve{number}{attempt}", "solution": "s", "test": "t",
        "status": "rejected" if reason else "accepted", "reason": reason, "verdict": reason or "passed",
        "outcomes": {"test_a": "failed" if reason else "passed"}, "run_id": "night", "updated_at": MORNING,
    } | more  # fmt: skip


def triplet(number: int, letter: str, style: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "triplet_id": f"Evol_{number:08d}_{letter}", "question_id": f"Evol_{number:08d}", "subset": "Evol",
        "style": style, "status": status, "question": "q", "solution": "s", "test": "t", "run_id": "night",
        "updated_at": NOON,
    } | more  # fmt: skip


# Question 0: three trials of big pass, of small none. Question 1: one of four passes. Question 2: none of two.
# Question 3 is a duplicate of 0, question 4 looks like a benchmark problem, question 5 does too and is kept.
ROWS: tuple[tuple[type[Base], list[dict[str, Any]]], ...] = (
    (Run, [
        {"run_id": "night", "flow": "nightly", "parameters": {}, "code_version": "c", "host": "h", "pid": 1,
         "status": "completed", "started_at": MORNING, "finished_at": NOON},
    ]),
    (Seed, [
        {"seed_id": "s1", "subset": "Evol", "content_hash": "c1", "text": "fertile", "source": "here"},
        {"seed_id": "s2", "subset": "Evol", "content_hash": "c2", "text": "barren", "source": "here"},
    ]),
    (Artifact, [{"key": "k", "size": 1, "data": b"x"}]),
    (LlmCall, [
        *(call(f"propose{n}", "propose", "big", "0.1") for n in range(6)),
        *(call(f"solve0{n}", "solve", "big", "0.5") for n in range(3)),
        *(call(f"solve0{n}", "solve", "small", "0.1") for n in range(3, 5)),
        *(call(f"solve1{n}", "solve", "big", "0.5", NOON) for n in range(4)),
        *(call(f"solve2{n}", "solve", "small", "0.1", NOON) for n in range(2)),
        *(call(f"convert{n}", "convert", "big", "0.25", NOON) for n in range(3)),
        call("respond0", "respond", "r1", None, NOON),
    ]),
    (BenchmarkItem, [{"benchmark": "HumanEval", "item_id": "7", "text": "b", "text_hash": "h"}]),
    (Question, [
        question(0, "accepted"), question(1, "accepted"), question(2, "accepted", seed_ids=["s2"]),
        question(3, "rejected", reason="duplicate_minhash", duplicate_of="Evol_00000000", similarity=0.9),
        question(4, "rejected", reason="contaminated", benchmark="HumanEval", benchmark_item="7"),
        question(5, "accepted", caution="benchmark"),
    ]),
    (Contamination, [
        {"question_id": "Evol_00000004", "measure": "cosine", "benchmark": "HumanEval", "item_id": "7", "value": 0.98,
         "threshold": 0.95},
        {"question_id": "Evol_00000005", "measure": "cosine", "benchmark": "HumanEval", "item_id": "7", "value": 0.96,
         "threshold": 0.95},
        {"question_id": "Evol_00000004", "measure": "words", "benchmark": "HumanEval", "item_id": "7", "value": 0.5,
         "threshold": 0.3},
    ]),
    (Trial, [
        *(trial(0, n, "big", "v1", None, coverage=90 + 5 * n, duration_s=n + 1.0, trust=0.5, kill_rate=0.75)
          for n in range(3)),
        *(trial(0, n, "small", "v1", "failed") for n in range(3, 5)),
        trial(1, 0, "big", "v2", None, coverage=100, duration_s=0.5, trust=0.2, kill_rate=0.25),
        *(trial(1, n, "big", "v2", "timed_out", updated_at=NOON) for n in range(1, 4)),
        *(trial(2, n, "small", "v1", "failed") for n in range(2)),
        {"question_id": "Evol_00000005", "attempt": 0},
    ]),
    (Triplet, [
        triplet(0, "I", "instruct", "accepted", chosen_attempt=2, pass_count=3, trial_count=5, difficulty="medium",
                pass_sequence=[1, 1, 1, 0, 0],
                pass_at_k=[0.6, 0.9, 1.0, 1.0, 1.0], coverage=100, trust=0.5, kill_rate=0.75, consensus=1,
                stub_rejected=True, stable=True),
        triplet(1, "I", "instruct", "accepted", chosen_attempt=0, pass_count=1, trial_count=4, difficulty="hard",
                pass_sequence=[1, 0, 0, 0],
                pass_at_k=[0.25, 0.5, 0.75, 1.0], coverage=100, trust=0.2, kill_rate=0.25, consensus=0,
                stub_rejected=False),
        triplet(2, "I", "instruct", "rejected", reason="no_trial_passed", pass_count=0, trial_count=2,
                difficulty="fail", pass_sequence=[0, 0], pass_at_k=[0.0, 0.0], solution=None, test=None),
        triplet(0, "C", "complete", "accepted", provider="openai", model="big", prompt_version="c1",
                source_triplet_id="Evol_00000000_I",
                tries=[{"request_hash": "convert0", "reason": "leaks_solution"}, {"request_hash": "convert1"}]),
        triplet(1, "C", "complete", "rejected", reason="leaks_solution", provider="openai", model="big",
                prompt_version="c1", source_triplet_id="Evol_00000001_I", tries=[{"request_hash": "convert2"}]),
    ]),
    (Response, [
        {"triplet_id": "Evol_00000000_I", "provider": "openai", "model": "r1", "attempt": 0, "status": "accepted",
         "request_hash": "respond0", "verdict": "passed", "outcomes": {"test_a": "passed"}, "run_id": "night"},
        {"triplet_id": "Evol_00000000_I", "provider": "openai", "model": "r1", "attempt": 1, "status": "failed",
         "reason": "sandbox", "run_id": "night"},
    ]),
    (Release, [
        {"release_id": 1, "content_hash": "h", "path": "p", "manifest": {"files": []}, "rows": 2},
    ]),
    (ReleaseShard, [
        {"shard_id": "s", "subset": "Evol", "first_number": 0, "last_number": 999, "files": [], "origins": [],
         "prompts": {}, "proven": {}},
    ]),
    (ReleaseShardRows, [
        {"shard_id": "s", "format": "kodcode-v1", "split": "train",
         "triplet_ids": ["Evol_00000000_C", "Evol_00000000_I"]},
    ]),
    (ReleasePart, [
        {"release_id": 1, "shard_id": "s"},
    ]),
)  # fmt: skip


@pytest.fixture(scope="session")
def told(postgres: PostgresServer) -> Iterator[Engine]:
    """A database with that history, to be read only: the tests share it."""
    engine = connect(postgres.create("told", TEMPLATE))
    yield tell(engine)
    engine.dispose()
    postgres.drop("told")


@pytest.fixture
def changeable(database: Engine) -> Engine:
    """A database with that history for one test."""
    return tell(database)


def tell(database: Engine) -> Engine:
    with Session(database) as session, session.begin():
        for model, rows in ROWS:
            for row in rows:
                session.execute(insert(model).values(**row))
    return database
