"""Agreement: what the trials of one question say about each other.

Dual execution agreement (CodeT, Chen et al. 2022, arXiv 2207.10397) holds that right solutions behave alike and right
tests let them pass, while wrong ones are wrong in ways of their own. CodeT scores a group of solutions that pass the
same tests by its size and the number of those tests. Three things differ here, because a pair is judged and not a
solution ranked: a trial's own test says nothing about its own solution, which was chosen for passing it; a claim that
a stub satisfies, or that no solution does, says nothing about anybody; and either kind of agreement is enough, because
in a hard question right solutions are rare while many claims are right, or the other way round.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# A wrong solution is right on most inputs, so that shares count only when they are high.
_TESTS_POWER = 3
_ALIKE_POWER = 4


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
    test_support: float | None  # share of the others' claims that this solution satisfies
    solution_support: float | None  # 0..1: how many behave like it, against the largest such group
    score: float | None  # 0..1; None without another trial
    codet: float  # CodeT's own score over the highest possible


def consensus(matrix: Mapping[int, SuiteRow], attempt: int) -> Consensus:
    """The consensus about `attempt`, whose suite is one of the matrix's rows."""
    telling = {suite: _telling(row) for suite, row in matrix.items()}
    others = [other for other in matrix if other != attempt and _comparable(matrix, attempt, other)]
    held = total = 0
    for suite in others:
        outcomes = matrix[suite].by.get(attempt)
        if outcomes is not None:
            held += sum(outcomes[place] == "1" for place in telling[suite])
            total += len(telling[suite])
    test_support = held / total if total else None
    vectors = {other: _vector(matrix, telling, other) for other in matrix}
    sizes = {one: 1 + sum(_alike(vectors[one], vectors[o]) for o in matrix if o != one) for one in matrix}
    solution_support = _solution_support(sizes[attempt], max(sizes.values())) if others else None
    return Consensus(
        len(others), test_support, solution_support, _score(test_support, solution_support), _codet(attempt, vectors)
    )


def _telling(row: SuiteRow) -> tuple[int, ...]:
    """Places of the claims that the stub does not satisfy and some solution does."""
    stub = row.stub if len(row.stub) == len(row.claims) else "0" * len(row.claims)
    return tuple(
        place
        for place in range(len(row.claims))
        if stub[place] != "1" and any(outcomes[place] == "1" for outcomes in row.by.values())
    )


def _comparable(matrix: Mapping[int, SuiteRow], one: int, other: int) -> bool:
    """Whether either's solution could be run against the other's tests: they have the same entry points."""
    return one in matrix[other].by or other in matrix[one].by


Vector = Mapping[int, str]


def _vector(matrix: Mapping[int, SuiteRow], telling: Mapping[int, tuple[int, ...]], attempt: int) -> Vector:
    return {
        suite: "".join("1" if row.by[attempt][place] == "1" else "0" for place in telling[suite])
        for suite, row in matrix.items()
        if attempt in row.by
    }


def _alike(one: Vector, other: Vector) -> float:
    """How alike two solutions behave, 0..1: the share of claims with the same outcome, sharpened. Failing everything
    together is no likeness."""
    shared = [suite for suite in one if suite in other]
    pairs = [pair for suite in shared for pair in zip(one[suite], other[suite], strict=True)]
    if ("1", "1") not in pairs:
        return 0.0
    return float((sum(left == right for left, right in pairs) / len(pairs)) ** _ALIKE_POWER)


def _solution_support(size: float, largest: float) -> float:
    """0 for a solution that is alone with its behaviour, near 1 for a large group that none exceeds."""
    return (size - 1) / max(largest - 1, 1) * (1 - 1 / size) if size > 1 else 0.0


def _score(test_support: float | None, solution_support: float | None) -> float | None:
    """Either kind of agreement is enough."""
    if test_support is None and solution_support is None:
        return None
    return 1 - (1 - (test_support or 0.0) ** _TESTS_POWER) * (1 - (solution_support or 0.0))


def _codet(attempt: int, vectors: Mapping[int, Vector]) -> float:
    group = sum(vectors[attempt] == vector for vector in vectors.values())
    passed = sum(vector.count("1") for vector in vectors[attempt].values())
    suites = {suite: len(vector) for found in vectors.values() for suite, vector in found.items()}
    possible = sum(suites.values())
    return group * passed / (len(vectors) * possible) if possible else 0.0
