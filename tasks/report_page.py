"""The report as a stage: makes the page, stores it, and tells in Prefect's UI where it lies."""

from __future__ import annotations

import asyncio
import logging
import shlex
import socket
import tempfile
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.artifacts import acreate_markdown_artifact
from prefect.cache_policies import NO_CACHE

from tasks.plaintext import markdown
from tasks.report import Selection, make_report
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import Run, current_run
from tasks.shown import shown

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredReport:
    """Where the page lies: `url` for people, `key` in the artifact store, `path` where that is a folder."""

    url: str
    key: str
    triplets: int
    path: Path | None = None


@task(name="report", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def store_report(selection: Selection) -> StoredReport:
    """Put the page about `selection` into the artifact store, and how to open it beside the flow run.

    Raises UnknownSelection or NothingToReport.
    """
    run = current_run()
    stored = await asyncio.to_thread(_store, run, selection)
    told = acreate_markdown_artifact(_told(stored, selection), key="report", description=selection.title)
    await shown("how to open the report", told, log)
    return stored


def _store(run: Run, selection: Selection) -> StoredReport:
    artifacts = run.backends.artifacts
    with tempfile.TemporaryDirectory(prefix="kodcode-report-") as folder:
        made = make_report(run.engine, artifacts, selection, Path(folder) / "report.html")
        key = f"reports/{run.run_id}.html"
        artifacts.put_file(made.path, key)
    local = artifacts.local_path(key)
    return StoredReport(local.as_uri() if local is not None else artifacts.url(key), key, made.triplets, local)


def _told(stored: StoredReport, selection: Selection) -> str:
    """Commands, for no browser follows a link from the UI's page to a file of a machine or an object of S3."""
    option = {"--run": selection.run_id, "--release": selection.release_id}
    again = ["kodcode", "report", *(part for name, value in option.items() if value for part in (name, str(value)))]
    if (path := stored.path) is not None:
        fetch = f"xdg-open {shlex.quote(str(path))}   # on {socket.gethostname()}; macOS: open"
    else:
        fetch = f"aws s3 cp {shlex.quote(stored.url)} report.html"
    return (
        f"# {markdown(selection.title)}\n\n{selection.meaning} {stored.triplets:,} triplets can be read in it.\n\n"
        f"```sh\n{fetch}\n{shlex.join(again)}   # or make it anew\n```"
    )
