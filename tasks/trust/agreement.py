"""Agreement: what the trials of one question say about each other.

Dual execution agreement (CodeT, Chen et al. 2022, arXiv 2207.10397) holds that right solutions behave alike and right
tests let them pass, while wrong ones are wrong in ways of their own. CodeT ranks the solutions of a question by a
product of counts. Pairs of different questions are compared here, so that the same idea is put as a probability:

    Solutions that satisfy the same claims are a class. One class is the right one, or none is. A solution is right
    with probability 1/2; wrong ones fall into classes as in a Chinese restaurant with concentration 1 (Pitman 2006):
    two of them are wrong alike with probability 1/2. A test is right with probability 2/3, and then the right class
    satisfies every claim of it.

The consensus about a trial is the posterior probability that its solution's class is the right one. A claim that a
stub satisfies, or that no solution does, says nothing about anybody. The three figures were not fitted: they say what
little is known of a model beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

_RIGHT_SOLUTION = 1 / 2
_RIGHT_TEST = 2 / 3
_CONCENTRATION = 1.0


@dataclass(frozen=True, slots=True)
class SuiteRow:
    """How one trial's tests judged the solutions of the question.

    `claims` are the places of its assertions (or, where the tests had to be run by the judge, its tests). `by` has for
    each attempt that could be run against them a character a claim: '1' held, '0' failed, '-' not reached. `stub` is
    the same for the stub.
    """

    claims: tuple[str, ...]
    by: Mapping[int, str] = field(default_factory=dict)
    stub: str = ""


@dataclass(frozen=True, slots=True)
class Consensus:
    """What the other trials say about one."""

    others: int  # trials that could be compared
    alike: int  # of them those whose solutions satisfy the same claims
    score: float | None  # 0..1; None without another trial
    codet: float  # CodeT's own score over the highest possible


Vector = Mapping[int, str]  # suite -> a character a telling claim: '1' satisfied, '0' not
Class = list[int]  # attempts


def consensus(matrix: Mapping[int, SuiteRow]) -> dict[int, Consensus]:
    """The consensus about every attempt whose solution could be run."""
    vectors = _vectors(matrix)
    comparable = {one: [o for o in vectors if o != one and vectors[o].keys() & vectors[one].keys()] for one in vectors}
    classes = _classes({attempt: vector for attempt, vector in vectors.items() if comparable[attempt]})
    found = {attempt: Consensus(0, 0, None, _codet(attempt, vectors)) for attempt in vectors}
    for alike, score in zip(classes, _posterior(classes, vectors), strict=True):
        for attempt in alike:
            codet = _codet(attempt, vectors)
            found[attempt] = Consensus(len(comparable[attempt]), len(alike) - 1, score, codet)
    return found


def _vectors(matrix: Mapping[int, SuiteRow]) -> dict[int, Vector]:
    vectors: dict[int, dict[int, str]] = {attempt: {} for attempt in matrix}
    for suite, row in matrix.items():
        telling = _telling(row)
        for attempt, outcomes in row.by.items():
            held = "".join("1" if outcomes[place] == "1" else "0" for place in telling)
            vectors.setdefault(attempt, {})[suite] = held
    return dict(sorted(vectors.items()))


def _telling(row: SuiteRow) -> tuple[int, ...]:
    """Places of the claims that the stub does not satisfy and some solution does."""
    stub = row.stub if len(row.stub) == len(row.claims) else "0" * len(row.claims)
    return tuple(
        place
        for place in range(len(row.claims))
        if stub[place] != "1" and any(outcomes[place] == "1" for outcomes in row.by.values())
    )


def _classes(vectors: Mapping[int, Vector]) -> list[Class]:
    """Attempts whose solutions do the same on every suite that both could be run against. To satisfy nothing is no
    likeness: such a solution is alone."""
    classes: list[Class] = []
    for attempt, vector in vectors.items():
        does_something = any("1" in claims for claims in vector.values())
        for alike in classes:
            first = vectors[alike[0]]
            shared = [suite for suite, claims in vector.items() if claims and suite in first]
            if does_something and shared and all(vector[suite] == first[suite] for suite in shared):
                alike.append(attempt)
                break
        else:
            classes.append([attempt])
    return classes


def _posterior(classes: Sequence[Class], vectors: Mapping[int, Vector]) -> list[float]:
    """The probability of each class that it is the right one; what is left of 1 is that of none."""
    suites = {suite for vector in vectors.values() for suite, claims in vector.items() if claims}
    passing = {suite: [_satisfies(alike, suite, vectors) for alike in classes] for suite in suites}
    count = sum(map(len, classes))
    evidence = [
        len(alike) * math.log(_RIGHT_SOLUTION)
        + (count - len(alike)) * math.log(1 - _RIGHT_SOLUTION)
        + _wrong_alike(len(other) for other in classes if other is not alike)
        + sum(_told(passing[suite][place]) for suite in suites)
        for place, alike in enumerate(classes)
    ]
    # Where no class is right, a test that one of them passes is wrong.
    none = count * math.log(1 - _RIGHT_SOLUTION) + _wrong_alike(map(len, classes))
    evidence.append(none + sum(_told(True not in passing[suite]) for suite in suites))
    highest = max(evidence)
    weights = [math.exp(value - highest) for value in evidence]
    return [weight / sum(weights) for weight in weights[:-1]]


def _satisfies(alike: Class, suite: int, vectors: Mapping[int, Vector]) -> bool | None:
    """Whether a class satisfies all telling claims of a suite; None where none of it could be run against it."""
    shown = next((vectors[attempt][suite] for attempt in alike if suite in vectors[attempt]), None)
    return None if shown is None else "0" not in shown


def _told(satisfied: bool | None) -> float:
    """What a suite says for a class that satisfies it or not, as the logarithm of a likelihood."""
    return math.log(1 / 2 if satisfied is None else _RIGHT_TEST if satisfied else 1 - _RIGHT_TEST)


def _wrong_alike(sizes: Iterable[int]) -> float:
    """The logarithm of the probability that wrong solutions fall into classes of these sizes (Ewens 1972)."""
    sizes = list(sizes)
    joined = sum(math.log(_CONCENTRATION) + math.lgamma(size) for size in sizes)
    return joined - sum(math.log(_CONCENTRATION + number) for number in range(sum(sizes)))


def _codet(attempt: int, vectors: Mapping[int, Vector]) -> float:
    group = sum(vectors[attempt] == vector for vector in vectors.values())
    passed = sum(vector.count("1") for vector in vectors[attempt].values())
    suites = {suite: len(vector) for found in vectors.values() for suite, vector in found.items()}
    possible = sum(suites.values())
    return group * passed / (len(vectors) * possible) if possible else 0.0
