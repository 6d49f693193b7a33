"""What a flow leaves in Prefect's UI: the funnel of its subsets as a table."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

from prefect.artifacts import acreate_table_artifact
from sqlalchemy import update

from tasks.history import funnel
from tasks.run import current_run
from tasks.store.schema import Run as RunRow


async def publish_funnel(flow: str, subsets: Sequence[str]) -> None:
    """A table artifact `KEY-funnel`, newest version first in the UI, and the same numbers in the run's row."""
    run = current_run()
    rows = await asyncio.to_thread(funnel, run.engine, subsets)
    table = [{"subset": name, **asdict(row)} for name, row in rows.items()]
    await acreate_table_artifact(
        table,
        key=f"{flow}-funnel",
        description=f'Run `{run.run_id}`. Look further with `kodcode sql "select * from v_funnel"`.',  # noqa: S608 (a sentence)
    )
    await asyncio.to_thread(_keep, run.run_id, {"funnel": table})


def _keep(run_id: str, summary: dict[str, object]) -> None:
    run = current_run()
    with run.engine.begin() as connection:
        connection.execute(update(RunRow).where(RunRow.run_id == run_id).values(summary=summary))
