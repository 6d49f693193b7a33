"""Reads triplets with their history out of the database, as the records that the formats are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Text, func, select
from sqlalchemy.dialects.postgresql import ARRAY, array

from tasks.formats import AuthorRecord, FunctionRecord, NearestProblem, ResponseRecord, TrialRecord, TripletRecord
from tasks.licences import Author, Origin, TermsTable, readable, resulting_licence
from tasks.llm import stored_answers
from tasks.selection import Model, readable_responses
from tasks.store import ArtifactStore
from tasks.store.schema import BenchmarkItem, Question, Response, Seed, Trial, Triplet
from tasks.work import shards

BATCH = 500  # triplets in memory at once

Grouped = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Lens:
    """How rows are read: which responses count, and what the terms of their authors are."""

    terms: TermsTable
    max_response_tokens: int | None = None
    minded: frozenset[Model] = frozenset()  # models whose responses are left out


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """Where a row comes from, and what follows: shared by all rows that have the same, which are most."""

    origin: Origin  # of one row
    prompts: frozenset[tuple[str, str]]  # stage, version
    licence: str
    authors: tuple[AuthorRecord, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """A triplet to release with the reasoning answers that were judged, and where it comes from."""

    record: TripletRecord
    responses: tuple[ResponseRecord, ...]
    background: Background


def load(connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], lens: Lens) -> Iterator[Loaded]:
    """These triplets in their order, BATCH of them at a time."""
    for batch in shards(ids, BATCH):
        yield from _load(connection, artifacts, batch, lens)


def _load(connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], lens: Lens) -> Iterator[Loaded]:
    instruct = Triplet.__table__.alias("instruct")
    licences = (
        select(func.array_agg(func.coalesce(Seed.licence, "")))
        .where(Seed.seed_id == func.any(Question.seed_ids))
        .correlate(Question)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            Triplet.triplet_id,
            Triplet.question_id,
            Triplet.subset,
            Triplet.style,
            Triplet.question,
            Triplet.solution,
            Triplet.test,
            Triplet.test_info,
            Triplet.filter_reason,
            Triplet.provider,
            Triplet.model,
            Triplet.prompt_version,
            Question.number,
            Question.seed_ids,
            Question.text.label("original"),
            Question.benchmark,
            Question.benchmark_item,
            Question.caution,
            Question.benchmark_similarity.label("similarity"),
            Question.provider.label("proposed_by"),
            Question.model.label("proposer"),
            Question.prompt_version.label("proposed_with"),
            func.coalesce(licences, array([], type_=Text)).cast(ARRAY(Text)).label("licences"),
            BenchmarkItem.text.label("benchmark_text"),
            instruct.c.difficulty.label("label"),
            instruct.c.pass_sequence.label("passes"),
            instruct.c.chosen_attempt.label("chosen"),
        )
        .join(Question, Question.question_id == Triplet.question_id)
        .join(instruct, (instruct.c.question_id == Triplet.question_id) & (instruct.c.style == "instruct"))
        .outerjoin(
            BenchmarkItem,
            (BenchmarkItem.benchmark == Question.benchmark) & (BenchmarkItem.item_id == Question.benchmark_item),
        )
        .where(Triplet.triplet_id == func.any(list(ids)))
    ).all()
    by_id = {row.triplet_id: row for row in rows}
    trials = _grouped(
        connection.execute(
            select(
                Trial.question_id,
                Trial.attempt,
                Trial.verdict,
                Trial.solution,
                Trial.test,
                Trial.coverage,
                Trial.provider,
                Trial.model,
                Trial.prompt_version,
                Trial.request_hash,
            )
            .where(Trial.question_id == func.any(list({row.question_id for row in rows})))
            .order_by(Trial.attempt)
        ).all(),
        "question_id",
    )
    responses = _grouped(
        connection.execute(
            readable_responses(lens.max_response_tokens, lens.minded)
            .where(Response.triplet_id == func.any(list(ids)), Response.request_hash.is_not(None))
            .order_by(Response.provider, Response.model, Response.attempt)
        ).all(),
        "triplet_id",
    )
    hashes = [row.request_hash for rows in responses.values() for row in rows]
    answers = stored_answers(connection, artifacts, hashes)
    for triplet_id in ids:
        row = by_id[triplet_id]
        tried, answered = trials.get(row.question_id, ()), responses.get(triplet_id, ())
        background = _background(
            tuple(sorted(set(row.licences))),
            (row.subset, row.proposed_by, row.proposer, row.proposed_with),
            (row.style, row.provider, row.model, row.prompt_version),
            frozenset(
                (trial.provider, trial.model, trial.prompt_version)
                for trial in tried
                if trial.solution is not None or trial.test is not None
            ),
            frozenset((response.provider, response.model) for response in answered),
            lens.terms,
        )
        yield Loaded(
            _record(row, tried, background),
            tuple(
                ResponseRecord(
                    # The places of several reasoners' answers follow each other.
                    place,
                    answer.status == "accepted",
                    answers[answer.request_hash].text,
                    answers[answer.request_hash].reasoning,
                    answer.code,
                )
                for place, answer in enumerate(answered)
            ),
            background,
        )


@lru_cache(maxsize=4096)
def _background(
    licences: tuple[str, ...],
    proposed: tuple[str, str, str, str | None],
    made: tuple[str, str | None, str | None, str | None],
    solved: frozenset[tuple[str | None, str | None, str | None]],
    answered: frozenset[tuple[str, str]],
    terms: TermsTable,
) -> Background:
    """From the licences of the seeds, "" for none; subset, provider, model and prompt of the question; style and the
    same of the conversion; of the trials that have a text; and of the responses."""
    subset, provider, model, version = proposed
    authors = {Author("question", provider, model)}
    prompts = {(f"propose {subset}", version), (made[0], made[3])}
    if made[0] != "instruct":
        authors.add(Author("conversion", made[1] or "", made[2] or ""))
    for solver, name, prompt in solved:
        authors.add(Author("solution", solver or "", name or ""))
        prompts.add(("solve", prompt))
    authors.update(Author("response", *responder) for responder in answered)
    origin = Origin(1, tuple(licence or None for licence in licences), tuple(sorted(authors)))
    found = [(author, terms.of(author.provider, author.model)) for author in origin.authors]
    return Background(
        origin,
        frozenset((stage, used) for stage, used in prompts if used is not None),
        resulting_licence([origin], terms).licence,
        tuple(
            AuthorRecord(author.part, author.provider, author.model, their.licence, their.training)
            for author, their in found
        ),
    )


def _record(row: Any, trials: Sequence[Any], background: Background) -> TripletRecord:
    nearest = None
    if row.benchmark_item is not None:
        nearest = NearestProblem(row.benchmark, row.benchmark_item, row.benchmark_text, row.similarity)
    return TripletRecord(
        triplet_id=row.triplet_id,
        subset=row.subset,
        style=row.style,
        question=row.question,
        solution=row.solution,
        test=row.test,
        number=row.number,
        difficulty=row.label,
        pass_sequence=tuple(row.passes),
        chosen_attempt=row.chosen,
        trials=tuple(
            TrialRecord(
                trial.attempt,
                trial.verdict,
                trial.solution,
                trial.test,
                trial.coverage,
                f"{trial.model} {trial.request_hash}",
            )
            for trial in trials
        ),
        functions=tuple(FunctionRecord(**entry) for entry in row.test_info or ()),
        original_question=None if row.style == "instruct" else row.original,
        seed_ids=tuple(row.seed_ids),
        nearest=nearest,
        filter_reason=row.filter_reason or row.caution,
        seed_licences=tuple(readable(licence) for licence in background.origin.seed_licences),
        authors=background.authors,
        licence=background.licence,
    )


def _grouped(rows: Sequence[Any], key: str) -> Grouped:
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(getattr(row, key), []).append(row)
    return groups
