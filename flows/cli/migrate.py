"""The command that moves everything to other servers: migrate-data."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.context import AsJson, DataDir, backends_to_look, note
from flows.cli.display import table
from flows.cli.errors import UsageError
from tasks.store import connect, move, open_artifacts

out = Console(highlight=False)


def migrate_data(
    to_database: Annotated[
        str | None,
        typer.Option(envvar="KODCODE_TO_DATABASE_URL", help="postgresql://... of an empty database; else it stays."),
    ] = None,
    to_artifacts: Annotated[
        str | None,
        typer.Option(envvar="KODCODE_TO_ARTIFACTS_URL", help="s3://BUCKET[/PREFIX] or file:///FOLDER; else it stays."),
    ] = None,
    to_s3_endpoint: Annotated[
        str | None,
        typer.Option(envvar="KODCODE_TO_S3_ENDPOINT_URL", help="Of an S3-compatible server that is not AWS."),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Copy rows and objects, of the embedded servers too, to an external PostgreSQL and artifact store.

    Everything is compared by count and hash, the source stays as it is, and the same command continues what was
    stopped. Give the addresses in the environment: a command line is seen by all users of the machine.
    """
    if to_database is None and to_artifacts is None:
        raise UsageError("Say where to: KODCODE_TO_DATABASE_URL, KODCODE_TO_ARTIFACTS_URL, or both.")
    with contextlib.ExitStack() as opened:
        # Addresses that cannot be read are refused before a server is started for them.
        target = connect(to_database) if to_database else None
        artifacts = open_artifacts(to_artifacts, to_s3_endpoint) if to_artifacts else None
        if target is not None:
            opened.callback(target.dispose)
        backends = opened.enter_context(backends_to_look(data_dir))
        moved = move(
            backends.engine, target or backends.engine, backends.artifacts, artifacts or backends.artifacts, note
        )
    if as_json:
        print(json.dumps(asdict(moved)))
        return
    rows: list[tuple[str, int]] = [*moved.tables.items(), ("objects", moved.objects)]
    out.print(table("Compared with the source", ("table", "rows"), [row for row in rows if row[1]]))
    names = [name for name, given in (("DATABASE_URL", to_database), ("ARTIFACTS_URL", to_artifacts)) if given]
    out.print(f"Now set {' and '.join(f'KODCODE_{name}' for name in names)} to these addresses for all that runs.")
