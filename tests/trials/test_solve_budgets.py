"""Budgets of attempts: as they are written on the command line, and what is planned within them."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, insert, text, update

from tasks.llm import BudgetError
from tasks.options import Models, SolveBudget, solve_budgets
from tasks.solve import plan_trials
from tasks.store.schema import Question, Trial
from tasks.subsets import SubsetError


def test_a_subset_may_be_bound_by_attempts_and_by_dollars() -> None:
    found = solve_budgets(["leetcode=200", "Leetcode=$5.5", "code-contests=0"])
    assert found == {"Leetcode": SolveBudget(attempts=200, usd=5.5), "Code_Contests": SolveBudget(attempts=0)}


@pytest.mark.parametrize("wrong", ["leetcode", "leetcode=", "leetcode=-1", "leetcode=1.5", "leetcode=$inf", "=3x"])
def test_what_is_no_budget_is_refused(wrong: str) -> None:
    with pytest.raises(BudgetError, match="leetcode=200"):
        solve_budgets([wrong])


def test_an_unknown_subset_is_refused() -> None:
    with pytest.raises(SubsetError):
        solve_budgets(["leetkode=3"])


MODELS = Models(
    provider="openai", teacher="teacher", base_url=None, base_model=None, reasoner="teacher", max_concurrency=1
)


def paid(engine: Engine, calls: int, usd: float) -> None:
    """Every planned attempt was rejected; the first `calls` of them cost `usd` each."""
    with engine.begin() as connection:
        connection.execute(update(Trial).values(status="rejected", reason="failed"))
        connection.execute(text("insert into kodcode.artifacts (key, size, data) values ('k', 1, ''::bytea)"))
        connection.execute(
            text("insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling,"
                 " prompt_key, answer_key, finish_reason, input_tokens, cached_input_tokens, output_tokens,"
                 " reasoning_tokens, cost_usd, latency_s, retries) select n, 'openai', 'teacher', 'solve', 'Evol', 0,"
                 " '{}', 'k', 'k', 'stop', 1, 0, 1, 0, :usd, 0, 0 from generate_series(1, :calls) n"),
            {"usd": usd, "calls": calls},
        )  # fmt: skip


@pytest.mark.parametrize(("usd", "cost_usd", "more"), [(10, 1.0, 2), (4, 1.0, 0), (10, 0.0, 52)])
def test_a_budget_in_dollars_holds_before_anything_was_paid_for(
    database: Engine, usd: float, cost_usd: float, more: int
) -> None:
    with database.begin() as connection:
        connection.execute(insert(Question), [
            {"question_id": f"Evol_{n:08d}", "subset": "Evol", "number": n, "provider": "openai", "model": "teacher",
             "prompt_index": n, "seed_ids": [], "text": f"Question {n}.", "status": "accepted"}
            for n in range(20)
        ])  # fmt: skip

    def planned() -> int:
        return plan_trials(database, ["Evol"], MODELS, 3, {"Evol": SolveBudget(usd=usd)})

    assert planned() == 8
    assert planned() == 0  # as many are still to be asked
    paid(database, 8, cost_usd)
    assert planned() == more
    assert planned() == 0
