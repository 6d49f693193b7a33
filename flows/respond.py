"""Reject sampling: plan the responses -> ask and judge by shard."""

from __future__ import annotations

import asyncio
from typing import Annotated

from prefect import flow, runtime
from pydantic import Field

from flows.names import named
from tasks.drain import work_through
from tasks.options import AnyStyle, SubsetName, Teacher, chosen_subsets
from tasks.respond import STAGE, open_responses, plan_responses
from tasks.run import recorded_run
from tasks.summary import publish_funnel
from tasks.work import Work

Responses = Annotated[int, Field(ge=1, le=100)]


@flow(name="respond", flow_run_name=named("respond to {subsets}, {responses} samples a triplet"))
async def respond(
    subsets: list[SubsetName] = [],
    styles: list[AnyStyle] = ["instruct", "complete", "online_judge"],
    responses: Responses = 3,
    stop_early: bool = False,
    teacher: Teacher = Teacher(),
) -> int:
    """Ask a reasoning model for answers to verified questions and keep those whose code passes the tests.

    Args:
        subsets: Which subsets; all 12 if empty.
        styles: Which styles' questions are asked.
        responses: Independent samples a triplet.
        stop_early: Ask for the next sample only where none was kept so far.
        teacher: Which models are asked, and where.
    """
    names = chosen_subsets(subsets)
    parameters = {
        "subsets": names, "styles": styles, "responses": responses, "stop_early": stop_early,
        "teacher": teacher.model_dump(),
    }  # fmt: skip
    async with recorded_run("respond", parameters, runtime.flow_run.id) as run:
        models = teacher.resolved(run.settings)
        asked = 0
        for planned in range(1 if stop_early else responses, responses + 1):
            await asyncio.to_thread(plan_responses, run.engine, names, styles, models, planned, stop_early)
            asked += await work_through(
                STAGE, Work(models=models), lambda: open_responses(run.engine, names, styles, models, stop_early)
            )
        await publish_funnel("respond", names)
    return asked
