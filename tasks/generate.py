"""Stage 1: questions. Seeds are stored, places planned, a teacher fills them, its answers give the questions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select, text, update

from tasks.llm import Gateway, ProviderRefused
from tasks.options import Models
from tasks.run import Run
from tasks.screening import text_hash
from tasks.shards import Lease, fence
from tasks.store import copy_rows
from tasks.store.schema import Question, Seed, id_of_question
from tasks.subsets import (
    BUILTIN_SOURCE,
    CHATML,
    Extraction,
    SeedReport,
    Subset,
    annotate_request,
    base_models,
    choose_seeds,
    extract_question,
    get_subset,
    load_declared,
    load_seeds,
    propose_request,
    read_annotation,
    seed_id,
)
from tasks.subsets import Seed as SeedText
from tasks.work import Ending, Work

STAGE = "propose"

log = logging.getLogger(__name__)


async def read_seeds(subset: Subset, source: str | None) -> SeedReport:
    """The seeds of `source`, a path, URL or seeds.toml, or the built-in ones. Raises SeedError, NoSeeds."""
    if source is None:
        # On this thread: built-in seeds are parsed, and Prefect parses signatures here (see tasks.syntax).
        return load_seeds(subset)
    if source.endswith(".toml"):
        return await asyncio.to_thread(load_declared, subset, source)
    return await asyncio.to_thread(load_seeds, subset, source)


# Whoever reads a source again may state another licence for it, most likely because the first was wrong.
_LICENSED = text("""
update kodcode.seeds s set licence = n.licence
from unnest(cast(:ids as text[]), cast(:sources as text[]), cast(:licences as text[])) as n(seed_id, source, licence)
where s.seed_id = n.seed_id and s.source = n.source and s.licence is distinct from n.licence
""")


def store_seeds(engine: Engine, subset: Subset, report: SeedReport, named: bool) -> list[str]:
    """Store these seeds, and their licences anew; return the ids of the pool that prompts draw from.

    The pool is what was loaded now, where the user `named` its source; else every seed that a user ever stored for
    this subset, or the built-in ones where there is none.
    """
    rows = [
        {
            "seed_id": seed_id(subset.name, seed.text),
            "subset": subset.name,
            "content_hash": seed.content_hash,
            "text": seed.text,
            "source": seed.source,
            "revision": seed.revision,
            "licence": seed.licence,
        }
        for seed in report.seeds
    ]
    with engine.begin() as connection:
        copy_rows(connection, Seed, rows)
        told = {f"{column}s": [row[column] for row in rows] for column in ("source", "licence")}
        corrected = connection.execute(_LICENSED, {"ids": [row["seed_id"] for row in rows], **told}).rowcount
        if corrected:
            log.warning("%d seeds have another licence now, which the next release goes by.", corrected)
        stored = (
            None
            if named
            else connection.scalars(
                select(Seed.seed_id).where(Seed.subset == subset.name, Seed.source != BUILTIN_SOURCE)
            ).all()
        )
    return sorted(stored or {str(row["seed_id"]) for row in rows})


def series_models(subset: Subset, models: Models) -> tuple[str, ...]:
    """The models whose proposals are counted: for raw completions the base models, if any is named, else the teacher.

    Prompt i belongs to the model at place i modulo their number, whatever else was or will be planned.
    """
    bases = base_models(models.base_model) if subset.endpoint == "completions" else ()
    return tuple(base.name for base in bases) or (models.teacher,)


def has_room(engine: Engine, subset: Subset, models: Models, count: int) -> bool:
    """Whether fewer than `count` prompts of this subset and model are planned."""
    with engine.connect() as connection:
        planned = connection.scalar(
            select(func.count()).where(*_series(subset, models), Question.prompt_index < count)
        )
    return (planned or 0) < count


def planned_prompts(connection: Connection, subset: Subset, models: Models) -> tuple[int, int]:
    """How many prompts of this subset and model are planned, and how many of them wait for an answer."""
    unanswered = Question.status.in_(("pending", "failed")) & Question.text.is_(None)
    row = connection.execute(
        select(
            func.coalesce(func.max(Question.prompt_index) + 1, 0).label("planned"),
            func.count().filter(unanswered).label("unanswered"),
        ).where(*_series(subset, models))
    ).one()
    return row.planned, row.unanswered


def _series(subset: Subset, models: Models) -> tuple[ColumnElement[bool], ...]:
    asked = series_models(subset, models)
    turns = (
        (Question.model == model) & (Question.prompt_index % len(asked) == turn) for turn, model in enumerate(asked)
    )
    return (Question.subset == subset.name, Question.provider == models.provider, or_(*turns))


def plan_questions(engine: Engine, subset: Subset, models: Models, count: int, pool: Sequence[str]) -> int:
    """Make places for prompts 0..count-1 of this subset and its models; returns how many are new.

    Prompt i draws its seeds now, so that a seed added later changes nothing that is already planned.
    """
    asked = series_models(subset, models)
    with engine.begin() as connection:
        connection.execute(text("select pg_advisory_xact_lock(hashtext(:name))"), {"name": f"plan {subset.name}"})
        planned = set(connection.scalars(select(Question.prompt_index).where(*_series(subset, models))))
        highest = connection.scalar(select(func.max(Question.number)).where(Question.subset == subset.name))
        number = 0 if highest is None else highest + 1
        rows = [
            {
                "question_id": id_of_question(subset.name, number + offset),
                "subset": subset.name,
                "number": number + offset,
                "provider": models.provider,
                "model": asked[index % len(asked)],
                "prompt_index": index,
                "seed_ids": list(choose_seeds(subset, pool, index)),
                "status": "pending",
            }
            for offset, index in enumerate(i for i in range(count) if i not in planned)
        ]
        return copy_rows(connection, Question, rows)


def open_questions(engine: Engine, subset: Subset, models: Models, count: int) -> list[str]:
    """Places among prompts 0..count-1 that have no question yet, in order."""
    with engine.connect() as connection:
        return list(
            connection.scalars(
                select(Question.question_id)
                .where(
                    *_series(subset, models),
                    Question.prompt_index < count,
                    Question.status.in_(("pending", "failed")),
                    Question.text.is_(None),
                )
                .order_by(Question.number)
            )
        )


@dataclass(frozen=True, slots=True)
class Place:
    """A numbered place in a subset that waits for its question."""

    question_id: str
    model: str
    prompt_index: int
    seeds: tuple[SeedText, ...]


async def propose_shard(run: Run, lease: Lease, work: Work) -> dict[str, int]:
    """Ask the teacher for the questions of these places and store what it proposed."""
    models, subset = work.asked, get_subset(work.subset or "")
    gateway = run.gateway(models)
    # The teacher is a chat model; only a model that was named as a base model is asked to complete a raw prompt.
    templates = {base.name: base.template for base in base_models(models.base_model)}
    raw = gateway.has_completions and bool(templates)
    places = await asyncio.to_thread(_load, run.engine, lease.rows)

    async def propose(place: Place) -> Ending:
        request, version = propose_request(
            subset, place.seeds, place.prompt_index, models.provider, place.model, raw,
            template=templates.get(place.model, CHATML),
        )  # fmt: skip
        answer = await gateway.ask(request)
        extraction = extract_question(subset, answer.text, answer.finish_reason)
        ending, annotated = await _annotated(gateway, subset, extraction, models, place.prompt_index)
        proposed = {
            "request_hash": answer.request_hash,
            "prompt_version": version,
            "text": extraction.text,
            "text_hash": extraction.text and text_hash(extraction.text),
        }
        await asyncio.to_thread(_store, run, lease, place, ending, proposed | annotated)
        return ending

    async def mark(place: Place, ending: Ending) -> None:
        await asyncio.to_thread(_store, run, lease, place, ending, {})

    return dict(await run.drain(lease, places, propose, mark, models.rows_at_once))


async def _annotated(
    gateway: Gateway, subset: Subset, extraction: Extraction, models: Models, prompt_index: int
) -> tuple[Ending, dict[str, object]]:
    """How the place ends: pending (to be screened), or rejected; and what the annotator said, if it was asked.

    In Filter the annotator also chooses by category; elsewhere a question is of the kind that was asked for.
    """
    if extraction.text is None:
        return Ending("rejected", extraction.reason, extraction.detail), {}
    if not subset.annotated and models.annotator is None:
        return Ending("pending", None, extraction.detail), {}
    annotator = models.annotator or models.teacher
    request, _ = annotate_request(extraction.text, prompt_index, models.provider, annotator, subset.name)
    try:
        answer = await gateway.ask(request)
    except ProviderRefused as error:  # of the judgement; the proposal is paid for and stored
        return Ending("rejected", "annotator", f"the annotator refused: {error}"), {}
    said = read_annotation(answer.text, any_category=not subset.annotated)
    values: dict[str, object] = {
        "annotation_hash": answer.request_hash,
        "annotated_category": said.category or None,
        "annotated_difficulty": said.difficulty,
        "annotated_clarity": said.clarity,
    }
    ending = Ending("pending", None, said.summary) if said.keep else Ending("rejected", "annotator", said.summary)
    return ending, values


def still_open(engine: Engine, question_ids: Sequence[str]) -> list[str]:
    """Those of the places that are to be asked for."""
    return [place.question_id for place in _load(engine, question_ids)]


def _load(engine: Engine, question_ids: Sequence[str]) -> list[Place]:
    """Those of the places that are still open."""
    with engine.connect() as connection:
        rows = connection.execute(
            select(Question.question_id, Question.model, Question.prompt_index, Question.seed_ids)
            .where(
                Question.question_id.in_(question_ids),
                Question.status.in_(("pending", "failed")),
                Question.text.is_(None),
            )
            .order_by(Question.number)
        ).all()
        wanted = {seed for row in rows for seed in row.seed_ids}
        seeds = {
            row.seed_id: SeedText(row.text, row.source, row.revision, row.licence)
            for row in connection.execute(select(Seed.__table__).where(Seed.seed_id.in_(wanted)))
        }
    return [
        Place(row.question_id, row.model, row.prompt_index, tuple(seeds[seed] for seed in row.seed_ids))
        for row in rows
    ]


def _store(run: Run, lease: Lease, place: Place, ending: Ending, values: Mapping[str, object]) -> None:
    ended = {"status": ending.status, "reason": ending.reason, "detail": ending.detail}
    with run.engine.begin() as connection:
        fence(connection, lease)
        connection.execute(
            update(Question)
            .where(Question.question_id == place.question_id, Question.text.is_(None))
            .values(**values, **ended, run_id=run.run_id, updated_at=func.now())
        )
