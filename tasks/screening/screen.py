"""Screens a subset's pending questions against its whole history and the benchmarks.

A question is compared, in ascending number, with every question of its subset accepted before it: exact text, MinHash
(word 3-grams, verified by the exact Jaccard similarity), embedding distance; then with the benchmarks. The first
that strikes decides. Rejected questions are compared with no more: a near-duplicate of a rejected question is judged
by itself. Hence the survivors do not depend on the batches in which the questions came, given the order of numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine

from tasks.screening import minhash, tables
from tasks.screening.benchmarks import Problem
from tasks.screening.embedding import Embedder, Vectors
from tasks.screening.errors import VectorsDisagree
from tasks.screening.normalise import hash_normalised, normalise, text_hash
from tasks.screening.tables import Candidate, Decision
from tasks.screening.vectors import Neighbour, VectorIndex, pairs_above

DUPLICATE_EXACT = "duplicate_exact"
DUPLICATE_MINHASH = "duplicate_minhash"
DUPLICATE_SEMANTIC = "duplicate_semantic"
CONTAMINATED = "contaminated"
DUPLICATE_REASONS = (DUPLICATE_EXACT, DUPLICATE_MINHASH, DUPLICATE_SEMANTIC)
REASONS = (*DUPLICATE_REASONS, CONTAMINATED)

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When two texts are too near. The defaults are the paper's (Jaccard: this project's)."""

    jaccard: float = minhash.THRESHOLD  # at least this much of the word 3-grams in common
    squared_l2: float = 0.1  # less than this between unit vectors
    benchmark_cosine: float = 0.95  # more than this to a benchmark's problem

    def __post_init__(self) -> None:
        if not 0.7 <= self.jaccard <= 1:
            raise ValueError(f"jaccard is {self.jaccard}: the MinHash bands find pairs from 0.7; give 0.7 to 1")
        if not 0 <= self.squared_l2 <= 4:
            raise ValueError(f"squared_l2 is {self.squared_l2}: between unit vectors it lies in 0 to 4")
        if not -1 <= self.benchmark_cosine <= 1:
            raise ValueError(f"benchmark_cosine is {self.benchmark_cosine}: a cosine lies in -1 to 1")

    @property
    def duplicate_cosine(self) -> float:
        """The squared distance of unit vectors is 2 - 2 cos."""
        return 1 - self.squared_l2 / 2


@dataclass(frozen=True, slots=True)
class ScreenReport:
    """Counts of one screening."""

    subset: str
    embedder: str
    screened: int = 0
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)  # by reason

    @property
    def duplicates(self) -> int:
        return sum(self.rejected.get(reason, 0) for reason in DUPLICATE_REASONS)

    @property
    def contaminated(self) -> int:
        return self.rejected.get(CONTAMINATED, 0)

    @property
    def counts(self) -> dict[str, int]:
        """`accepted` and each reason that struck -> questions; they add up to `screened`."""
        return {"accepted": self.accepted, **self.rejected}


def store_benchmark(engine: Engine, problems: Sequence[Problem]) -> int:
    """Insert or update problems that questions are compared with from now on; returns how many were given."""
    if problems:
        with engine.begin() as connection:
            tables.upsert_problems(connection, problems)
    return len(problems)


def screen_subset(
    engine: Engine, subset: str, embedder: Embedder, thresholds: Thresholds | None = None, *, page_size: int = _PAGE
) -> ScreenReport:
    """Decide all pending questions of a subset that have a text.

    Vectors are made and committed first, page by page, so that none is paid for twice; the decisions are one
    transaction under a lock of the subset. A question whose text arrives meanwhile is left to the next call.
    Raises EmbedderError where vectors cannot be had (nothing is decided then) and VectorsDisagree where stored
    vectors cannot be compared.
    """
    thresholds = thresholds or Thresholds()
    with engine.connect() as connection:
        if not tables.any_pending(connection, subset):
            return ScreenReport(subset, embedder.name)
    _embed_missing(engine, subset, embedder, page_size)
    counts: Counter[str] = Counter()
    # Read committed: what the holder of the lock before us committed must be seen.
    with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
        tables.lock_subset(connection, subset)
        screening = _Screening(connection, subset, embedder.name, thresholds)
        after = -1
        while page := tables.pending_page(connection, subset, after, page_size):
            after = page[-1].number
            counts.update(decision.reason or "accepted" for decision in screening.decide(page))
    rejected = {reason: counts[reason] for reason in REASONS if counts[reason]}
    return ScreenReport(subset, embedder.name, counts.total(), counts["accepted"], rejected)


def _embed_missing(engine: Engine, subset: str, embedder: Embedder, page_size: int) -> None:
    """Text hashes of the pending questions; vectors of all questions and problems that have none of this embedder."""
    after = -1
    while True:
        with engine.begin() as connection:
            page = tables.pending_page(connection, subset, after, page_size)
            hashes = {candidate.question_id: text_hash(candidate.text) for candidate in page}
            wrong = {c.question_id: hashes[c.question_id] for c in page if c.text_hash != hashes[c.question_id]}
            tables.set_text_hashes(connection, wrong)
        if not page:
            break
        after = page[-1].number
    with engine.connect() as connection:
        problems = list(tables.unembedded_problems(connection, embedder.name).items())
    for start in range(0, len(problems), page_size):
        _embed(engine, embedder, dict(problems[start : start + page_size]))
    after = -1
    while True:
        with engine.connect() as connection:
            page = tables.unembedded_page(connection, subset, embedder.name, after, page_size)
        if not page:
            break
        after = page[-1].number
        hashed = [(candidate, candidate.text_hash or text_hash(candidate.text)) for candidate in page]
        _embed(engine, embedder, {key: candidate.text for candidate, key in hashed})
        with engine.begin() as connection:
            missing = {candidate.question_id: key for candidate, key in hashed if candidate.text_hash is None}
            tables.set_text_hashes(connection, missing)


def _embed(engine: Engine, embedder: Embedder, texts: Mapping[str, str]) -> None:
    # The normalised text, so that the vector of a hash does not depend on which of its texts came first.
    vectors = embedder.embed([normalise(text) for text in texts.values()])
    with engine.begin() as connection:
        tables.add_vectors(connection, embedder.name, list(texts), vectors)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A pending question with all that it is compared by."""

    question: Candidate
    hash: str
    shingles: frozenset[str]
    bands: NDArray[np.int64]
    vector: Vectors


@dataclass(frozen=True, slots=True)
class _Match:
    """An accepted question that is too near; the most similar one is named, the first of equals."""

    similarity: float
    number: int
    question_id: str

    @property
    def rank(self) -> tuple[float, int]:
        return -self.similarity, self.number


class _Screening:
    """One transaction's view of a subset: history, benchmarks, and what it accepted so far."""

    def __init__(self, connection: Connection, subset: str, model: str, thresholds: Thresholds) -> None:
        self._connection = connection
        self._subset = subset
        self._model = model
        self._thresholds = thresholds
        self._dimension: int | None = None
        self._accepted: list[tuple[int, str]] = []  # (number, question id), row by row of the index
        self._index = VectorIndex()
        for keys, vectors in tables.accepted_vectors(connection, subset, model):
            self._accepted.extend(keys)
            self._index.extend(self._stacked(vectors))
        problems = tables.problem_vectors(connection, model)
        self._problems = [(benchmark, item) for benchmark, item, _ in problems]
        self._problem_index = VectorIndex()
        self._problem_index.extend(self._stacked([vector for _, _, vector in problems]))

    def decide(self, page: Sequence[Candidate]) -> list[Decision]:
        """Decide a page of questions, in order, and write it down."""
        batch = self._prepare(page)
        if not batch:
            return []
        vectors = self._stacked([item.vector for item in batch])
        exact = tables.accepted_with_hash(self._connection, self._subset, [item.hash for item in batch])
        similar = self._minhash_matches(batch)
        near = self._semantic_matches(vectors)
        near_in_batch: dict[int, list[Neighbour]] = {}
        for pair in pairs_above(vectors, self._thresholds.duplicate_cosine):
            near_in_batch.setdefault(pair.query, []).append(pair)
        problems = self._problem_index.nearest(vectors)

        decisions: list[Decision] = []
        accepted: list[int] = []
        by_hash: dict[str, Candidate] = dict(exact)
        by_band: dict[int, list[int]] = {}
        for position, item in enumerate(batch):
            same_bands = {other for h in item.bands.tolist() for other in by_band.get(h, ())}
            overlaps = similar.get(position, []) + self._verified(item, [batch[other] for other in same_bands])
            kept = set(accepted)
            semantic = near.get(position, []) + [
                _Match(pair.cosine, batch[pair.row].question.number, batch[pair.row].question.question_id)
                for pair in near_in_batch.get(position, ())
                if pair.row in kept
            ]
            problem = problems[position] if problems else None
            decision = self._decision(item, by_hash.get(item.hash), overlaps, semantic, problem)
            decisions.append(decision)
            if decision.status == "accepted":
                accepted.append(position)
                by_hash[item.hash] = item.question
                for h in item.bands.tolist():
                    by_band.setdefault(h, []).append(position)
        self._write(batch, decisions, accepted, vectors)
        return decisions

    def _prepare(self, page: Sequence[Candidate]) -> list[_Prepared]:
        normalised = [normalise(question.text) for question in page]
        hashes = [hash_normalised(text) for text in normalised]
        vectors = tables.vectors_of(self._connection, self._model, hashes)
        shingle_sets = [minhash.shingles(text) for text in normalised]
        band_rows = minhash.bands(minhash.signatures(shingle_sets))
        return [
            # A text without words has no 3-grams that it could share.
            _Prepared(question, key, shingles, bands if shingles else bands[:0], vectors[key])
            for question, key, shingles, bands in zip(page, hashes, shingle_sets, band_rows, strict=True)
            if key in vectors
        ]

    def _minhash_matches(self, batch: Sequence[_Prepared]) -> dict[int, list[_Match]]:
        hashes = np.concatenate([item.bands for item in batch])
        by_band = tables.with_bands(self._connection, hashes)
        candidates = {
            position: {question_id for h in item.bands.tolist() for question_id in by_band.get(h, ())}
            for position, item in enumerate(batch)
        }
        texts = tables.accepted_of(self._connection, self._subset, set().union(*candidates.values()))
        shingles = {key: minhash.shingles(normalise(candidate.text)) for key, candidate in texts.items()}
        return {
            position: [
                match
                for key in keys
                if key in texts and (match := self._overlap(batch[position], texts[key], shingles[key])) is not None
            ]
            for position, keys in candidates.items()
        }

    def _verified(self, item: _Prepared, others: Sequence[_Prepared]) -> list[_Match]:
        matches = (self._overlap(item, other.question, other.shingles) for other in others)
        return [match for match in matches if match is not None]

    def _overlap(self, item: _Prepared, other: Candidate, shingles: frozenset[str]) -> _Match | None:
        similarity = minhash.jaccard(item.shingles, shingles)
        if similarity < self._thresholds.jaccard:
            return None
        return _Match(similarity, other.number, other.question_id)

    def _semantic_matches(self, vectors: Vectors) -> dict[int, list[_Match]]:
        found: dict[int, list[_Match]] = {}
        for pair in self._index.above(vectors, self._thresholds.duplicate_cosine):
            number, question_id = self._accepted[pair.row]
            found.setdefault(pair.query, []).append(_Match(pair.cosine, number, question_id))
        return found

    def _decision(
        self,
        item: _Prepared,
        same: Candidate | None,
        overlaps: Sequence[_Match],
        semantic: Sequence[_Match],
        nearest: Neighbour | None,
    ) -> Decision:
        benchmark, problem = self._problems[nearest.row] if nearest else (None, None)
        cosine = nearest.cosine if nearest else None

        kept = Decision(
            item.question.question_id, item.hash, "accepted",
            benchmark=benchmark, benchmark_item=problem, benchmark_similarity=cosine,
        )  # fmt: skip

        def rejected(reason: str, detail: str, match: _Match | None = None) -> Decision:
            of, similarity = (match.question_id, match.similarity) if match else (None, None)
            return replace(
                kept, status="rejected", reason=reason, detail=detail, duplicate_of=of, similarity=similarity
            )

        if same is not None:
            match = _Match(1.0, same.number, same.question_id)
            return rejected(DUPLICATE_EXACT, f"same text as {same.question_id}", match)
        if overlaps:
            match = min(overlaps, key=lambda other: other.rank)
            detail = f"Jaccard similarity {match.similarity:.3f} of word 3-grams with {match.question_id}"
            return rejected(DUPLICATE_MINHASH, detail, match)
        if semantic:
            match = min(semantic, key=lambda other: other.rank)
            detail = f"cosine {match.similarity:.3f} with {match.question_id} (embedder {self._model})"
            return rejected(DUPLICATE_SEMANTIC, detail, match)
        if cosine is not None and cosine > self._thresholds.benchmark_cosine:
            detail = f"cosine {cosine:.3f} with {problem} of {benchmark} (embedder {self._model})"
            return rejected(CONTAMINATED, detail)
        return kept

    def _write(
        self, batch: Sequence[_Prepared], decisions: Sequence[Decision], accepted: Sequence[int], vectors: Vectors
    ) -> None:
        tables.write_decisions(self._connection, decisions)
        kept = [batch[position] for position in accepted]
        tables.replace_bands(
            self._connection,
            [item.question.question_id for item in batch],
            {item.question.question_id: item.bands for item in kept},
        )
        self._accepted.extend((item.question.number, item.question.question_id) for item in kept)
        self._index.extend(vectors[list(accepted)])

    def _stacked(self, vectors: Sequence[Vectors]) -> Vectors:
        sizes = {len(vector) for vector in vectors} | ({self._dimension} if self._dimension is not None else set())
        if len(sizes) > 1:
            raise VectorsDisagree(
                f"The stored vectors of embedder {self._model!r} have different lengths ({sorted(sizes)}): the model "
                "behind this name has changed. Delete its rows from kodcode.embeddings, or name the embedder anew."
            )
        if not vectors:
            return np.empty((0, self._dimension or 1), dtype=np.float32)
        self._dimension = sizes.pop()
        return np.stack(vectors)
