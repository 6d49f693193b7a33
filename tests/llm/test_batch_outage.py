"""The database or the artifact store fails while a batch is followed: somebody collects it, and it is paid once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event

from tasks.llm import Answer, Gateway, LedgerError, PriceTable, Request, make_provider
from tasks.llm.batch_ledger import BatchLedger
from tasks.llm.workers import Worker
from tasks.store import ArtifactStore, ArtifactStoreUnavailable
from tests.conftest import PostgresServer
from tests.llm.batch_server import BatchServer, batch_server
from tests.llm.fault_server import chat
from tests.llm.test_batches import QUICK, assert_all_answered_once, leave_open, requests, rows

# By name: what is in the statement that gets no reply.
STATEMENTS = {
    "built": "insert into kodcode.llm_batch_requests",
    "uploaded": "status = 'uploaded'",
    "submitted": "status = 'submitted'",
    "some answers stored": "insert into kodcode.llm_calls",
    "closed": "problem = ",
}


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with batch_server() as running:
        yield running


@pytest.fixture
def gateway(database: Engine, artifacts: ArtifactStore, server: BatchServer) -> Callable[[], Gateway]:
    def make() -> Gateway:
        provider = make_provider("openai", server.url)
        return Gateway(database, artifacts, provider, PriceTable.load(), "run-1", batching=QUICK)

    return make


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.llm.ledger._RETRY_DELAYS_S", (0.01,))


async def answers(gateway: Gateway, asked: list[Request]) -> list[Any]:
    """Answers, and errors in their places. The gateway stays open."""
    async with asyncio.timeout(30):
        return await asyncio.gather(*(gateway.ask(one) for one in asked), return_exceptions=True)


@contextmanager
def cut(database: Engine, postgres: PostgresServer, part: str) -> Iterator[list[int]]:
    """End every session that sends a statement with this part. Yields the process ids of those."""
    ended: list[int] = []

    def end(connection: Connection, cursor: Any, statement: str, *others: Any) -> None:
        if part in statement:
            ended.append(cursor.connection.info.backend_pid)
            terminate(postgres, ended[-1])

    event.listen(database, "before_cursor_execute", end)
    try:
        yield ended
    finally:
        event.remove(database, "before_cursor_execute", end)


def terminate(postgres: PostgresServer, backend: int) -> None:
    with postgres.admin.connect() as admin:
        admin.exec_driver_sql("select pg_terminate_backend(%s, 10000)", (backend,))


@pytest.mark.parametrize("moment", STATEMENTS)
def test_a_batch_whose_step_the_database_did_not_take_is_gone_on_with_by_the_same_process(
    gateway: Callable[[], Gateway], database: Engine, postgres: PostgresServer, server: BatchServer, moment: str
) -> None:
    asked = requests("openai", 8)

    async def run() -> list[Any]:
        async with gateway() as made:
            with cut(database, postgres, STATEMENTS[moment]) as ended:
                failed = await answers(made, asked)
            assert {type(outcome) for outcome in failed} == {LedgerError}
            assert len(ended) >= 2
            return await answers(made, asked)

    assert_all_answered_once(server, asyncio.run(run()))
    assert rows(database, "select * from kodcode.llm_leases") == []


def test_a_batch_that_the_database_took_from_a_process_is_collected_though_it_asks_nothing_more(
    gateway: Callable[[], Gateway], database: Engine, postgres: PostgresServer, server: BatchServer
) -> None:
    asked = requests("openai", 8)

    async def run() -> list[Any]:
        async with gateway() as idle, gateway() as other:
            with cut(database, postgres, STATEMENTS["some answers stored"]):
                await answers(idle, asked)
            return await answers(other, asked)

    assert_all_answered_once(server, asyncio.run(run()))
    assert len(server.batches) == 1


def test_a_batch_whose_answers_the_artifact_store_did_not_take_is_left_to_others(
    gateway: Callable[[], Gateway], database: Engine, server: BatchServer, tmp_path: Path
) -> None:
    large = chat("0123456789abcdef" * 20_000).body  # an object of its own
    server.complete = lambda path, body: large
    asked = requests("openai", 8)
    in_the_way = tmp_path / "artifacts"

    async def run() -> list[Any]:
        async with gateway() as first, gateway() as other:
            in_the_way.write_text("a file where the folder should be")
            failed = await answers(first, asked)
            assert {type(outcome) for outcome in failed} == {ArtifactStoreUnavailable}
            assert rows(database, "select worker_id from kodcode.llm_batches") == [("",)]
            in_the_way.unlink()
            return await answers(other, asked)

    assert {type(outcome) for outcome in asyncio.run(run())} == {Answer}
    assert set(server.paid.values()) == {1}
    assert len(server.batches) == 1


def test_a_batch_whose_taking_over_was_committed_without_a_reply_is_followed_all_the_same(
    gateway: Callable[[], Gateway], database: Engine, postgres: PostgresServer, server: BatchServer
) -> None:
    asked = requests("openai", 8)
    asyncio.run(leave_open(gateway(), server, asked))
    server.polls = 0
    adopting: list[Any] = []
    lost: list[int] = []

    def note(connection: Connection, cursor: Any, statement: str, *others: Any) -> None:
        if "fence = b.fence + 1" in statement and not lost:
            adopting.append(connection)

    def lose_reply(connection: Connection) -> None:
        if connection in adopting:
            adopting.clear()
            driver: Any = connection.connection.driver_connection
            driver.commit()
            lost.append(driver.info.backend_pid)
            terminate(postgres, lost[-1])
            driver.close()

    event.listen(database, "after_cursor_execute", note)
    event.listen(database, "commit", lose_reply)

    async def run() -> list[Any]:
        async with gateway() as made:
            return await answers(made, asked)

    assert_all_answered_once(server, asyncio.run(run()))
    assert len(lost) == 1
    assert rows(database, "select fence, status from kodcode.llm_batches") == [(3, "collected")]


@pytest.fixture
def ledger(database: Engine, artifacts: ArtifactStore) -> Iterator[BatchLedger]:
    worker = Worker(database, "run-1")
    worker.begin()
    yield BatchLedger(database, artifacts, worker.worker_id, "run-1", "openai", "here")
    worker.end()


def test_a_process_takes_no_batch_from_itself_until_it_has_ceased_to_follow_it(ledger: BatchLedger) -> None:
    with ledger.following("batch"):
        ledger.build("batch", "path", "model", [])
        assert ledger.adopt() == []
    [again] = ledger.adopt()
    assert again.fence == 2
    assert ledger.adopt() == []


def test_a_batch_that_is_built_while_its_process_looks_for_others_is_not_taken_from_it(
    ledger: BatchLedger, database: Engine
) -> None:
    looked = []
    with ledger.following("batch"):

        @event.listens_for(database, "before_cursor_execute")
        def build(connection: Connection, cursor: Any, statement: str, *others: Any) -> None:
            if "for update skip locked" in statement and not looked:
                looked.append(statement)
                ledger.build("batch", "path", "model", [])

        assert ledger.adopt() == []
    assert looked
    assert rows(database, "select fence from kodcode.llm_batches") == [(1,)]
