"""Processes that die in the middle: what was stored is never asked again, what was handed out is stored."""

from __future__ import annotations

import os
import random
import signal
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tasks.llm import stored_answers, stored_request
from tasks.store import ArtifactStore, open_artifacts
from tasks.store.schema import LlmCall
from tests.llm.fault_server import FaultServer, answer_to
from tests.llm.worker import Worker

QUESTIONS, IN_FLIGHT, KILL_AT = 200, 8, 100


def stored(database: Engine, artifacts: ArtifactStore) -> dict[str, str]:
    """Prompt of every stored request by hash; every row's texts are read and checked on the way."""
    with database.connect() as connection:
        prompts = {}
        answers = stored_answers(connection, artifacts, list(connection.scalars(select(LlmCall.request_hash))))
        for request_hash, answer in answers.items():
            asked = stored_request(connection, artifacts, request_hash)
            assert asked is not None
            [[_, prompt]] = asked["messages"]
            assert answer.text == answer_to(prompt)
            prompts[request_hash] = prompt
        return prompts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


def test_a_killed_run_is_resumed_without_asking_a_stored_answer_again(
    database: Engine, folder: Path, server: FaultServer
) -> None:
    reached = threading.Event()

    def stop_answering(count: int) -> None:
        if count >= KILL_AT:
            server.hold()
            reached.set()

    server.on_request = stop_answering
    worker = Worker(database, folder, server.url, QUESTIONS, IN_FLIGHT)
    assert reached.wait(120)
    worker.kill()
    artifacts = open_artifacts(folder.as_uri())
    before, asked_before = stored(database, artifacts), server.counts
    assert worker.answered() <= before.keys()
    # No more is lost than was in flight.
    assert KILL_AT - IN_FLIGHT <= len(before) < KILL_AT

    server.on_request = lambda count: None
    server.release()
    worker = Worker(database, folder, server.url, QUESTIONS, IN_FLIGHT)
    worker.process.join(120)
    assert worker.process.exitcode == 0
    assert worker.answered() == stored(database, artifacts).keys()
    assert len(worker.answered()) == QUESTIONS
    for prompt in before.values():
        assert server.counts[prompt] == asked_before[prompt] == 1
    assert sum(server.counts.values()) - QUESTIONS <= IN_FLIGHT


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_stopped_by_the_keyboard_waits_for_the_calls_in_flight_unless_told_twice(
    database: Engine, folder: Path, server: FaultServer, times: int
) -> None:
    reached = threading.Event()
    server.hold()
    server.on_request = lambda count: reached.set() if count == IN_FLIGHT else None
    worker = Worker(database, folder, server.url, QUESTIONS, IN_FLIGHT)
    assert reached.wait(120)
    for _ in range(times):
        os.kill(worker.process.pid or 0, signal.SIGINT)
        assert worker.interrupted.wait(60)
    if times == 1:
        server.release()
    worker.process.join(30)
    assert worker.process.exitcode == 1
    assert len(server.seen) == IN_FLIGHT
    assert len(stored(database, open_artifacts(folder.as_uri()))) == (IN_FLIGHT if times == 1 else 0)


@pytest.mark.parametrize(
    ("questions", "kills"), [(300, 3), pytest.param(2000, 50, marks=pytest.mark.slow)], ids=["3 kills", "50 kills"]
)
def test_kills_at_random_points_cost_no_more_than_the_calls_in_flight(
    database: Engine, folder: Path, server: FaultServer, questions: int, kills: int
) -> None:
    """Every request has one stored answer, and the server's count exceeds them by at most what was in flight."""
    moments = sorted(random.Random(kills).sample(range(1, questions), kills))
    reached = threading.Event()
    hit = 0
    for moment in moments:
        reached.clear()
        server.on_request = lambda count, moment=moment: reached.set() if count >= moment else None  # type: ignore[misc]
        worker = Worker(database, folder, server.url, questions, IN_FLIGHT)
        assert reached.wait(60)
        hit += worker.process.is_alive()
        worker.kill()
    server.on_request = lambda count: None
    worker = Worker(database, folder, server.url, questions, IN_FLIGHT)
    worker.process.join(120)
    assert worker.process.exitcode == 0
    assert len(stored(database, open_artifacts(folder.as_uri()))) == questions
    extra = sum(server.counts.values()) - questions
    print(f"{extra} calls more than {questions} answers after {hit} kills with {IN_FLIGHT} in flight")
    assert 0 <= extra <= hit * IN_FLIGHT
    with database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.llm_leases")) == 0
