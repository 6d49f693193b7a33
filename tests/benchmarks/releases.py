"""Draws a synthetic pipeline's verified rows in the database, to be released."""

from __future__ import annotations

import random

from sqlalchemy import Engine, text

SUBSETS = ("Leetcode", "Codeforces", "Apps", "Taco")
_CHUNKS = 5_000
_CHUNK = 1_250  # characters
# Question, solution and test of 1,250 characters each; the trial holds the latter two again, as KodCode-V1 does. Rows
# are stored as nightly runs of 1,000 questions a subset make them, not in the order of a join.
_STATEMENTS = (
    "insert into kodcode.questions (question_id, subset, number, provider, model, prompt_index, prompt_version,"
    " seed_ids, text, text_hash, status)"
    " select format('%s_%s', s.name, lpad((n / :subsets)::text, 8, '0')), s.name, n / :subsets, 'openai',"
    " 'deepseek-r1', n / :subsets, 'p', '{}', n || ' ' || c.chunk, md5(n::text), 'accepted'"
    " from generate_series(cast(:first as int), :past - 1) n,"
    " lateral (select (cast(:names as text[]))[n % :subsets + 1] as name) s"
    " cross join pg_temp.chunks c where c.place = n / :subsets * 7919::bigint % :chunks"
    " order by n / :subsets / 1000, s.name, n",
    "insert into kodcode.trials (question_id, attempt, provider, model, prompt_version, solution, test, status,"
    " verdict, coverage)"
    " select q.question_id, 0, 'openai', 'deepseek-r1', 's', q.question_id || ' ' || a.chunk,"
    " q.question_id || ' ' || b.chunk,"
    " 'accepted', 'passed', 100 from kodcode.questions q"
    " join pg_temp.chunks a on a.place = q.number * 104729::bigint % :chunks"
    " join pg_temp.chunks b on b.place = (q.number * 1299709::bigint + 1) % :chunks"
    " where not exists (select from kodcode.trials t where t.question_id = q.question_id)"
    " order by q.number / 1000, q.subset, q.number",
    "insert into kodcode.triplets (triplet_id, question_id, subset, style, status, question, solution, test,"
    " test_info, chosen_attempt, pass_sequence, difficulty)"
    " select question_id || '_I', question_id, q.subset, 'instruct', 'accepted', q.text, t.solution, t.test,"
    """ '[{"function_name": "f", "parameter_list": "(a)", "function_declaration": "def f(a):", "docstring": null}]',"""
    " 0, '{1}', 'easy' from kodcode.questions q join kodcode.trials t using (question_id)"
    " where not exists (select from kodcode.triplets o where o.question_id = q.question_id)"
    " order by q.number / 1000, q.subset, q.number",
)


def draw(engine: Engine, first: int, past: int) -> None:
    """Verified rows number `first` to `past`, about 6 KB each in KodCode-V1, taking turns among SUBSETS."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(4_000)]
    chunks = [" ".join(rng.choices(words, k=_CHUNK // 6))[:_CHUNK] for _ in range(_CHUNKS)]
    values = {
        "first": first, "past": past, "names": list(SUBSETS), "subsets": len(SUBSETS), "chunks": _CHUNKS,
    }  # fmt: skip
    with engine.begin() as connection:
        # Foreign keys hold by the way it is drawn.
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(text("create temporary table chunks (place int primary key, chunk text) on commit drop"))
        connection.execute(
            text("insert into chunks select * from unnest(cast(:places as int[]), cast(:texts as text[]))"),
            {"places": list(range(_CHUNKS)), "texts": chunks},
        )
        for statement in _STATEMENTS:
            needed = {name: value for name, value in values.items() if f":{name}" in statement}
            connection.execute(text(statement), needed)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("vacuum analyze"))
