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


@dataclass(frozen=True, slots=True)
class Loaded:
    """A triplet to release with the reasoning answers that were judged, where it comes from, and by which prompts."""

    record: TripletRecord
    responses: tuple[ResponseRecord, ...]
    origin: Origin
    prompts: frozenset[tuple[str, str]]  # stage, version


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
        origin = Origin(1, *_sources(row, tried, answered))
        yield Loaded(
            _record(row, tried, origin, lens.terms),
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
            origin,
            _prompts(row, tried),
        )


def _sources(
    row: Any, trials: Sequence[Any], responses: Sequence[Any]
) -> tuple[tuple[str | None, ...], tuple[Author, ...]]:
    """Licences of the seeds, and who wrote the parts of the row."""
    authors = {Author("question", row.proposed_by, row.proposer)}
    if row.style != "instruct":
        authors.add(Author("conversion", row.provider or "", row.model or ""))
    for trial in trials:
        if trial.solution is not None or trial.test is not None:
            authors.add(Author("solution", trial.provider or "", trial.model or ""))
    authors.update(Author("response", response.provider, response.model) for response in responses)
    return tuple(licence or None for licence in sorted(set(row.licences))), tuple(sorted(authors))


def _prompts(row: Any, trials: Sequence[Any]) -> frozenset[tuple[str, str]]:
    used = [(f"propose {row.subset}", row.proposed_with), (row.style, row.prompt_version)]
    used += [("solve", trial.prompt_version) for trial in trials]
    return frozenset((stage, version) for stage, version in used if version is not None)


@lru_cache(maxsize=4096)
def _rights(origin: Origin, terms: TermsTable) -> tuple[str, tuple[AuthorRecord, ...]]:
    """The licence of a row and its authors with their terms; few rows differ in these."""
    found = [(author, terms.of(author.provider, author.model)) for author in origin.authors]
    authors = [
        AuthorRecord(author.part, author.provider, author.model, their.licence, their.training)
        for author, their in found
    ]
    return resulting_licence([origin], terms).licence, tuple(authors)


def _record(row: Any, trials: Sequence[Any], origin: Origin, terms: TermsTable) -> TripletRecord:
    nearest = None
    if row.benchmark_item is not None:
        nearest = NearestProblem(row.benchmark, row.benchmark_item, row.benchmark_text, row.similarity)
    licence, authors = _rights(origin, terms)
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
        seed_licences=tuple(readable(licence) for licence in origin.seed_licences),
        authors=authors,
        licence=licence,
    )


def _grouped(rows: Sequence[Any], key: str) -> Grouped:
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(getattr(row, key), []).append(row)
    return groups
