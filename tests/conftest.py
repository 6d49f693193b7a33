"""Fixtures of all engines' tests: one real PostgreSQL and one real S3 server a session, a fresh database a test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tasks.store import ArtifactStore, S3Blobs, connect, migrate, open_artifacts
from tasks.store.services._postgres import Postgres
from tasks.store.services._s3 import BUCKET, REGION, S3

# End the servers when pytest is killed, so that no test run leaves one behind.
TIED = ("setpriv", "--pdeathsig", "INT", "--")
TIED_TERM = ("setpriv", "--pdeathsig", "TERM", "--")
TEMPLATE = "kodcode_template"


@dataclass(frozen=True)
class PostgresServer:
    """A running server of this test run. `url(name)` addresses a database of it."""

    url: Callable[[str], str]
    admin: Engine

    def create(self, name: str, template: str = "template1") -> str:
        with self.admin.connect() as connection:
            connection.execute(text(f'create database "{name}" template "{template}"'))
        return self.url(name)

    def drop(self, name: str) -> None:
        with self.admin.connect() as connection:
            connection.execute(text(f'drop database if exists "{name}" with (force)'))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A PostgreSQL server of its own with one migrated database to copy from."""
    home = tmp_path_factory.mktemp("postgres")
    server = Postgres(
        home / "postgres", home / "postgres.log", home / "lock", record=lambda port, process: None, sync=False,
        options=("fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB"), wrapper=TIED,
    )
    server.ensure()
    server.create_database(TEMPLATE)
    template = connect(server.url(TEMPLATE))
    migrate(template)
    template.dispose()
    admin = connect(server.url("postgres")).execution_options(isolation_level="AUTOCOMMIT")
    yield PostgresServer(server.url, admin)
    admin.dispose()
    server.stop()


_numbers = itertools.count()


@pytest.fixture
def empty_database(postgres: PostgresServer) -> Iterator[Engine]:
    """Engine on a new database that nothing was migrated in."""
    yield from _fresh(postgres, "template1")


@pytest.fixture
def database(postgres: PostgresServer) -> Iterator[Engine]:
    """Engine on a new, migrated, empty database."""
    yield from _fresh(postgres, TEMPLATE)


def _fresh(postgres: PostgresServer, template: str) -> Iterator[Engine]:
    name = f"test_{os.getpid()}_{next(_numbers)}"
    engine = connect(postgres.create(name, template))
    yield engine
    engine.dispose()
    postgres.drop(name)


@dataclass(frozen=True)
class S3Server:
    """A running S3 endpoint of this test run with one bucket."""

    endpoint_url: str
    bucket: str
    access_key: str
    secret_key: str
    folder: Path  # of the bucket's objects

    def environment(self) -> dict[str, str]:
        """For processes that find this server by boto3's own variables."""
        return {
            "KODCODE_S3_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
        }

    def store(self, prefix: str = "", **changes: Any) -> ArtifactStore:
        options = {"endpoint_url": self.endpoint_url, "access_key": self.access_key, "secret_key": self.secret_key}
        return ArtifactStore(S3Blobs(self.bucket, prefix, **(options | {"region": REGION} | changes)))


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """An S3 server of its own. Tests share its bucket: give each its own prefix."""
    home = tmp_path_factory.mktemp("s3")
    server = S3(home / "s3", home / "s3.log", home / "lock", record=lambda port, process: None, wrapper=TIED_TERM)
    server.ensure()
    yield S3Server(server.endpoint_url, BUCKET, *server.keys(), server.objects / BUCKET)
    server.stop()


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    """An empty artifact store in a folder."""
    return open_artifacts((tmp_path / "artifacts").as_uri())
