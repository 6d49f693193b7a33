"""The whole pipeline: generate all subsets side by side -> verify -> convert -> respond -> release."""

from __future__ import annotations

import asyncio
from typing import Annotated

from prefect import flow
from prefect.runtime import flow_run
from pydantic import Field

from flows.convert import Tries, convert
from flows.generate import SUBSET_FLOWS, Count
from flows.names import named
from flows.quota import reach
from flows.release import release
from flows.respond import Responses, respond
from flows.verify import Attempts, verify
from tasks.filters import ReleaseFilters
from tasks.forecast import Plan, announce
from tasks.options import (
    AnyStyle,
    BenchmarkFile,
    Blank,
    ModelName,
    Seeds,
    SolveBudget,
    Style,
    SubsetName,
    Teacher,
    chosen_subsets,
)
from tasks.release import Released
from tasks.run import recorded_run
from tasks.selection import EmptySelection
from tasks.summary import publish_funnel
from tasks.trials import Select
from tasks.work import ENDS_RUN

Target = Annotated[int, Field(ge=0, le=1_000_000)]
Initial = Annotated[int, Field(ge=0, le=10)]


def _what() -> str:
    verified = flow_run.parameters.get("target_verified")
    return named(
        f"nightly: {{subsets}}, {verified} verified each"
        if verified
        else "nightly: {subsets}, {questions} questions each"
    )()


@flow(name="nightly", flow_run_name=_what)
async def nightly(
    subsets: list[SubsetName] = [],
    questions: Count = 100,
    target_verified: Target | Blank = 0,
    attempts: Attempts = 3,
    initial: Initial | Blank = 0,
    models: list[ModelName] = [],
    budgets: dict[SubsetName, SolveBudget] = {},
    styles: list[Style] = ["complete", "online_judge"],
    tries: Tries = 3,
    responses: Responses = 3,
    teacher: Teacher = Teacher(),
    seeds: Seeds | Blank = "",
    benchmarks: list[BenchmarkFile] = [],
    select: Select = "trust",
    filters: ReleaseFilters = ReleaseFilters(),
) -> Released | None:
    """Run every stage; each does what is still missing, so that a run which ended early is continued by the next.

    Args:
        subsets: Which subsets; all 12 if empty.
        questions: How many places each subset shall hold for this teacher.
        target_verified: If not 0, places are added, instead of up to `questions`, until each subset holds so many
            verified questions, gives no more, or the budget ends; the cheapest step comes first (tasks/quota.py).
        attempts: Solution-and-test samples a question; the most that it may get where `initial` is less.
        initial: Samples of every question, before more go where none passed or the difficulty is uncertain; 0 is all.
        models: Who solves, cheapest first; the next one takes over what the cheaper left unsolved. Empty: the teacher.
        budgets: By subset, what its attempts may come to.
        styles: Which other styles verified questions are converted to.
        tries: How often the model may try a conversion.
        responses: Reasoning samples a triplet.
        teacher: Which models are asked, and where.
        seeds: File or address of seeds for the subset, only with one subset; built-in seeds if empty.
        benchmarks: Files whose problems must not appear among the questions.
        select: How the pair that stands for a question is chosen: by trust, or by coverage as the original does.
        filters: What a release leaves out: pairs that are not believed enough, classes, long answers.
    """
    names = chosen_subsets(subsets)
    parameters = {
        "subsets": names,
        "questions": questions,
        "target_verified": target_verified or None,
        "attempts": attempts,
        "initial": initial or None,
        "models": models,
        "budgets": {name: budget.model_dump() for name, budget in budgets.items()},
        "styles": styles,
        "tries": tries,
        "responses": responses,
        "teacher": teacher.model_dump(),
        "seeds": seeds or None,
        "benchmarks": benchmarks,
        "select": select,
        "filters": filters.asked(),
    }
    if seeds and len(names) > 1:
        raise ValueError("seeds belong to one subset: name it with `subsets`")
    async with recorded_run("nightly", parameters, flow_run.id) as run:
        roles = teacher.resolved(run.settings)
        if not target_verified:
            await announce(Plan(names, questions, attempts, styles, responses), roles)

        async def propose(places: dict[SubsetName, int]) -> None:
            stopped: list[Exception] = []

            async def generate(name: SubsetName) -> None:
                try:
                    await SUBSET_FLOWS[name](places[name], teacher, seeds, benchmarks)
                except ENDS_RUN as error:
                    stopped.append(error)  # the other subsets' calls in flight may be paid for and end by themselves

            async with asyncio.TaskGroup() as group:
                for name in places:
                    group.create_task(generate(name))
            if stopped:
                raise stopped[0]

        async def try_out(chosen: list[SubsetName]) -> None:
            await verify(
                chosen, initial or attempts, attempts, models=models, budgets=budgets, select=select, teacher=teacher
            )

        if not target_verified:
            await propose(dict.fromkeys(names, questions))
            await try_out(names)
        else:
            await reach(run, names, target_verified, attempts, roles, models, budgets, propose, try_out)
        await convert(names, styles, tries, teacher)
        response_styles: list[AnyStyle] = ["instruct", *styles]
        await respond(names, response_styles, responses, teacher=teacher)
        try:
            released = await release(names, roles.provider == "offline", filters)
        except EmptySelection as empty:  # of a beginning, or of strict filters: no failure of what was done
            run.progress.say(str(empty))
            released = None
        await publish_funnel("nightly", names)
        return released
