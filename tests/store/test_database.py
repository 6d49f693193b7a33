"""Connecting and migrating: errors say what to do, two processes at once are safe, models and schema agree."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from tasks.store import DatabaseUnavailable, MigrationFailed, SchemaTooNew, connect, migrate
from tasks.store import database as module
from tasks.store.schema import SCHEMA, Base
from tests.conftest import PostgresServer

# The newest revision of the migrations.
HEAD = max(path.name for path in (module.SQL_FOLDER / "migrations" / "versions").glob("*.py"))[:4]


def test_models_and_migrated_schema_agree(database: Engine) -> None:
    with database.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: (kind != "schema" or name == SCHEMA)
                and (kind != "table" or name not in (module.VERSION_TABLE, module.VIEW_TABLE)),
                "version_table_schema": SCHEMA,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        assert compare_metadata(context, Base.metadata) == []


def test_migrated_schema_is_what_the_models_would_create(database: Engine, empty_database: Engine) -> None:
    """Alembic compares neither check constraints nor the conditions of partial indexes: the catalogue does."""

    def catalogue(engine: Engine) -> set[tuple[object, ...]]:
        with engine.connect() as connection:
            rows = connection.execute(
                text(
                    "select conrelid::regclass::text, conname, pg_get_constraintdef(oid) from pg_constraint"
                    " where connamespace = to_regnamespace(:s)"
                    " union all select tablename, indexname, indexdef from pg_indexes where schemaname = :s"
                    " union all select table_name, column_name, concat_ws(' ', udt_name, is_nullable, column_default,"
                    " numeric_precision, numeric_scale) from information_schema.columns where table_schema = :s"
                ),
                {"s": SCHEMA},
            )
            own = (module.VERSION_TABLE, module.VIEW_TABLE)
            views = inspect(connection).get_view_names(SCHEMA)
            return {tuple(row) for row in rows if row[0].rpartition(".")[2] not in (*own, *views)}

    with empty_database.begin() as connection:
        connection.execute(text(f"create schema {SCHEMA}"))
        Base.metadata.create_all(connection)
    assert catalogue(database) == catalogue(empty_database)


def test_migrating_again_changes_nothing(database: Engine) -> None:
    def catalogue() -> object:
        with database.connect() as connection:
            return connection.execute(
                text("select oid, relname, xmin from pg_class where relnamespace = to_regnamespace(:s) order by 1"),
                {"s": SCHEMA},
            ).all()

    before = catalogue()
    migrate(database)
    assert catalogue() == before


def test_two_migrations_at_once_make_one_schema(empty_database: Engine) -> None:
    errors: list[BaseException] = []
    barrier = threading.Barrier(4)

    def run() -> None:
        engine = connect(empty_database.url.render_as_string(hide_password=False))
        try:
            barrier.wait()
            migrate(engine)
        except BaseException as error:  # noqa: BLE001 (handed to the test)
            errors.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with empty_database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.alembic_version")) == 1
        assert connection.scalar(text("select count(*) from kodcode.view_version")) == 1


def test_a_newer_schema_is_refused_and_left_alone(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("update kodcode.alembic_version set version_num = '9999'"))
    with pytest.raises(SchemaTooNew, match="schema version 9999") as caught:
        migrate(database)
    assert "\n" not in str(caught.value)
    assert str(database.url.password) not in str(caught.value)
    with database.connect() as connection:
        assert connection.scalar(text("select version_num from kodcode.alembic_version")) == "9999"


def test_an_upgrade_changes_columns_under_the_views_and_keeps_the_rows(
    empty_database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(module.SQL_FOLDER, tmp_path / "sql")
    monkeypatch.setattr(module, "SQL_FOLDER", tmp_path / "sql")
    (tmp_path / "sql" / "views" / "v_zz.sql").write_text("create view kodcode.v_zz as select host from kodcode.runs")
    migrate(empty_database)
    with empty_database.begin() as connection:
        connection.execute(
            text("insert into kodcode.runs (run_id, flow, parameters, code_version, host, pid)"
                 " values ('r', 'f', '{}', 'c', 'here', 1)")
        )
    revision = tmp_path / "sql" / "migrations" / "versions" / "9000_later.py"
    revision.write_text(
        f"from alembic import op\nrevision = '9000'\ndown_revision = '{HEAD}'\n"
        "def upgrade():\n    op.execute('alter table kodcode.runs alter host type varchar(100)')\n"
    )
    migrate(empty_database)
    with empty_database.connect() as connection:
        assert connection.scalar(text("select host from kodcode.v_zz")) == "here"
    # The code before the upgrade meets the database after it.
    revision.unlink()
    with pytest.raises(SchemaTooNew, match="schema version 9000"):
        migrate(empty_database)


def test_a_failing_upgrade_leaves_all_as_it_was(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(module.SQL_FOLDER, tmp_path / "sql")
    monkeypatch.setattr(module, "SQL_FOLDER", tmp_path / "sql")
    (tmp_path / "sql" / "migrations" / "versions" / "9000_later.py").write_text(
        f"from alembic import op\nrevision = '9000'\ndown_revision = '{HEAD}'\n"
        "def upgrade():\n    op.execute('drop table kodcode.seeds')\n"
        "    op.execute('alter table kodcode.none add x int')\n"
    )
    with pytest.raises(MigrationFailed, match="as it was"):
        migrate(database)
    with database.connect() as connection:
        assert connection.scalar(text("select version_num from kodcode.alembic_version")) == HEAD
        assert inspect(connection).has_table("seeds", SCHEMA)
        assert inspect(connection).get_view_names(SCHEMA)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_common_url_schemes_open_the_database(database: Engine, scheme: str) -> None:
    engine = connect(database.url.set(drivername="postgresql").render_as_string(hide_password=False).replace(
        "postgresql", scheme, 1))
    with engine.connect() as connection:
        assert connection.scalar(text("select 1")) == 1
    assert engine.dialect.driver == "psycopg"
    engine.dispose()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"password": "wrong-secret"}, "password authentication failed"),
        ({"port": 1}, "Connection refused|connection failed"),
        ({"database": "absent"}, "does not exist"),
    ],
)
def test_an_unusable_database_is_explained_without_the_password(
    database: Engine, change: dict[str, object], said: str
) -> None:
    engine = connect(database.url.set(**change).render_as_string(hide_password=False))  # type: ignore[arg-type]
    with pytest.raises(DatabaseUnavailable, match=said) as caught:
        migrate(engine)
    assert "KODCODE_DATABASE_URL" in str(caught.value)
    for secret in (str(database.url.password), "wrong-secret"):
        assert secret not in str(caught.value)
    engine.dispose()


@pytest.mark.parametrize("url", ["sqlite:///x.db", "mysql://u:hush@h/d", "hush", "", "postgresql://u:hush@h:port/d"])
def test_a_url_that_is_not_postgresql_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match="postgresql://USER") as caught:
        connect(url)
    assert "hush" not in str(caught.value)


def test_a_user_without_rights_is_told_so(database: Engine) -> None:
    with database.begin() as connection:
        connection.execute(text("drop schema kodcode cascade"))
        connection.execute(text("drop role if exists reader"))
        connection.execute(text("create role reader login password 'x'"))
    engine = connect(database.url.set(username="reader", password="x").render_as_string(hide_password=False))
    with pytest.raises(DatabaseUnavailable, match="may not create the schema"):
        migrate(engine)
    engine.dispose()


def test_a_database_that_cannot_keep_every_text_is_refused(postgres: PostgresServer) -> None:
    with postgres.admin.connect() as connection:
        connection.execute(text("create database narrow encoding 'LATIN1' locale 'C' template template0"))
    engine = connect(postgres.url("narrow"))
    with pytest.raises(DatabaseUnavailable, match=r"encoding LATIN1.*encoding 'UTF8'"):
        migrate(engine)
    assert not inspect(engine).has_schema(SCHEMA)
    engine.dispose()
    postgres.drop("narrow")


class TestViews:
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "views").mkdir()
        (tmp_path / "migrations").symlink_to(module.SQL_FOLDER / "migrations")
        monkeypatch.setattr(module, "SQL_FOLDER", tmp_path)
        self.views = tmp_path / "views"

    def shown(self, engine: Engine, name: str) -> list[str]:
        with engine.connect() as connection:
            return list(connection.execute(text(f"select * from kodcode.{name}")).keys())

    def test_are_made_in_order_and_follow_their_files(self, database: Engine) -> None:
        (self.views / "10_base.sql").write_text(
            "create view kodcode.base as select run_id, 5 % 2 as odd from kodcode.runs where flow like 'a%';"
            "comment on view kodcode.base is '100 %';"
        )
        (self.views / "20_top.sql").write_text("create view kodcode.top as select odd from kodcode.base;")
        migrate(database)
        assert self.shown(database, "top") == ["odd"]
        # Fewer columns: `create or replace` alone could not do that.
        (self.views / "10_base.sql").write_text("create view kodcode.base as select 1 as odd;")
        migrate(database)
        assert self.shown(database, "base") == ["odd"]
        (self.views / "20_top.sql").unlink()
        migrate(database)
        with database.connect() as connection:
            assert inspect(connection).get_view_names(SCHEMA) == ["base"]

    def test_of_users_stop_a_change_with_their_name_and_lose_nothing(self, database: Engine) -> None:
        (self.views / "base.sql").write_text("create view kodcode.base as select 1 as a;")
        migrate(database)
        with database.begin() as connection:
            connection.execute(text("create view public.mine as select a from kodcode.base"))
        (self.views / "base.sql").write_text("create view kodcode.base as select 2 as b;")
        with pytest.raises(MigrationFailed, match="depend"):
            migrate(database)
        assert self.shown(database, "base") == ["a"]

    def test_that_are_wrong_name_their_file_and_change_nothing(self, empty_database: Engine) -> None:
        (self.views / "broken.sql").write_text("create view kodcode.broken as selec 1")
        with pytest.raises(MigrationFailed, match=r"broken\.sql .*syntax error"):
            migrate(empty_database)
        with empty_database.connect() as connection:
            assert connection.scalar(text("select to_regnamespace('kodcode')")) is None
