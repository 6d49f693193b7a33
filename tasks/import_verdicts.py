"""Import, second half: verdicts on imported pairs and conversions, by the code that judges those of models."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine, select

from tasks.convert import conversion_columns, proven, tried
from tasks.run import current_run
from tasks.solve import judge_trial
from tasks.store.schema import IMPORTED, Trial, Triplet
from tasks.styles import read_online_judge
from tasks.work import Ending, drain

JUDGE, PROVE = "judge", "prove"


def open_imported_trials(engine: Engine) -> list[tuple[str, int]]:
    """Imported trials without a verdict, of whichever file."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Trial.question_id, Trial.attempt)
            .where(Trial.provider == IMPORTED, Trial.status.in_(("pending", "failed")))
            .order_by(Trial.question_id, Trial.attempt)
        )
        return [(row.question_id, row.attempt) for row in rows]


def open_imported_conversions(engine: Engine) -> list[str]:
    """Imported conversions without a verdict, of whichever file."""
    with engine.connect() as connection:
        return list(
            connection.scalars(
                select(Triplet.triplet_id)
                .where(Triplet.provider == IMPORTED, Triplet.status.in_(("pending", "failed")))
                .order_by(Triplet.triplet_id)
            )
        )


@task(name="judge imported shard", cache_policy=NO_CACHE)
async def judge_shard(keys: list[tuple[str, int]]) -> dict[str, int]:
    """Judge these pairs as if a model had just written them."""
    run = current_run()

    async def attempt(key: tuple[str, int]) -> Ending:
        row = await asyncio.to_thread(_one, run.engine, Trial, {"question_id": key[0], "attempt": key[1]})
        ending, values = await judge_trial(run, row.question_id, row.attempt, row.solution, row.test)
        await mark(key, ending, values)
        return ending

    async def mark(key: tuple[str, int], ending: Ending, values: Mapping[str, Any] = {}) -> None:
        named = {"question_id": key[0], "attempt": key[1]}
        await asyncio.to_thread(run.end_row, Trial, named, ending, {**values, "message": ending.detail})

    rows = [(key[0], key[1]) for key in keys]  # keys that crossed Prefect are lists
    return dict(await drain(rows, attempt, mark, run.advance(JUDGE), 2 * run.executions_at_once))


@task(name="prove imported shard", cache_policy=NO_CACHE)
async def prove_shard(triplet_ids: list[str]) -> dict[str, int]:
    """Prove these conversions against the verified pair of their question, as those of a model are."""
    run = current_run()

    async def prove(triplet_id: str) -> Ending:
        row = await asyncio.to_thread(_one, run.engine, Triplet, {"triplet_id": triplet_id})
        source = await asyncio.to_thread(_one, run.engine, Triplet, {"triplet_id": row.source_triplet_id})
        parsed = (
            row.question
            if row.style == "complete"
            else read_online_judge(row.question, row.solution, row.test, source.solution)
        )
        result = await proven(run, parsed, source.solution, source.test)
        ending, columns = conversion_columns(row.style, result)
        history = [{"attempt": 0, "request_hash": None} | tried(result)]
        await asyncio.to_thread(run.end_row, Triplet, {"triplet_id": triplet_id}, ending, columns | {"tries": history})
        return ending

    async def mark(triplet_id: str, ending: Ending) -> None:
        history = [{"reason": ending.reason, "message": ending.detail}]
        await asyncio.to_thread(run.end_row, Triplet, {"triplet_id": triplet_id}, ending, {"tries": history})

    return dict(await drain(triplet_ids, prove, mark, run.advance(PROVE), 2 * run.executions_at_once))


def _one(engine: Engine, table: type[Trial | Triplet], key: Mapping[str, Any]) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(table.__table__).filter_by(**key)).one()
