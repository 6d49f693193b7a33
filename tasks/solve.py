"""Stage 2: trials. Each attempt is one answer with a solution and a test, judged together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import ColumnElement, Engine, Integer, func, literal, select, true
from sqlalchemy.dialects.postgresql import insert

from tasks.options import Models
from tasks.run import Run, current_run
from tasks.sandbox import Job, Verdict
from tasks.store.schema import Question, Trial
from tasks.subsets import solve_request
from tasks.trials import Unparsed, parse_solve
from tasks.work import Ending, drain

STAGE = "solve"


def in_scope(subsets: Sequence[str], models: Models) -> ColumnElement[bool]:
    """Questions a run works on: accepted, of these subsets; canned and real ones never mix."""
    canned = Question.provider == "offline"
    return (
        (Question.status == "accepted")
        & Question.subset.in_(subsets)
        & (canned if models.provider == "offline" else ~canned)
    )


def plan_trials(engine: Engine, subsets: Sequence[str], models: Models, attempts: int) -> int:
    """Make attempts 0..attempts-1 of every question in scope; returns how many are new."""
    numbers = func.generate_series(0, literal(attempts - 1, Integer)).table_valued("attempt").render_derived()
    wanted = select(Question.question_id, numbers.c.attempt).select_from(Question).join(numbers, true())
    statement = insert(Trial).from_select(["question_id", "attempt"], wanted.where(in_scope(subsets, models)))
    with engine.begin() as connection:
        return connection.execute(statement.on_conflict_do_nothing()).rowcount


def open_trials(engine: Engine, subsets: Sequence[str], models: Models) -> list[tuple[str, int]]:
    """Attempts without a verdict, question by question."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Trial.question_id, Trial.attempt)
            .join(Question, Question.question_id == Trial.question_id)
            .where(in_scope(subsets, models), Trial.status.in_(("pending", "failed")))
            .order_by(Question.subset, Question.number, Trial.attempt)
        )
        return [(row.question_id, row.attempt) for row in rows]


@dataclass(frozen=True, slots=True)
class Try:
    """An attempt to make."""

    question_id: str
    attempt: int
    subset: str
    question: str


@task(name="solve and verify shard", cache_policy=NO_CACHE)
async def verify_shard(keys: list[tuple[str, int]], models: Models) -> dict[str, int]:
    """Ask for the attempts and judge each as its answer comes in."""
    run = current_run()
    gateway = run.gateway(models)
    tries = await asyncio.to_thread(_load, run.engine, keys)

    async def attempt(row: Try) -> Ending:
        request, version = solve_request(row.question, row.attempt, models.provider, models.teacher, row.subset)
        answer = await gateway.ask(request)
        parsed = parse_solve(answer.text, answer.finish_reason)
        values: dict[str, Any] = {
            "provider": models.provider,
            "model": models.teacher,
            "prompt_version": version,
            "request_hash": answer.request_hash,
        }
        if isinstance(parsed, Unparsed):
            ending = Ending("rejected", parsed.reason, parsed.detail)
        else:
            job = Job(f"{row.question_id}:{row.attempt}", parsed.solution, test=parsed.test)
            verdict = await run.judge(job)
            ending = ending_of(verdict)
            values |= {"solution": parsed.solution, "test": parsed.test} | verdict_columns(verdict)
        await asyncio.to_thread(_store, run, row, ending, values)
        return ending

    async def mark(row: Try, ending: Ending) -> None:
        await asyncio.to_thread(_store, run, row, ending, {})

    return dict(await drain(tries, attempt, mark, run.advance(STAGE), models.max_concurrency))


def ending_of(verdict: Verdict) -> Ending:
    """A verdict as the ending of its row."""
    if verdict.passed:
        return Ending("accepted")
    return Ending("rejected", verdict.kind.value, verdict.message or None)


def verdict_columns(verdict: Verdict) -> dict[str, Any]:
    """The columns in which trials and responses keep a verdict."""
    return {
        "verdict": verdict.kind.value,
        "outcomes": verdict.tests,
        "coverage": verdict.coverage,
        "duration_s": verdict.duration_s,
        "peak_memory_mb": verdict.peak_memory_mb,
        "sandbox_level": verdict.level.value,
        "sandbox_environment": verdict.environment,
    }


def _load(engine: Engine, keys: Sequence[tuple[str, int]]) -> list[Try]:
    with engine.connect() as connection:
        found = {
            row.question_id: row
            for row in connection.execute(
                select(Question.question_id, Question.subset, Question.text).where(
                    Question.question_id.in_({key for key, _ in keys})
                )
            )
        }
    return [Try(key, attempt, found[key].subset, found[key].text) for key, attempt in keys]


def _store(run: Run, row: Try, ending: Ending, values: dict[str, Any]) -> None:
    key = {"question_id": row.question_id, "attempt": row.attempt}
    run.end_row(Trial, key, ending, values | {"message": ending.detail})
