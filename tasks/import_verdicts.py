"""Import, second half: verdicts on imported pairs and conversions, by the code that judges those of models."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine, select, true

from tasks.convert import conversion_columns, proven, tried
from tasks.run import Run
from tasks.shards import Lease
from tasks.solve import judge_trial
from tasks.store.schema import IMPORTED, Trial, Triplet
from tasks.styles import read_online_judge
from tasks.work import Ending, Work

JUDGE, PROVE = "judge", "prove"


def open_imported_trials(engine: Engine, keys: Sequence[str] | None = None) -> list[str]:
    """Imported trials without a verdict, of whichever file, as QUESTION:ATTEMPT; only those of `keys`, if given."""
    among = true() if keys is None else Trial.question_id.in_({key.partition(":")[0] for key in keys})
    with engine.connect() as connection:
        rows = connection.execute(
            select(Trial.question_id, Trial.attempt)
            .where(Trial.provider == IMPORTED, Trial.status.in_(("pending", "failed")), among)
            .order_by(Trial.question_id, Trial.attempt)
        )
        found = [f"{row.question_id}:{row.attempt}" for row in rows]
    wanted = frozenset(found if keys is None else keys)
    return [key for key in found if key in wanted]


def open_imported_conversions(engine: Engine, keys: Sequence[str] | None = None) -> list[str]:
    """Imported conversions without a verdict, of whichever file; only those of `keys`, if given."""
    among = true() if keys is None else Triplet.triplet_id.in_(keys)
    with engine.connect() as connection:
        return list(
            connection.scalars(
                select(Triplet.triplet_id)
                .where(Triplet.provider == IMPORTED, Triplet.status.in_(("pending", "failed")), among)
                .order_by(Triplet.triplet_id)
            )
        )


async def judge_shard(run: Run, lease: Lease, work: Work) -> dict[str, int]:
    """Judge these pairs as if a model had just written them."""
    keys = await asyncio.to_thread(open_imported_trials, run.engine, lease.rows)

    async def attempt(key: str) -> Ending:
        row = await asyncio.to_thread(_one, run.engine, Trial, _named(key))
        ending, values = await judge_trial(run, row.question_id, row.attempt, row.solution, row.test)
        await mark(key, ending, values)
        return ending

    async def mark(key: str, ending: Ending, values: Mapping[str, Any] = {}) -> None:
        await asyncio.to_thread(run.end_row, lease, Trial, _named(key), ending, {**values, "message": ending.detail})

    return dict(await run.drain(lease, keys, attempt, mark, 2 * run.executions_at_once))


async def prove_shard(run: Run, lease: Lease, work: Work) -> dict[str, int]:
    """Prove these conversions against the verified pair of their question, as those of a model are."""
    triplet_ids = await asyncio.to_thread(open_imported_conversions, run.engine, lease.rows)

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
        await asyncio.to_thread(
            run.end_row, lease, Triplet, {"triplet_id": triplet_id}, ending, columns | {"tries": history}
        )
        return ending

    async def mark(triplet_id: str, ending: Ending) -> None:
        history = [{"reason": ending.reason, "message": ending.detail}]
        await asyncio.to_thread(
            run.end_row, lease, Triplet, {"triplet_id": triplet_id}, ending, {"tries": history}
        )

    return dict(await run.drain(lease, triplet_ids, prove, mark, 2 * run.executions_at_once))


def _named(key: str) -> dict[str, Any]:
    question_id, _, attempt = key.partition(":")
    return {"question_id": question_id, "attempt": int(attempt)}


def _one(engine: Engine, table: type[Trial | Triplet], key: Mapping[str, Any]) -> Any:
    with engine.connect() as connection:
        return connection.execute(select(table.__table__).filter_by(**key)).one()
