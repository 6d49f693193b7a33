"""A worker on another machine: claims shards of a run until the run has ended. Started by the run itself."""

from __future__ import annotations

from prefect import flow, runtime

from tasks.drain import drain_for


@flow(name="drain", flow_run_name="drain-{run_id}")
async def drain(run_id: str) -> int:
    """Work for a run that runs elsewhere; KODCODE_EXECUTION=prefect makes flows start as many of these as they need.

    Args:
        run_id: The run, as `runs` names it. A run that has ended leaves nothing to do.
    """
    return await drain_for(run_id, runtime.flow_run.id)
