"""Checks what was accepted earlier against the benchmarks that are stored now; no language model is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from tasks.screening import tables
from tasks.screening.contamination import Finding, Guard
from tasks.screening.embedding import Embedder
from tasks.screening.guards import load_guard
from tasks.screening.normalise import text_hash
from tasks.screening.rules import Policy, Thresholds
from tasks.screening.screen import embed_history, embed_problems

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Decontamination:
    """Counts of one check. `found` says by which measure; a question may be found by several."""

    checked: int
    contaminated: int
    found: Mapping[str, int]
    policy: Policy


def decontaminate(
    engine: Engine,
    subsets: Sequence[str],
    embedder: Embedder,
    thresholds: Thresholds | None = None,
    *,
    policy: Policy = "use_with_caution",
    page_size: int = _PAGE,
) -> Decontamination:
    """Compare every accepted question, and the solutions chosen for it, with all stored benchmark items.

    The nearest item and the findings are written anew. With `use_with_caution`, contaminated questions carry a caution
    under which their triplets are released. With `reject`, those without trials are rejected; those with trials, which
    were paid for and may be released already, keep their place with a caution too. Near-duplicates that a rejected
    question had displaced go back to be screened. Raises EmbedderError.
    """
    thresholds = thresholds or Thresholds()
    embed_problems(engine, embedder, page_size)
    for subset in subsets:
        embed_history(engine, subset, embedder, page_size)
    with engine.connect() as connection:
        guard = load_guard(connection, embedder.name, thresholds)
    checked = contaminated = 0
    found: dict[str, int] = {}
    for subset in subsets:
        after = -1
        while True:
            with engine.begin() as connection:
                tables.lock(connection, subset, across=False)
                page = tables.accepted_page(connection, subset, after, page_size)
                findings = _check(connection, page, embedder.name, guard, policy)
            if not page:
                break
            after = page[-1].number
            checked += len(page)
            contaminated += len(findings)
            for finding in (entry for entries in findings.values() for entry in entries):
                found[finding.measure] = found.get(finding.measure, 0) + 1
    return Decontamination(checked, contaminated, found, policy)


def _check(
    connection: Connection, page: Sequence[tables.Candidate], model: str, guard: Guard, policy: Policy
) -> dict[str, tuple[Finding, ...]]:
    if not page or not guard:
        return {}
    hashes = {candidate.question_id: candidate.text_hash or text_hash(candidate.text) for candidate in page}
    vectors = tables.vectors_of(connection, model, hashes.values())
    solutions = tables.solutions_of(connection, list(hashes))
    findings: dict[str, tuple[Finding, ...]] = {}
    for candidate in page:
        (nearest,) = guard.nearest(vectors[hashes[candidate.question_id]][None, :])
        benchmark, item = guard.item(nearest)
        found = list(guard.of_question(candidate.text, nearest))
        by_solution = [
            finding
            for solution in solutions.get(candidate.question_id, ())
            if (finding := guard.of_solution(solution)) is not None
        ]
        if by_solution:
            found.append(max(by_solution, key=lambda finding: finding.value))
        tables.set_nearest(
            connection, candidate.question_id, benchmark, item, nearest.cosine, guard.told(found) or None
        )
        if found:
            findings[candidate.question_id] = tuple(found)
    tables.replace_findings(connection, list(hashes), findings)
    if policy == "reject" and findings:
        tables.reject_contaminated(connection, list(findings))
    return findings
