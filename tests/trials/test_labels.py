"""Difficulty labels and the choice of a trial."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.trials import TrialOutcome, choose_trial, difficulty, label


def outcomes(*passed: int) -> list[TrialOutcome]:
    return [TrialOutcome(attempt, bool(value), 50.0) for attempt, value in enumerate(passed)]


@pytest.mark.parametrize(
    ("passed", "wanted"),
    [
        ((1, 1, 0), "easy"),
        ((1, 0, 0), "medium"),
        ((0, 0, 0), "fail"),
        ((1, 1, 1), "easy"),
        ((1,), "easy"),
        ((0,), "fail"),
        ((1, 0), "medium"),
        ((1, 0, 0, 0), "hard"),
        ((1, 1, 0, 0, 0), "medium"),
        ((1,) * 4 + (0,) * 2, "easy"),
        ((1,) * 6 + (0,) * 4, "medium"),
        ((1,) * 3 + (0,) * 7, "hard"),
        ((1,) * 7 + (0,) * 3, "easy"),
        ((1,) * 20 + (0,) * 10, "easy"),
        ((1,) * 10 + (0,) * 20, "medium"),
    ],
)
def test_difficulty_follows_the_exact_pass_rate(passed: tuple[int, ...], wanted: str) -> None:
    assert label(outcomes(*passed)).difficulty == wanted


def test_a_label_tells_the_attempts_in_order() -> None:
    made = label([TrialOutcome(2, True), TrialOutcome(0, False), TrialOutcome(1, True)])
    assert (made.pass_sequence, made.pass_count, made.trial_count) == ([0, 1, 1], 2, 3)
    assert made.pass_percentage == pytest.approx(2 / 3)


def test_a_question_without_attempts_has_no_label() -> None:
    with pytest.raises(ValueError, match="no attempt was judged"):
        label([])


@given(st.integers(1, 300), st.integers(0, 300))
def test_more_passes_never_make_a_question_harder(total: int, count: int) -> None:
    order = ["fail", "hard", "medium", "easy"]
    count = min(count, total)
    if count:
        assert order.index(difficulty(count, total)) >= order.index(difficulty(count - 1, total))


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([], None),
        ([TrialOutcome(0, False, 100.0)], None),
        ([TrialOutcome(0, True, 80.0), TrialOutcome(1, True, 90.0), TrialOutcome(2, False, 100.0)], 1),
        ([TrialOutcome(2, True, 90.0), TrialOutcome(1, True, 90.0)], 1),
        ([TrialOutcome(0, True, None), TrialOutcome(1, True, 1.0)], 1),
        ([TrialOutcome(0, True, None), TrialOutcome(1, True, None)], 0),
    ],
)
def test_of_the_passed_the_highest_coverage_then_the_first_is_chosen(
    trials: list[TrialOutcome], chosen: int | None
) -> None:
    assert choose_trial(trials) == chosen
