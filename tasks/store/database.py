"""Opens the database and brings its schema and views to the state this code needs."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.pool import Pool

from tasks.store.schema import SCHEMA

if TYPE_CHECKING:
    from alembic.config import Config

SQL_FOLDER = Path(__file__).resolve().parents[2] / "sql"
OLDEST_SERVER = 14
VERSION_TABLE = "alembic_version"
VIEW_TABLE = "view_version"  # which files the views were made from; made by the first migration
# One number for every process that migrates; "kodcode" in ASCII.
_MIGRATION_LOCK = int.from_bytes(b"kodcode", "big")


class StoreError(Exception):
    """The store cannot be used; the message says why, and what to do."""


class DatabaseUnavailable(StoreError):
    """No server there, wrong password, no such database, or no right to use it."""


class SchemaTooNew(StoreError):
    """The database was migrated by a newer version of this project."""


class MigrationFailed(StoreError):
    """The schema or a view could not be changed; the database is as it was."""


def connect(url: str, *, pool_size: int = 5, poolclass: type[Pool] | None = None) -> Engine:
    """Engine of a PostgreSQL database (psycopg 3); connects when it is first used.

    Raises DatabaseUnavailable where `url` is no PostgreSQL URL. The message does not repeat it: it holds a password.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise DatabaseUnavailable(
            "The database URL cannot be read. Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with special "
            "characters of the password percent-encoded."
        ) from None
    if parsed.get_backend_name() not in ("postgresql", "postgres"):
        raise DatabaseUnavailable(
            f"The database URL begins with {parsed.drivername}://, but the pipeline needs PostgreSQL. Write "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE."
        )
    parsed = parsed.set(drivername="postgresql+psycopg")
    # A server whose machine is gone says nothing: without these, a statement would wait for a quarter of an hour, and
    # an idle connection for two hours.
    silence = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "tcp_user_timeout": 60_000}
    arguments: dict[str, object] = {"connect_timeout": 10, "application_name": "kodcode", **silence}
    arguments = {name: value for name, value in arguments.items() if name not in parsed.query}
    if poolclass is not None:
        return create_engine(parsed, poolclass=poolclass, connect_args=arguments)
    return create_engine(
        parsed, pool_pre_ping=True, pool_size=pool_size, max_overflow=2 * pool_size, connect_args=arguments
    )


def migrate(engine: Engine) -> None:
    """Create or upgrade the schema and the views of `sql/views`; nothing happens where both are current.

    Two processes at once are safe: the second waits, then finds nothing to do. All is one transaction.
    Raises DatabaseUnavailable, SchemaTooNew or MigrationFailed.
    """
    try:
        connection = engine.connect()
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailable(_unavailable(engine, error)) from error
    with connection:
        try:
            with connection.begin():
                _migrate(connection)
        except ProgrammingError as error:
            if _sqlstate(error) == "42501":
                raise DatabaseUnavailable(
                    f"The user of {_shown(engine)} may not create the schema {SCHEMA}: {_first_line(error)}. Grant it "
                    "CREATE on the database, or let the owner run `kodcode up` once."
                ) from error
            raise MigrationFailed(_unchanged(engine, error)) from error
        except DBAPIError as error:
            if _sqlstate(error) == "2BP01":
                raise MigrationFailed(
                    f"A view of {SCHEMA} has changed, and views of your own depend on it: {_first_line(error)}. Drop "
                    "them, run again, and create them anew; views in a schema of your own that select from tables "
                    "are not affected."
                ) from error
            if isinstance(error, OperationalError | InterfaceError):
                raise DatabaseUnavailable(_unavailable(engine, error)) from error
            raise MigrationFailed(_unchanged(engine, error)) from error


def alembic_config(connection: Connection) -> Config:
    """Alembic's configuration for one open connection; there is no alembic.ini."""
    from alembic.config import Config  # noqa: PLC0415 (slow to import; only who migrates needs it)

    config = Config()
    config.set_main_option("script_location", str(SQL_FOLDER / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 (slow to import; only who migrates needs it)
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    major = int((connection.dialect.server_version_info or (0,))[0])
    if major < OLDEST_SERVER:
        raise DatabaseUnavailable(
            f"{_shown(connection.engine)} is PostgreSQL {major}; version {OLDEST_SERVER} or newer is needed."
        )
    encoding = connection.scalar(text("select current_setting('server_encoding')"))
    if encoding != "UTF8":
        raise DatabaseUnavailable(
            f"The database at {_shown(connection.engine)} has the encoding {encoding}, in which not every text can be "
            "kept. Create one with: create database NAME encoding 'UTF8' template template0."
        )
    connection.execute(text("select pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    config = alembic_config(connection)
    script = ScriptDirectory.from_config(config)
    head = script.get_current_head()
    current = _current_revision(connection)
    known = {revision.revision for revision in script.walk_revisions()}
    if current is not None and current not in known:
        raise SchemaTooNew(
            f"The database at {_shown(connection.engine)} has schema version {current}, which this version of kodcode "
            "does not know: a newer one has used it. Update this checkout, or choose another database or --data-dir. "
            "Nothing was changed."
        )
    wanted = _views_hash()
    made_from, names = _made_views(connection) if current is not None else (None, [])
    if current == head and made_from == wanted:
        return
    # Views go first: they would keep the columns they show from being changed.
    for name in reversed(names):
        quoted = connection.dialect.identifier_preparer.quote(name)
        connection.exec_driver_sql(f"drop view if exists {SCHEMA}.{quoted}")
    if current != head:
        command.upgrade(config, "head")
    before = set(_views(connection))
    for path in _view_files():
        # The driver's cursor takes the file as it is: percent signs and several statements included.
        cursor = connection.connection.cursor()
        try:
            cursor.execute(path.read_text("utf-8"))
        except connection.dialect.dbapi.Error as error:  # type: ignore[union-attr]
            problem = str(error).splitlines()[0]
            raise MigrationFailed(f"{path.name} of sql/views cannot be executed: {problem}") from error
        finally:
            cursor.close()
    made = [name for name in _views(connection) if name not in before]
    connection.execute(text(f"delete from {SCHEMA}.{VIEW_TABLE}"))  # noqa: S608 (constants)
    connection.execute(
        text(f"insert into {SCHEMA}.{VIEW_TABLE} (content_hash, views) values (:hash, :views)"),  # noqa: S608
        {"hash": wanted, "views": made},
    )


def _current_revision(connection: Connection) -> str | None:
    if connection.scalar(text("select to_regclass(:name)"), {"name": f"{SCHEMA}.{VERSION_TABLE}"}) is None:
        return None
    found = connection.scalar(text(f"select version_num from {SCHEMA}.{VERSION_TABLE}"))  # noqa: S608 (constants)
    return None if found is None else str(found)


def _view_files() -> list[Path]:
    return sorted((SQL_FOLDER / "views").glob("*.sql"))


def _views_hash() -> str:
    digest = hashlib.sha256()
    for path in _view_files():
        content = path.read_bytes()
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _made_views(connection: Connection) -> tuple[str | None, list[str]]:
    row = connection.execute(text(f"select content_hash, views from {SCHEMA}.{VIEW_TABLE}")).first()  # noqa: S608
    return (None, []) if row is None else (row.content_hash, list(row.views))


def _views(connection: Connection) -> list[str]:
    """Views of the schema, oldest first."""
    return list(
        connection.scalars(
            text("select relname from pg_class where relkind = 'v' and relnamespace = to_regnamespace(:s) "
                 "order by oid"),
            {"s": SCHEMA},
        )
    )


def _shown(engine: Engine) -> str:
    return engine.url.set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def _first_line(error: DBAPIError) -> str:
    lines = [line for line in str(error.orig).splitlines() if line.strip()]
    return lines[0] if lines else type(error.orig).__name__


def _sqlstate(error: DBAPIError) -> str | None:
    return getattr(error.orig, "sqlstate", None)


def _unchanged(engine: Engine, error: DBAPIError) -> str:
    return f"The schema of {_shown(engine)} could not be changed, and is as it was: {_first_line(error)}"


def _unavailable(engine: Engine, error: DBAPIError) -> str:
    return (
        f"The database at {_shown(engine)} cannot be used: {_first_line(error)}. Check that the server runs, and the "
        "host, port, user, password and database name of KODCODE_DATABASE_URL (`kodcode status` shows the embedded "
        "server)."
    )
