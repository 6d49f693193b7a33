"""Trials: plan the attempts -> solve and judge by shard -> label."""

from __future__ import annotations

import asyncio
from typing import Annotated

from prefect import flow, runtime
from pydantic import Field

from tasks.label import label
from tasks.llm import BudgetReached, ProviderMisconfigured
from tasks.options import SubsetName, Teacher, chosen_subsets
from tasks.run import recorded_run
from tasks.solve import STAGE, open_trials, plan_trials, verify_shard
from tasks.summary import publish_funnel
from tasks.work import ProviderDown, shards

Attempts = Annotated[int, Field(ge=1, le=10)]


@flow(name="verify", flow_run_name="verify")
async def verify(subsets: list[SubsetName] = [], attempts: Attempts = 3, teacher: Teacher = Teacher()) -> int:
    """Ask for solutions and tests of every accepted question, run them, and give each question its difficulty.

    Args:
        subsets: Which subsets; all 12 if empty.
        attempts: Independent samples a question, at most 10. More than before adds to what there is.
        teacher: Which models are asked, and where.
    """
    names = chosen_subsets(subsets)
    parameters = {"subsets": names, "attempts": attempts, "teacher": teacher.model_dump()}
    async with recorded_run("verify", parameters, runtime.flow_run.id) as run:
        models = teacher.resolved(run.settings)
        await asyncio.to_thread(plan_trials, run.engine, names, models, attempts)
        keys = await asyncio.to_thread(open_trials, run.engine, names, models)
        run.progress.begin(STAGE, len(keys))
        try:
            for shard in shards(keys, run.settings.shard_size):
                await verify_shard(list(shard), models)
        except (BudgetReached, ProviderMisconfigured, ProviderDown):
            await label(names, models)  # what is complete is paid for and usable
            raise
        labelled = await label(names, models)
        await publish_funnel("verify", names)
    return labelled
