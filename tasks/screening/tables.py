"""The SQL of screening: what is pending, what it is compared with, and how the decisions are written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Connection,
    Select,
    Text,
    any_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from tasks.screening.benchmarks import Problem
from tasks.screening.embedding import Vectors
from tasks.screening.normalise import text_hash
from tasks.store.schema import SCHEMA, BenchmarkItem, Embedding, MinhashBand, Question

_STREAM_ROWS = 8_192


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question with a text: waiting, or accepted earlier."""

    question_id: str
    number: int
    text: str
    text_hash: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What screening concluded about one question; the columns it sets."""

    question_id: str
    text_hash: str
    status: str
    reason: str | None = None
    detail: str | None = None
    duplicate_of: str | None = None
    similarity: float | None = None
    benchmark: str | None = None
    benchmark_item: str | None = None
    benchmark_similarity: float | None = None


def lock_subset(connection: Connection, subset: str) -> None:
    """One screening of a subset at a time, until the transaction ends."""
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"kodcode.screening:{subset}", 0))))


def any_pending(connection: Connection, subset: str) -> bool:
    return bool(connection.scalar(select(exists(_pending(subset)))))


def pending_page(connection: Connection, subset: str, after: int, limit: int) -> list[Candidate]:
    """The next questions to screen, by ascending number."""
    return _candidates(connection, _pending(subset).where(Question.number > after).limit(limit))


def unembedded_page(connection: Connection, subset: str, model: str, after: int, limit: int) -> list[Candidate]:
    """Questions, waiting or accepted, whose text has no vector of this model yet."""
    known = exists().where(Embedding.model == model, Embedding.text_hash == Question.text_hash)
    query = _with_text(subset).where(Question.status.in_(("pending", "accepted")), ~known, Question.number > after)
    return _candidates(connection, query.limit(limit))


def unembedded_problems(connection: Connection, model: str) -> dict[str, str]:
    """Hash -> text of benchmark items without a vector of this model."""
    known = exists().where(Embedding.model == model, Embedding.text_hash == BenchmarkItem.text_hash)
    query = select(BenchmarkItem.text_hash, BenchmarkItem.text).where(~known)
    return {row.text_hash: row.text for row in connection.execute(query.order_by(BenchmarkItem.item_id.desc()))}


def set_text_hashes(connection: Connection, hashes: Mapping[str, str]) -> None:
    """Question id -> hash of the normalised text."""
    if hashes:
        connection.execute(
            update(Question).where(Question.question_id == bindparam("key")).values(text_hash=bindparam("hash")),
            [{"key": key, "hash": value} for key, value in hashes.items()],
        )


def add_vectors(connection: Connection, model: str, hashes: Sequence[str], vectors: Vectors) -> None:
    """Store unit vectors; one that is there already stays as it is."""
    rows = [
        {"model": model, "text_hash": key, "vector": vector.astype("<f4").tobytes()}
        for key, vector in zip(hashes, vectors, strict=True)
    ]
    if rows:
        connection.execute(insert(Embedding).on_conflict_do_nothing(), rows)


def vectors_of(connection: Connection, model: str, hashes: Iterable[str]) -> dict[str, Vectors]:
    query = select(Embedding.text_hash, Embedding.vector).where(
        Embedding.model == model, Embedding.text_hash.in_(sorted(set(hashes)))
    )
    return {row.text_hash: _vector(row.vector) for row in connection.execute(query)}


def accepted_vectors(
    connection: Connection, subset: str, model: str
) -> Iterator[tuple[list[tuple[int, str]], list[Vectors]]]:
    """(number, question id) of the accepted questions of a subset and their vectors, in blocks."""
    query = (
        select(Question.number, Question.question_id, Embedding.vector)
        .join(Embedding, Embedding.text_hash == Question.text_hash)
        .where(Question.subset == subset, Question.status == "accepted", Embedding.model == model)
    )
    with connection.execute(query, execution_options={"yield_per": _STREAM_ROWS}) as result:
        for rows in result.partitions():
            yield [(row.number, row.question_id) for row in rows], [_vector(row.vector) for row in rows]


def problem_vectors(connection: Connection, model: str) -> list[tuple[str, str, Vectors]]:
    """(benchmark, item, vector) of all benchmark items, in the order that decides between equals."""
    query = (
        select(BenchmarkItem.benchmark, BenchmarkItem.item_id, Embedding.vector)
        .join(Embedding, Embedding.text_hash == BenchmarkItem.text_hash)
        .where(Embedding.model == model)
    )
    return sorted((row.benchmark, row.item_id, _vector(row.vector)) for row in connection.execute(query))


def accepted_with_hash(connection: Connection, subset: str, hashes: Iterable[str]) -> dict[str, Candidate]:
    """Text hash -> the first accepted question that has it."""
    query = _with_text(subset).where(Question.status == "accepted", Question.text_hash.in_(sorted(set(hashes))))
    found: dict[str, Candidate] = {}
    for candidate in _candidates(connection, query):
        found.setdefault(str(candidate.text_hash), candidate)
    return found


def with_bands(connection: Connection, hashes: NDArray[np.int64]) -> dict[int, list[str]]:
    """Band hash -> the questions, of any subset, that share it."""
    # By itself and as one array: joined with the questions, the planner, who cannot know how many are accepted while
    # this very transaction accepts them, walks all bands for each of them.
    wanted = literal(np.unique(hashes).tolist(), ARRAY(BigInteger))
    found: dict[int, list[str]] = {}
    for row in connection.execute(select(MinhashBand.h, MinhashBand.question_id).where(MinhashBand.h == any_(wanted))):
        found.setdefault(row.h, []).append(row.question_id)
    return found


def accepted_of(connection: Connection, subset: str, question_ids: Iterable[str]) -> dict[str, Candidate]:
    """Those of these questions that are accepted ones of the subset."""
    wanted = literal(sorted(set(question_ids)), ARRAY(Text))
    query = _with_text(subset).where(Question.status == "accepted", Question.question_id == any_(wanted))
    return {candidate.question_id: candidate for candidate in _candidates(connection, query)}


def write_decisions(connection: Connection, decisions: Sequence[Decision]) -> None:
    names = [name for name in Decision.__slots__ if name != "question_id"]
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=Question.__table__.c[name].type) for name in names}
    # What was noted when the question was read out of the teacher's answer stays where there is nothing to add.
    values["detail"] = func.coalesce(values["detail"], Question.detail)
    connection.execute(
        update(Question).where(Question.question_id == bindparam("key")).values(values | {"updated_at": func.now()}),
        [
            {"key": values.pop("question_id")} | {f"new_{name}": value for name, value in values.items()}
            for values in map(asdict, decisions)
        ],
    )


def replace_bands(connection: Connection, screened: Sequence[str], accepted: Mapping[str, NDArray[np.int64]]) -> None:
    """Give the accepted questions their bands, and none to the rest of the screened ones."""
    # A question that was accepted before and set back to pending by hand still has its old ones.
    connection.execute(delete(MinhashBand).where(MinhashBand.question_id.in_(list(screened))))
    driver: Any = connection.connection.driver_connection
    with (
        driver.cursor() as cursor,
        cursor.copy(f"copy {SCHEMA}.minhash_bands (question_id, h) from stdin (format binary)") as copy,
    ):
        copy.set_types(["text", "int8"])
        for question_id, hashes in accepted.items():
            for h in hashes.tolist():
                copy.write_row((question_id, h))


def upsert_problems(connection: Connection, problems: Sequence[Problem]) -> None:
    statement = insert(BenchmarkItem)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[BenchmarkItem.benchmark, BenchmarkItem.item_id],
            set_={"text": statement.excluded.text, "text_hash": statement.excluded.text_hash},
        ),
        [
            {
                "benchmark": problem.benchmark,
                "item_id": problem.item_id,
                "text": problem.text,
                "text_hash": text_hash(problem.text),
            }
            for problem in problems
        ],
    )


def _with_text(subset: str) -> Select[str, int, str | None, str | None]:
    columns = select(Question.question_id, Question.number, Question.text, Question.text_hash)
    return columns.where(Question.subset == subset, Question.text.is_not(None)).order_by(Question.number)


def _pending(subset: str) -> Select[str, int, str | None, str | None]:
    return _with_text(subset).where(Question.status == "pending")


def _candidates(
    connection: Connection, query: Select[str, int, str | None, str | None]
) -> list[Candidate]:
    return [Candidate(row.question_id, row.number, row.text or "", row.text_hash) for row in connection.execute(query)]


def _vector(stored: bytes) -> Vectors:
    return np.frombuffer(stored, dtype="<f4").astype(np.float32)
