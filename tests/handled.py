"""A stage's rows handled as one shard, without Prefect."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.drain import shard_task
from tasks.run import Run
from tasks.shards import claim, plan
from tasks.work import Work


async def handled(run: Run, stage: str, work: Work, rows: Sequence[str]) -> dict[str, int]:
    """How many of the rows ended with which status. `run` must be the current one."""
    planned = plan(run.engine, run.run_id, stage, work.model_dump(mode="json"), rows, max(1, len(rows)))
    lease = claim(run.engine, run.run_id, run.settings.lease_s, planned.shard_ids)
    return {} if lease is None else await shard_task.fn(lease)
