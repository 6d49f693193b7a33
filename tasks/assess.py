"""Stage 2, second part: trust. What the trials of a question say about each other, and how strong their tests are.

No model is asked. A question is assessed when all its attempts have ended and one passed; when it got more, it is
assessed anew, and what was executed for its agreement matrix before is not executed again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, select, update

from tasks import trust
from tasks.options import Models
from tasks.run import Run
from tasks.shards import Lease, fence
from tasks.solve import in_scope
from tasks.store.schema import ENDED, Question, Trial
from tasks.work import Ending, InfrastructureFailed, Work

STAGE = "assess"


def unassessed_questions(engine: Engine, subsets: Sequence[str], models: Models) -> list[str]:
    """Questions whose attempts have all ended, with a pass that was not assessed or was with fewer attempts."""
    return _unassessed(engine, in_scope(subsets, models))


def still_open(engine: Engine, question_ids: Sequence[str]) -> list[str]:
    """Those of the questions that are to be assessed."""
    return _unassessed(engine, Question.question_id.in_(question_ids))


def _unassessed(engine: Engine, scope: ColumnElement[bool]) -> list[str]:
    passed = Trial.status == "accepted"
    known = func.coalesce(func.min(Trial.assessed_with).filter(passed), 0)
    statement = (
        select(Question.question_id)
        .join(Trial, Trial.question_id == Question.question_id)
        .where(scope)
        .group_by(Question.question_id)
        .having(
            func.bool_and(Trial.status.in_(ENDED))
            & (func.count().filter(passed) > 0)
            & ((known < func.count()) | (func.count().filter(passed & Trial.assessed_with.is_(None)) > 0))
        )
        .order_by(Question.question_id)
    )
    with engine.connect() as connection:
        return list(connection.scalars(statement))


async def assess_shard(run: Run, lease: Lease, work: Work) -> dict[str, int]:
    """Assess these questions; one that the sandbox failed on stays as it is, for the next run."""
    question_ids = await asyncio.to_thread(still_open, run.engine, lease.rows)

    async def assess(question_id: str) -> Ending:
        trials = await asyncio.to_thread(_load, run.engine, question_id)
        candidates = [
            trust.Candidate(
                row.attempt, row.solution, row.test, row.status == "accepted", row.outcomes or {}, row.coverage,
                row.duration_s or 0.0, row.apart is not None,
            )
            for row in trials
            if row.solution is not None and row.test is not None
        ]  # fmt: skip
        known = {
            row.attempt: trust.SuiteRow(
                tuple(row.agreement["claims"]),
                {int(attempt): outcomes for attempt, outcomes in row.agreement["by"].items()},
                row.agreement["stub"],
            )
            for row in trials
            if row.agreement is not None
        }
        try:
            assessed = await trust.assess(candidates, run.judge, known, question_id)
        except trust.InfrastructureFailure as error:
            raise InfrastructureFailed(str(error)) from error
        await asyncio.to_thread(_store, run, lease, question_id, len(trials), assessed)
        return Ending("accepted")

    async def mark(question_id: str, ending: Ending) -> None:
        run.progress.say(f"{question_id} could not be assessed and will be by the next run: {ending.detail}")

    # A question has one job under way at a time; more of them than places keep every place busy.
    return dict(await run.drain(lease, question_ids, assess, mark, 2 * run.executions_at_once))


def _load(engine: Engine, question_id: str) -> Sequence[Any]:
    """The attempts that have ended: others, which a run planned meanwhile, make it assessed anew when they have."""
    with engine.connect() as connection:
        return connection.execute(
            select(Trial.__table__)
            .where(Trial.question_id == question_id, Trial.status.in_(ENDED))
            .order_by(Trial.attempt)
        ).all()


def _store(run: Run, lease: Lease, question_id: str, trial_count: int, assessed: trust.Assessed) -> None:
    with run.engine.begin() as connection:
        fence(connection, lease)
        for attempt in sorted(set(assessed.matrix) | set(assessed.trials)):
            values: dict[str, Any] = {}
            if attempt in assessed.matrix:
                row = assessed.matrix[attempt]
                by = {str(other): outcomes for other, outcomes in row.by.items()}
                values["agreement"] = {"claims": list(row.claims), "by": by, "stub": row.stub}
            if attempt in assessed.trials:
                values |= asdict(assessed.trials[attempt])
            same_row = (Trial.question_id == question_id, Trial.attempt == attempt)
            connection.execute(update(Trial).where(*same_row).values(**values, run_id=run.run_id))
        connection.execute(
            update(Trial)
            .where(Trial.question_id == question_id, Trial.status.in_(ENDED))
            .values(assessed_with=trial_count, updated_at=func.now())
        )
