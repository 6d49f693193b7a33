"""Reading the history with SQL: in a transaction that cannot write, or by a role that may only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import psycopg
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from tasks.store.schema import SCHEMA

# Compiling takes longer than the queries of this project do; joins of whole tables shall not go by disk.
_SETTINGS = {"jit": "off", "work_mem": "64MB"}

# What is revoked from a role it may still have from one that it is a member of, and can act as.
_MAY_WRITE = text(
    "select exists (select from pg_roles r, pg_tables t where t.schemaname = :schema"
    " and pg_has_role(:role, r.oid, 'member') and (r.rolsuper or r.rolname = t.tableowner"
    " or has_table_privilege(r.oid, format('%I.%I', t.schemaname, t.tablename), 'insert, update, delete, truncate')))"
)


class GrantFailed(Exception):
    """The role could not be made, or given its rights; the message says why."""


@contextmanager
def reading(engine: Engine, timeout_s: float) -> Iterator[Connection]:
    """A connection whose statements cannot write, end after `timeout_s` seconds, and need no schema name.

    A text is one statement: PostgreSQL refuses several, as the first could end the transaction that cannot write.
    """
    with engine.connect() as connection:
        connection.execute(text("set transaction read only"))
        connection.execute(text(f"set local search_path = {SCHEMA}, public"))
        for name, value in _SETTINGS.items():
            connection.execute(text(f"set local {name} = '{value}'"))
        connection.execute(
            text("select set_config('statement_timeout', :timeout, true)"), {"timeout": f"{round(timeout_s * 1000)}ms"}
        )
        driver = cast("psycopg.Connection", connection.connection.driver_connection)
        before, driver.prepare_threshold = driver.prepare_threshold, 0  # only what is not prepared may be several
        try:
            yield connection
        finally:
            driver.prepare_threshold = before


def grant_reading(engine: Engine, role: str, timeout_s: float) -> bool:
    """Let `role` read every table and view, those of later versions too, and nothing else; True where it was made.

    A role that is made here can log in, but has no password yet. Its transactions begin read-only and its statements
    end after `timeout_s` seconds: that spares the server from accidents, and is the role's to change; that it cannot
    write is not. Raises GrantFailed.
    """
    quoted = engine.dialect.identifier_preparer.quote_identifier(role)
    database = engine.dialect.identifier_preparer.quote_identifier(engine.url.database or "")
    try:
        with engine.begin() as connection:
            found = connection.scalar(text("select true from pg_roles where rolname = :role"), {"role": role})
            statements = [] if found else [f"create role {quoted} login"]
            statements += [
                f"grant connect on database {database} to {quoted}",
                f"grant usage on schema {SCHEMA} to {quoted}",
                f"revoke all on all tables in schema {SCHEMA} from {quoted}",
                f"grant select on all tables in schema {SCHEMA} to {quoted}",
                # Views are made anew when they change: what is made later can be read as well.
                f"alter default privileges in schema {SCHEMA} grant select on tables to {quoted}",
                f"alter role {quoted} set default_transaction_read_only = on",
                f"alter role {quoted} set statement_timeout = '{round(timeout_s * 1000)}ms'",
                *(f"alter role {quoted} set {name} = '{value}'" for name, value in _SETTINGS.items()),
                f"alter role {quoted} set search_path = {SCHEMA}, public",
            ]
            for statement in statements:
                connection.exec_driver_sql(statement)  # the quoting has doubled percent signs
            if connection.scalar(_MAY_WRITE, {"role": role, "schema": SCHEMA}):
                raise GrantFailed(
                    f"The role {role} could still write: it is a superuser, owns the tables, or is a member of a role "
                    "that may. Name another."
                )
    except DBAPIError as error:
        raise GrantFailed(f"PostgreSQL refused to let {role} read: {str(error.orig).strip()}") from error
    return not found
