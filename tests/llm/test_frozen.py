"""A worker that is frozen in the midst of a transaction: others go on, and it does too once it wakes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from tasks.llm import Answer, Budget, Gateway, Message, PriceTable, Request
from tasks.llm.openai_provider import OpenAIProvider
from tasks.store import ArtifactStore, connect
from tests.llm.fault_server import FaultServer, answer_to

# By name: the statement after which the worker says nothing more, holding a lock that all want; and its caps.
MOMENTS: dict[str, tuple[str, list[str]]] = {
    "storing": ("insert into kodcode.llm_spending", []),
    "claiming under a cap": ("insert into kodcode.llm_spending", ["day=100"]),
    "sharing a limit": ("insert into kodcode.llm_limits", []),
    "burying the dead": ("delete from kodcode.llm_workers", []),
}


@pytest.fixture
def other_engine(database: Engine) -> Iterator[Engine]:
    """Another process's, as the server sees it."""
    engine = connect(database.url.render_as_string(hide_password=False))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_that_is_frozen_in_a_transaction_keeps_no_other_from_going_on(
    database: Engine, other_engine: Engine, artifacts: ArtifactStore, server: FaultServer,
    monkeypatch: pytest.MonkeyPatch, moment: str,
) -> None:  # fmt: skip
    monkeypatch.setattr("tasks.llm.ledger._IDLE_S", 0.5)
    monkeypatch.setattr("tasks.llm.ledger._BRIEF_IDLE_S", 0.5)
    monkeypatch.setattr("tasks.llm.limiter.SYNC_S", 0.0)  # else its answer is there before a limit is shared
    part, budget = MOMENTS[moment]
    frozen, awake = threading.Event(), threading.Event()
    with database.begin() as connection:  # somebody dead, whom all would bury
        connection.execute(
            text(
                "insert into kodcode.llm_workers (worker_id, host, pid, process_start, expires_at)"
                " values ('dead', 'elsewhere', 1, 0, now() - interval '1 second')"
            )
        )

    @event.listens_for(database, "after_cursor_execute")
    def freeze(*call: Any) -> None:
        if part in call[2] and not frozen.is_set():
            frozen.set()
            awake.wait(60)

    def gateway(engine: Engine) -> Gateway:
        return Gateway(
            engine, artifacts, OpenAIProvider(server.url), PriceTable.load(), "run-1", budget=Budget.parse(budget)
        )

    async def ask(made: Gateway, question: str) -> Answer:
        async with made:
            return await made.ask(Request("openai", "gpt-4o", (Message("user", question),)))

    async def run() -> tuple[Answer, Answer]:
        late = asyncio.create_task(ask(gateway(database), "late"))
        try:
            assert await asyncio.to_thread(frozen.wait, 30)
            async with asyncio.timeout(20):
                other = await ask(gateway(other_engine), "other")
        finally:
            awake.set()
        return await late, other

    assert [answer.text for answer in asyncio.run(run())] == [answer_to("late"), answer_to("other")]
    assert sorted(server.counts.values()) == [1, 1]
    with database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.llm_leases")) == 0
        spent, cost = connection.execute(
            text(
                "select (select spent_usd from kodcode.llm_spending where scope = 'run:run-1'), sum(cost_usd) "
                "from kodcode.llm_calls"
            )
        ).one()
        assert spent == cost
