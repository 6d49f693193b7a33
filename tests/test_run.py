"""The end of a run is written down as it is, whatever comes in between."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings
from sqlalchemy import Engine, text

from tasks.llm import Message, Request
from tasks.options import Models
from tasks.run import progress_display, recorded_run
from tasks.store import ArtifactStore, ArtifactStoreUnavailable
from tasks.work import Silent
from tests.llm.fault_server import FaultServer, chat


@pytest.fixture(autouse=True)
def places(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The addresses that a run is given; its progress is not shown."""
    monkeypatch.setenv("KODCODE_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("KODCODE_ARTIFACTS_URL", (tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    shown = progress_display.set(Silent())
    yield
    progress_display.reset(shown)


def ended(database: Engine) -> tuple[Any, ...]:
    with database.connect() as connection:
        query = "select status, error, finished_at is not null from kodcode.runs"
        return tuple(connection.execute(text(query)).one())


async def complete(flow_run_id: str | None = "f") -> None:
    async with recorded_run("verify", {}, flow_run_id):
        pass


@contextmanager
def silent_prefect() -> Iterator[None]:
    """A Prefect server that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        api = f"http://127.0.0.1:{server.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: api}):
            yield


def test_a_run_that_is_stopped_again_while_it_winds_down_has_ended(database: Engine) -> None:
    server = FaultServer()
    server.hold()
    server.always(chat("late"))
    models = Models(
        provider="openai", teacher="m", base_url=server.url, base_model=None, reasoner="m", max_concurrency=4,
        prices=("0",),
    )  # fmt: skip
    waits_for_calls = asyncio.Event()

    class Listening(Silent):
        def say(self, message: str) -> None:
            if "in flight" in message:
                waits_for_calls.set()

    async def stopped_twice() -> None:
        async with recorded_run("verify", {}, None) as run:
            request = Request("openai", "m", (Message("user", "x"),))
            asking = asyncio.create_task(run.gateway(models).ask(request))
            while not server.seen:  # noqa: ASYNC110 (it comes from another thread)
                await asyncio.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
            await asking

    async def main() -> None:
        stopping = asyncio.create_task(stopped_twice())
        await waits_for_calls.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await stopping

    shown = progress_display.set(Listening())
    before = set(threading.enumerate())
    try:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(main())
    finally:
        progress_display.reset(shown)
        server.release()
        server.close()
    assert ended(database) == ("interrupted", None, True)
    left = [thread for thread in set(threading.enumerate()) - before if thread.name == "llm-worker"]
    for thread in left:
        thread.join(60)
    assert not any(thread.is_alive() for thread in left), "it keeps saying that it lives"


def test_a_run_is_completed_though_prefect_does_not_take_its_summary(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.shown.MOST_S", 0.3)
    with silent_prefect():
        asyncio.run(complete())
    assert ended(database) == ("completed", None, True)


def test_a_run_is_completed_though_its_summary_takes_the_database_too_long(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.summary._TIMEOUT_S", 0.2)

    async def with_trials_locked() -> None:
        async with recorded_run("verify", {}, "f"):
            connection.execute(text("lock table kodcode.trials in access exclusive mode"))

    with silent_prefect(), database.connect() as connection:
        asyncio.run(with_trials_locked())
    assert ended(database) == ("completed", None, True)


def test_a_run_is_completed_though_its_texts_could_not_be_packed(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unavailable(self: ArtifactStore, engine: Engine) -> None:
        raise ArtifactStoreUnavailable("no bucket")

    monkeypatch.setattr(ArtifactStore, "pack", unavailable)
    asyncio.run(complete(None))
    assert ended(database) == ("completed", None, True)


def test_no_thread_of_a_run_is_left(database: Engine) -> None:
    asyncio.run(complete(None))
    assert "run-heart" not in {thread.name for thread in threading.enumerate()}
