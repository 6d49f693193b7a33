"""Trust: one number from 0 to 1 for how far a verified pair can be believed, and what it is made of.

    trust = soundness x belief x (0.4 + 0.6 x strength')

    soundness    the product of the factors of FACTORS whose sign was seen, times the share of tests with an assertion
    belief       the consensus, a probability (see `agreement`); without another trial half a belief, not none
    strength'    (killed + 1/2) / (mutants + 1): no mutant is half a belief as well

A test that the stub or the always-equal object passes, that holds no assertion, or that does not repeat its outcome
has soundness 0. The figures are set by reasoning and not fitted: see README.md beside this file.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

WEAKEST_STRENGTH = 0.4
UNTOLD = 0.5
FACTORS: dict[str, float] = {
    "stub passes": 0.0,
    "always equal passes": 0.0,
    "no assertion": 0.0,
    "unstable": 0.0,
    "not repeatable": 0.5,  # passes once a process: state is carried from call to call
    "introspection": 0.3,  # looks at sources, frames or files of the pair
    "network": 0.5,  # there is none in the sandbox: what it passes, it passes by catching
    "processes": 0.7,
    "clock": 0.8,  # passes at the speed of this machine, or on this day
    "randomness": 0.8,  # not seeded
    "float equality": 0.9,
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found out about one pair that passed."""

    consensus: float | None
    killed: int
    mutants: int
    asserted_share: float
    signs: tuple[str, ...]  # of FACTORS


def trust(evidence: Evidence) -> float:
    """The formula of the module's docstring, to four decimals."""
    belief = UNTOLD if evidence.consensus is None else evidence.consensus
    strength = (evidence.killed + 0.5) / (evidence.mutants + 1)
    value = soundness(evidence.signs, evidence.asserted_share) * belief
    return round(value * (WEAKEST_STRENGTH + (1 - WEAKEST_STRENGTH) * strength), 4)


def soundness(signs: Iterable[str], asserted_share: float) -> float:
    value = asserted_share
    for sign in signs:
        value *= FACTORS[sign]
    return value
