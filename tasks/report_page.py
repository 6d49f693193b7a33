"""The report as a stage: makes the page, stores it, and links it in Prefect's UI."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from prefect import task
from prefect.artifacts import acreate_link_artifact
from prefect.cache_policies import NO_CACHE

from tasks.report import Selection, make_report
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import Run, current_run
from tasks.shown import shown

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StoredReport:
    """Where the page lies: `url` for people, `key` in the artifact store."""

    url: str
    key: str
    triplets: int


@task(name="report", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def store_report(selection: Selection) -> StoredReport:
    """Put the page about `selection` into the artifact store, and a link to it beside the flow run.

    Raises UnknownSelection or NothingToReport.
    """
    run = current_run()
    stored = await asyncio.to_thread(_store, run, selection)
    link = acreate_link_artifact(
        link=stored.url, link_text=selection.title, key="report", description=f"{selection.title}. {selection.meaning}"
    )
    await shown("the link to the report", link, log)
    return stored


def _store(run: Run, selection: Selection) -> StoredReport:
    artifacts = run.backends.artifacts
    with tempfile.TemporaryDirectory(prefix="kodcode-report-") as folder:
        made = make_report(run.engine, artifacts, selection, Path(folder) / "report.html")
        key = artifacts.put_file(made.path, f"reports/{run.run_id}.html").key
    local = artifacts.local_path(key)
    return StoredReport(local.as_uri() if local is not None else artifacts.url(key), key, made.triplets)
