"""One transaction's view of a subset, and what it decides page by page, in the order of the questions' numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from tasks.screening import minhash, stored_heads, tables
from tasks.screening.contamination import Finding, Guard
from tasks.screening.embedding import Vectors
from tasks.screening.errors import VectorsDisagree
from tasks.screening.normalise import hash_normalised, normalise
from tasks.screening.rules import (
    CONTAMINATED,
    DUPLICATE_EXACT,
    DUPLICATE_MINHASH,
    DUPLICATE_SEMANTIC,
    NOT_SELF_CONTAINED,
    Policy,
    Thresholds,
)
from tasks.screening.self_contained import missing_context
from tasks.screening.tables import Candidate, Decision
from tasks.screening.vectors import HeadIndex, Neighbour, VectorIndex, heads, pairs_above

_FETCH = 4_096  # whole vectors in memory at once


@dataclass(frozen=True, slots=True)
class Prepared:
    """A pending question with all that it is compared by."""

    question: Candidate
    hash: str
    shingles: frozenset[str]
    bands: NDArray[np.int64]
    vector: Vectors


@dataclass(frozen=True, slots=True)
class Match:
    """An accepted question that is too near; the most similar one is named, the first of equals."""

    similarity: float
    number: int
    question_id: str

    @property
    def rank(self) -> tuple[float, int, str]:
        return -self.similarity, self.number, self.question_id


class Screening:
    """History, benchmarks and what was accepted in this transaction. With `across`, history is that of all subsets."""

    def __init__(
        self, connection: Connection, subset: str, model: str, thresholds: Thresholds, guard: Guard, *,
        policy: Policy, across: bool,
    ) -> None:  # fmt: skip
        self._connection = connection
        self._subset = subset
        self._scope = None if across else subset
        self._model = model
        self._thresholds = thresholds
        self._guard = guard
        self._policy = policy
        self._heads = HeadIndex()
        for name, numbers, found in stored_heads.stored_heads(connection, model, self._scope):
            self._heads.extend(name, numbers, found)
        if len(self._heads.widths) > 1:
            raise self._disagree(self._heads.widths)

    def decide(self, page: Sequence[Candidate]) -> list[Decision]:
        """Decide a page of questions, in order, and write it down."""
        batch = self._prepare(page)
        if not batch:
            return []
        vectors = np.stack([item.vector for item in batch])
        by_hash = tables.accepted_with_hash(self._connection, self._scope, [item.hash for item in batch])
        similar = self._minhash_matches(batch)
        near = self._semantic_matches(vectors)
        near_in_batch: dict[int, list[Neighbour]] = {}
        for pair in pairs_above(vectors, self._thresholds.duplicate_cosine):
            near_in_batch.setdefault(pair.query, []).append(pair)
        problems = self._guard.nearest(vectors)

        decisions: list[Decision] = []
        findings: dict[str, tuple[Finding, ...]] = {}
        accepted: list[int] = []
        kept: set[int] = set()
        by_band: dict[int, list[int]] = {}
        for position, item in enumerate(batch):
            same_bands = {other for h in item.bands.tolist() for other in by_band.get(h, ())}
            overlaps = similar.get(position, []) + self._verified(item, [batch[other] for other in same_bands])
            semantic = near.get(position, []) + [
                Match(pair.cosine, batch[pair.row].question.number, batch[pair.row].question.question_id)
                for pair in near_in_batch.get(position, ())
                if pair.row in kept
            ]
            nearest = problems[position] if problems else None
            decision, found = self._decision(item, by_hash.get(item.hash), overlaps, semantic, nearest)
            decisions.append(decision)
            if found:
                findings[item.question.question_id] = found
            if decision.status == "accepted":
                accepted.append(position)
                kept.add(position)
                by_hash[item.hash] = item.question
                for h in item.bands.tolist():
                    by_band.setdefault(h, []).append(position)
        self._write(batch, decisions, [batch[position] for position in accepted], findings)
        return decisions

    def _prepare(self, page: Sequence[Candidate]) -> list[Prepared]:
        normalised = [normalise(question.text) for question in page]
        hashes = [hash_normalised(text) for text in normalised]
        vectors = tables.vectors_of(self._connection, self._model, hashes)
        sizes = {len(vector) for vector in vectors.values()}
        if len(sizes) > 1:
            raise self._disagree(sizes)
        shingle_sets = [minhash.shingles(text) for text in normalised]
        band_rows = minhash.bands(minhash.signatures(shingle_sets))
        return [
            # A text without words has no 3-grams that it could share.
            Prepared(question, key, shingles, bands if shingles else bands[:0], vectors[key])
            for question, key, shingles, bands in zip(page, hashes, shingle_sets, band_rows, strict=True)
            if key in vectors
        ]

    def _minhash_matches(self, batch: Sequence[Prepared]) -> dict[int, list[Match]]:
        hashes = np.concatenate([item.bands for item in batch])
        by_band = tables.with_bands(self._connection, hashes)
        candidates = {
            position: {question_id for h in item.bands.tolist() for question_id in by_band.get(h, ())}
            for position, item in enumerate(batch)
        }
        texts = tables.accepted_of(self._connection, self._scope, set().union(*candidates.values()))
        shingles = {key: minhash.shingles(normalise(candidate.text)) for key, candidate in texts.items()}
        return {
            position: [
                match
                for key in keys
                if key in texts and (match := self._overlap(batch[position], texts[key], shingles[key])) is not None
            ]
            for position, keys in candidates.items()
        }

    def _verified(self, item: Prepared, others: Sequence[Prepared]) -> list[Match]:
        matches = (self._overlap(item, other.question, other.shingles) for other in others)
        return [match for match in matches if match is not None]

    def _overlap(self, item: Prepared, other: Candidate, shingles: frozenset[str]) -> Match | None:
        similarity = minhash.jaccard(item.shingles, shingles)
        if similarity < self._thresholds.jaccard:
            return None
        return Match(similarity, other.number, other.question_id)

    def _semantic_matches(self, vectors: Vectors) -> dict[int, list[Match]]:
        queries = heads(vectors)
        if self._heads.widths - {queries.shape[1]}:
            raise self._disagree(self._heads.widths | {queries.shape[1]})
        found: dict[int, list[Match]] = {}
        limit = self._thresholds.duplicate_cosine
        for subset, numbers in self._heads.nominated(queries, limit).items():
            for start in range(0, len(numbers), _FETCH):
                keys, near = tables.near_vectors(
                    self._connection, self._model, subset, numbers[start : start + _FETCH]
                )
                if {len(vector) for vector in near} - {vectors.shape[1]}:
                    raise self._disagree({len(vector) for vector in near} | {vectors.shape[1]})
                index = VectorIndex()
                index.extend(np.stack(near) if near else vectors[:0])
                for pair in index.above(vectors, limit):
                    number, question_id = keys[pair.row]
                    found.setdefault(pair.query, []).append(Match(pair.cosine, number, question_id))
        return found

    def _decision(
        self,
        item: Prepared,
        same: Candidate | None,
        overlaps: Sequence[Match],
        semantic: Sequence[Match],
        nearest: Neighbour | None,
    ) -> tuple[Decision, tuple[Finding, ...]]:
        benchmark, problem = self._guard.item(nearest) if nearest else (None, None)
        kept = Decision(
            item.question.question_id, item.hash, "accepted",
            benchmark=benchmark, benchmark_item=problem, benchmark_similarity=nearest.cosine if nearest else None,
        )  # fmt: skip

        def duplicate(reason: str, match: Match, detail: str) -> tuple[Decision, tuple[Finding, ...]]:
            return replace(
                kept, status="rejected", reason=reason, detail=detail,
                duplicate_of=match.question_id, similarity=match.similarity,
            ), ()  # fmt: skip

        if same is not None:
            match = Match(1.0, same.number, same.question_id)
            return duplicate(DUPLICATE_EXACT, match, f"same text as {same.question_id}")
        for reason, matches in ((DUPLICATE_MINHASH, overlaps), (DUPLICATE_SEMANTIC, semantic)):
            if matches:
                match = min(matches, key=lambda other: other.rank)
                by = "Jaccard similarity of word 3-grams" if matches is overlaps else f"cosine by {self._model}"
                return duplicate(reason, match, f"{match.similarity:.3f} with {match.question_id} ({by})")
        findings = self._guard.of_question(item.question.text, nearest)
        told = self._guard.told(findings)
        if findings and self._policy == "reject":
            return replace(kept, status="rejected", reason=CONTAMINATED, detail=told), findings
        missing = missing_context(item.question.text)
        if missing is not None:
            return replace(kept, status="rejected", reason=NOT_SELF_CONTAINED, detail=missing), findings
        if findings:
            return replace(kept, caution=told), findings
        return kept, ()

    def _write(
        self,
        batch: Sequence[Prepared],
        decisions: Sequence[Decision],
        accepted: Sequence[Prepared],
        findings: dict[str, tuple[Finding, ...]],
    ) -> None:
        screened = [item.question.question_id for item in batch]
        tables.write_decisions(self._connection, decisions)
        tables.replace_bands(
            self._connection, screened, {item.question.question_id: item.bands for item in accepted}
        )
        if self._guard:
            tables.replace_findings(self._connection, screened, findings)
        if accepted:
            numbers = [item.question.number for item in accepted]
            added = heads(np.stack([item.vector for item in accepted]))
            stored_heads.add_heads(self._connection, self._model, [(self._subset, n) for n in numbers], list(added))
            self._heads.extend(self._subset, np.array(numbers, dtype=np.int32), added)

    def _disagree(self, sizes: set[int]) -> VectorsDisagree:
        return VectorsDisagree(
            f"The stored vectors of embedder {self._model!r} have different lengths ({sorted(sizes)}): the model "
            "behind this name has changed. Delete its rows from kodcode.embeddings and kodcode.vector_heads, or name "
            "the embedder anew."
        )
