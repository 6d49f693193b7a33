"""Stage 1, second half: new questions against the accepted ones of their subset and against benchmarks."""

from __future__ import annotations

import asyncio
from pathlib import Path

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine

from tasks.run import current_run
from tasks.screening import create_embedder, demo_benchmark, load_benchmark, screen_subset, store_benchmark

DEMO = "demo"  # names the few problems that come with the project instead of a file


@task(name="screen", cache_policy=NO_CACHE)
async def screen(subset: str) -> dict[str, int]:
    """Accept or reject every proposed question of the subset, in the order of their numbers."""
    run = current_run()
    embedder = create_embedder(run.settings.embedder, base_url=run.settings.base_url)
    report = await asyncio.to_thread(screen_subset, run.engine, subset, embedder)
    return {"screened": report.screened, "accepted": report.accepted, **report.rejected}


def store_benchmarks(engine: Engine, paths: list[str]) -> None:
    """Store the problems of these files, to be screened against from now on. Raises BenchmarkFileError."""
    for path in paths:
        store_benchmark(engine, demo_benchmark() if path == DEMO else load_benchmark(Path(path)))
