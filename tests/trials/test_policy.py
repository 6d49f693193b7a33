"""How many attempts a question gets, and the estimators of its labels."""

from __future__ import annotations

import random

import pytest

from tasks.trials import AttemptPolicy, Progress, certainty, difficulty, pass_at_k, wilson
from tasks.trust.mutants import mutants


def test_a_question_without_a_pass_goes_on_to_the_last_attempt() -> None:
    policy = AttemptPolicy(initial=3, maximum=10)
    assert policy.wants_more(Progress("q", 9, 0))
    assert not policy.wants_more(Progress("q", 10, 0))


def test_a_settled_label_stops_and_an_unsettled_one_goes_on() -> None:
    policy = AttemptPolicy()
    assert not policy.wants_more(Progress("q", 3, 3, cheap_count=3))
    assert policy.wants_more(Progress("q", 3, 2, cheap_count=3))
    # Three more attempts would tell too little to pay.
    assert not policy.wants_more(Progress("q", 7, 3, cheap_count=7))
    assert certainty(3, 3) == pytest.approx(1 - (2 / 3) ** 4)


def test_the_policy_saves_calls_at_the_same_yield_and_hardly_a_label() -> None:
    """Against ten attempts at each question, of five teachers from good to poor."""
    rng = random.Random(5)
    teachers = ((1, 1), (2, 1), (1, 0.5), (0.6, 0.6), (0.5, 1))
    rates = [rng.betavariate(*teacher) for teacher in teachers for _ in range(2500)]
    fixed = [_attempted(AttemptPolicy(10, 10), rate, number) for number, rate in enumerate(rates)]
    adaptive = [_attempted(AttemptPolicy(), rate, number) for number, rate in enumerate(rates)]
    assert sum(n for _, n in adaptive) < 0.7 * sum(n for _, n in fixed)
    assert [k > 0 for k, _ in adaptive] == [k > 0 for k, _ in fixed]
    assert _accuracy(adaptive, rates) > _accuracy(fixed, rates) - 0.02


def _attempted(policy: AttemptPolicy, rate: float, seed: int) -> tuple[int, int]:
    """(passes, attempts) of a question whose attempts pass with probability `rate`; the n-th is the same each time."""
    rng = random.Random(seed)
    passes = attempts = 0
    while attempts < policy.first_round or policy.wants_more(Progress("q", attempts, passes, cheap_count=attempts)):
        passes += rng.random() < rate
        attempts += 1
    return passes, attempts


def _accuracy(found: list[tuple[int, int]], rates: list[float]) -> float:
    """The share of labels that are those of the true pass rate."""
    right = [difficulty(*one) == difficulty(round(3000 * rate), 3000) for one, rate in zip(found, rates, strict=True)]
    return sum(right) / len(right)


def test_the_stronger_model_takes_over_what_the_cheap_one_left_unsolved() -> None:
    policy = AttemptPolicy(tiers=2)
    assert policy.tier(Progress("q", 3, 0, cheap_count=3)) == 1
    assert policy.tier(Progress("q", 3, 1, cheap_count=3)) == 0


def test_the_most_promising_questions_come_first_within_the_budget() -> None:
    questions = [Progress("none", 3, 0), Progress("near", 3, 0, best_share=0.9), Progress("two", 3, 2, cheap_count=3)]
    chosen = AttemptPolicy().next_round(questions, budget=2)
    assert [question.question_id for question in chosen] == ["two", "near"]


def test_pass_at_k_and_wilson_have_their_known_values() -> None:
    assert pass_at_k(10, 3, 1) == pytest.approx(0.3)
    assert pass_at_k(10, 3, 10) == 1
    assert pass_at_k(5, 2, 2) == pytest.approx(0.7)
    assert wilson(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)
    assert wilson(0, 3)[0] == 0
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(3, 4, 1)


def test_every_mutant_compiles_and_differs() -> None:
    source = "def f(a):\n    if a < 3 and a:\n        return a + 1\n    return 0\n"
    made = mutants(source)
    assert len({mutant.source for mutant in made}) == len(made) > 5
    for mutant in made:
        compile(mutant.source, "mutant", "exec")
        assert mutant.source != source
