"""The whole pipeline: generate all subsets side by side -> verify -> convert -> respond -> release."""

from __future__ import annotations

import asyncio

from prefect import flow, runtime

from flows.convert import Tries, convert
from flows.generate import SUBSET_FLOWS, Count
from flows.release import release
from flows.respond import AnyStyle, Responses, respond
from flows.verify import Attempts, verify
from tasks.forecast import Plan, announce
from tasks.llm import BudgetReached, ProviderMisconfigured
from tasks.options import Style, SubsetName, Teacher, chosen_subsets
from tasks.release import Released
from tasks.run import recorded_run
from tasks.trials import Select


@flow(name="nightly", flow_run_name="nightly")
async def nightly(
    subsets: list[SubsetName] = [],
    questions: Count = 100,
    attempts: Attempts = 3,
    styles: list[Style] = ["complete", "online_judge"],
    tries: Tries = 3,
    responses: Responses = 3,
    teacher: Teacher = Teacher(),
    seeds: str | None = None,
    benchmarks: list[str] = [],
    select: Select = "trust",
) -> Released:
    """Run every stage; each does what is still missing, so that a run which ended early is continued by the next.

    Args:
        subsets: Which subsets; all 12 if empty.
        questions: How many places each subset shall hold for this teacher.
        attempts: Solution-and-test samples a question.
        styles: Which other styles verified questions are converted to.
        tries: How often the model may try a conversion.
        responses: Reasoning samples a triplet.
        teacher: Which models are asked, and where.
        seeds: File or address of seeds for the subset; only with one subset.
        benchmarks: Files whose problems must not appear among the questions.
        select: How the pair that stands for a question is chosen: by trust, or by coverage as the original does.
    """
    names = chosen_subsets(subsets)
    parameters = {
        "subsets": names,
        "questions": questions,
        "attempts": attempts,
        "styles": styles,
        "tries": tries,
        "responses": responses,
        "teacher": teacher.model_dump(),
        "seeds": seeds,
        "benchmarks": benchmarks,
        "select": select,
    }
    if seeds and len(names) > 1:
        raise ValueError("seeds belong to one subset: name it with `subsets`")
    async with recorded_run("nightly", parameters, runtime.flow_run.id) as run:
        await announce(Plan(names, questions, attempts, styles, responses), teacher.resolved(run.settings))
        stopped: list[Exception] = []

        async def generate(name: SubsetName) -> None:
            try:
                await SUBSET_FLOWS[name](questions, teacher, seeds, benchmarks)
            except (BudgetReached, ProviderMisconfigured) as error:
                stopped.append(error)  # the other subsets' calls in flight may be paid for and end by themselves

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(generate(name))
        if stopped:
            raise stopped[0]
        await verify(names, initial=attempts, attempts=attempts, select=select, teacher=teacher)
        await convert(names, styles, tries, teacher)
        response_styles: list[AnyStyle] = ["instruct", *styles]
        await respond(names, response_styles, responses, teacher)
        return await release(names, canned=teacher.resolved(run.settings).provider == "offline")
