"""The command that publishes a release on the Hugging Face Hub."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.cli.context import AsJson, DataDir, console, note, settings_for
from tasks.backends import Backends
from tasks.hub import push as publish


def push(
    repo: Annotated[str, typer.Option(help="ORG/NAME of the dataset; made where there is none.", show_default=False)],
    release: Annotated[
        int | None, typer.Option(min=1, help="Number of the release.", show_default="the newest")
    ] = None,
    private: Annotated[
        bool, typer.Option("--private", help="Make the dataset private; refuse where it is public already.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Publish a release on the Hugging Face Hub, in one commit: HF_TOKEN=... kodcode release push --repo ORG/NAME.

    The token is that of HF_TOKEN or `hf auth login`, and is stored nowhere. A push that was stopped has published
    nothing; the same command goes on and sends only what is missing. Files of another release that are in the dataset
    are removed by the same commit.
    """
    backends = Backends.open(settings_for(data_dir), note=note, orchestrated=False)
    try:
        pushed = publish(backends.engine, backends.artifacts, repo, release=release, private=private, note=note)
    finally:
        backends.close()
    if as_json:
        print(json.dumps(asdict(pushed)))
        return
    done = f"{len(pushed.changed)} files changed, {len(pushed.removed)} removed" if pushed.changed else "it was there"
    console.print(f"release {pushed.release} is at {pushed.url} ({done})", soft_wrap=True, markup=False)
