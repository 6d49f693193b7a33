"""How many attempts a question gets, and by which model: a few for all, more where the answer is still open."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.trials.labels import EASY_FROM, MEDIUM_FROM


@dataclass(frozen=True, slots=True)
class Progress:
    """A question's attempts so far. Those that have not ended are planned and count in neither number below."""

    question_id: str
    trial_count: int  # attempts with a verdict, an unparsable answer included; infrastructure failures are none
    pass_count: int
    best_share: float = 0.0  # highest share of its own tests that an attempt passed, 0..1
    cheap_count: int = 0  # of trial_count, by the first model


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """Attempts 0..`initial`-1 for every question, then one more at a time up to `maximum`.

    A question is done when it has passed and no number of further attempts would raise the chance that its difficulty
    label is right by `gain` each, or when the attempts are used up. `initial` >= `maximum` gives every question
    `maximum` attempts, as the original does.
    """

    initial: int = 3
    maximum: int = 10
    gain: float = 0.01  # one label in a hundred attempts
    tiers: int = 1  # how many models there are, cheapest first

    def __post_init__(self) -> None:
        if not self.maximum >= 1:
            raise ValueError(f"a question needs at least one attempt, not {self.maximum}")
        if not 0 < self.gain < 1:
            raise ValueError(f"the gain is a probability between 0 and 1, not {self.gain}")

    @property
    def first_round(self) -> int:
        """Attempts that every question gets."""
        return min(self.initial, self.maximum)

    def wants_more(self, question: Progress) -> bool:
        if question.trial_count >= self.maximum:
            return False
        if question.pass_count == 0:
            return True
        # Once only the stronger model solves it, it is hard: more of its passes would say nothing about the cheap one.
        if self.tiers > 1 and question.cheap_count < question.trial_count:
            return False
        return worth(question.pass_count, question.trial_count, self.maximum) >= self.gain

    def tier(self, question: Progress) -> int:
        """Which model makes the next attempt: the cheap one until the first round is over without a pass, then the
        others in turn, each with an equal share of the attempts that are left."""
        if self.tiers == 1 or question.pass_count > 0 or question.trial_count < self.first_round:
            return 0
        share = max(1, math.ceil((self.maximum - self.first_round) / (self.tiers - 1)))
        return min(self.tiers - 1, 1 + (question.trial_count - self.first_round) // share)

    def next_round(self, questions: Iterable[Progress], budget: int | None = None) -> list[Progress]:
        """The questions that get one more attempt, most promising first, at most `budget`.

        Most promising: an unsettled label of a question that passes already costs least a verified triplet; then those
        without a pass, nearest to one first, fewest attempts first.
        """
        wanted = [question for question in questions if self.wants_more(question)]
        wanted.sort(key=lambda q: (-self.promise(q), q.trial_count, q.question_id))
        return wanted if budget is None else wanted[: max(0, budget)]

    def promise(self, question: Progress) -> float:
        """Expected chance that the next attempt passes, 0..1: the rule of succession, near misses counted in part."""
        near = 0.5 * question.best_share if question.pass_count == 0 else 0.0
        return (question.pass_count + 0.5 + near) / (question.trial_count + 1.5)


@functools.cache
def certainty(pass_count: int, trial_count: int) -> float:
    """The posterior probability of the label that the attempts so far give (easy, medium, hard; uniform prior)."""
    low = _below(float(MEDIUM_FROM), pass_count, trial_count)
    high = _below(float(EASY_FROM), pass_count, trial_count)
    rate = pass_count / trial_count
    if rate >= EASY_FROM:
        return 1 - high
    return high - low if rate >= MEDIUM_FROM else low


@functools.cache
def worth(pass_count: int, trial_count: int, maximum: int) -> float:
    """By how much further attempts, up to `maximum` in all, raise the expected certainty of the label: for each
    attempt, with as many more as pay best. One alone may pay nothing where two do."""
    known = certainty(pass_count, trial_count)
    return max(
        (_expected(pass_count, trial_count, more) - known) / more for more in range(1, maximum - trial_count + 1)
    )


def _expected(pass_count: int, trial_count: int, more: int) -> float:
    """The certainty that is to be expected after `more` attempts: their passes are beta-binomial."""
    passes, fails = pass_count + 1, trial_count - pass_count + 1
    return sum(
        math.comb(more, new)
        * math.exp(_log_beta(passes + new, fails + more - new) - _log_beta(passes, fails))
        * certainty(pass_count + new, trial_count + more)
        for new in range(more + 1)
    )


def _log_beta(a: int, b: int) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _below(bound: float, pass_count: int, trial_count: int) -> float:
    """P(pass rate <= bound): the Beta(passes + 1, fails + 1) distribution as a binomial tail."""
    n = trial_count + 1
    return sum(math.comb(n, i) * bound**i * (1 - bound) ** (n - i) for i in range(pass_count + 1, n + 1))
