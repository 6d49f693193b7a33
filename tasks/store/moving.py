"""Moves everything to another database and another artifact store: copied, compared, and the source left as it is.

Objects go first, for rows name them. A table is copied in one transaction, so that a move that was stopped finds each
table whole or empty and goes on from there; an object is written whole or not at all. What the rollup sums is not
copied but counted anew from the rows that arrived.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import Engine, Table

from tasks.store.artifacts import ArtifactStore
from tasks.store.blobs import Blobs
from tasks.store.database import StoreError, migrate
from tasks.store.schema import ROLLUPS, SCHEMA, Base

_AT_ONCE = 8  # objects
_RELEASES = "releases"
# Of a row's text, so that it does not depend on how the two servers order rows; 60 bits, added up without overflow.
_CHECKSUM = "coalesce(sum(('x' || left(md5(row_text), 15))::bit(60)::bigint), 0)"


class MoveRefused(StoreError):
    """The move cannot begin, and nothing was changed: the message says what stands in its way."""


class MoveFailed(StoreError):
    """What arrived is not what was sent."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What the target holds now, compared with the source; `copied` of it in this move, the rest by earlier ones."""

    objects: int
    objects_copied: int
    object_bytes: int
    tables: dict[str, int]  # rows
    tables_copied: int


def move(
    source: Engine,
    target: Engine,
    source_artifacts: ArtifactStore,
    target_artifacts: ArtifactStore,
    note: Callable[[str], None] = lambda _: None,
) -> Moved:
    """Copy what `source` does not share with `target` already, and prove it by counts and hashes.

    Where both engines, or both stores, are the same object, that part stays where it is.

    Raises MoveRefused where runs are under way, the target holds other rows, or is the source by another name;
    MoveFailed where something arrived changed, and what the stores raise.
    """
    _refuse_runs(source)
    if target_artifacts is not source_artifacts:
        target_artifacts.check()
        _refuse_same_objects(source_artifacts.blobs, target_artifacts.blobs)
    if target is not source:
        migrate(target)
        _refuse_same_database(source, target)
    objects = copied = size = 0
    if target_artifacts is not source_artifacts:
        note(f"objects: {source_artifacts.url()} -> {target_artifacts.url()}")
        objects, copied, size = _move_objects(source_artifacts.blobs, target_artifacts.blobs, note)
    if source is target:
        with _session(source) as connection:
            connection.execute(
                sql.SQL("update {} set path = {}").format(
                    sql.Identifier(SCHEMA, _RELEASES), _address(sql.Identifier("path"), target_artifacts)
                )
            )
            connection.commit()
        return Moved(objects, copied, size, {}, 0)
    try:
        tables, tables_copied = _move_tables(source, target, target_artifacts, note)
    except psycopg.Error as error:
        raise MoveFailed(
            f"PostgreSQL ended the move: {str(error).strip()}. What was copied stays; run the same command again."
        ) from error
    return Moved(objects, copied, size, tables, tables_copied)


def _refuse_runs(source: Engine) -> None:
    with source.connect() as connection:
        running = connection.exec_driver_sql(
            f"select count(*) from {SCHEMA}.runs where status = 'running' and alive_until > clock_timestamp()"  # noqa: S608
        ).scalar_one()
    if running:
        raise MoveRefused(
            f"{running} runs are under way: what they write would be left behind. Stop them and their workers first."
        )


def _refuse_same_database(source: Engine, target: Engine) -> None:
    """Two addresses may name one database: only there does a lock that one session holds keep another out."""
    lock, free = "select pg_advisory_xact_lock(%s)", "select pg_try_advisory_xact_lock(%s)"
    key = (secrets.randbits(62),)
    with source.connect() as ours, target.connect() as theirs:
        ours.exec_driver_sql(lock, key)
        if not theirs.exec_driver_sql(free, key).scalar_one():
            raise MoveRefused(
                "Both addresses name the same database. Name another, or none to move the artifacts alone."
            )


def _refuse_same_objects(source: Blobs, target: Blobs) -> None:
    """Two addresses may name one place, or a place inside the other: what is written to one appears in the other."""
    probe = f"probe/{secrets.token_hex(16)}"
    ours, theirs = source.local_path(probe), target.local_path(probe)
    target.put(probe, b"probe")
    try:
        if any(key.endswith(probe) for key in source.list()) or (
            # A server may not notice at once what is written to the folder that it serves.
            ours and theirs and theirs.resolve().is_relative_to(ours.resolve().parents[1])
        ):
            raise MoveRefused(
                f"What is written to {target.url()} appears in {source.url()}: the artifacts are there already, or "
                "would be copied into themselves. Name another place, or none to move the database alone."
            )
    finally:
        target.delete(probe)


def _move_objects(source: Blobs, target: Blobs, note: Callable[[str], None]) -> tuple[int, int, int]:
    """Objects, how many of them were copied now, and bytes of all."""

    def one(key: str) -> tuple[bool, int]:
        data = source.get(key)
        missing = target.size(key) != len(data)
        if missing:
            target.put(key, data)
        if hashlib.sha256(target.get(key)).digest() != hashlib.sha256(data).digest():
            raise MoveFailed(
                f"{target.url(key)} is not what {source.url(key)} is. Delete it, see that nothing else writes there, "
                "and run the same command again."
            )
        return missing, len(data)

    objects = copied = size = 0
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for missing, length in pool.map(one, source.list()):
            objects, copied, size = objects + 1, copied + missing, size + length
            if objects % 1000 == 0:
                note(f"{objects:,} objects, {size / 1e9:.1f} GB")
    return objects, copied, size


def _move_tables(
    source: Engine, target: Engine, artifacts: ArtifactStore, note: Callable[[str], None]
) -> tuple[dict[str, int], int]:
    """Rows by table, and how many tables were copied now. All are read at one moment."""
    rows: dict[str, int] = {}
    copied = 0
    with _session(source) as reading, _session(target) as writing:
        reading.execute("set transaction isolation level repeatable read read only")
        for table in Base.metadata.sorted_tables:  # a table after those that it refers to
            if table in ROLLUPS:
                continue
            content = _content(table, artifacts)
            wanted = _fingerprint(reading, content)
            found = _fingerprint(writing, _content(table))
            if found != wanted:
                if found[0]:
                    raise MoveRefused(
                        f"The table {table.name} of the target holds {found[0]:,} rows that are not those of the "
                        f"source ({wanted[0]:,}). Name an empty database, or empty that one with: drop schema "
                        f"{SCHEMA} cascade."
                    )
                note(f"{table.name}: {wanted[0]:,} rows")
                _copy(reading, writing, table, content)
                if (found := _fingerprint(writing, _content(table))) != wanted:
                    raise MoveFailed(
                        f"The table {table.name} arrived with {found[0]:,} of {wanted[0]:,} rows, or changed ones. It "
                        "was taken back; run the same command again."
                    )
                copied += 1
            writing.commit()
            rows[table.name] = wanted[0]
        note("sums over the history")
        writing.execute(sql.SQL("select {}()").format(sql.Identifier(SCHEMA, "rebuild_rollup")))
        writing.commit()
    return rows, copied


@contextmanager
def _session(engine: Engine) -> Iterator[psycopg.Connection[Any]]:
    """A connection whose values look the same on every server."""
    pooled = engine.raw_connection()
    try:
        connection = cast("psycopg.Connection[Any]", pooled.driver_connection)
        connection.execute("select set_config('TimeZone', 'UTC', false), set_config('extra_float_digits', '1', false)")
        connection.commit()
        yield connection
    finally:
        pooled.invalidate()  # with these settings it is nobody else's


def _content(table: Table, artifacts: ArtifactStore | None = None) -> sql.Composed:
    """A query of all rows; with `artifacts`, releases have their addresses there."""
    columns = []
    for column in table.columns:
        name = sql.Identifier(column.name)
        if artifacts is not None and (table.name, column.name) == (_RELEASES, "path"):
            columns.append(sql.SQL("{} as {}").format(_address(name, artifacts), name))
        else:
            columns.append(sql.SQL("{}").format(name))
    return sql.SQL("select {} from {}").format(sql.SQL(", ").join(columns), sql.Identifier(SCHEMA, table.name))


def _address(path: sql.Identifier, artifacts: ArtifactStore) -> sql.Composed:
    """Where a release lies among these artifacts."""
    base = str(artifacts.local_path(_RELEASES) or artifacts.url(_RELEASES)).removesuffix(f"/{_RELEASES}")
    return sql.SQL("coalesce({} || substring({path} from {}), {path})").format(
        sql.Literal(base), sql.Literal(f"^.*(/{_RELEASES}/[0-9]+.*)$"), path=path
    )


def _fingerprint(connection: psycopg.Connection[Any], content: sql.Composed) -> tuple[int, int]:
    query = sql.SQL("select count(*), {} from (select rows::text as row_text from ({}) rows) texts").format(
        sql.SQL(_CHECKSUM), content
    )
    row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _copy(
    reading: psycopg.Connection[Any], writing: psycopg.Connection[Any], table: Table, content: sql.Composed
) -> None:
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns)
    place = sql.Identifier(SCHEMA, table.name)
    out = sql.SQL("copy ({}) to stdout (format binary)").format(content)
    into = sql.SQL("copy {} ({}) from stdin (format binary)").format(place, names)
    triggers = sql.SQL("alter table {} {} trigger user")
    writing.execute(triggers.format(place, sql.SQL("disable")))  # those of the rollup, which is counted afterwards
    with reading.cursor().copy(out) as source, writing.cursor().copy(into) as target:
        for block in source:
            target.write(block)
    writing.execute(triggers.format(place, sql.SQL("enable")))
    for column in table.columns:
        if column.identity is not None:
            writing.execute(
                sql.SQL("select setval(pg_get_serial_sequence({}, {}), greatest(max({}), 1)) from {}").format(
                    sql.Literal(f"{SCHEMA}.{table.name}"), sql.Literal(column.name), sql.Identifier(column.name), place
                )
            )
