"""The table of costs that a run leaves."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import Engine

from tasks.costs import costs
from tasks.llm import Budget, Completion, Message, Request, Usage
from tasks.llm.ledger import Ledger, Paid
from tasks.llm.types import Stage
from tasks.store import ArtifactStore, copy_rows
from tasks.store.schema import Question, Triplet


def pay(engine: Engine, artifacts: ArtifactStore, run: str, stage: Stage, model: str, usd: str, count: int) -> None:
    prompt = (Message("user", f"{run} {stage}"),)
    asked = [Request("openai", model, prompt, attempt=number, stage=stage) for number in range(count)]
    Ledger(engine, artifacts, "worker", run, Budget()).store([
        Paid(one, one.hash, one.canonical(), Completion("y", usage=Usage(100, 40, 10)), Decimal(usd), 1.0)
        for one in asked
    ])  # fmt: skip


def test_a_run_is_told_its_costs_by_stage_and_model_and_by_verified_triplet(
    database: Engine, artifacts: ArtifactStore
) -> None:
    pay(database, artifacts, "run", "solve", "big", "0.5", 4)
    pay(database, artifacts, "run", "solve", "small", "0.1", 2)
    pay(database, artifacts, "run", "respond", "big", "1", 1)
    pay(database, artifacts, "other", "solve", "big", "9", 1)
    with database.begin() as connection:
        for number in range(3):
            key = f"Evol_{number:08d}"
            copy_rows(connection, Question, [{
                "question_id": key, "subset": "Evol", "number": number, "provider": "openai", "model": "big",
                "prompt_index": number, "seed_ids": [], "status": "accepted", "text": "q",
            }])  # fmt: skip
            copy_rows(connection, Triplet, [{
                "triplet_id": f"{key}_I", "question_id": key, "subset": "Evol", "style": "instruct", "question": "q",
                "solution": "s", "test": "t", "status": "accepted", "run_id": "other" if number == 2 else "run",
            }])  # fmt: skip

    found = {(row["stage"], row["model"]): row for row in costs(database, "run")}
    assert list(found) == [("respond", "big"), ("solve", "big"), ("solve", "small"), ("all", "")]
    assert found["solve", "big"] == {
        "stage": "solve", "model": "big", "calls": 4, "input_tokens": 400, "cached_tokens": 160, "output_tokens": 40,
        "cost_usd": 2.0, "usd_per_verified_triplet": 1.0,
    }  # fmt: skip
    assert found["all", ""]["cost_usd"] == 3.2
    assert found["all", ""]["usd_per_verified_triplet"] == 1.6
    assert costs(database, "a run that paid nothing") == []
