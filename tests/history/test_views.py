"""Every view of sql/views against numbers counted by hand on the history of conftest.py."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tasks.history import reading


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with reading(engine, 10) as connection:
        return [
            tuple(float(value) if isinstance(value, Decimal) else value for value in row)
            for row in connection.execute(text(query))
        ]


def about(value: float | None) -> Any:
    return None if value is None else pytest.approx(value)


def test_every_view_and_column_says_what_it_is(database: Engine) -> None:
    silent = rows(
        database,
        "select c.relname, a.attname from pg_class c left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0"
        " where c.relnamespace = 'kodcode'::regnamespace and c.relkind = 'v'"
        " and (obj_description(c.oid, 'pg_class') is null or col_description(c.oid, a.attnum) is null)",
    )
    assert silent == []


def test_funnel(told: Engine) -> None:
    assert rows(
        told, "select proposed, duplicates, contaminated, accepted, cautioned, verified, medium, hard, failed,"
        " complete, responses_kept, cost_usd from v_funnel"
    ) == [(6, 1, 1, 4, 1, 2, 1, 1, 1, 1, 1, None)]  # fmt: skip


def test_pass_at_k(told: Engine) -> None:
    found = rows(told, "select k, questions, pass_at_k, fewest_trials, most_trials from v_pass_at_k order by k")
    assert found == [
        (1, 3, about(0.85 / 3), 2, 5), (2, 3, about(1.4 / 3), 2, 5), (3, 2, about(1.75 / 2), 4, 5), (4, 2, 1, 4, 5),
        (5, 1, 1, 5, 5),
    ]  # fmt: skip


def test_difficulty(told: Engine) -> None:
    found = rows(told, "select difficulty, questions, share, pass_rate, mean_trust from v_difficulty order by 1")
    third = about(1 / 3)
    assert found == [("fail", 1, third, 0, None), ("hard", 1, third, 0.25, 0.2), ("medium", 1, third, 0.6, 0.5)]


def test_cost(told: Engine) -> None:
    found = rows(
        told, "select stage, model, calls, input_tokens, output_tokens, cost_usd, usd_per_verified from v_cost"
        " order by 1, 2"
    )  # fmt: skip
    assert found == [
        ("convert", "big", 3, 300, 30, 0.75, about(0.375)),
        ("propose", "big", 6, 600, 60, about(0.6), about(0.3)),
        ("respond", "r1", 1, 100, 10, None, None),
        ("solve", "big", 7, 700, 70, 3.5, 1.75),
        ("solve", "small", 4, 400, 40, about(0.4), about(0.2)),
    ]


def test_model_comparison(told: Engine) -> None:
    found = rows(
        told, "select model, trials, passes, pass_rate, pass_low, pass_high, mean_coverage, cost_usd,"
        " usd_per_pass from v_model_comparison order by 1"
    )  # fmt: skip
    # Wilson's interval of 4 of 7 and of 0 of 4.
    assert found == [
        ("big", 7, 4, about(4 / 7), pytest.approx(0.2505, abs=1e-4), pytest.approx(0.8418, abs=1e-4), 96.25, 3.5,
         0.875),
        ("small", 4, 0, 0, pytest.approx(0, abs=1e-4), pytest.approx(0.4899, abs=1e-4), None, about(0.4), None),
    ]  # fmt: skip


def test_prompt_versions(told: Engine) -> None:
    found = rows(
        told, "select stage, model, prompt_version, rows, accepted, cost_usd, accepted_per_usd from v_prompt_versions"
        " order by 1, 2, 3"
    )  # fmt: skip
    assert found == [
        ("convert", "big", "c1", 2, 1, 0.75, about(1 / 0.75)),
        ("propose", "big", "p1", 6, 4, about(0.6), about(4 / 0.6)),
        ("solve", "big", "v1", 3, 3, 1.5, 2),
        ("solve", "big", "v2", 4, 1, 2, 0.5),
        ("solve", "small", "v1", 4, 0, about(0.4), 0),
    ]


def test_an_unknown_price_makes_sums_unknown_wherever_it_is_in_them(changeable: Engine) -> None:
    with changeable.begin() as connection:
        connection.execute(
            text("update kodcode.llm_calls set cost_usd = null where request_hash = any(:hashes)"),
            {"hashes": ["solve00", "convert0", "solve10"]},
        )
    dear = "select cost_usd from v_prompt_versions where stage = 'convert' or prompt_version = 'v2'"
    assert rows(changeable, dear) == [(None,), (None,)]
    assert rows(changeable, "select cost_usd, usd_per_pass from v_model_comparison where model = 'big'") == [
        (None, None)
    ]
    assert rows(changeable, "select cost_usd from v_throughput") == [(None,), (None,)]


def test_trust(told: Engine) -> None:
    found = rows(
        told, "select style, trust_from, triplets, mean_kill_rate, stub_rejected, stable from v_trust order by 1, 2"
    )
    assert found == [
        ("complete", None, 1, None, None, None),
        ("instruct", 0.2, 1, 0.25, 0, None),
        ("instruct", 0.5, 1, 0.75, 1, 1),
    ]


@pytest.mark.parametrize(("trust", "lowest"), [(0, 0), (0.3, 0.3), (0.7, 0.7), (0.999, 0.9), (1, 0.9)])
def test_trust_is_put_into_its_tenth(changeable: Engine, trust: float, lowest: float) -> None:
    with changeable.begin() as connection:
        connection.execute(
            text("update kodcode.triplets set trust = :trust where style = 'complete'"), {"trust": trust}
        )
    assert rows(changeable, "select trust_from from v_trust where style = 'complete' and triplets = 1") == [
        (about(lowest),)
    ]


def test_failures(told: Engine) -> None:
    found = rows(told, "select stage, model, status, reason, rows, share, example from v_failures order by 1, 2, 4")
    assert found == [
        ("question", "big", "rejected", "contaminated", 1, 0.5, "Evol_00000004"),
        ("question", "big", "rejected", "duplicate_minhash", 1, 0.5, "Evol_00000003"),
        ("response", "r1", "failed", "sandbox", 1, 1, "Evol_00000000_I"),
        ("trial", "big", "rejected", "timed_out", 3, about(3 / 7), "Evol_00000001"),
        ("trial", "small", "rejected", "failed", 4, about(4 / 7), "Evol_00000000"),
        ("triplet complete", "big", "rejected", "leaks_solution", 1, 1, "Evol_00000001_C"),
        ("triplet instruct", None, "rejected", "no_trial_passed", 1, 1, "Evol_00000002_I"),
    ]


def test_contamination(told: Engine) -> None:
    found = rows(
        told, "select benchmark, measure, questions, rejected, cautioned, items, mean_value, highest_value"
        " from v_contamination order by 2"
    )  # fmt: skip
    assert found == [
        ("HumanEval", "cosine", 2, 1, 1, 1, about(0.97), 0.98),
        ("HumanEval", "words", 1, 1, 0, 1, 0.5, 0.5),
    ]


def test_throughput(told: Engine) -> None:
    found = rows(
        told, "select hour, calls, output_tokens, cost_usd, trials, passes, verified from v_throughput order by 1"
    )
    assert found == [
        (datetime(2026, 11, 25, 8, tzinfo=UTC), 11, 110, about(2.3), 8, 4, 0),
        (datetime(2026, 11, 25, 12, tzinfo=UTC), 10, 100, None, 3, 0, 2),
    ]


def test_release_contents(told: Engine) -> None:
    found = rows(told, "select release_id, format, split, style, difficulty, rows, mean_trust from v_release_contents"
                       " order by style")  # fmt: skip
    assert found == [
        (1, "kodcode-v1", "train", "complete", None, 1, None),
        (1, "kodcode-v1", "train", "instruct", "medium", 1, 0.5),
    ]
