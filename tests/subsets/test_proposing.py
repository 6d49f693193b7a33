"""Each subset from its seeds to stored questions, asked of a real HTTP server in the shape that models answer in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, select

from tasks.generate import store_seeds
from tasks.llm import stored_request
from tasks.llm.offline.bank import Entry, shipped
from tasks.store.schema import LlmCall, Seed
from tasks.subsets import BUILTIN_SOURCE, SUBSETS, SeedReport, Subset, get_subset
from tasks.subsets import Seed as SeedText
from tests.llm.fault_server import CHAT, COMPLETIONS, Reply, Seen, chat, completion
from tests.subsets.conftest import Bench

OPENING = "Write a Python function that"


def teacher(spec: Subset) -> Callable[[Seen], Reply | None]:
    """Answers proposals with the canned ones of the subset in turn, then one cut short; annotates what is canned."""
    entries = list(shipped().of(spec.name))
    waiting = iter(entries)

    def decide(seen: Seen) -> Reply | None:
        annotated = [e for e in entries if spec.annotated and e.question.strip() in seen.prompt]
        if annotated:
            return chat(annotated[0].annotation)
        entry = next(waiting, None)
        text = "Write a function that" if entry is None else entry.proposal
        finish = "length" if entry is None else "stop"
        if seen.path == COMPLETIONS:
            return completion(text.removeprefix(OPENING) if spec.opening else text, finish)
        return chat(text, finish)

    return decide


def fate(entry: Entry) -> str | None:
    """The reason for which the teacher's answer gives no question, if it gives none."""
    if not entry.question.strip():
        return "abstained"
    return "annotator" if entry.annotation and '"good"' not in entry.annotation else None


@pytest.mark.parametrize("spec", SUBSETS.values(), ids=SUBSETS)
def test_from_seeds_to_stored_questions(spec: Subset, bench: Bench, sources: Callable[[str], str]) -> None:
    entries = shipped().of(spec.name)
    bench.server.decide = teacher(spec)
    source = sources(spec.name) if spec.seed_kind else None
    counts = bench.generate(spec.name, len(entries) + 1, source)

    rows = bench.rows()
    assert [row.question_id for row in rows] == [f"{spec.name}_{n:08d}" for n in range(len(entries) + 1)]
    for row, entry in zip(rows, entries, strict=False):
        if (reason := fate(entry)) is not None:
            assert (row.status, row.reason) == ("rejected", reason)
        else:
            assert entry.question.strip() in row.text
            assert row.text.startswith(spec.opening)
            assert "<|" not in row.text
            assert row.status == "accepted" or row.duplicate_of in {other.question_id for other in rows}
    assert (rows[-1].status, rows[-1].reason, rows[-1].text) == ("rejected", "truncated", None)
    accepted = sum(row.status == "accepted" for row in rows)
    assert counts["accepted"] == accepted >= 2
    _check_asked(bench, spec, rows)
    _check_seeds(bench, spec, rows, source)

    asked = len(bench.server.seen)
    bench.generate(spec.name, len(entries) + 1, source)
    assert (len(bench.server.seen), bench.rows()) == (asked, rows)


def _check_asked(bench: Bench, spec: Subset, rows: list[Any]) -> None:
    """What went over the wire is the subset's request, and stands in the ledger under the question."""
    proposals = [seen for seen in bench.server.seen if seen.body["temperature"] == spec.sampling.temperature]
    assert len(proposals) == len(rows)
    for seen in proposals:
        assert seen.path == (COMPLETIONS if spec.endpoint == "completions" else CHAT)
        assert seen.body["model"] == ("base" if spec.endpoint == "completions" else "teacher")
        assert seen.body["max_tokens"] == spec.sampling.max_tokens
    with bench.engine.connect() as connection:
        calls = {call.request_hash: call for call in connection.execute(select(LlmCall.__table__))}
    assert len(calls) == len(bench.server.seen)
    for row, seen in zip(rows, proposals, strict=True):
        call = calls[row.request_hash]
        assert (call.stage, call.subset, call.attempt) == ("propose", spec.name, row.prompt_index)
        asked = stored_request(bench.engine, bench.artifacts, row.request_hash)
        assert asked is not None
        assert seen.prompt in (asked["prompt"], *(content for _, content in asked["messages"]))
    judged = {row.annotation_hash for row in rows} - {None}
    assert {key for key, call in calls.items() if call.stage == "annotate"} == judged
    assert bool(judged) == spec.annotated


def _check_seeds(bench: Bench, spec: Subset, rows: list[Any], source: str | None) -> None:
    with bench.engine.connect() as connection:
        seeds = {seed.seed_id: seed for seed in connection.execute(select(Seed.__table__))}
    assert bool(seeds) == (spec.seed_kind is not None)
    for row, seen in zip(rows, bench.server.seen, strict=False):
        assert len(row.seed_ids) == spec.seeds_per_prompt
        if not spec.annotated:
            assert all(seeds[seed_id].text in seen.prompt for seed_id in row.seed_ids)
    assert all(seed.source != BUILTIN_SOURCE and seed.content_hash for seed in seeds.values())


def test_a_source_that_states_another_licence_than_before_is_believed(database: Engine) -> None:
    def licences(*stated: tuple[str, str | None]) -> dict[str, str | None]:
        seeds = tuple(SeedText(f"Text of {source}.", source, None, licence) for source, licence in stated)
        store_seeds(database, get_subset("Leetcode"), SeedReport(seeds), named=True)
        with database.connect() as connection:
            return {row.source: row.licence for row in connection.execute(select(Seed.source, Seed.licence))}

    assert licences(("a", "MIT"), ("b", "MIT")) == {"a": "MIT", "b": "MIT"}
    assert licences(("a", "CC-BY-NC-4.0")) == {"a": "CC-BY-NC-4.0", "b": "MIT"}
    assert licences(("a", None), ("b", "MIT")) == {"a": None, "b": "MIT"}


def test_the_same_text_elsewhere_does_not_change_the_licence_of_a_seed(database: Engine) -> None:
    for source, licence in (("a", "MIT"), ("b", "CC-BY-NC-4.0")):
        report = SeedReport((SeedText("The same text.", source, None, licence),))
        store_seeds(database, get_subset("Leetcode"), report, named=True)
    with database.connect() as connection:
        assert connection.execute(select(Seed.source, Seed.licence)).all() == [("a", "MIT")]
