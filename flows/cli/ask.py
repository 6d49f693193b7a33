"""The commands that answer questions about the history: sql, export."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from sqlalchemy import Engine, TextClause
from sqlalchemy.exc import DBAPIError

from flows.cli.context import AsJson, DataDir, backends_to_look
from flows.cli.display import cell, cut, plain, table
from flows.cli.errors import UsageError
from tasks import history
from tasks.plaintext import printable

out = Console(highlight=False)
_TIMED_OUT = "57014"  # SQLSTATE query_canceled


def sql(
    query: Annotated[
        str | None,
        typer.Argument(help="One SQL statement, or @NAME for a query of --list; tables need no schema name."),
    ] = None,
    param: Annotated[
        list[str],
        typer.Option("--param", metavar="NAME=VALUE", help="A parameter of @NAME, null for none; repeatable."),
    ] = [],
    as_list: Annotated[bool, typer.Option("--list", help="Show the named queries, or with @NAME that one.")] = False,
    grant: Annotated[
        str | None,
        typer.Option(metavar="ROLE", help="Let this PostgreSQL role read the history, no more; make it if need be."),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.001, max=2e6, metavar="SECONDS", help="Longest time for a statement.")
    ] = 60,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header line.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Ask the database, read-only: kodcode sql "select * from v_funnel"; kodcode sql @slowest_solutions."""
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.")
    if grant is not None and (query is not None or as_list):
        raise UsageError("--grant goes without a statement and without --list.")
    named = history.named_query(query[1:]) if query and query.startswith("@") else None
    if as_list:
        _show(list(history.named_queries().values()) if named is None else [named], as_json)
        return
    if grant is not None:
        _grant(grant, timeout, data_dir)
        return
    if query is None:
        raise UsageError("Give an SQL statement or @NAME; `kodcode sql --list` shows the named queries.")
    values = _values(param)
    if named is None and values:
        raise UsageError("--param is for named queries; write the value into the statement.")
    statement = query if named is None else named.statement(values)
    with backends_to_look(data_dir) as backends:
        columns, rows = _answer(backends.engine, statement, timeout)
    if as_json:
        print(json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=plain))
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(columns)
        writer.writerows([plain(value) if isinstance(value, dict | list) else value for value in row] for row in rows)
    else:
        title = named.question if named else ""
        out.print(table(title, columns, [[cut(cell(value)) for value in row] for row in rows]))
        out.print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")


def export(
    folder: Annotated[Path, typer.Argument(help="Where TABLE.parquet are written; those of before are replaced.")],
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Copy the history, as it is at this moment, to Parquet files for DuckDB, polars and the like."""
    with backends_to_look(data_dir) as backends:
        files = history.mirror(backends.engine, folder)
    if as_json:
        print(json.dumps({file.path.stem: {"path": str(file.path), "rows": file.rows} for file in files}))
    else:
        for file in files:
            out.print(Text(printable(f"{file.path}: {file.rows:,} rows, {file.bytes / 1e6:.1f} MB")), soft_wrap=True)


def _answer(engine: Engine, statement: str | TextClause, timeout: float) -> tuple[list[str], list[list[Any]]]:
    """Names of the columns, and the rows; none of either for a statement that returns nothing."""
    with history.reading(engine, timeout) as connection:
        try:
            if isinstance(statement, str):
                # It goes to the driver as it is: a colon or a percent sign in it is SQL, not a parameter.
                result = connection.exec_driver_sql(statement.replace("%", "%%"))
            else:
                result = connection.execute(statement)
        except DBAPIError as error:
            connection.invalidate()  # after a refused COPY it cannot even roll back
            if getattr(error.orig, "sqlstate", None) == _TIMED_OUT:
                raise UsageError(
                    f"The statement took longer than {timeout:g} s; --timeout SECONDS allows more."
                ) from None
            raise UsageError(f"PostgreSQL refused the statement: {str(error.orig).strip()}") from None
        return (list(result.keys()), [list(row) for row in result]) if result.returns_rows else ([], [])


def _show(queries: list[history.NamedQuery], as_json: bool) -> None:
    if as_json:
        print(
            json.dumps(
                [
                    {"name": query.name, "question": query.question}
                    | {
                        "parameters": [
                            {"name": p.name, "type": p.kind, "default": p.default, "meaning": p.meaning}
                            for p in query.parameters
                        ]
                    }
                    for query in queries
                ],
                default=plain,
            )
        )
        return
    for query in queries:
        out.print(f"@{query.name}", style="bold", markup=False)
        out.print(f"    {query.question}", markup=False, soft_wrap=True)
        for one in query.parameters:
            default = "none" if one.default is None else one.default
            out.print(f"    --param {one.name}={default}  ({one.kind}) {one.meaning}", markup=False, soft_wrap=True)


def _values(param: list[str]) -> dict[str, str]:
    values: dict[str, str] = {}
    for entry in param:
        name, equals, value = entry.partition("=")
        if not equals or name in values:
            raise UsageError(f"--param takes NAME=VALUE, each name once, not {entry!r}.")
        values[name] = value
    return values


def _grant(role: str, timeout: float, data_dir: Path | None) -> None:
    with backends_to_look(data_dir) as backends:
        made = history.grant_reading(backends.engine, role, timeout)
    out.print(f"{role} may read the history; its statements end after {timeout:g} s.", markup=False)
    if made:
        out.print(f"It is new and has no password: set one with \\password {role} in `kodcode psql`.", markup=False)
