"""Trials: some attempts for all, more where the answer is open -> trust -> label."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from prefect import flow, runtime
from pydantic import Field

from flows.names import named
from tasks.assess import STAGE as ASSESS
from tasks.assess import unassessed_questions
from tasks.drain import work_through
from tasks.label import label
from tasks.options import ModelName, Models, SolveBudget, SubsetName, Teacher, chosen_subsets
from tasks.run import Run, recorded_run
from tasks.solve import STAGE, open_trials, plan_round, plan_trials
from tasks.summary import publish_funnel
from tasks.trials import AttemptPolicy, Select
from tasks.work import ENDS_RUN, Work

Attempts = Annotated[int, Field(ge=1, le=10)]
Gain = Annotated[float, Field(gt=0, lt=1)]


@flow(name="verify", flow_run_name=named("verify {subsets}, up to {attempts} attempts"))
async def verify(
    subsets: list[SubsetName] = [],
    initial: Attempts = 3,
    attempts: Attempts = 10,
    gain: Gain = 0.01,
    models: list[ModelName] = [],
    budgets: dict[SubsetName, SolveBudget] = {},
    select: Select = "trust",
    teacher: Teacher = Teacher(),
) -> int:
    """Ask for solutions and tests of every accepted question, run them, and give each question trust and difficulty.

    Args:
        subsets: Which subsets; all 12 if empty.
        initial: Independent samples for every question. More than before adds to what there is.
        attempts: The most that a question may get: further ones go where none passed or the difficulty is uncertain.
        gain: By how much an attempt at a question that passed must raise the chance that its difficulty is right.
        models: Who solves, cheapest first; the next one takes over what the cheaper left unsolved. Empty: the teacher.
        budgets: By subset, what its attempts may come to.
        select: How the pair that stands for a question is chosen: by trust, or by coverage as the original does.
        teacher: Which models are asked, and where.
    """
    names = chosen_subsets(subsets)
    parameters = {
        "subsets": names, "initial": initial, "attempts": attempts, "gain": gain, "models": models,
        "budgets": {name: budget.model_dump() for name, budget in budgets.items()}, "select": select,
        "teacher": teacher.model_dump(),
    }  # fmt: skip
    bounds = {str(name): budget for name, budget in budgets.items()}
    policy = AttemptPolicy(initial, attempts, gain, max(1, len(models)))
    async with recorded_run("verify", parameters, runtime.flow_run.id) as run:
        resolved = teacher.resolved(run.settings)
        stopped: Exception | None = None
        try:
            await asyncio.to_thread(plan_trials, run.engine, names, resolved, policy.first_round, bounds)
            await _solve(run, names, resolved, models)
            while await asyncio.to_thread(
                plan_trials, run.engine, names, resolved, policy.first_round, bounds
            ) or await asyncio.to_thread(plan_round, run.engine, names, resolved, policy, bounds):
                await _solve(run, names, resolved, models)
        except ENDS_RUN as error:
            stopped = error  # what is complete is paid for and usable
        labelled = await assess_and_label(run, names, resolved, select)
        if stopped is not None:
            raise stopped
        await publish_funnel("verify", names)
    return labelled


async def assess_and_label(run: Run, names: Sequence[SubsetName], models: Models, select: Select) -> int:
    """Trust and difficulty of what was judged; returns how many questions were labelled."""
    await work_through(ASSESS, Work(), lambda: unassessed_questions(run.engine, names, models))
    return await label(names, models, select)


async def _solve(run: Run, names: list[SubsetName], models: Models, solvers: list[str]) -> None:
    work = Work(models=models, solvers=tuple(solvers))
    await work_through(STAGE, work, lambda: open_trials(run.engine, names, models))
