"""Counts what the card of a release says, in the transaction that selected its rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

from tasks.formats import Manifest
from tasks.formats.card import CARD_FILE, Facts, Licence, SubsetFacts, card
from tasks.licences import Author

PASS_AT = (1, 3, 10)
_PARTS = ("question", "solution", "conversion", "response")
MOST_SOURCES = 40  # told one by one; the rest is a line

# `chosen_triplets` (triplet_id, question_id, subset) is what the release holds. Sizes are in bytes, which the database
# knows without reading a text.
_SUBSETS = """
with asked as (
    select distinct question_id, subset from chosen_triplets
), calls as (
    select a.subset, q.request_hash from asked a join kodcode.questions q using (question_id)
    union select a.subset, q.annotation_hash from asked a join kodcode.questions q using (question_id)
    union select a.subset, t.request_hash from asked a join kodcode.trials t using (question_id)
    union select c.subset, e ->> 'request_hash' from chosen_triplets c join kodcode.triplets t using (triplet_id),
          jsonb_array_elements(t.tries) e
    union select c.subset, r.request_hash from chosen_triplets c join kodcode.responses r using (triplet_id)
), paid as (
    select c.subset, case when bool_and(l.cost_usd is not null) then sum(l.cost_usd) end as cost_usd
    from calls c join kodcode.llm_calls l using (request_hash) group by c.subset
), rows as (
    select c.subset, count(*) filter (where t.style = 'instruct') as instruct,
           count(*) filter (where t.style = 'complete') as complete,
           count(*) filter (where t.style = 'online_judge') as online_judge,
           percentile_disc(0.5) within group (order by octet_length(t.question)) as question_bytes,
           percentile_disc(0.5) within group (order by octet_length(t.solution)) as solution_bytes
    from chosen_triplets c join kodcode.triplets t using (triplet_id) group by c.subset
), questions as (
    select a.subset, count(*) as questions,
           count(*) filter (where i.difficulty = 'easy') as easy,
           count(*) filter (where i.difficulty = 'medium') as medium,
           count(*) filter (where i.difficulty = 'hard') as hard,
           percentile_disc(0.5) within group (order by (
               select count(*) from jsonb_object_keys(t.outcomes))) filter (where t.outcomes is not null) as tests,
           avg(i.pass_at_k[1]) as pass_at_1, avg(i.pass_at_k[3]) as pass_at_3, avg(i.pass_at_k[10]) as pass_at_10,
           avg(i.trust) as trust, avg(i.kill_rate) as kill_rate
    from asked a
    join kodcode.triplets i on i.question_id = a.question_id and i.style = 'instruct'
    left join kodcode.trials t on t.question_id = a.question_id and t.attempt = i.chosen_attempt
    group by a.subset
)
select q.*, r.instruct, r.complete, r.online_judge, r.question_bytes, r.solution_bytes,
       case when p.subset is null then 0 else p.cost_usd end as cost_usd
from questions q join rows r using (subset) left join paid p using (subset)
order by q.subset
"""
_SOURCES = """
with asked as (select distinct question_id from chosen_triplets)
select s.source, s.licence, count(distinct a.question_id) as questions
from asked a join kodcode.questions q using (question_id), unnest(q.seed_ids) as used(seed_id)
join kodcode.seeds s using (seed_id) group by 1, 2 order by 3 desc, 1, 2
"""
_BENCHMARKS = """
with asked as (select distinct question_id from chosen_triplets), near as (
    select q.benchmark, count(*) as nearest, max(q.benchmark_similarity) as cosine
    from asked a join kodcode.questions q using (question_id) where q.benchmark is not null group by 1
), found as (
    select c.benchmark, count(distinct c.question_id) as cautioned
    from asked a join kodcode.contaminations c using (question_id) group by 1
)
select coalesce(n.benchmark, f.benchmark) as benchmark, coalesce(n.nearest, 0) as nearest, n.cosine,
       coalesce(f.cautioned, 0) as cautioned
from near n full join found f using (benchmark) order by 1
"""
_VERDICTS = """
select t.verdict, count(*) as found from kodcode.trials t
where t.question_id in (select question_id from chosen_triplets) and t.verdict is not null group by 1
"""


def dataset_card(
    connection: Connection, manifest: Manifest, authors: Mapping[Author, int]
) -> Callable[[int], Mapping[str, bytes]]:
    """Count now what the card says; the number of the release comes later. `authors` with the rows of each."""
    facts = measure(connection, authors)
    licence = Licence(**manifest.licence, left_out=manifest.left_out)
    return lambda number: {CARD_FILE: card(number, manifest, facts, licence)}


def measure(connection: Connection, authors: Mapping[Author, int]) -> Facts:
    """What the rows in `chosen_triplets` are like, and where they come from."""
    sources = [(row.source, row.licence, row.questions) for row in connection.execute(text(_SOURCES))]
    if len(sources) > MOST_SOURCES:
        rest = sources[MOST_SOURCES:]
        told = f"{len(rest)} more sources"
        sources = [*sources[:MOST_SOURCES], (told, "see seed_licences", sum(count for _, _, count in rest))]
    return Facts(
        subsets=[_subset(row) for row in connection.execute(text(_SUBSETS))],
        authors=sorted(
            ((author.part, author.provider, author.model, rows) for author, rows in authors.items()),
            key=lambda told: (_PARTS.index(told[0]), *told),
        ),
        sources=sources,
        benchmarks=[
            (row.benchmark, row.nearest, row.cosine, row.cautioned) for row in connection.execute(text(_BENCHMARKS))
        ],
        verdicts={row.verdict: row.found for row in connection.execute(text(_VERDICTS))},
    )


def _subset(row: Row[Any]) -> SubsetFacts:
    passed = {k: getattr(row, f"pass_at_{k}") for k in PASS_AT}
    return SubsetFacts(
        subset=row.subset,
        questions=row.questions,
        styles={style: getattr(row, style) for style in ("instruct", "complete", "online_judge")},
        difficulties={name: getattr(row, name) for name in ("easy", "medium", "hard")},
        question_bytes=row.question_bytes,
        solution_bytes=row.solution_bytes,
        tests=row.tests,
        pass_at={k: value for k, value in passed.items() if value is not None},
        trust=row.trust,
        kill_rate=row.kill_rate,
        cost_usd=None if row.cost_usd is None else float(row.cost_usd),
    )
