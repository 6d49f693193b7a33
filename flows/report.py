"""A page that shows a history: figures, and a browser of triplets."""

from __future__ import annotations

from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from tasks.options import Blank
from tasks.report import Selection
from tasks.report_page import StoredReport, store_report
from tasks.run import recorded_run


def _what() -> str:
    asked = flow_run.parameters
    if asked.get("release"):
        return f"report on release {asked['release']}"
    return f"report on run {asked['run']}" if asked.get("run") else "report on the whole history"


@flow(name="report", flow_run_name=_what)
async def report(run: str | Blank = "", release: Annotated[int, Field(ge=0)] | Blank = 0) -> StoredReport:
    """Store one self-contained page in the artifact store and link it: figures, and a browser of the triplets.

    Args:
        run: Only what the run of this id worked on, if not empty; not together with a release.
        release: Only what is in the release of this number, if not 0. Without both: the whole history.
    """
    if run and release:
        raise ValueError("run and release exclude each other")
    async with recorded_run("report", {"run": run or None, "release": release or None}, flow_run.id):
        return await store_report(Selection(run or None, release or None))
