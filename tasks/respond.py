"""Stage 4: reasoning responses, kept where the triplet's own test passes on their code (reject sampling)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, Integer, func, literal, select, true
from sqlalchemy.dialects.postgresql import distinct_on, insert

from tasks import syntax
from tasks.options import Models
from tasks.run import Run
from tasks.sandbox import Job
from tasks.shards import Lease
from tasks.solve import ending_of, in_scope, rows_at_once, verdict_columns
from tasks.store.schema import Question, Response, Triplet
from tasks.subsets import respond_request
from tasks.trials import EntryPoint, extract_response_code, repair_entry_point
from tasks.work import Ending, Work

STAGE = "respond"


def plan_responses(
    engine: Engine,
    subsets: Sequence[str],
    styles: Sequence[str],
    models: Models,
    responses: int,
    stop_early: bool = False,
) -> None:
    """Make responses 0..responses-1 of every accepted triplet in scope.

    `stop_early` leaves out triplets of which this reasoner has a kept response.
    """
    numbers = func.generate_series(0, literal(responses - 1, Integer)).table_valued("attempt").render_derived()
    wanted = (
        select(Triplet.triplet_id, literal(models.provider), literal(models.reasoner), numbers.c.attempt)
        .select_from(Triplet)
        .join(Question, Question.question_id == Triplet.question_id)
        .join(numbers, true())
        .where(in_scope(subsets, models), Triplet.style.in_(styles), Triplet.status == "accepted")
        .where(_asked(models, stop_early))
    )
    names = ["triplet_id", "provider", "model", "attempt"]
    with engine.begin() as connection:
        connection.execute(insert(Response).from_select(names, wanted).on_conflict_do_nothing())


def open_responses(
    engine: Engine, subsets: Sequence[str], styles: Sequence[str], models: Models, stop_early: bool = False
) -> list[str]:
    """Responses of this reasoner without a verdict, as TRIPLET:ATTEMPT:PROVIDER:MODEL; with `stop_early` the first of
    each triplet that has no kept one, though an earlier run planned or failed more."""
    triplet = (Question.subset, Question.number, Triplet.triplet_id)
    wanted = (
        select(Response.triplet_id, Response.attempt)
        .join(Triplet, Triplet.triplet_id == Response.triplet_id)
        .join(Question, Question.question_id == Triplet.question_id)
        .where(
            in_scope(subsets, models),
            Triplet.style.in_(styles),
            Response.provider == models.provider,
            Response.model == models.reasoner,
            Response.status.in_(("pending", "failed")),
            _asked(models, stop_early),
        )
        .order_by(*triplet, Response.attempt)
    )
    with engine.connect() as connection:
        rows = connection.execute(wanted.ext(distinct_on(*triplet)) if stop_early else wanted)
        return [f"{row.triplet_id}:{row.attempt}:{models.provider}:{models.reasoner}" for row in rows]


def _asked(models: Models, stop_early: bool) -> ColumnElement[bool]:
    if not stop_early:
        return true()
    kept = Response.__table__.alias("kept")
    return ~(
        select(kept.c.attempt)
        .where(
            kept.c.triplet_id == Triplet.triplet_id,
            kept.c.provider == models.provider,
            kept.c.model == models.reasoner,
            kept.c.status == "accepted",
        )
        .correlate(Triplet)
        .exists()
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """A response to ask for."""

    triplet_id: str
    attempt: int
    subset: str
    style: str
    question: str
    test: str
    entry_points: tuple[EntryPoint, ...]


async def respond_shard(run: Run, lease: Lease, work: Work) -> dict[str, int]:
    """Ask the reasoner for these responses and judge the code of each."""
    models = work.asked
    gateway = run.gateway(models)
    samples = await asyncio.to_thread(_load, run.engine, lease.rows, models)

    async def respond(row: Sample) -> Ending:
        request, _ = respond_request(row.question, row.attempt, models.provider, models.reasoner, row.subset)
        answer = await gateway.ask(request)
        values: dict[str, Any] = {"request_hash": answer.request_hash}
        apart = answer.reasoning is not None
        code = None if answer.truncated else extract_response_code(answer.text, apart)
        if code is None:
            ending = Ending("rejected", "truncated" if answer.truncated else "no_code")
        else:
            job = _job(row, code, run.settings.confirm)
            verdict = await run.judge(job)
            ending = ending_of(verdict)
            # What was judged, alias and all: whoever runs the stored code against the test sees the same verdict.
            values |= {"code": job.solution} | verdict_columns(job, verdict)
        await asyncio.to_thread(_store, run, lease, row, models, ending, values)
        return ending

    async def mark(row: Sample, ending: Ending) -> None:
        await asyncio.to_thread(_store, run, lease, row, models, ending, {})

    return dict(await run.drain(lease, samples, respond, mark, rows_at_once(run, models)))


def _job(row: Sample, code: str, confirm: bool) -> Job:
    name = f"{row.triplet_id}:{row.attempt}"
    if row.style == "online_judge":
        cases: Any = syntax.literal(row.test)
        inputs, outputs = tuple(cases["stdin"]), tuple(cases["stdout"])
        return Job(name, code, judge="stdio", stdin=inputs, stdout=outputs, confirm=confirm)
    return Job(name, repair_entry_point(code, row.entry_points), test=row.test, confirm=confirm)


def still_open(engine: Engine, keys: Sequence[str]) -> list[str]:
    """Those of the responses that are to be asked for, whichever reasoner."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Response.triplet_id, Response.attempt, Response.provider, Response.model).where(
                Response.triplet_id.in_({key.partition(":")[0] for key in keys}),
                Response.status.in_(("pending", "failed")),
            )
        )
        found = {":".join(map(str, row)) for row in rows}
    return [key for key in keys if key in found]


def _load(engine: Engine, keys: Sequence[str], models: Models) -> list[Sample]:
    """Those of the responses that are still open."""
    wanted = [(triplet_id, int(attempt)) for triplet_id, attempt, *_ in (key.split(":") for key in keys)]
    triplet_ids = {triplet_id for triplet_id, _ in wanted}
    with engine.connect() as connection:
        found = {
            row.triplet_id: row
            for row in connection.execute(select(Triplet.__table__).where(Triplet.triplet_id.in_(triplet_ids)))
        }
        still_open = {
            (row.triplet_id, row.attempt)
            for row in connection.execute(
                select(Response.triplet_id, Response.attempt).where(
                    Response.triplet_id.in_(triplet_ids),
                    Response.provider == models.provider,
                    Response.model == models.reasoner,
                    Response.status.in_(("pending", "failed")),
                )
            )
        }
    return [
        Sample(
            key,
            attempt,
            found[key].subset,
            found[key].style,
            found[key].question,
            found[key].test,
            tuple(found[key].test_info or ()),
        )
        for key, attempt in wanted
        if (key, attempt) in still_open
    ]


def _store(run: Run, lease: Lease, row: Sample, models: Models, ending: Ending, values: dict[str, Any]) -> None:
    key = {
        "triplet_id": row.triplet_id, "provider": models.provider, "model": models.reasoner, "attempt": row.attempt,
    }  # fmt: skip
    run.end_row(lease, Response, key, ending, values | {"message": ending.detail})
