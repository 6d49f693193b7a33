"""The SQL of screening: what is pending, what it is compared with, and how the decisions are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Connection,
    Integer,
    Select,
    Text,
    any_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, insert

from tasks.screening.benchmarks import Problem
from tasks.screening.contamination import Finding, KnownProblem
from tasks.screening.embedding import Vectors
from tasks.screening.normalise import text_hash
from tasks.store.schema import (
    SCHEMA,
    BenchmarkItem,
    Contamination,
    Embedding,
    MinhashBand,
    Question,
    Trial,
    Triplet,
    VectorHead,
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A question with a text: waiting, or accepted earlier."""

    question_id: str
    subset: str
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
    caution: str | None = None


def lock(connection: Connection, subset: str, *, across: bool) -> None:
    """One decision at a time in a subset, or `across` all of them, until the transaction ends."""
    everything = func.hashtextextended("kodcode.screening", 0)
    if across:
        connection.execute(select(func.pg_advisory_xact_lock(everything)))
        return
    connection.execute(select(func.pg_advisory_xact_lock_shared(everything)))
    connection.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"kodcode.screening:{subset}", 0))))


def last_pending(connection: Connection, subset: str, question_ids: Sequence[str] | None) -> int | None:
    """The highest number among the pending questions (of these, where ids are given); None where there is none."""
    query = select(func.max(Question.number)).where(
        Question.subset == subset, Question.status == "pending", Question.text.is_not(None)
    )
    if question_ids is not None:
        query = query.where(Question.question_id == any_(literal(list(question_ids), ARRAY(Text))))
    return connection.scalar(query)


def pending_page(
    connection: Connection, subset: str, after: int, limit: int, question_ids: Sequence[str] | None = None,
    through: int | None = None,
) -> list[Candidate]:  # fmt: skip
    """The next questions to screen, by ascending number: all, or those of these ids, or those up to a number."""
    query = _with_text(subset).where(Question.status == "pending", Question.number > after)
    if question_ids is not None:
        query = query.where(Question.question_id == any_(literal(list(question_ids), ARRAY(Text))))
    if through is not None:
        query = query.where(Question.number <= through)
    return _candidates(connection, query.limit(limit))


def accepted_subsets(connection: Connection) -> list[str]:
    """The subsets that have accepted questions."""
    return list(
        connection.scalars(select(Question.subset).where(Question.status == "accepted").distinct().order_by("subset"))
    )


def accepted_at(connection: Connection, subset: str, numbers: NDArray[np.int32]) -> list[Candidate]:
    """Those of the questions at these numbers that are accepted."""
    wanted = literal(numbers.tolist(), ARRAY(Integer))
    query = _with_text(subset).where(Question.status == "accepted", Question.number == any_(wanted))
    return _candidates(connection, query)


def unembedded(connection: Connection, model: str, hashes: Iterable[str]) -> set[str]:
    """Those of these text hashes that have no vector of the model."""
    wanted = set(hashes)
    query = select(Embedding.text_hash).where(
        Embedding.model == model, Embedding.text_hash == any_(literal(sorted(wanted), ARRAY(Text)))
    )
    return wanted - set(connection.scalars(query))


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


def near_vectors(
    connection: Connection, model: str, subset: str, numbers: Sequence[int]
) -> tuple[list[tuple[int, str]], list[Vectors]]:
    """(number, question id) and vector of those questions of a subset that are accepted, by number."""
    query = (
        select(Question.number, Question.question_id, Embedding.vector)
        .join(Embedding, Embedding.text_hash == Question.text_hash)
        .where(
            Question.subset == subset,
            Question.number == any_(literal(list(numbers), ARRAY(Integer))),
            Question.status == "accepted",
            Embedding.model == model,
        )
        .order_by(Question.number)
    )
    rows = connection.execute(query).all()
    return [(row.number, row.question_id) for row in rows], [_vector(row.vector) for row in rows]


def known_problems(connection: Connection, model: str) -> list[KnownProblem]:
    """All benchmark items that have a vector of this model, in the order that decides between equals."""
    query = select(BenchmarkItem.__table__, Embedding.vector).join(
        Embedding, Embedding.text_hash == BenchmarkItem.text_hash
    ).where(Embedding.model == model)  # fmt: skip
    found = (
        KnownProblem(row.benchmark, row.item_id, row.text, row.solution, _vector(row.vector))
        for row in connection.execute(query)
    )
    return sorted(found, key=lambda problem: (problem.benchmark, problem.item_id))


def benchmarks_hash(connection: Connection, model: str) -> str:
    """MD5 of what `known_problems` reads, made by the server: benchmarks and item ids, texts, solutions, vectors."""
    parts = (BenchmarkItem.benchmark, BenchmarkItem.item_id, BenchmarkItem.text, BenchmarkItem.solution)
    item = func.md5(func.jsonb_build_array(*parts).cast(Text)).concat(func.md5(Embedding.vector))
    in_order = aggregate_order_by(literal(""), BenchmarkItem.benchmark, BenchmarkItem.item_id)
    query = (
        select(func.md5(func.string_agg(item, in_order)))
        .join_from(BenchmarkItem, Embedding, Embedding.text_hash == BenchmarkItem.text_hash)
        .where(Embedding.model == model)
    )
    return str(connection.scalar(query))


def accepted_with_hash(connection: Connection, subset: str | None, hashes: Iterable[str]) -> dict[str, Candidate]:
    """Text hash -> the first accepted question, of a subset or of all, that has it."""
    wanted = literal(sorted(set(hashes)), ARRAY(Text))
    query = _with_text(subset).where(Question.status == "accepted", Question.text_hash == any_(wanted))
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


def accepted_of(connection: Connection, subset: str | None, question_ids: Iterable[str]) -> dict[str, Candidate]:
    """Those of these questions that are accepted ones, of the subset or of any."""
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


def replace_findings(
    connection: Connection, screened: Sequence[str], findings: Mapping[str, Sequence[Finding]]
) -> None:
    """Give the screened questions these findings and no others."""
    connection.execute(delete(Contamination).where(Contamination.question_id.in_(list(screened))))
    rows = [
        {"question_id": question_id, **asdict(finding)} for question_id, found in findings.items() for finding in found
    ]
    if rows:
        connection.execute(insert(Contamination), rows)


def accepted_page(connection: Connection, subset: str, after: int, limit: int) -> list[Candidate]:
    """Accepted questions by ascending number."""
    query = _with_text(subset).where(Question.status == "accepted", Question.number > after)
    return _candidates(connection, query.limit(limit))


def solutions_of(connection: Connection, question_ids: Sequence[str]) -> dict[str, list[str]]:
    """Question -> the solutions of its accepted triplets of all styles."""
    query = select(Triplet.question_id, Triplet.solution).where(
        Triplet.question_id == any_(literal(list(question_ids), ARRAY(Text))),
        Triplet.status == "accepted",
        Triplet.solution.is_not(None),
    )
    found: dict[str, list[str]] = {}
    for row in connection.execute(query.distinct()):
        found.setdefault(row.question_id, []).append(str(row.solution))
    return found


def set_nearest(
    connection: Connection, question_id: str, benchmark: str, item: str, cosine: float, caution: str | None
) -> None:
    """What a later check says of an accepted question. Its triplets carry the similarity too."""
    connection.execute(
        update(Question)
        .where(Question.question_id == question_id)
        .values(
            benchmark=benchmark, benchmark_item=item, benchmark_similarity=cosine, caution=caution,
            updated_at=func.now(),
        )
    )  # fmt: skip
    connection.execute(
        update(Triplet).where(Triplet.question_id == question_id).values(benchmark_similarity=cosine)
    )


def reject_contaminated(connection: Connection, question_ids: Sequence[str]) -> None:
    """Reject those of these accepted questions that have no trials; what they displaced waits for screening again."""
    trials = exists().where(Trial.question_id == Question.question_id)
    rejected = connection.execute(
        update(Question)
        .where(Question.question_id == any_(literal(list(question_ids), ARRAY(Text))), ~trials)
        .values(status="rejected", reason="contaminated", detail=Question.caution, caution=None, updated_at=func.now())
        .returning(Question.question_id, Question.subset, Question.number)
    ).all()
    ids = [row.question_id for row in rejected]
    if not ids:
        return
    connection.execute(delete(MinhashBand).where(MinhashBand.question_id.in_(ids)))
    places = [(row.subset, row.number) for row in rejected]
    connection.execute(delete(VectorHead).where(tuple_(VectorHead.subset, VectorHead.number).in_(places)))
    connection.execute(
        update(Question)
        .where(Question.duplicate_of.in_(ids))
        .values(
            status="pending", reason=None, detail=None, duplicate_of=None, similarity=None, updated_at=func.now()
        )
    )


def upsert_problems(connection: Connection, problems: Sequence[Problem]) -> None:
    statement = insert(BenchmarkItem)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[BenchmarkItem.benchmark, BenchmarkItem.item_id],
            set_={name: statement.excluded[name] for name in ("text", "text_hash", "solution")},
        ),
        [
            {
                "benchmark": problem.benchmark,
                "item_id": problem.item_id,
                "text": problem.text,
                "text_hash": text_hash(problem.text),
                "solution": problem.solution,
            }
            for problem in problems
        ],
    )


def _with_text(subset: str | None) -> Select[str, str, int, str | None, str | None]:
    columns = select(
        Question.question_id, Question.subset, Question.number, Question.text, Question.text_hash
    ).where(Question.text.is_not(None))
    of_subset = columns if subset is None else columns.where(Question.subset == subset)
    return of_subset.order_by(Question.number, Question.subset)


def _candidates(
    connection: Connection, query: Select[str, str, int, str | None, str | None]
) -> list[Candidate]:
    return [
        Candidate(row.question_id, row.subset, row.number, row.text or "", row.text_hash)
        for row in connection.execute(query)
    ]


def _vector(stored: bytes) -> Vectors:
    return np.frombuffer(stored, dtype="<f4").astype(np.float32)
