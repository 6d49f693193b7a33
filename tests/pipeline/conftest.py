"""Fixtures of the whole pipeline: the real command line in processes of its own, on real servers."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tasks.settings import REPOSITORY
from tasks.store import connect, services

SHARED = REPOSITORY.parent / "shared"
RECORDED = SHARED / "recorded" / "leetcode"
REPLAY_SERVER = SHARED / "tools" / "replay_server.py"
# What differs between two runs that did the same; messages of failing programs hold addresses of objects, and a
# release's shards are named by when their rows changed, as are the ranges of questions they were made from.
VOLATILE = {
    "created_at", "updated_at", "added_at", "run_id", "duration_s", "peak_memory_mb", "latency_s", "path",
    "object_key", "pack_offset", "pack_length", "data", "message", "shard_id",
    "fingerprint",
}  # fmt: skip
TABLES = (
    "seeds",
    "artifacts",
    "llm_calls",
    "questions",
    "trials",
    "triplets",
    "responses",
    "minhash_bands",
    "embeddings",
    "benchmark_items",
    "releases",
    "release_parts",
    "release_shards",
    "release_shard_rows",
)
_numbers = itertools.count()


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[services.Services]:
    """PostgreSQL and Prefect as `kodcode up` starts them."""
    folder = tmp_path_factory.mktemp("servers")
    started = services.up(folder, frozenset({"postgres", "prefect"}))
    yield started
    services.down(folder)


@dataclass(frozen=True)
class Workplace:
    """A database and an artifact folder of their own, and the command line that works with them."""

    environment: dict[str, str]
    engine: Engine
    folder: Path

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "flows.cli", *arguments],
            env=self.environment | more,
            text=True,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def kodcode(self, *arguments: str, status: int | None = 0, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; `status` is what it must exit with."""
        process = self.start(*arguments, **more)
        try:
            out, err = process.communicate(timeout=480)
        except subprocess.TimeoutExpired:
            kill(process)
            raise
        assert status is None or process.returncode == status, (
            f"exit {process.returncode}\n{out[-3000:]}\n{err[-5000:]}"
        )
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def rows(self, query: str) -> list[Any]:
        with self.engine.connect() as connection:
            return list(connection.execute(text(query)))

    def tables(self) -> dict[str, list[str]]:
        """Every table's rows without what differs from run to run, comparable between databases."""
        found = {}
        for table in TABLES:
            rows = [dict(row._mapping) for row in self.rows(f"select * from kodcode.{table}")]
            found[table] = sorted(
                json.dumps(
                    {name: value for name, value in row.items() if name not in VOLATILE}, default=repr, sort_keys=True
                )
                for row in rows
            )
        return found


def kill(process: subprocess.Popen[str]) -> None:
    """kill -9 of the command's whole process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.fixture
def new_workplace(embedded: services.Services, tmp_path: Path) -> Iterator[Callable[[], Workplace]]:
    """Makes workplaces: each call a fresh database and artifact folder."""
    engines: list[Engine] = []
    admin = connect(embedded.database_url).execution_options(isolation_level="AUTOCOMMIT")

    def make() -> Workplace:
        name = f"pipeline_{os.getpid()}_{next(_numbers)}"
        with admin.connect() as connection:
            connection.execute(text(f'create database "{name}"'))
        url = admin.url.set(database=name, drivername="postgresql")
        engine = connect(url.render_as_string(hide_password=False))
        engines.append(engine)
        folder = tmp_path / name
        folder.mkdir()
        keep = {key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ}
        environment = (
            keep
            | embedded.environment()
            | {
                "HOME": str(folder),
                "KODCODE_DATA_DIR": str(folder / "data"),
                "KODCODE_DATABASE_URL": url.render_as_string(hide_password=False),
                "KODCODE_ARTIFACTS_URL": (folder / "artifacts").as_uri(),
                "COLUMNS": "200",
            }
        )
        return Workplace(environment, engine, folder)

    yield make
    for engine in engines:
        engine.dispose()
    admin.dispose()


@pytest.fixture
def workplace(new_workplace: Callable[[], Workplace]) -> Workplace:
    return new_workplace()


@dataclass(frozen=True)
class Replay:
    """The server that answers with recorded model output."""

    url: str

    def stats(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/stats", timeout=10) as response:
            return dict(json.load(response))

    def served(self) -> int:
        return sum(self.stats().values())


@pytest.fixture
def replay() -> Iterator[Callable[..., Replay]]:
    """Starts replay servers; skipped where the recordings are not beside the checkout."""
    if not REPLAY_SERVER.exists():
        pytest.skip("the recorded model output (../shared) is not beside this checkout")
    processes: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> Replay:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen([sys.executable, str(REPLAY_SERVER), str(RECORDED), "--port", str(port), *options])
        processes.append(process)
        server = Replay(f"http://127.0.0.1:{port}")
        wait_until(lambda: _answers(server), f"the replay server on port {port}")
        return server

    yield start
    for process in processes:
        process.kill()
        process.wait()


def _answers(server: Replay) -> bool:
    try:
        server.stats()
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Poll a condition that another process brings about. Raises TimeoutError."""
    import time

    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)


def recorded(name: str) -> list[dict[str, Any]]:
    path = RECORDED / f"{name}.jsonl"
    if not path.exists():
        pytest.skip("the recorded model output (../shared) is not beside this checkout")
    return [json.loads(line) for line in path.read_text().splitlines()]
