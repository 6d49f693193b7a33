"""Reads verified triplets with their history out of the database, as the records that the formats are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Integer, Select, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import aliased

from tasks.formats import FunctionRecord, NearestProblem, ResponseRecord, TrialRecord, TripletRecord
from tasks.llm import stored_answers
from tasks.options import TRUST_BOUNDS, ReleaseFilters
from tasks.store import ArtifactStore
from tasks.store.schema import BenchmarkItem, LlmCall, Question, Response, Trial, Triplet
from tasks.work import shards

BATCH = 500

Grouped = Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Selected:
    """A triplet to release, with the reasoning answers that were judged."""

    record: TripletRecord
    responses: tuple[ResponseRecord, ...]


def releasable(subsets: Sequence[str], canned: bool, filters: ReleaseFilters) -> ColumnElement[bool]:
    """Accepted triplets of these subsets that pass `filters`; the canned teacher's are never mixed with real ones."""
    by_canned = Question.provider == "offline"
    found = (Triplet.status == "accepted") & Triplet.subset.in_(subsets) & (by_canned if canned else ~by_canned)
    if not filters.classes:
        found &= ~_tests_a_class()
    bounds = {name: least for name, least in filters.asked().items() if name in TRUST_BOUNDS}
    return found & Triplet.question_id.in_(_trusted(bounds)) if bounds else found


def _tests_a_class() -> ColumnElement[bool]:
    """By the entry points of the instruct triplet: programs of style online_judge have none of their own."""
    instruct = Triplet.__table__.alias("tested")
    is_class = cast('$[*] ? (@.function_declaration starts with "class ")', JSONPATH)
    return (
        select(instruct.c.triplet_id)
        .where(
            instruct.c.question_id == Triplet.question_id,
            instruct.c.style == "instruct",
            func.jsonb_path_exists(instruct.c.test_info, is_class),
        )
        .correlate(Triplet)
        .exists()
    )


def _trusted(bounds: Mapping[str, float | bool]) -> Select[str]:
    """Questions whose chosen trial meets the bounds. A null meets none."""
    source = aliased(Triplet)
    asserted = func.jsonb_each_text(Trial.evidence["assertions"]).table_valued("key", "value")
    values: dict[str, ColumnElement[Any]] = {
        "min_trust": Trial.trust.expression,
        "min_consensus": Trial.consensus.expression,
        "min_kill_rate": Trial.kill_rate.expression,
        "min_coverage": Trial.coverage.expression,
        "min_assertions": select(func.sum(cast(asserted.c.value, Integer))).scalar_subquery(),
        "stub_rejected": Trial.stub_rejected.expression,
        "stable": Trial.stable.expression,
        "apart": Trial.apart.expression,
    }
    return (
        select(Trial.question_id)
        .join(source, (source.question_id == Trial.question_id) & (source.chosen_attempt == Trial.attempt))
        .where(source.style == "instruct", *(_meets(values[name], least) for name, least in bounds.items()))
    )


def _meets(value: ColumnElement[Any], least: float | bool) -> ColumnElement[bool]:
    return value if least is True else value >= least


def select_triplets(
    connection: Connection, artifacts: ArtifactStore, subsets: Sequence[str], canned: bool, filters: ReleaseFilters
) -> Iterator[Selected]:
    """The accepted triplets, ordered by subset, number and style; BATCH of them are in memory at once."""
    ids = connection.scalars(
        select(Triplet.triplet_id)
        .join(Question, Question.question_id == Triplet.question_id)
        .where(releasable(subsets, canned, filters))
        .order_by(Question.subset, Question.number, Triplet.triplet_id)
    ).all()
    for batch in shards(ids, BATCH):
        yield from _load(connection, artifacts, batch, filters.max_response_tokens)


def _load(
    connection: Connection, artifacts: ArtifactStore, ids: Sequence[str], max_response_tokens: int | None
) -> Iterator[Selected]:
    instruct = Triplet.__table__.alias("instruct")
    rows = connection.execute(
        select(
            Triplet.__table__,
            Question.number,
            Question.seed_ids,
            Question.text.label("original"),
            Question.benchmark,
            Question.benchmark_item,
            Question.caution,
            Question.benchmark_similarity.label("similarity"),
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
        .where(Triplet.triplet_id.in_(ids))
    ).all()
    by_id = {row.triplet_id: row for row in rows}
    trials = _grouped(
        connection.execute(
            select(Trial.__table__)
            .where(Trial.question_id.in_({row.question_id for row in rows}))
            .order_by(Trial.attempt)
        ).all(),
        "question_id",
    )
    responses = _grouped(
        connection.execute(
            select(Response.__table__)
            .where(Response.triplet_id.in_(ids), Response.status.in_(("accepted", "rejected")))
            .join(LlmCall, LlmCall.request_hash == Response.request_hash)
            .where(true() if max_response_tokens is None else LlmCall.output_tokens <= max_response_tokens)
            .order_by(Response.provider, Response.model, Response.attempt)
        ).all(),
        "triplet_id",
    )
    hashes = [row.request_hash for rows in responses.values() for row in rows]
    answers = stored_answers(connection, artifacts, hashes)
    for triplet_id in ids:
        row = by_id[triplet_id]
        yield Selected(
            _record(row, trials.get(row.question_id, ())),
            tuple(
                ResponseRecord(
                    # The places of several reasoners' answers follow each other.
                    place,
                    answer.status == "accepted",
                    answers[answer.request_hash].text,
                    answers[answer.request_hash].reasoning,
                    answer.code,
                )
                for place, answer in enumerate(responses.get(triplet_id, ()))
            ),
        )


def _record(row: Any, trials: Sequence[Any]) -> TripletRecord:
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
    )


def _grouped(rows: Sequence[Any], key: str) -> Grouped:
    groups: dict[str, list[Any]] = {}
    for row in rows:
        groups.setdefault(getattr(row, key), []).append(row)
    return groups
