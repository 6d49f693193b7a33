"""A finished run grows: more questions, attempts and styles add to what there is and redo nothing."""

from __future__ import annotations

import json

import pytest

from tests.pipeline.conftest import Workplace

RUN = ("run", "--provider", "offline", "--subset", "evol", "--timeout", "5", "--json")
SMALL = (*RUN, "--questions", "1", "--attempts", "1", "--responses", "1", "--style", "complete")
LARGE = (*RUN, "--questions", "3", "--initial", "3", "--attempts", "5", "--responses", "2")


@pytest.mark.slow
def test_growing_a_run_keeps_what_it_had_and_ends_with_all_of_it(workplace: Workplace) -> None:
    first = json.loads(workplace.kodcode(*SMALL).stdout)
    keys = {
        "questions": "question_id", "trials": "question_id, attempt", "responses": "triplet_id, model, attempt",
        "llm_calls": "request_hash",
    }  # fmt: skip
    before = {
        table: {tuple(row) for row in workplace.rows(f"select {key}, created_at from kodcode.{table}")}
        for table, key in keys.items()
    }
    second = json.loads(workplace.kodcode(*LARGE).stdout)
    for table, key in keys.items():
        after = {tuple(row) for row in workplace.rows(f"select {key}, created_at from kodcode.{table}")}
        assert before[table] < after, table
    counts = second["subsets"]["Evol"]
    assert counts["proposed"] == 3
    assert counts["duplicates"] == 1
    assert counts["online_judge"] > first["subsets"]["Evol"]["online_judge"] == 0
    trials = workplace.rows(
        "select count(*), count(*) filter (where status = 'accepted') from kodcode.trials group by question_id"
    )
    assert {made for made, _ in trials} == {3, 5}
    assert all(made == 5 for made, passed in trials if not passed)
    assert workplace.rows("select max(release_id) from kodcode.releases")[0][0] == 2
    workplace.kodcode("audit")


@pytest.mark.slow
def test_a_release_holds_what_meets_its_bounds_and_says_so(workplace: Workplace) -> None:
    workplace.kodcode(*LARGE)
    whole = json.loads(workplace.kodcode("release", "--canned", "--json").stdout)
    sources = workplace.rows(
        "select question_id, trust from kodcode.triplets where style = 'instruct' and stable order by trust desc"
    )
    best, least = sources[0]
    bound = json.loads(
        workplace.kodcode("release", "--canned", "--min-trust", str(least), "--stable", "--json").stdout
    )
    accepted = f"select count(*) from kodcode.triplets where status = 'accepted' and question_id = '{best}'"
    assert 0 < bound["rows"] == workplace.rows(accepted)[0][0] < whole["rows"]
    filters = workplace.rows("select manifest -> 'filters' from kodcode.releases order by release_id desc limit 1")
    assert filters[0][0] == {"subsets": filters[0][0]["subsets"], "canned": True, "min_trust": least, "stable": True}
    workplace.kodcode("audit")


@pytest.mark.slow
def test_canned_questions_do_not_go_where_real_ones_are(workplace: Workplace) -> None:
    workplace.kodcode(*SMALL)
    with workplace.engine.begin() as connection:
        connection.exec_driver_sql("update kodcode.questions set provider = 'openai'")
    said = workplace.kodcode("demo", status=2).stderr
    assert "--data-dir" in said
