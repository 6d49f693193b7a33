"""Screens a subset's pending questions against its whole history and the benchmarks.

A question is compared, in ascending number, with every question of its subset accepted before it: exact text, MinHash
(word 3-grams, verified by the exact Jaccard similarity), embedding distance; then with the benchmarks; then its text
is looked at by itself. The first that strikes decides. Rejected questions are compared with no more: a near-duplicate
of a rejected question is judged by itself.

Order. Numbers decide: before a question is decided, every pending one of its subset with a lower number and a text is.
Whoever decides a batch therefore decides what lies before it too, one worker at a time; vectors, the costly part, are
made beforehand and side by side. So the survivors are the same in one batch, in ten, or from two workers at once with
a batch each. A question whose text arrives after higher numbers were decided meets what these accepted. With `across`,
questions also meet those of the other subsets; between subsets, what was screened first stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine

from tasks.screening import stored_heads, tables
from tasks.screening.benchmarks import Problem
from tasks.screening.decide import Screening
from tasks.screening.embedding import Embedder
from tasks.screening.guards import load_guard
from tasks.screening.normalise import normalise, text_hash
from tasks.screening.rules import REASONS, Policy, ScreenReport, Thresholds
from tasks.screening.vectors import heads

_PAGE = 1_000
_PAGES_A_TRANSACTION = 10  # what a killed run decides again at most


def store_benchmark(engine: Engine, problems: Sequence[Problem]) -> int:
    """Insert or update problems that questions are compared with from now on; returns how many were given."""
    if problems:
        with engine.begin() as connection:
            tables.upsert_problems(connection, problems)
    return len(problems)


def screen_subset(
    engine: Engine,
    subset: str,
    embedder: Embedder,
    thresholds: Thresholds | None = None,
    *,
    question_ids: Sequence[str] | None = None,
    policy: Policy = "reject",
    across: bool = False,
    page_size: int = _PAGE,
    progress: Callable[[int], None] = lambda count: None,
) -> ScreenReport:
    """Decide the pending questions of a subset that have a text: all, or those of a batch and what lies before them.

    Vectors are made and committed first, page by page, so that none is paid for twice; decisions are committed every
    few thousand questions, each time under a lock of the subset (with `across`: of all). A question whose text arrives
    meanwhile is left to the next call. `progress` is told how many more were decided.
    Raises EmbedderError where vectors cannot be had (nothing is decided then) and VectorsDisagree where stored
    vectors cannot be compared.
    """
    thresholds = thresholds or Thresholds()
    with engine.connect() as connection:
        last = tables.last_pending(connection, subset, question_ids)
    if last is None:
        return ScreenReport(subset, embedder.name)
    _embed_pending(engine, subset, embedder, page_size, question_ids)
    embed_problems(engine, embedder, page_size)
    if question_ids is not None:
        _embed_pending(engine, subset, embedder, page_size, None, through=last)
    embed_history(engine, None if across else subset, embedder, page_size)
    with engine.connect() as connection:
        guard = load_guard(connection, embedder.name, thresholds)
    counts: Counter[str] = Counter()
    after, more = -1, True
    while more:
        # Read committed: what the holder of the lock before us committed must be seen.
        with engine.connect().execution_options(isolation_level="READ COMMITTED") as connection, connection.begin():
            tables.lock(connection, subset, across=across)
            screening = Screening(
                connection, subset, embedder.name, thresholds, guard, policy=policy, across=across
            )
            decided = 0
            for _ in range(_PAGES_A_TRANSACTION):
                page = tables.pending_page(connection, subset, after, page_size, through=last)
                more = bool(page)
                if not more:
                    break
                after = page[-1].number
                decisions = screening.decide(page)
                decided += len(decisions)
                counts.update(decision.reason or "accepted" for decision in decisions)
                counts["cautioned"] += sum(decision.caution is not None for decision in decisions)
        progress(decided)
    cautioned = counts.pop("cautioned", 0)
    rejected = {reason: counts[reason] for reason in REASONS if counts[reason]}
    return ScreenReport(subset, embedder.name, counts.total(), counts["accepted"], rejected, cautioned)


def _embed_pending(
    engine: Engine, subset: str, embedder: Embedder, page_size: int, question_ids: Sequence[str] | None,
    through: int | None = None,
) -> None:  # fmt: skip
    """Text hashes and vectors of the pending questions of a batch, or of all up to a number."""
    after = -1
    while True:
        with engine.begin() as connection:
            page = tables.pending_page(connection, subset, after, page_size, question_ids, through)
            if not page:
                return
            hashes = {candidate.question_id: text_hash(candidate.text) for candidate in page}
            wrong = {c.question_id: hashes[c.question_id] for c in page if c.text_hash != hashes[c.question_id]}
            tables.set_text_hashes(connection, wrong)
        after = page[-1].number
        _embed(engine, embedder, {hashes[candidate.question_id]: candidate.text for candidate in page})


def embed_problems(engine: Engine, embedder: Embedder, page_size: int) -> None:
    """Vectors of benchmark items that have none of this embedder."""
    with engine.connect() as connection:
        problems = list(tables.unembedded_problems(connection, embedder.name).items())
    for start in range(0, len(problems), page_size):
        _embed(engine, embedder, dict(problems[start : start + page_size]))


def embed_history(engine: Engine, subset: str | None, embedder: Embedder, page_size: int) -> None:
    """Vectors and heads of accepted questions that have none of this embedder: another one accepted them."""
    with engine.connect() as connection:
        subsets = tables.accepted_subsets(connection) if subset is None else [subset]
        missing = {name: stored_heads.missing_heads(connection, name, embedder.name) for name in subsets}
    for name, numbers in missing.items():
        for start in range(0, len(numbers), page_size):
            _add_heads(engine, name, numbers[start : start + page_size], embedder)


def _add_heads(engine: Engine, subset: str, numbers: NDArray[np.int32], embedder: Embedder) -> None:
    with engine.connect() as connection:
        page = tables.accepted_at(connection, subset, numbers)
    hashes = {candidate.question_id: candidate.text_hash or text_hash(candidate.text) for candidate in page}
    _embed(engine, embedder, {hashes[candidate.question_id]: candidate.text for candidate in page})
    with engine.begin() as connection:
        unhashed = {c.question_id: hashes[c.question_id] for c in page if c.text_hash is None}
        tables.set_text_hashes(connection, unhashed)
        vectors = tables.vectors_of(connection, embedder.name, hashes.values())
        # One by one: where a model has changed behind its name, lengths differ, and decide() says so.
        added = [heads(vectors[hashes[candidate.question_id]][None, :])[0] for candidate in page]
        places = [(candidate.subset, candidate.number) for candidate in page]
        stored_heads.add_heads(connection, embedder.name, places, added)


def _embed(engine: Engine, embedder: Embedder, texts: Mapping[str, str]) -> None:
    """Store the vectors that are missing, of the normalised texts: one vector a hash, whichever text came first."""
    with engine.connect() as connection:
        missing = tables.unembedded(connection, embedder.name, texts)
    wanted = {key: text for key, text in texts.items() if key in missing}
    if not wanted:
        return
    vectors = embedder.embed([normalise(text) for text in wanted.values()])
    with engine.begin() as connection:
        tables.add_vectors(connection, embedder.name, list(wanted), vectors)
