"""Stage 1, second half: new questions against the accepted ones of their subset and against benchmarks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from tasks.options import thresholds_of
from tasks.run import current_run
from tasks.screening import load_benchmark, make_embedder, screen_subset, store_benchmark


@task(name="screen", cache_policy=NO_CACHE)
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


def store_benchmarks(engine: Engine, paths: list[str]) -> None:
    """Store the problems of these files, to be screened against from now on. Raises BenchmarkError."""
    for path in paths:
        store_benchmark(engine, load_benchmark(Path(path)))
