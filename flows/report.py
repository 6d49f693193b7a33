"""A page that shows a history: figures, and a browser of triplets."""

from __future__ import annotations

from typing import Annotated

from prefect import flow, runtime
from pydantic import Field

from tasks.report import Selection
from tasks.report_page import StoredReport, store_report
from tasks.run import recorded_run


@flow(name="report", flow_run_name="report")
async def report(run: str | None = None, release: Annotated[int, Field(ge=1)] | None = None) -> StoredReport:
    """Store one self-contained page in the artifact store and link it: figures, and a browser of the triplets.

    Args:
        run: Only what the run of this id worked on; not together with a release.
        release: Only what is in the release of this number. Without both: the whole history.
    """
    if run is not None and release is not None:
        raise ValueError("run and release exclude each other")
    async with recorded_run("report", {"run": run, "release": release}, runtime.flow_run.id):
        return await store_report(Selection(run, release))
