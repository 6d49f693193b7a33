"""What a run is said to cost before it starts: open rows times what such calls came to, and what is not known."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from flows.cli.errors import UsageError
from flows.cli.pipeline import run as run_command
from tasks.forecast import Forecast, Plan, forecast
from tasks.llm import FREE, Budget, Completion, Message, PriceTable, Request, Usage
from tasks.llm.ledger import Ledger, Paid
from tasks.llm.types import Stage
from tasks.options import Models
from tasks.store import ArtifactStore, copy_rows
from tasks.store.schema import Question, Response, Trial, Triplet
from tasks.subsets import UnknownTemplate

PRICES = PriceTable.load(given=["teacher=1:10", "reasoner=2:20"])
MODELS = Models(provider="openai", teacher="teacher", base_url=None, base_model=None, reasoner="reasoner",
                max_concurrency=8)  # fmt: skip
STYLES = ("complete", "online_judge")


def plan(questions: int, subsets: tuple[str, ...] = ("Evol",)) -> Plan:
    return Plan(subsets, questions, attempts=3, styles=STYLES, responses=2)


@pytest.fixture
def connection(database: Engine) -> Iterator[Connection]:
    with database.begin() as opened:
        yield opened


def question(number: int, status: str) -> dict[str, object]:
    return {"question_id": f"Evol_{number:08d}", "subset": "Evol", "number": number, "provider": "openai",
            "model": "teacher", "prompt_index": number, "seed_ids": [], "status": status, "text": f"q{number}",
            "reason": None if status == "accepted" else "duplicate_exact"}  # fmt: skip


def triplet(number: int, style: str, status: str) -> dict[str, object]:
    return {"triplet_id": f"Evol_{number:08d}_{style[0].upper()}", "question_id": f"Evol_{number:08d}",
            "subset": "Evol", "style": style, "status": status, "question": "q", "solution": "s", "test": "t",
            "reason": None if status == "accepted" else "no_trial_passed"}  # fmt: skip


def store(
    engine: Engine, artifacts: ArtifactStore, stage: Stage, model: str, usage: Usage, count: int, subset: str = "Evol"
) -> None:
    """Calls of a stage that each used so many tokens."""
    ledger = Ledger(engine, artifacts, "worker", None, Budget())
    asked = [
        Request("openai", model, (Message("user", f"{subset} {stage}"),), attempt=n, stage=stage, subset=subset)
        for n in range(count)
    ]
    ledger.store([
        Paid(one, one.hash, one.canonical(), Completion("y", usage=usage), Decimal(0), 1.0) for one in asked
    ])  # fmt: skip


def calls(found: Forecast) -> dict[str, int]:
    return {one.stage: one.calls for one in found.stages}


def test_without_history_the_calls_are_the_most_there_can_be_and_the_cost_is_not_known(database: Engine) -> None:
    found = forecast(database, plan(10), MODELS, PRICES)
    assert calls(found) == {"propose": 10, "solve": 30, "convert": 20, "respond": 60}
    assert found.usd is None
    assert found.assumed == ("accepted", "verified", "proven")
    said = found.sentence()
    assert "not known: nothing was measured yet of convert, propose, respond, solve" in said
    assert "no history" in said
    assert found.as_json()["usd"] is None


def test_history_gives_shares_tokens_and_dollars(
    database: Engine, connection: Connection, artifacts: ArtifactStore
) -> None:
    """4 of 8 questions were accepted, 2 of 4 verified, 3 of 4 conversions proven with 2 calls each; each share is
    taken with one more kept: 5/9, 3/5, 4/5."""
    copy_rows(connection, Question, [question(n, "accepted" if n < 4 else "rejected") for n in range(8)])
    copy_rows(connection, Trial, [{"question_id": f"Evol_{n:08d}", "attempt": a, "status": "accepted"}
                                  for n in range(4) for a in range(3)])  # fmt: skip
    copy_rows(connection, Triplet, [triplet(n, "instruct", "accepted" if n < 2 else "rejected") for n in range(4)])
    copy_rows(connection, Triplet, [triplet(n, style, "rejected" if (n, style) == (1, "complete") else "accepted")
                                    for n in range(2) for style in STYLES])  # fmt: skip
    answered = ((0, "I"), (0, "C"), (0, "O"), (1, "I"), (1, "O"))
    copy_rows(connection, Response, [
        {"triplet_id": f"Evol_{n:08d}_{style}", "provider": "openai", "model": "reasoner", "attempt": a,
         "status": "rejected", "reason": "failed"} for n, style in answered for a in range(2)
    ])  # fmt: skip
    connection.commit()
    store(database, artifacts, "propose", "teacher", Usage(1000, 500, 100), 8)
    store(database, artifacts, "solve", "teacher", Usage(2000, 0, 1000), 12)
    store(database, artifacts, "convert", "teacher", Usage(1000, 0, 500), 8)
    store(database, artifacts, "respond", "another", Usage(100, 0, 5000), 10)

    assert forecast(database, plan(8), MODELS, PRICES).sentence() == "Nothing is left to ask."

    found = forecast(database, plan(108), MODELS, PRICES)
    # 100 places -> 55.6 questions -> 33.3 verified -> 66.7 conversions of 2 calls, 53.3 proven.
    assert calls(found) == {"propose": 100, "solve": 167, "convert": 133, "respond": 173}
    assert {one.stage: one.usd for one in found.stages} == {
        "propose": Decimal("0.2"), "solve": Decimal("2.004"), "convert": Decimal("0.798"),
        "respond": Decimal("17.3346"),
    }  # fmt: skip
    assert found.usd == Decimal("20.3366")
    assert not found.assumed
    assert "573 calls and $20.34" in found.sentence()
    assert "Some tokens are those of other models." in found.sentence()
    assert [one["measured_with_this_model"] for one in found.as_json()["stages"]] == [True, True, True, False]


def test_conversions_of_other_subsets_are_no_repeated_tries(
    database: Engine, connection: Connection, artifacts: ArtifactStore
) -> None:
    copy_rows(connection, Question, [question(0, "accepted")])
    copy_rows(connection, Triplet, [triplet(0, "instruct", "accepted"), triplet(0, "complete", "accepted")])
    connection.commit()
    store(database, artifacts, "convert", "teacher", Usage(1000, 0, 500), 1)
    store(database, artifacts, "convert", "teacher", Usage(1000, 0, 500), 50, subset="Leetcode")
    [convert] = [one for one in forecast(database, plan(1), MODELS, PRICES).stages if one.stage == "convert"]
    assert (convert.calls, convert.measured) == (1, 51)


def test_a_run_in_batches_is_reckoned_at_the_price_of_batches(database: Engine, artifacts: ArtifactStore) -> None:
    prices = PriceTable({"teacher": replace(PRICES.price("teacher") or FREE, batch=Decimal("0.5"))})
    store(database, artifacts, "propose", "teacher", Usage(1000, 0, 100), 1)
    online, auto, batch = (
        forecast(database, plan(100), MODELS.model_copy(update={"mode": mode}), prices).stages[0].usd
        for mode in ("online", "auto", "batch")
    )
    assert (online, auto, batch) == (Decimal("0.2"), Decimal("0.2"), Decimal("0.1"))


def test_an_unknown_price_is_no_price(database: Engine, artifacts: ArtifactStore) -> None:
    store(database, artifacts, "propose", "teacher", Usage(10, 0, 10), 1)
    found = forecast(database, plan(1), MODELS, PriceTable({}))
    assert found.stages[0].output_tokens == 10
    assert found.usd is None


def test_the_command_tells_of_as_many_questions_as_a_run_would_ask_for(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KODCODE_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("KODCODE_ARTIFACTS_URL", (tmp_path / "artifacts").as_uri())
    run_command(subset=["evol"], forecast=True, as_json=True, data_dir=tmp_path)
    asked = {one["stage"]: one["calls"] for one in json.loads(capsys.readouterr().out)["stages"]}
    assert (asked["propose"], asked["solve"]) == (100, 300)


@pytest.mark.parametrize(
    ("given", "problem", "said"),
    [
        ({"target_verified": 5}, UsageError, "--forecast goes by --questions"),
        ({"base_model": ["a=llama9"]}, UnknownTemplate, "llama9"),
    ],
)
def test_what_cannot_be_forecast_or_run_is_said_in_a_sentence(
    tmp_path: Path, given: dict[str, Any], problem: type[Exception], said: str
) -> None:
    with pytest.raises(problem, match=said):
        run_command(forecast=True, data_dir=tmp_path, **given)
