"""Consensus by hand: what a question's trials say about each other."""

from __future__ import annotations

import pytest

from tasks.trust import SuiteRow, consensus


def row(by: dict[int, str], stub: str = "") -> SuiteRow:
    width = len(next(iter(by.values())))
    return SuiteRow(tuple(f"claim {n}" for n in range(width)), by, stub or "0" * width)


def test_a_lone_trial_has_no_consensus() -> None:
    assert consensus({0: row({0: "11"})})[0].score is None


def test_two_trials_that_contradict_each_other_are_believed_alike_and_less_than_two_that_agree() -> None:
    apart = consensus({0: row({0: "1", 1: "0"}), 1: row({0: "0", 1: "1"})})
    together = consensus({0: row({0: "1", 1: "1"}), 1: row({0: "1", 1: "1"})})
    assert apart[0].score == apart[1].score
    # One right, the other wrong: 1/4 x 1, with tests 2/3 x 1/3. None right: 1/4 x 1/2, tests 1/3 x 1/3.
    assert apart[0].score == pytest.approx((2 / 9) / (2 / 9 + 2 / 9 + 1 / 18))
    # Both right: 1/4 x 1, with tests 4/9. None: 1/4 x 1/2, with tests 1/9.
    assert together[0].score == pytest.approx((4 / 9) / (4 / 9 + 1 / 18))
    assert together[0].alike == 1


def test_the_larger_class_is_believed() -> None:
    mine = {0: "11", 1: "11", 2: "10"}
    found = consensus({0: row(mine), 1: row(mine), 2: row({0: "10", 1: "10", 2: "11"})})
    assert found[0].score is not None
    assert found[2].score is not None
    assert found[0].score == found[1].score
    assert found[0].score > 0.7
    assert found[2].score < 0.3


def test_the_solution_of_a_failed_trial_and_its_test_are_heard() -> None:
    two = {0: row({0: "1", 1: "0"}), 1: row({0: "0", 1: "1"})}
    # Attempt 2 behaves like 0 and fails its own test, which satisfies nobody.
    heard = {0: row({0: "1", 1: "0", 2: "1"}), 1: row({0: "0", 1: "1", 2: "0"}), 2: row({0: "10", 1: "10", 2: "10"})}
    before, after = consensus(two)[0].score, consensus(heard)[0].score
    assert before is not None
    assert after is not None
    assert after > before


def test_solutions_that_satisfy_nothing_are_not_alike() -> None:
    matrix = {0: row({0: "111", 1: "000", 2: "000", 3: "000"})}
    matrix |= {n: SuiteRow(("claim",), {0: "1", n: "0"}, "0") for n in (1, 2, 3)}
    found = consensus(matrix)
    assert found[1].alike == 0
    assert found[0].score is not None
    assert found[0].score > 0.5


def test_claims_that_a_stub_satisfies_say_nothing() -> None:
    vacuous = row({0: "1", 1: "1", 2: "1"}, stub="1")
    told = {0: row({0: "1", 1: "0", 2: "0"}), 1: row({0: "0", 1: "1", 2: "1"}), 2: vacuous}
    untold = dict(told)
    untold[2] = SuiteRow((), {0: "", 1: "", 2: ""}, "")
    assert consensus(told)[0].score == consensus(untold)[0].score
