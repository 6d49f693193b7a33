"""Stage 1, second half: new questions against the accepted ones of their subset and against benchmarks; and accepted
ones against benchmarks that came later."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from tasks.options import thresholds_of
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import current_run
from tasks.screening import Policy, decontaminate, load_benchmark, make_embedder, screen_subset, store_benchmark


@task(name="screen", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def screen(subset: str) -> dict[str, int]:
    """Accept or reject every proposed question of the subset, in the order of their numbers."""
    run = current_run()
    embedder = make_embedder(run.settings.embedder, base_url=run.settings.embedder_url)
    report = await asyncio.to_thread(
        screen_subset,
        run.engine,
        subset,
        embedder,
        thresholds_of(run.settings),
        policy=run.settings.benchmark_policy,
        across=run.settings.across_subsets,
    )
    return {"screened": report.screened, "accepted": report.accepted, **report.rejected}


@task(name="decontaminate", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def compare_with_benchmarks(
    subsets: Sequence[str], policy: Policy, thresholds: Mapping[str, int | float]
) -> dict[str, int]:
    """Compare what was accepted with every stored benchmark, by the settings' thresholds with these on top.

    How many questions were checked, how many are contaminated, and how many of them each measure found.
    """
    run = current_run()
    report = await asyncio.to_thread(
        decontaminate,
        run.engine,
        subsets,
        make_embedder(run.settings.embedder, base_url=run.settings.embedder_url),
        thresholds_of(run.settings.model_copy(update={"thresholds": {**run.settings.thresholds, **thresholds}})),
        policy=policy,
    )
    counts = {"checked": report.checked, "contaminated": report.contaminated, **report.found}
    run.progress.say(", ".join(f"{count:,} {what}" for what, count in counts.items()))
    return counts


def store_benchmarks(engine: Engine, paths: list[str]) -> None:
    """Store the problems of these files, to be screened against from now on. Raises BenchmarkError."""
    for path in paths:
        store_benchmark(engine, load_benchmark(Path(path)))
