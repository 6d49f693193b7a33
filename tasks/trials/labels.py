"""Labels of a question from its attempts: pass sequence, difficulty by pass rate, and the trial that is chosen."""

from __future__ import annotations

import math
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
    trust: float | None = None  # 0..1; see tasks/trust


@dataclass(frozen=True, slots=True)
class Label:
    pass_sequence: list[int]  # 1 or 0 for each attempt in order
    pass_count: int
    trial_count: int
    pass_percentage: float  # 0..1
    difficulty: Difficulty
    pass_at_k: list[float]  # unbiased estimates for k = 1 .. trial_count
    pass_low: float  # 95 % Wilson interval of the pass rate, 0..1
    pass_high: float


def label(trials: Iterable[TrialOutcome]) -> Label:
    """The label of a question whose attempts have ended (KodCode paper, section on difficulty).

    Raises ValueError for no attempts at all: such a question has no difficulty.
    """
    sequence = [int(trial.passed) for trial in sorted(trials, key=lambda trial: trial.attempt)]
    if not sequence:
        raise ValueError("no attempt was judged: a question gets its label when at least one attempt has a verdict")
    count, total = sum(sequence), len(sequence)
    estimates = [pass_at_k(total, count, k) for k in range(1, total + 1)]
    return Label(sequence, count, total, count / total, difficulty(count, total), estimates, *wilson(count, total))


def pass_at_k(trial_count: int, pass_count: int, k: int) -> float:
    """The unbiased estimate of the chance that one of `k` samples passes (Chen et al. 2021, arXiv 2107.03374, eq. 1).

    Unbiased where the number of attempts was fixed beforehand. Raises ValueError unless
    0 <= pass_count <= trial_count and 1 <= k <= trial_count.
    """
    if not (0 <= pass_count <= trial_count and 1 <= k <= trial_count):
        raise ValueError(f"pass@{k} of {pass_count} passes in {trial_count} attempts is not defined")
    return float(1 - Fraction(math.comb(trial_count - pass_count, k), math.comb(trial_count, k)))


def wilson(pass_count: int, trial_count: int, z: float = 1.959964) -> tuple[float, float]:
    """The Wilson score interval of a pass rate (Wilson 1927); the default is the two-sided 95 % one."""
    if not 0 <= pass_count <= trial_count or trial_count == 0:
        raise ValueError(f"{pass_count} passes in {trial_count} attempts have no interval")
    rate, square = pass_count / trial_count, z * z
    scale = 1 + square / trial_count
    centre = (rate + square / (2 * trial_count)) / scale
    spread = z * math.sqrt(rate * (1 - rate) / trial_count + square / (4 * trial_count**2)) / scale
    # At the ends the bound is exactly 0 or 1; rounding must not put it a hair beside.
    low = 0.0 if pass_count == 0 else max(0.0, centre - spread)
    return low, 1.0 if pass_count == trial_count else min(1.0, centre + spread)


def difficulty(pass_count: int, trial_count: int) -> Difficulty:
    """Easy from 2/3 of the attempts passed, medium from 1/3, hard below, fail where none passed."""
    if pass_count == 0:
        return "fail"
    rate = Fraction(pass_count, trial_count)
    if rate >= EASY_FROM:
        return "easy"
    return "medium" if rate >= MEDIUM_FROM else "hard"


Select = Literal["trust", "coverage"]


def choose_trial(trials: Iterable[TrialOutcome], select: Select = "trust") -> int | None:
    """The attempt whose solution and test represent the question, of those that passed.

    `trust`: highest trust, then coverage, then first. `coverage`: the original's rule, coverage, then first.
    """
    passed = [trial for trial in trials if trial.passed]
    if not passed:
        return None

    def rank(trial: TrialOutcome) -> tuple[float, float, int]:
        return -(trial.trust or 0.0) if select == "trust" else 0.0, -(trial.coverage or 0.0), trial.attempt

    return min(passed, key=rank).attempt
