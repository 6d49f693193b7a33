"""Stage 2: trials. Each attempt is one answer with a solution and a test, judged together.

How many attempts a question gets, and by which model, is decided in rounds by `tasks.trials.policy`; a round is
planned as `pending` rows, so that a run that was stopped goes on with the round that it was in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, Integer, func, literal, select, text, true
from sqlalchemy.dialects.postgresql import insert

from tasks.options import Models, SolveBudget
from tasks.run import Run
from tasks.sandbox import Job, Verdict
from tasks.shards import Lease
from tasks.store import copy_rows
from tasks.store.schema import ENDED, IMPORTED, Question, Trial, rollup_calls
from tasks.subsets import solve_request
from tasks.trials import AttemptPolicy, Progress, Unparsed, parse_solve
from tasks.work import Ending, Work

STAGE = "solve"
# Rows under way beyond the requests in flight, a place where the sandbox works: answers wait for it, not it for them.
_WAITING_PER_PLACE = 4
# Attempts at a subset with a budget in dollars before one was paid for: they tell what an attempt costs.
_UNPRICED_ATTEMPTS = 8


def in_scope(subsets: Sequence[str], models: Models) -> ColumnElement[bool]:
    """Questions a run works on: accepted, of these subsets; canned and real ones never mix."""
    canned = Question.provider == "offline"
    return (
        (Question.status == "accepted")
        & Question.subset.in_(subsets)
        & (canned if models.provider == "offline" else ~canned)
    )


def plan_trials(
    engine: Engine,
    subsets: Sequence[str],
    models: Models,
    attempts: int,
    budgets: Mapping[str, SolveBudget] | None = None,
) -> int:
    """Make attempts 0..attempts-1 of every question in scope; returns how many are new.

    Where a subset's budget does not last for all, the first questions get theirs; where it is in dollars and nothing
    was paid yet, a few do, and another call plans what the rest of it pays for.
    """
    planned = 0
    with engine.begin() as connection:
        for subset in subsets:
            left = _left(connection, subset, (budgets or {}).get(subset))
            numbers = func.generate_series(0, literal(attempts - 1, Integer)).table_valued("attempt").render_derived()
            made = (Trial.question_id == Question.question_id) & (Trial.attempt == numbers.c.attempt)
            wanted = (
                select(Question.question_id, numbers.c.attempt)
                .select_from(Question)
                .join(numbers, true())
                .where(in_scope([subset], models), ~select(Trial.attempt).where(made).exists())
                .order_by(Question.number, numbers.c.attempt)
                .limit(left)
            )
            statement = insert(Trial).from_select(["question_id", "attempt"], wanted)
            counted = {"preserve_rowcount": True}  # of an INSERT, SQLAlchemy tells it only when asked to
            planned += connection.execute(statement.on_conflict_do_nothing(), execution_options=counted).rowcount
    return planned


def plan_round(
    engine: Engine,
    subsets: Sequence[str],
    models: Models,
    policy: AttemptPolicy,
    budgets: Mapping[str, SolveBudget],
    most: int | None = None,
) -> int:
    """Make one more attempt of every question whose attempts have ended and left something open; returns how many.

    `budgets` bound what a subset's attempts may come to, by their number or by what the ledger says they cost; `most`
    bounds how many of a subset are made now. A question with an attempt that failed for reasons of infrastructure
    waits until that attempt has its verdict.
    """
    planned: list[dict[str, Any]] = []
    with engine.begin() as connection:
        for subset in subsets:
            questions = [Progress(**row._mapping) for row in connection.execute(_progress(subset, models))]
            left = _left(connection, subset, budgets.get(subset))
            bounds = [bound for bound in (left, most) if bound is not None]
            chosen = policy.next_round(questions, min(bounds, default=None))
            planned += [
                {"question_id": q.question_id, "attempt": q.trial_count, "tier": policy.tier(q)} for q in chosen
            ]
        copy_rows(connection, Trial, planned)
    return len(planned)


def _progress(subset: str, models: Models) -> Any:
    """Questions whose attempts have all ended, as the policy sees them. An attempt's number is how many there were
    before it, so a gap (attempts planned by hand) is left to `plan_trials`."""
    ended = Trial.status.in_(ENDED)
    share = text(
        "coalesce((select avg((value = 'passed')::int) from jsonb_each_text(kodcode.trials.outcomes)), 0)::float"
    )
    best = func.max(select(share).correlate(Trial).scalar_subquery())
    return (
        select(
            Question.question_id,
            func.count().label("trial_count"),
            func.count().filter(Trial.status == "accepted").label("pass_count"),
            func.coalesce(best, 0.0).label("best_share"),
            func.count().filter(Trial.tier == 0).label("cheap_count"),
        )
        .join(Trial, Trial.question_id == Question.question_id)
        .where(in_scope([subset], models))
        .group_by(Question.question_id)
        .having(func.bool_and(ended) & (func.max(Trial.attempt) == func.count() - 1))
    )


def _left(connection: Any, subset: str, budget: SolveBudget | None) -> int | None:
    """How many attempts the subset may still make; None where nothing bounds it."""
    if budget is None:
        return None
    made, unasked = connection.execute(
        select(func.count(), func.count().filter(Trial.status.in_(("pending", "failed"))))
        .select_from(Trial)
        .join(Question, Question.question_id == Trial.question_id)
        .where(Question.subset == subset)
    ).one()
    left = None if budget.attempts is None else max(0, budget.attempts - made)
    if budget.usd is not None:
        calls, spent = connection.execute(
            select(
                func.coalesce(func.sum(rollup_calls.c.calls - rollup_calls.c.unpriced), 0),
                func.coalesce(func.sum(rollup_calls.c.cost_usd), 0),
            ).where(rollup_calls.c.stage == "solve", rollup_calls.c.subset == subset)
        ).one()
        affordable: int | None = None  # what costs nothing is not bound
        if spent:  # what the calls so far cost on average says how many more the rest pays for
            affordable = int((float(budget.usd) - float(spent)) / (float(spent) / float(calls)))
        elif not calls:
            affordable = _UNPRICED_ATTEMPTS if budget.usd > 0 else 0
        if affordable is not None:
            affordable = max(0, affordable - unasked)
            left = affordable if left is None else min(left, affordable)
    return left


def open_trials(engine: Engine, subsets: Sequence[str], models: Models) -> list[str]:
    """Attempts that a model is still to make, as QUESTION:ATTEMPT, question by question."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Trial.question_id, Trial.attempt)
            .join(Question, Question.question_id == Trial.question_id)
            .where(
                in_scope(subsets, models),
                Trial.status.in_(("pending", "failed")),
                Trial.provider.is_distinct_from(IMPORTED),  # they have their pair
            )
            .order_by(Question.subset, Question.number, Trial.attempt)
        )
        return [f"{row.question_id}:{row.attempt}" for row in rows]


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt to make."""

    question_id: str
    attempt: int
    tier: int
    subset: str
    question: str


async def verify_shard(run: Run, lease: Lease, work: Work) -> dict[str, int]:
    """Ask for the attempts and judge each as its answer comes in."""
    models = work.asked
    gateway = run.gateway(models)
    tries = await asyncio.to_thread(_load, run.engine, lease.rows)
    asked = work.solvers or (models.teacher,)

    async def attempt(row: Try) -> Ending:
        model = asked[min(row.tier, len(asked) - 1)]
        request, version = solve_request(row.question, row.attempt, models.provider, model, row.subset)
        answer = await gateway.ask(request)
        parsed = parse_solve(answer.text, answer.finish_reason)
        values: dict[str, Any] = {
            "provider": models.provider,
            "model": model,
            "prompt_version": version,
            "request_hash": answer.request_hash,
        }
        if isinstance(parsed, Unparsed):
            ending = Ending("rejected", parsed.reason, parsed.detail)
        else:
            ending, columns = await judge_trial(run, row.question_id, row.attempt, parsed.solution, parsed.test)
            values |= {"solution": parsed.solution, "test": parsed.test} | columns
        await asyncio.to_thread(_store, run, lease, row, ending, values)
        return ending

    async def mark(row: Try, ending: Ending) -> None:
        await asyncio.to_thread(_store, run, lease, row, ending, {})

    return dict(await run.drain(lease, tries, attempt, mark, rows_at_once(run, models)))


def rows_at_once(run: Run, models: Models) -> int:
    """How many rows a stage has under way: as many as there may be requests, which the gateway bounds by itself, and
    enough besides that executions never wait for a request to be let go."""
    return models.rows_at_once + _WAITING_PER_PLACE * run.executions_at_once


async def judge_trial(
    run: Run, question_id: str, attempt: int, solution: str, test: str
) -> tuple[Ending, dict[str, Any]]:
    """Execute a pair: how its trial ends, and the columns that keep the verdict. Raises InfrastructureFailed."""
    job = Job(f"{question_id}:{attempt}", solution, test=test, confirm=run.settings.confirm)
    verdict = await run.judge(job)
    return ending_of(verdict), verdict_columns(job, verdict)


def ending_of(verdict: Verdict) -> Ending:
    """A verdict as the ending of its row."""
    if verdict.passed:
        return Ending("accepted")
    return Ending("rejected", verdict.kind.value, verdict.message or None)


def verdict_columns(job: Job, verdict: Verdict) -> dict[str, Any]:
    """The columns in which trials and responses keep the verdict on a job."""
    return {
        "verdict": verdict.kind.value,
        "outcomes": verdict.tests,
        "coverage": verdict.coverage,
        "duration_s": verdict.duration_s,
        "peak_memory_mb": verdict.peak_memory_mb,
        "sandbox_level": verdict.level.value,
        "sandbox_environment": verdict.environment,
        "apart": verdict.apart if job.confirm and verdict.passed else None,
    }


def still_open(engine: Engine, keys: Sequence[str]) -> list[str]:
    """Those of the attempts that are to be made."""
    return [f"{row.question_id}:{row.attempt}" for row in _load(engine, keys)]


def _load(engine: Engine, keys: Sequence[str]) -> list[Try]:
    """Those of the attempts that are still open."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Trial.question_id, Trial.attempt, Trial.tier, Question.subset, Question.text)
            .join(Question, Question.question_id == Trial.question_id)
            .where(
                Trial.question_id.in_({key.partition(":")[0] for key in keys}),
                Trial.status.in_(("pending", "failed")),
            )
        )
        found = {f"{row.question_id}:{row.attempt}": Try(*row) for row in rows}  # type: ignore[arg-type]  # an accepted question has a text
    return [found[key] for key in keys if key in found]


def _store(run: Run, lease: Lease, row: Try, ending: Ending, values: dict[str, Any]) -> None:
    key = {"question_id": row.question_id, "attempt": row.attempt}
    run.end_row(lease, Trial, key, ending, values | {"message": ending.detail})
