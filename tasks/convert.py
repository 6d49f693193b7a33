"""Stage 3: the other styles. Every conversion is proven by execution; a model has `tries` tries at each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, case, func, literal, select
from sqlalchemy.dialects.postgresql import insert

from tasks.label import STYLE_LETTERS
from tasks.llm import Answer
from tasks.options import Models
from tasks.run import Run
from tasks.shards import Lease
from tasks.solve import in_scope, rows_at_once
from tasks.store.schema import IMPORTED, Question, Triplet
from tasks.styles import (
    Converted,
    OnlineJudge,
    Rejection,
    check_complete,
    check_online_judge,
    parse_complete,
    parse_online_judge,
)
from tasks.subsets import complete_request, online_judge_request
from tasks.trials import test_info
from tasks.work import Ending, Work

STAGE = "convert"


def plan_conversions(engine: Engine, subsets: Sequence[str], styles: Sequence[str], models: Models) -> None:
    """Make a place for each style of every accepted instruct triplet in scope."""
    with engine.begin() as connection:
        for style in styles:
            wanted = (
                select(
                    func.concat(Triplet.question_id, f"_{STYLE_LETTERS[style]}"),
                    Triplet.question_id,
                    Triplet.subset,
                    literal(style),
                    Triplet.triplet_id,
                )
                .join(Question, Question.question_id == Triplet.question_id)
                .where(in_scope(subsets, models), Triplet.style == "instruct", Triplet.status == "accepted")
            )
            names = ["triplet_id", "question_id", "subset", "style", "source_triplet_id"]
            connection.execute(insert(Triplet).from_select(names, wanted).on_conflict_do_nothing())


def open_conversions(engine: Engine, subsets: Sequence[str], styles: Sequence[str], models: Models) -> list[str]:
    """Conversions that a model is still to make."""
    with engine.connect() as connection:
        return list(
            connection.scalars(
                select(Triplet.triplet_id)
                .join(Question, Question.question_id == Triplet.question_id)
                .where(
                    in_scope(subsets, models),
                    Triplet.style.in_(styles),
                    Triplet.status.in_(("pending", "failed")),
                    Triplet.provider.is_distinct_from(IMPORTED),  # there is nothing to ask about these
                )
                .order_by(Question.subset, Question.number, case({"complete": 0}, value=Triplet.style, else_=1))
            )
        )


@dataclass(frozen=True, slots=True)
class Conversion:
    """A conversion to make, with the verified triplet that it starts from."""

    triplet_id: str
    subset: str
    style: str
    question: str
    solution: str
    test: str


async def convert_shard(run: Run, lease: Lease, work: Work) -> dict[str, int]:
    """Convert these triplets and store what was proven, or why nothing was."""
    models, tries = work.asked, work.tries
    gateway = run.gateway(models)
    rows = await asyncio.to_thread(_load, run.engine, lease.rows)

    async def convert(row: Conversion) -> Ending:
        history: list[dict[str, Any]] = []
        make_request = complete_request if row.style == "complete" else online_judge_request
        for attempt in range(tries):
            request, version = make_request(
                row.question, row.solution, row.test, attempt, models.provider, models.teacher, row.subset
            )
            answer = await gateway.ask(request)
            result = await _checked(run, row, answer)
            entry = {"attempt": attempt, "request_hash": answer.request_hash}
            values: dict[str, Any] = {"provider": models.provider, "model": models.teacher, "prompt_version": version}
            ending, columns = conversion_columns(row.style, result)
            history.append(entry | tried(result))
            if ending.status == "accepted" or attempt == tries - 1:
                await asyncio.to_thread(_store, run, lease, row, ending, values | columns | {"tries": history})
                return ending
        raise ValueError(f"tries must be at least 1, not {tries}")

    async def mark(row: Conversion, ending: Ending) -> None:
        tries_so_far = [{"reason": ending.reason, "message": ending.detail}]
        await asyncio.to_thread(_store, run, lease, row, ending, {"tries": tries_so_far})

    return dict(await run.drain(lease, rows, convert, mark, rows_at_once(run, models)))


async def _checked(run: Run, row: Conversion, answer: Answer) -> Converted | Rejection:
    parse = parse_complete if row.style == "complete" else parse_online_judge
    return await proven(run, parse(answer.text, answer.finish_reason), row.solution, row.test)


async def proven(
    run: Run, parsed: str | OnlineJudge | Rejection, solution: str, test: str
) -> Converted | Rejection:
    """A completion prompt or an Online Judge conversion of this verified pair, proven by execution."""
    if isinstance(parsed, Rejection):
        return parsed
    if isinstance(parsed, str):
        return await check_complete(parsed, solution, test, run.judge)
    return await check_online_judge(parsed, solution, test, run.judge)


def conversion_columns(style: str, result: Converted | Rejection) -> tuple[Ending, dict[str, Any]]:
    """How a conversion ends, and the columns that keep what was proven."""
    if isinstance(result, Rejection):
        return Ending("rejected", result.reason.value), {}
    return Ending("accepted"), {
        "question": result.question,
        "solution": result.solution,
        "test": result.test,
        "test_info": test_info(result.solution, result.test) if style == "complete" else [],
        "coverage": result.coverage,
        "kill_rate": result.kill_rate,
    }


def tried(result: Converted | Rejection) -> dict[str, Any]:
    """What the history of a conversion's tries says of a result."""
    if isinstance(result, Rejection):
        return {"reason": result.reason.value, "message": result.message}
    return {"reason": None}


def still_open(engine: Engine, triplet_ids: Sequence[str]) -> list[str]:
    """Those of the conversions that are to be made."""
    return [row.triplet_id for row in _load(engine, triplet_ids)]


def _load(engine: Engine, triplet_ids: Sequence[str]) -> list[Conversion]:
    """Those of the conversions that are still open."""
    source = Triplet.__table__.alias("source")
    with engine.connect() as connection:
        found = {
            row.triplet_id: Conversion(*row)
            for row in connection.execute(
                select(
                    Triplet.triplet_id,
                    Triplet.subset,
                    Triplet.style,
                    source.c.question,
                    source.c.solution,
                    source.c.test,
                )
                .join(source, source.c.triplet_id == Triplet.source_triplet_id)
                .where(Triplet.triplet_id.in_(triplet_ids), Triplet.status.in_(("pending", "failed")))
            )
        }
    return [found[triplet_id] for triplet_id in triplet_ids if triplet_id in found]


def _store(run: Run, lease: Lease, row: Conversion, ending: Ending, values: dict[str, Any]) -> None:
    run.end_row(lease, Triplet, {"triplet_id": row.triplet_id}, ending, values)
