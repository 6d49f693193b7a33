"""What the card of a release says: counted of each shard when it is made, and summed up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from tasks.counting import DIFFICULTIES, STYLES
from tasks.formats import Manifest
from tasks.formats.card import CARD_FILE, Facts, Licence, SubsetFacts, card
from tasks.licences import Author
from tasks.pieces import Piece
from tasks.rendering import RenderedShard

PASS_AT = (1, 3, 10)
_PARTS = ("question", "solution", "conversion", "response")
MOST_SOURCES = 40  # told one by one; the rest is a line

# What the rows of each piece cost, and which sources they are from. What rows themselves tell is counted as they are
# read (tasks/counting.py). Sums add up to those of a release; all is of rows that a piece's fingerprint is taken of.
_PIECES = """
with asked as materialized (
    select distinct question_id, subset, place from picked_triplets
), calls as (
    select a.subset, a.place, q.request_hash from asked a join kodcode.questions q using (question_id)
    union select a.subset, a.place, q.annotation_hash from asked a join kodcode.questions q using (question_id)
    union select a.subset, a.place, t.request_hash from asked a join kodcode.trials t using (question_id)
    union select c.subset, c.place, e ->> 'request_hash' from picked_triplets c
          join kodcode.triplets t using (triplet_id), jsonb_array_elements(t.tries) e
    union select c.subset, c.place, r.request_hash from picked_triplets c join kodcode.responses r using (triplet_id)
          where r.status in ('accepted', 'rejected')
), paid as (
    select calls.subset, place, case when bool_and(l.cost_usd is not null) then sum(l.cost_usd)::float8 end as cost_usd
    from calls join kodcode.llm_calls l using (request_hash) group by 1, 2
), sources as (
    select subset, place, jsonb_agg(jsonb_build_array(source, licence, found)) as sources from (
        select a.subset, a.place, s.source, s.licence, count(distinct a.question_id) as found
        from asked a join kodcode.questions q using (question_id), unnest(q.seed_ids) as used(seed_id)
        join kodcode.seeds s using (seed_id) group by 1, 2, 3, 4
    ) s group by 1, 2
), cautioned as (
    select subset, place, jsonb_object_agg(benchmark, found) as cautioned from (
        select a.subset, a.place, c.benchmark, count(distinct a.question_id) as found
        from asked a join kodcode.contaminations c using (question_id) group by 1, 2, 3
    ) c group by 1, 2
)
select pieces.*, case when p.subset is null then 0 else p.cost_usd end as cost_usd,
       coalesce(s.sources, '[]') as sources, coalesce(w.cautioned, '{}') as cautioned
from (select distinct subset, place from picked_triplets) pieces left join paid p using (subset, place)
left join sources s using (subset, place) left join cautioned w using (subset, place)
"""


def piece_facts(connection: Connection, pieces: Sequence[Piece]) -> dict[Piece, dict[str, Any]]:
    """What the card needs to know of each of these pieces beside its rows, as JSON-able data kept with its shard.

    They are to be picked in the connection's transaction (tasks/selection.py)."""
    found = {(row.subset, row.place): row._asdict() for row in connection.execute(text(_PIECES))}
    return {
        piece: {name: found[piece.subset, piece.place][name] for name in ("cost_usd", "sources", "cautioned")}
        for piece in pieces
    }


def dataset_card(manifest: Manifest, shards: Sequence[RenderedShard]) -> Callable[[int], Mapping[str, bytes]]:
    """Sum up what the card says; the number of the release comes later."""
    facts = measure(shards)
    licence = Licence(**manifest.licence, left_out=manifest.left_out)
    return lambda number: {CARD_FILE: card(number, manifest, facts, licence)}


def measure(shards: Sequence[RenderedShard]) -> Facts:
    """What the rows of the shards are like, and where they come from."""
    used: Counter[tuple[str, str | None]] = Counter()
    cautioned: Counter[str] = Counter()
    for shard in shards:
        used.update({(source, licence): questions for source, licence, questions in shard.facts["sources"]})
        cautioned.update(shard.facts["cautioned"])
    order = sorted(used, key=lambda one: (-used[one], one[0], one[1] or ""))
    sources = [(source, licence, used[source, licence]) for source, licence in order]
    if len(sources) > MOST_SOURCES:
        rest = sources[MOST_SOURCES:]
        told = f"{len(rest)} more sources"
        sources = [*sources[:MOST_SOURCES], (told, "see seed_licences", sum(count for _, _, count in rest))]
    by_subset: dict[str, list[Mapping[str, Any]]] = {}
    verdicts: Counter[str] = Counter()
    authors: Counter[Author] = Counter()
    for shard in shards:
        by_subset.setdefault(shard.piece.subset, []).append(shard.facts)
        verdicts.update(shard.facts["verdicts"])
        for origin in shard.origins:
            authors.update(dict.fromkeys(origin.authors, origin.rows))
    return Facts(
        subsets=[_subset(subset, facts) for subset, facts in sorted(by_subset.items())],
        authors=sorted(
            ((author.part, author.provider, author.model, rows) for author, rows in authors.items()),
            key=lambda told: (_PARTS.index(told[0]), *told),
        ),
        sources=sources,
        benchmarks=_benchmarks(shards, cautioned),
        verdicts=verdicts,
    )


def _benchmarks(
    shards: Sequence[RenderedShard], cautioned: Mapping[str, int]
) -> list[tuple[str, int, float | None, int]]:
    near: dict[str, tuple[int, float | None]] = dict.fromkeys(cautioned, (0, None))
    for shard in shards:
        for name, (found, cosine) in shard.facts["nearest"].items():
            count, highest = near.get(name, (0, None))
            near[name] = (count + found, max((one for one in (highest, cosine) if one is not None), default=None))
    return [(name, *near[name], cautioned.get(name, 0)) for name in sorted(near)]


def _subset(subset: str, shards: Sequence[Mapping[str, Any]]) -> SubsetFacts:
    def total(name: str) -> int:
        return sum(facts[name] for facts in shards)

    def mean(name: str) -> float | None:
        count = sum(facts[name][1] for facts in shards)
        return sum(facts[name][0] for facts in shards) / count if count else None

    costs = [facts["cost_usd"] for facts in shards]
    passed = {k: mean(f"pass_at_{k}") for k in PASS_AT}
    return SubsetFacts(
        subset=subset,
        questions=total("questions"),
        styles={style: total(style) for style in STYLES},
        difficulties={name: total(name) for name in DIFFICULTIES},
        question_bytes=total("question_bytes") / total("rows"),
        solution_bytes=total("solution_bytes") / total("rows"),
        tests=mean("tests"),
        pass_at={k: value for k, value in passed.items() if value is not None},
        trust=mean("trust"),
        kill_rate=mean("kill_rate"),
        cost_usd=None if None in costs else sum(costs),
    )
