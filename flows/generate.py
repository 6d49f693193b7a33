"""Questions: one flow a subset, all made from the registry. Store seeds -> plan -> propose by shard -> screen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from prefect import flow, runtime
from pydantic import Field

from flows.names import named
from tasks.drain import work_through
from tasks.generate import STAGE, has_room, open_questions, plan_questions, read_seeds, store_seeds
from tasks.options import BenchmarkFile, Blank, Seeds, Teacher
from tasks.run import recorded_run
from tasks.screen import screen, store_benchmarks
from tasks.subsets import get_subset
from tasks.summary import publish_funnel
from tasks.work import Work

Count = Annotated[int, Field(ge=1, le=1_000_000)]
SubsetFlow = Callable[..., Coroutine[Any, Any, dict[str, int]]]


async def generate(
    subset_name: str, questions: int, teacher: Teacher, seeds: str | None, benchmarks: list[str]
) -> dict[str, int]:
    """Propose until the subset holds `questions` places for this teacher, then screen what is new."""
    subset = get_subset(subset_name)
    parameters = {
        "subset": subset.name,
        "questions": questions,
        "teacher": teacher.model_dump(),
        "seeds": seeds,
        "benchmarks": benchmarks,
    }
    async with recorded_run(f"generate-{subset.slug}", parameters, runtime.flow_run.id) as run:
        models = teacher.resolved(run.settings)
        await asyncio.to_thread(store_benchmarks, run.engine, benchmarks)
        if await asyncio.to_thread(has_room, run.engine, subset, models, questions):
            report = await read_seeds(subset, seeds)
            for problem in report.problems:
                run.progress.say(str(problem))
            pool = await asyncio.to_thread(store_seeds, run.engine, subset, report, named=seeds is not None)
            await asyncio.to_thread(plan_questions, run.engine, subset, models, questions, pool)
        work = Work(models=models, subset=subset.name)
        await work_through(STAGE, work, lambda: open_questions(run.engine, subset, models, questions))
        counts = await screen(subset.name)
        await publish_funnel(f"generate-{subset.slug}", [subset.name])
    return counts


def subset_flow(name: str) -> SubsetFlow:
    """The flow of one subset."""
    subset = get_subset(name)

    @flow(
        name=f"generate-{subset.slug}",
        description=subset.description,
        flow_run_name=named(f"generate {name} to {{questions}} questions"),
    )
    async def generate_subset(
        questions: Count = 100,
        teacher: Teacher = Teacher(),
        seeds: Seeds | Blank = "",
        benchmarks: list[BenchmarkFile] = [],
    ) -> dict[str, int]:
        """Propose new questions and screen them.

        Args:
            questions: How many places the subset shall hold for this teacher. What it holds already is kept.
            teacher: Which models are asked, and where.
            seeds: JSONL, Parquet or CSV file, s3:// or hf:// address to draw prompts from; built-in seeds if empty.
            benchmarks: Files whose problems must not appear among the questions (HumanEval, MBPP, own).
        """
        return await generate(name, questions, teacher, seeds or None, benchmarks)

    return generate_subset


prefill = subset_flow("Prefill")
leetcode = subset_flow("Leetcode")
codeforces = subset_flow("Codeforces")
apps = subset_flow("Apps")
taco = subset_flow("Taco")
code_contests = subset_flow("Code_Contests")
algorithm = subset_flow("Algorithm")
data_structure = subset_flow("Data_Structure")
docs = subset_flow("Docs")
filter_ = subset_flow("Filter")
package = subset_flow("Package")
evol = subset_flow("Evol")

SUBSET_FLOWS: dict[str, SubsetFlow] = {
    "Prefill": prefill,
    "Leetcode": leetcode,
    "Codeforces": codeforces,
    "Apps": apps,
    "Taco": taco,
    "Code_Contests": code_contests,
    "Algorithm": algorithm,
    "Data_Structure": data_structure,
    "Docs": docs,
    "Filter": filter_,
    "Package": package,
    "Evol": evol,
}
