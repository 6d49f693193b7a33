"""Processes that die in the middle: what was stored is never asked again, what was handed out is stored."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text

from tasks.llm import stored_answer, stored_request
from tasks.store import ArtifactStore, open_artifacts
from tasks.store.schema import LlmCall
from tests.llm.fault_server import FaultServer, answer_to

WORKER = Path(__file__).with_name("worker.py")
QUESTIONS, IN_FLIGHT, KILL_AT = 200, 8, 100


def start(
    database: Engine, artifacts_url: str, server: FaultServer, questions: int = QUESTIONS
) -> subprocess.Popen[str]:
    url = database.url.render_as_string(hide_password=False)
    command = [sys.executable, str(WORKER), url, artifacts_url, server.url, str(questions), str(IN_FLIGHT)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def stored(database: Engine, artifacts: ArtifactStore) -> dict[str, str]:
    """Prompt of every stored request by hash; every row's texts are read and checked on the way."""
    with database.connect() as connection:
        prompts = {}
        for request_hash in connection.scalars(select(LlmCall.request_hash)):
            asked = stored_request(connection, artifacts, request_hash)
            answer = stored_answer(connection, artifacts, request_hash)
            assert asked is not None
            assert answer is not None
            [[_, prompt]] = asked["messages"]
            assert answer.text == answer_to(prompt)
            prompts[request_hash] = prompt
        return prompts


def test_a_killed_run_is_resumed_without_asking_a_stored_answer_again(
    database: Engine, tmp_path: Path, server: FaultServer
) -> None:
    artifacts_url = (tmp_path / "artifacts").as_uri()
    artifacts = open_artifacts(artifacts_url)
    reached = threading.Event()

    def stop_answering(count: int) -> None:
        if count >= KILL_AT:
            server.hold()
            reached.set()

    server.on_request = stop_answering
    with start(database, artifacts_url, server) as worker:
        assert reached.wait(120)
        worker.send_signal(signal.SIGKILL)
        handed_out = worker.communicate()[0].split()
    before, asked_before = stored(database, artifacts), server.counts
    assert set(handed_out) <= before.keys()
    # No more is lost than was in flight.
    assert KILL_AT - IN_FLIGHT <= len(before) < KILL_AT

    server.on_request = lambda count: None
    server.release()
    with start(database, artifacts_url, server) as worker:
        handed_out = worker.communicate(timeout=300)[0].split()
    assert worker.returncode == 0
    assert len(set(handed_out)) == QUESTIONS
    assert len(stored(database, artifacts)) == QUESTIONS
    for prompt in before.values():
        assert server.counts[prompt] == asked_before[prompt] == 1
    assert sum(server.counts.values()) - QUESTIONS <= IN_FLIGHT


@pytest.mark.parametrize("times", [1, 2])
def test_a_run_stopped_by_the_keyboard_waits_for_the_calls_in_flight_unless_told_twice(
    database: Engine, tmp_path: Path, server: FaultServer, times: int
) -> None:
    reached = threading.Event()
    server.hold()
    server.on_request = lambda count: reached.set() if count == IN_FLIGHT else None
    artifacts_url = (tmp_path / "artifacts").as_uri()
    with start(database, artifacts_url, server) as worker:
        assert reached.wait(120)
        for _ in range(times):
            worker.send_signal(signal.SIGINT)
            if worker.stdout.readline() != "interrupted\n":  # type: ignore[union-attr]
                worker.wait(60)
        if times == 1:
            server.release()
        worker.wait(60)
    assert worker.returncode != 0
    assert len(server.seen) == IN_FLIGHT
    assert len(stored(database, open_artifacts(artifacts_url))) == (IN_FLIGHT if times == 1 else 0)


@pytest.mark.parametrize(
    ("questions", "kills"), [(300, 3), pytest.param(2000, 50, marks=pytest.mark.slow)], ids=["3 kills", "50 kills"]
)
def test_kills_at_random_points_cost_no_more_than_the_calls_in_flight(
    database: Engine, tmp_path: Path, server: FaultServer, questions: int, kills: int
) -> None:
    """Every request has one stored answer, and the server's count exceeds them by at most what was in flight."""
    artifacts_url = (tmp_path / "artifacts").as_uri()
    moments = sorted(random.Random(kills).sample(range(1, questions), kills))
    reached = threading.Event()
    for moment in moments:
        reached.clear()
        server.on_request = lambda count, moment=moment: reached.set() if count >= moment else None  # type: ignore[misc]
        with start(database, artifacts_url, server, questions) as worker:
            # A worker that found too little left to reach the moment ends by itself.
            while not reached.wait(0.05) and worker.poll() is None:
                pass
            worker.kill()
            worker.communicate()
    server.on_request = lambda count: None
    with start(database, artifacts_url, server, questions) as worker:
        worker.communicate(timeout=300)
    assert worker.returncode == 0
    assert len(stored(database, open_artifacts(artifacts_url))) == questions
    extra = sum(server.counts.values()) - questions
    print(f"{extra} calls more than {questions} answers after {kills} kills with {IN_FLIGHT} in flight")
    assert 0 <= extra <= kills * IN_FLIGHT
    with database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.llm_leases")) == 0
