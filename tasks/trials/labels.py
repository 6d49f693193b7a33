"""Labels of a question from its attempts: pass sequence, difficulty by pass rate, and the trial that is chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

Difficulty = Literal["easy", "medium", "hard", "fail"]
EASY_FROM = Fraction(2, 3)
MEDIUM_FROM = Fraction(1, 3)


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """One attempt that was judged; an infrastructure failure is none."""

    attempt: int
    passed: bool
    coverage: float | None = None  # line coverage of the solution, percent


@dataclass(frozen=True, slots=True)
class Label:
    pass_sequence: list[int]  # 1 or 0 for each attempt in order
    pass_count: int
    trial_count: int
    pass_percentage: float  # 0..1
    difficulty: Difficulty


def label(trials: Iterable[TrialOutcome]) -> Label:
    """The label of a question whose attempts have ended (KodCode paper, section on difficulty).

    Raises ValueError for no attempts at all: such a question has no difficulty.
    """
    sequence = [int(trial.passed) for trial in sorted(trials, key=lambda trial: trial.attempt)]
    if not sequence:
        raise ValueError("no attempt was judged: a question gets its label when at least one attempt has a verdict")
    count, total = sum(sequence), len(sequence)
    return Label(sequence, count, total, count / total, difficulty(count, total))


def difficulty(pass_count: int, trial_count: int) -> Difficulty:
    """Easy from 2/3 of the attempts passed, medium from 1/3, hard below, fail where none passed."""
    if pass_count == 0:
        return "fail"
    rate = Fraction(pass_count, trial_count)
    if rate >= EASY_FROM:
        return "easy"
    return "medium" if rate >= MEDIUM_FROM else "hard"


def choose_trial(trials: Iterable[TrialOutcome]) -> int | None:
    """The attempt whose solution and test represent the question: of the passed, highest coverage, then first."""
    passed = [trial for trial in trials if trial.passed]
    if not passed:
        return None
    return min(passed, key=lambda trial: (-(trial.coverage or 0.0), trial.attempt)).attempt
