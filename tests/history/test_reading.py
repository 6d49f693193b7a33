"""Who reads cannot write and does not read for ever; the Parquet mirror holds what the tables hold."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import DBAPIError

from tasks.history import GrantFailed, MirrorFailed, grant_reading, mirror, reading
from tasks.store import connect, migrate
from tasks.store.database import VIEW_TABLE
from tasks.store.schema import LlmCall, Question, Trial

ROLE = 'analyst "50%"'


def test_reading_cannot_write(told: Engine) -> None:
    with reading(told, 10) as connection, pytest.raises(DBAPIError, match="read-only"):
        connection.execute(text("delete from responses"))


def test_a_statement_ends_in_time(told: Engine) -> None:
    with reading(told, 0.2) as connection, pytest.raises(DBAPIError, match="statement timeout"):
        connection.execute(text("select pg_sleep(60)"))


@pytest.fixture
def analyst(changeable: Engine) -> Iterator[Engine]:
    """Engine of a role that was made to read the history."""
    assert grant_reading(changeable, ROLE, 0.5)
    quoted = changeable.dialect.identifier_preparer.quote_identifier(ROLE)
    with changeable.begin() as connection:
        connection.exec_driver_sql(f"alter role {quoted} password 'x'")
    engine = connect(changeable.url.set(username=ROLE, password="x").render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with changeable.begin() as connection:
        for statement in (f"drop owned by {quoted}", f"drop role {quoted}"):
            connection.exec_driver_sql(statement)


def test_a_reading_role_reads_all_writes_nothing_and_ends_in_time(changeable: Engine, analyst: Engine) -> None:
    with analyst.connect() as connection:
        assert connection.scalar(text("select count(*) from trials")) == 12
        assert connection.scalar(text("select verified from v_funnel")) == 2
    with analyst.connect() as connection, pytest.raises(DBAPIError, match="statement timeout"):
        connection.execute(text("select pg_sleep(60)"))
    for statement in ("delete from responses", "create table kodcode.mine (a int)", "drop view v_funnel"):
        with analyst.connect() as connection:
            # The settings are the role's to change; the rights are not.
            connection.execute(text("set default_transaction_read_only = off"))
            connection.commit()
            with pytest.raises(DBAPIError, match=r"permission denied|must be owner"):
                connection.execute(text(statement))


def test_a_reading_role_reads_views_that_were_made_anew_and_granting_again_is_fine(
    changeable: Engine, analyst: Engine
) -> None:
    with changeable.begin() as connection:
        connection.execute(text(f"update kodcode.{VIEW_TABLE} set content_hash = 'older'"))
    migrate(changeable)
    with analyst.connect() as connection:
        assert connection.scalar(text("select verified from v_funnel")) == 2
    assert not grant_reading(changeable, ROLE, 0.5)


def test_a_role_that_could_write_anyway_is_refused(told: Engine) -> None:
    with pytest.raises(GrantFailed, match="superuser, owns"):
        grant_reading(told, str(told.url.username), 1)


def test_a_role_that_could_write_by_another_is_refused_and_unchanged(changeable: Engine, analyst: Engine) -> None:
    quoted = changeable.dialect.identifier_preparer.quote_identifier(ROLE)
    with changeable.begin() as connection:
        for statement in ("create role clerk", "grant insert on kodcode.trials to clerk", f"grant clerk to {quoted}"):
            connection.exec_driver_sql(statement)
    try:
        with pytest.raises(GrantFailed, match="member of a role that may"):
            grant_reading(changeable, ROLE, 99)
        with analyst.connect() as connection:
            assert connection.scalar(text("show statement_timeout")) == "500ms"
    finally:
        with changeable.begin() as connection:
            connection.exec_driver_sql("drop owned by clerk")
            connection.exec_driver_sql("drop role clerk")


def test_a_mirror_holds_the_rows_of_the_tables(told: Engine, tmp_path: Path) -> None:
    files = {file.path.name: file.rows for file in mirror(told, tmp_path / "new" / "mirror")}
    folder = tmp_path / "new" / "mirror"
    assert {path.name for path in folder.iterdir()} == set(files)
    assert files["trials.parquet"] == 12
    for model in (Trial, Question, LlmCall):
        found = pl.read_parquet(folder / f"{model.__tablename__}.parquet").to_dicts()
        with told.connect() as connection:
            stored = connection.execute(select(model.__table__).order_by(*model.__table__.primary_key)).mappings()
            wanted = [
                {key: json.dumps(value) if isinstance(value, dict) else value for key, value in row.items()}
                for row in stored
            ]
        assert found == wanted


def test_a_mirror_is_replaced_by_a_newer_one_only_as_a_whole(changeable: Engine, tmp_path: Path) -> None:
    mirror(changeable, tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    with changeable.begin() as connection:
        connection.execute(text("delete from kodcode.responses"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))  # as on a disk that is full
    try:
        with pytest.raises(MirrorFailed, match="cannot be written"):
            mirror(changeable, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert pl.read_parquet(tmp_path / "responses.parquet").height == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    mirror(changeable, tmp_path)
    assert pl.read_parquet(tmp_path / "responses.parquet").height == 0


def test_two_mirrors_to_one_folder_do_not_meet(told: Engine, tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(lambda _: mirror(told, tmp_path), range(4)))
    assert len({tuple(file.rows for file in files) for files in made}) == 1
    assert {path.name for path in tmp_path.iterdir()} == {file.path.name for file in made[0]}
    assert all(pl.read_parquet(file.path).height == file.rows for file in made[0])
