"""Conversion to the styles Complete and Online Judge: plan -> convert and prove by shard."""

from __future__ import annotations

import asyncio
from typing import Annotated

from prefect import flow, runtime
from pydantic import Field

from flows.names import named
from tasks.convert import STAGE, open_conversions, plan_conversions
from tasks.drain import work_through
from tasks.options import Style, SubsetName, Teacher, chosen_subsets
from tasks.run import recorded_run
from tasks.summary import publish_funnel
from tasks.work import Work

Tries = Annotated[int, Field(ge=1, le=10)]


@flow(name="convert", flow_run_name=named("convert {subsets} to {styles}"))
async def convert(
    subsets: list[SubsetName] = [],
    styles: list[Style] = ["complete", "online_judge"],
    tries: Tries = 3,
    teacher: Teacher = Teacher(),
) -> int:
    """Turn verified triplets into other styles; each result is proven by execution.

    Args:
        subsets: Which subsets; all 12 if empty.
        styles: Complete (signature and docstring) and Online Judge (stdin and stdout).
        tries: How often the model may try a conversion before it is given up.
        teacher: Which models are asked, and where.
    """
    names = chosen_subsets(subsets)
    parameters = {"subsets": names, "styles": styles, "tries": tries, "teacher": teacher.model_dump()}
    async with recorded_run("convert", parameters, runtime.flow_run.id) as run:
        models = teacher.resolved(run.settings)
        await asyncio.to_thread(plan_conversions, run.engine, names, styles, models)
        work = Work(models=models, tries=tries)
        handled = await work_through(STAGE, work, lambda: open_conversions(run.engine, names, styles, models))
        await publish_funnel("convert", names)
    return handled
