"""Budgets of attempts as they are written on the command line."""

from __future__ import annotations

import pytest

from tasks.llm import BudgetError
from tasks.options import SolveBudget, solve_budgets
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
