"""Many rows at once: COPY into a temporary table, then one INSERT that leaves or updates the rows that are there."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import JSON, Connection, Dialect, Table, TypeDecorator
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.schema import Column

from tasks.store.database import StoreError
from tasks.store.schema import Base

_serial = itertools.count()


class ValueNotStorable(StoreError, ValueError):
    """A value that PostgreSQL has no room for: NaN in JSON, NUL or a lone surrogate in a list of texts."""


def copy_rows(
    connection: Connection, table: Table | type[Base], rows: Iterable[Mapping[str, Any]], update: Sequence[str] = (),
    key: Sequence[str] = (),
) -> int:
    """Insert `rows`, dictionaries of the same columns each, in the transaction of `connection`.

    Without `update`, a row that collides with one in the table (by whatever unique constraint) is left out. With it, a
    row whose primary key (or columns `key`, which need a unique constraint) is there already gets the columns `update`
    from here; of rows with the same key the last one counts. Columns that the rows lack get the schema's defaults.
    None is SQL's null, in JSON columns too; `sqlalchemy.JSON.NULL` is JSON's. Values pass through the columns' own
    types, as they do in any other statement.

    Returns the number of rows that are new. Raises ValueNotStorable, which names the row and the column, ValueError
    where rows differ in their columns, and SQLAlchemy's errors as any statement does.
    """
    target = table if isinstance(table, Table) else cast(Table, table.__table__)
    batch = list(rows)
    if not batch:
        return 0
    names = list(batch[0])
    columns = [target.columns[name] for name in names]
    by = list(key) or [column.name for column in target.primary_key.columns]
    if lacking := [name for name in (*by, *update) if name not in names]:
        raise ValueError(f"the rows for {target.name} lack the columns {lacking}")
    for row in batch:
        if row.keys() != batch[0].keys():
            differing = sorted(row.keys() ^ batch[0].keys())
            raise ValueError(f"the rows for {target.name} differ in their columns: {differing}")
    if update:
        batch = list({tuple(row[name] for name in by): row for row in batch}.values())
    dialect = connection.dialect
    values = [[_value(column, row[column.name], row, by, dialect) for column in columns] for row in batch]

    place = sql.Identifier(*(part for part in (target.schema, target.name) if part))
    fresh = sql.Identifier(f"copy_{target.name}_{next(_serial)}")
    listed, sorted_by = _list(names), _list(by)
    # By SQLAlchemy, so that it knows of the transaction that the COPY is part of.
    _execute(
        connection,
        sql.SQL("create temporary table {} on commit drop as select {} from {} with no data").format(
            fresh, listed, place
        ),
    )
    statement = sql.SQL("copy {} ({}) from stdin").format(fresh, listed)
    try:
        with cast("psycopg.Cursor[Any]", connection.connection.cursor()) as cursor, cursor.copy(statement) as copy:
            for line in values:
                copy.write_row(line)
    except psycopg.Error as error:
        raise DBAPIError.instance(f"copy {target.name}", None, error, psycopg.Error, dialect=dialect) from error
    action: sql.Composable
    if update:
        changes = sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in update)
        action = sql.SQL("({}) do update set {}").format(sorted_by, changes)
    else:
        action = sql.SQL("do nothing")
    new = _execute(
        connection,
        sql.SQL(
            # In one order everywhere: two transactions with the same rows wait for each other instead of dying.
            "with written as"
            " (insert into {} ({}) select {} from {} order by {} on conflict {} returning xmax = 0 as new)"
            " select count(*) filter (where new) from written"
        ).format(place, listed, listed, fresh, sorted_by, action),
    ).scalar_one()
    _execute(connection, sql.SQL("drop table {}").format(fresh))
    return int(new)


def _list(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


def _execute(connection: Connection, statement: sql.Composed) -> Any:
    return connection.exec_driver_sql(statement.as_string(), execution_options={"no_parameters": True})


def _value(column: Column[Any], value: Any, row: Mapping[str, Any], by: Sequence[str], dialect: Dialect) -> Any:
    """`value` as COPY takes it for `column`."""
    kind = column.type
    if isinstance(kind, TypeDecorator):
        value, kind = kind.process_bind_param(value, dialect), kind.impl_instance
    if value is None:
        return None
    try:
        if isinstance(kind, JSON):
            return "null" if value is JSON.NULL else _json(value)
        if isinstance(kind, ARRAY):
            return [_text(item) if isinstance(item, str) else item for item in value]
        return _text(value) if isinstance(value, str) else value
    except _UnfitError as error:
        which = ", ".join(f"{name}={row[name]!r:.200}" for name in by)
        raise ValueNotStorable(
            f"{column.name} of the {column.table.name} row with {which} cannot be stored: {error}."
        ) from error


def _text(value: str) -> str:
    if "\x00" in value:
        raise _UnfitError(f"it has a NUL at character {value.index(chr(0))}, which PostgreSQL texts cannot hold")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _UnfitError(f"it has a lone surrogate at character {error.start}, which is no Unicode text") from None
    return value


def _json(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise _UnfitError(f"it is no JSON: {error}") from None
    if "\\u0000" in text and _has_nul(value):  # not where a text speaks of "\u0000" in six characters
        raise _UnfitError("a text in it has a NUL, which PostgreSQL's JSON cannot hold")
    return _text(text)


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_has_nul(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(map(_has_nul, value))


class _UnfitError(Exception):
    """Why one value is not storable."""
