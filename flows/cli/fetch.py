"""The command that copies a release into a folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.context import AsJson, DataDir, backends_to_look, console, note
from tasks.fetching import fetch as copy


def fetch(
    to: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Folder of the copy: new, empty or of this release.", show_default=False),
    ],
    number: Annotated[
        int | None, typer.Argument(min=1, metavar="[N]", help="Number of the release; the newest where none is named.")
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Copy a release from the artifact store into a folder, checked by the manifest: kodcode release fetch 3 --to DIR.

    A copy that was stopped goes on with what is missing. Files of anything else in the folder are never touched: the
    command refuses.
    """
    with backends_to_look(data_dir) as backends:
        fetched = copy(backends.engine, backends.artifacts, to, release=number, note=note)
    if as_json:
        print(json.dumps(asdict(fetched)))
        return
    told = f"{fetched.fetched} of {fetched.files} files were fetched"
    console.print(f"release {fetched.release} is in {fetched.folder} ({told})", soft_wrap=True, markup=False)
