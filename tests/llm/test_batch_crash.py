"""kill -9 between any two steps of a batch: after the next run every request has one answer and was paid for once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.llm.batch_server import BatchServer, batch_server
from tests.llm.batch_worker import BatchWorker

QUESTIONS = 450  # more than are stored in two transactions

# By name: the step of the protocol that gets no reply, and whether it was taken all the same.
STEPS = {
    "before the upload": ("upload", False),
    "uploaded, the file's id not stored": ("upload", True),
    "before the submission": ("submit", False),
    "submitted, the batch's id not stored": ("submit", True),
    "while it is polled": ("poll", True),
    "before the results are read": ("download", False),
}
# In the commit of these rows, which the test keeps locked.
COMMITS = {
    "some answers stored": "select from kodcode.llm_leases where request_hash = (select max(request_hash) "
    "from kodcode.llm_leases) for update",
    "all answers stored, the batch not closed": "select from kodcode.llm_batches for update",
}
QUICK = {("openai", "submitted, the batch's id not stored"), ("openai", "some answers stored")}
CASES = [
    pytest.param(protocol, moment, marks=() if (protocol, moment) in QUICK else pytest.mark.slow)
    for protocol in ("openai", "anthropic")
    for moment in (*STEPS, *COMMITS)
    if (protocol, STEPS.get(moment, ("",))[0]) != ("anthropic", "upload")
]


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with batch_server() as running:
        yield running


@pytest.mark.parametrize(("protocol", "moment"), CASES)
def test_a_batch_whose_process_is_killed_is_neither_lost_nor_paid_twice(
    database: Engine, tmp_path: Path, server: BatchServer, protocol: str, moment: str
) -> None:
    base_url = server.url if protocol == "openai" else server.origin
    interrupted = _at_step if moment in STEPS else _in_commit
    with interrupted(server, database, moment) as reached:
        worker = BatchWorker(database, tmp_path / "artifacts", protocol, base_url, QUESTIONS)
        reached()
        worker.kill()
    before = worker.answered()
    with database.connect() as connection:
        stored = set(connection.scalars(text("select request_hash from kodcode.llm_calls")))
    assert set(before) <= stored
    assert (0 < len(stored) < QUESTIONS) == (moment == "some answers stored")

    worker = BatchWorker(database, tmp_path / "artifacts", protocol, base_url, QUESTIONS)
    worker.process.join(120)
    assert worker.process.exitcode == 0
    assert len(set(worker.answered()[len(before) :])) == QUESTIONS
    assert len(server.paid) == QUESTIONS
    assert set(server.paid.values()) == {1}
    with database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.llm_calls")) == QUESTIONS
        assert connection.scalar(text("select count(*) from kodcode.llm_leases")) == 0
        spent, cost = connection.execute(
            text(
                "select (select spent_usd from kodcode.llm_spending where scope = 'run:killed'), sum(cost_usd) "
                "from kodcode.llm_calls"
            )
        ).one()
        assert spent == cost
        assert set(connection.scalars(text("select status from kodcode.llm_batches"))) <= {"collected", "failed"}


@contextmanager
def _at_step(server: BatchServer, database: Engine, moment: str) -> Iterator[Callable[[], None]]:
    """Yields what waits until the server has the request of that step."""
    step, performed = STEPS[moment]
    arrived = server.hang(step, performed)

    def reached() -> None:
        assert arrived.wait(60)

    yield reached


@contextmanager
def _in_commit(server: BatchServer, database: Engine, moment: str) -> Iterator[Callable[[], None]]:
    """Yields what locks a row before the results are read, and waits until the worker waits for the lock."""
    polled = server.hold_at("download")
    with database.connect() as connection:

        def reached() -> None:
            assert polled.wait(60)
            connection.execute(text(COMMITS[moment]))
            server.release()
            with database.connect().execution_options(isolation_level="AUTOCOMMIT") as watcher:
                blocked = (  # here: other tests' databases are in the same server
                    "select count(*) from pg_stat_activity where datname = current_database() "
                    "and wait_event_type = 'Lock'"
                )
                while not watcher.scalar(text(blocked)):
                    time.sleep(0.005)

        yield reached
        connection.rollback()
