"""The named queries: each runs, parameters are typed and bound, and what is asked for in vain is explained."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

import pytest
from sqlalchemy import Engine

from tasks.history import QueryError, named_queries, named_query, reading

NAMES = sorted(named_queries())


def ask(engine: Engine, name: str, **values: str) -> list[dict[str, Any]]:
    with reading(engine, 10) as connection:
        return [dict(row) for row in connection.execute(named_query(name).statement(values)).mappings()]


def test_there_are_enough_and_every_one_says_what_it_answers() -> None:
    assert len(NAMES) >= 20
    for query in named_queries().values():
        assert query.question.endswith("?")
        assert not query.sql.startswith("--")
        placeholders = set(re.findall(r"(?<!:):([a-z_]+)", query.sql))
        assert placeholders == {parameter.name for parameter in query.parameters}, query.name


@pytest.fixture
def by_default(told: Engine) -> dict[str, list[dict[str, Any]]]:
    return {name: ask(told, name) for name in NAMES}


def test_each_answers_with_its_defaults(by_default: dict[str, list[dict[str, Any]]]) -> None:
    # These need more rows than this history has, by their defaults.
    silent = {name for name, rows in by_default.items() if not rows}
    assert silent == {"barren_seeds", "best_model", "prompt_yield"}


def test_they_answer_what_they_ask(told: Engine) -> None:
    assert [row["seed_id"] for row in ask(told, "barren_seeds", least="1")] == ["s2"]
    assert [row["prompt_version"] for row in ask(told, "prompt_yield", least="1")] == ["v1", "v2", "v1"]
    flips = ask(told, "flips_between_models")
    assert [(row["question_id"], row["solved_by"], row["not_solved_by"]) for row in flips] == [
        ("Evol_00000000", "big", "small")
    ]
    assert [row["triplet_id"] for row in ask(told, "weak_tests")] == ["Evol_00000001_I"]
    assert [row["duration_s"] for row in ask(told, "slowest_solutions", rows="2")] == [3.0, 2.0]
    assert sum(row["rows"] for row in ask(told, "run_added", run="night")) == 6 + 11 + 5 + 2
    assert ask(told, "run_added", run="other") == []
    assert [row["attempt"] for row in ask(told, "attempt_that_solved")] == [0, None]
    assert [row["triplet_id"] for row in ask(told, "unreleased")] == ["Evol_00000001_I"]
    assert [(row["question_id"], row["copies"]) for row in ask(told, "most_copied")] == [("Evol_00000000", 1)]
    assert [(row["trust_at_least"], row["triplets"]) for row in ask(told, "kept_at_trust")] == [(0.2, 2), (0.5, 1)]


def test_a_forecast_multiplies_what_a_verified_question_cost_and_is_silent_where_a_price_is_unknown(
    changeable: Engine,
) -> None:
    (row,) = ask(changeable, "cost_forecast")
    assert (row["verified_so_far"], row["usd_so_far"], row["usd_forecast"]) == (2, None, None)
    assert {row["share"] for row in ask(changeable, "cost_by_stage")} == {None}
    with changeable.begin() as connection:
        connection.exec_driver_sql("update kodcode.llm_calls set cost_usd = 0.75 where stage = 'respond'")
    (row,) = ask(changeable, "cost_forecast", questions="1000")
    # Two verified for 0.75 + 0.6 + 0.75 + 3.5 + 0.4 dollars.
    assert row["verified_so_far"] == 2
    assert float(row["usd_forecast"]) == pytest.approx(3000)
    assert sum(row["share"] for row in ask(changeable, "cost_by_stage")) == pytest.approx(1)


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/Los_Angeles"])
def test_a_day_begins_at_midnight_utc_whatever_zone_the_server_is_set_to(changeable: Engine, zone: str) -> None:
    with changeable.begin() as connection:
        connection.exec_driver_sql("update kodcode.runs set started_at = '2026-11-25 00:00Z'")
        connection.exec_driver_sql(f"alter database {changeable.url.database} set timezone = '{zone}'")
    changeable.dispose()
    assert len(ask(changeable, "runs", since="2026-11-25")) == 1
    assert ask(changeable, "runs", since="2026-11-26") == []


def test_values_are_bound_and_never_become_sql(told: Engine) -> None:
    assert ask(told, "cost_by_stage", subset="x' or '1'='1") == []
    assert ask(told, "cost_by_stage", subset="100%(subset)s :subset") == []


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("nothing", {}, "no query @nothing.*--list"),
        ("../views/v_funnel", {}, "no query"),
        ("slowest_solutions", {"row": "3"}, "no parameter row. It takes rows"),
        ("duplicates_by_subset", {"rows": "3"}, "no parameter rows. It takes none"),
        ("slowest_solutions", {"rows": "many"}, "rows takes a whole number, not 'many'"),
        ("weak_tests", {"below": "low"}, "below takes a number, not 'low'"),
        ("runs", {"since": "yesterday"}, "since takes a day like"),
    ],
)
def test_what_cannot_be_asked_is_explained(name: str, values: dict[str, str], said: str) -> None:
    with pytest.raises(QueryError, match=said):
        named_query(name).statement(values)


def test_parameters_have_types_and_defaults() -> None:
    (since, rows) = named_query("runs").parameters
    assert (since.kind, since.default, since.read("2026-11-25")) == ("date", None, date(2026, 11, 25))
    assert (rows.kind, rows.default, rows.read("null")) == ("int", 20, None)
