"""The command that makes a page to look at."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from flows.cli.context import AsJson, DataDir, backends_to_look
from flows.cli.errors import UsageError
from tasks.plaintext import printable
from tasks.report import Selection, make_report

out = Console(highlight=False)


def report(
    run: Annotated[str | None, typer.Option(metavar="ID", help="Only what this run worked on.")] = None,
    release: Annotated[int | None, typer.Option(min=1, metavar="N", help="Only what is in this release.")] = None,
    to: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the page is written.")] = Path(
        "report.html"
    ),
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write one page with the figures of the history, a run or a release, and a browser of its triplets.

    It holds all it shows, up to 10,000 triplets, and asks for nothing from the network.
    """
    if run is not None and release is not None:
        raise UsageError("--run and --release exclude each other.")
    with backends_to_look(data_dir) as backends:
        made = make_report(backends.engine, backends.artifacts, Selection(run, release), to)
    if as_json:
        print(json.dumps(asdict(made) | {"path": str(made.path)}))
        return
    left_out = f", {made.left_out:,} more were left out" if made.left_out else ""
    said = f"{made.path}: {made.triplets:,} triplets{left_out}, {made.bytes / 1e6:.1f} MB"
    out.print(Text(printable(said)), soft_wrap=True)
