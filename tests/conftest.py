"""Fixtures of all engines' tests: one real PostgreSQL and one real S3 server a session, a fresh database a test."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine, text

from tasks.store import connect, migrate
from tasks.store.services._postgres import Postgres

# Ends the server when pytest is killed, so that no test run leaves one behind.
TIED = ("setpriv", "--pdeathsig", "INT", "--")
TEMPLATE = "kodcode_template"


@dataclass(frozen=True)
class PostgresServer:
    """A running server of this session. `url(name)` addresses a database of it."""

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
