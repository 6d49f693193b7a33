"""What is known about the trials of one question, put together: consensus, test strength, controls, stability, trust.

No model is asked. The executions are cheap ones (see `execution`), and the dear ones, trials by the judge (of the
always-equal object, and under another hash seed where the pass was not confirmed), go to the pair that is ahead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tasks.sandbox import Job, Verdict, VerdictKind
from tasks.trust.agreement import Consensus, SuiteRow, consensus
from tasks.trust.controls import always_equal
from tasks.trust.execution import InfrastructureFailure, Judge, Planned, Seen
from tasks.trust.inspection import Inspection, inspect_pair
from tasks.trust.matrix import Candidate, Suites, agreement_matrix
from tasks.trust.mutants import MAX_MUTANTS, Mutant, mutants
from tasks.trust.score import Evidence, trust

EXAMINED = 4  # pairs whose tests meet the mutants: those with the highest consensus
_BASES = 2  # solutions that mutants are made of
_HEAVY_MUTANTS = 8  # for tests that need a trial each
_FINALISTS = 3  # pairs that may come to be ahead and meet the dear controls
_TIMES = 5.0  # of the unchanged solution's time that a mutant gets
# A test that depends on others sees those behind it in the first, and none in the second, where it is then repeated.
# Their time is several times what the light runner takes tests for.
_REVERSED = Planned("", "", order="reversed", seed=1, clock_s=400 * 86_400.0, cpu_s=6.0, wall_s=15.0)
_ALONE = Planned("", "", order="alone", seed=2, cpu_s=6.0, wall_s=15.0)


@dataclass(frozen=True, slots=True)
class Assessment:
    """The columns of a trial. `kill_rate`, `stub_rejected` and `stable` are None where they were not found out."""

    consensus: float | None
    kill_rate: float | None
    stub_rejected: bool | None
    stable: bool | None
    trust: float
    evidence: dict[str, Any]  # JSON: what the columns were made of


@dataclass(frozen=True, slots=True)
class Assessed:
    """The question's agreement matrix, and an assessment for every attempt that passed."""

    matrix: dict[int, SuiteRow]
    trials: dict[int, Assessment]


@dataclass(slots=True)
class _Pair:
    """What is found out about one pair that passed, on its way to an Assessment."""

    candidate: Candidate
    row: SuiteRow
    agreed: Consensus
    inspected: Inspection
    base: int | None = None
    tried: list[tuple[Mutant, bool]] = field(default_factory=list)  # with whether it was killed
    wrong: list[bool] = field(default_factory=list)  # failed trials' solutions: whether killed
    again: dict[str, bool | None] = field(default_factory=dict)
    always_equal: str | None = None  # the verdict on it

    @property
    def stub_rejected(self) -> bool | None:
        if self.always_equal == VerdictKind.PASSED.value:
            return False
        return "1" * len(self.row.claims) != self.row.stub if self.row.stub else None

    @property
    def stable(self) -> bool | None:
        told = [value for name, value in self.again.items() if name != "repeated" and value is not None]
        return all(told) if told else None

    @property
    def signs(self) -> tuple[str, ...]:
        shown = {
            "stub passes": self.row.stub != "" and set(self.row.stub) <= {"1"},
            "always equal passes": self.always_equal == VerdictKind.PASSED.value,
            "no assertion": self.inspected.asserted_share == 0,
            "unstable": self.stable is False,
            "not repeatable": self.again.get("repeated") is False,
        }
        said = set(self.inspected.uses) - {"sleep"}
        return (*(sign for sign, seen in shown.items() if seen), *sorted(said))

    def assessment(self) -> Assessment:
        killed = [dead for _, dead in self.tried] + self.wrong
        facts = Evidence(self.agreed.score, sum(killed), len(killed), self.inspected.asserted_share, self.signs)
        return Assessment(
            consensus=None if self.agreed.score is None else round(self.agreed.score, 4),
            kill_rate=round(sum(killed) / len(killed), 4) if killed else None,
            stub_rejected=self.stub_rejected,
            stable=self.stable,
            trust=trust(facts),
            evidence={
                "agreement": asdict(self.agreed),
                "mutants": [
                    {"kind": mutant.kind, "line": mutant.line, "change": mutant.change, "killed": dead}
                    for mutant, dead in self.tried
                ],
                "mutants_of": self.base,
                "wrong_solutions": {"killed": sum(self.wrong), "of": len(self.wrong)},
                "assertions": self.inspected.assertions,
                "uses": list(self.inspected.uses),
                "signs": list(self.signs),
                "again": self.again,
                "always_equal": self.always_equal,
            },
        )


async def assess(
    candidates: Sequence[Candidate],
    judge: Judge,
    known: Mapping[int, SuiteRow] | None = None,
    job_id: str = "question",
) -> Assessed:
    """Assesses the trials of one question. `candidates` are all that were judged, failed ones too: they have a voice.

    `known` is the matrix of an earlier assessment with fewer trials. Raises InfrastructureFailure.
    """
    if not any(candidate.passed for candidate in candidates):
        return Assessed({}, {})
    suites = Suites(candidates, judge, job_id)
    matrix = await agreement_matrix(suites, known)
    agreed = consensus(matrix)
    pairs = [
        _Pair(c, matrix[c.attempt], agreed[c.attempt], inspect_pair(c.solution, c.test))
        for c in candidates
        if c.passed and c.attempt in matrix
    ]
    pairs.sort(key=lambda pair: (-pair.assessment().trust, -(pair.candidate.coverage or 0), pair.candidate.attempt))
    await _examine(pairs[:EXAMINED], suites, matrix)
    await _confirm(pairs[:EXAMINED], judge, job_id)
    return Assessed(matrix, {pair.candidate.attempt: pair.assessment() for pair in pairs})


async def _examine(pairs: Sequence[_Pair], suites: Suites, matrix: Mapping[int, SuiteRow]) -> None:
    """Mutants, failed trials' solutions, and the pair itself under other conditions."""
    plan: list[Planned] = []
    solutions: dict[str, str] = {}
    made: dict[int, list[Mutant]] = {}
    for pair in pairs:
        attempt = pair.candidate.attempt
        suite, own = str(attempt), f"own {attempt}"
        solutions[own] = pair.candidate.solution
        if attempt in suites.heavy or suite not in suites.usual_s:  # else the matrix has just seen it pass
            plan.append(Planned(suite, own, names=True))
        if attempt not in suites.heavy:
            plan += [replace(how, suite=suite, solution=own) for how in (_REVERSED, _ALONE)]
        pair.base = _base(attempt, pair.row, made)
        if pair.base is None:
            continue
        if pair.base not in made:
            made[pair.base] = mutants(suites.candidates[pair.base].solution, MAX_MUTANTS)
        code = made[pair.base][: _HEAVY_MUTANTS if attempt in suites.heavy else None]
        for number, mutant in enumerate(code):
            solutions[f"{pair.base}/{number}"] = mutant.source
            plan.append(Planned(suite, f"{pair.base}/{number}", first=True, times=_TIMES))
    tests = {pair.candidate.attempt: pair.row.claims for pair in pairs}
    found = list(zip(plan, await suites.run(plan, solutions, tests), strict=True))
    for pair in pairs:
        _note(pair, [(run, seen) for run, seen in found if run.suite == str(pair.candidate.attempt)], made)
        pair.wrong = list(_known_wrong(pair, suites, matrix))


def _base(attempt: int, row: SuiteRow, made: Mapping[int, Sequence[Mutant]]) -> int | None:
    """Whose mutants these tests meet: those of a solution that they let pass, so that rates can be compared."""
    for base in made:
        outcomes = row.by.get(base)
        if outcomes and set(outcomes) == {"1"}:
            return base
    return attempt if len(made) < _BASES else None


def _note(pair: _Pair, found: Sequence[tuple[Planned, Seen]], made: Mapping[int, Sequence[Mutant]]) -> None:
    """Sorts the runs of a pair's tests into what they mean."""
    base_passes = all(seen.passed for run, seen in found if run.names)
    for run, seen in found:
        if run.solution.startswith("own "):
            pair.again[run.order] = seen.passed if seen.known else None
            if run.order == "alone":
                pair.again["repeated"] = set(seen.repeated) == {"1"} if seen.known else None
        elif base_passes and seen.known and pair.base is not None:
            mutant = made[pair.base][int(run.solution.partition("/")[2])]
            pair.tried.append((mutant, not seen.passed))


def _known_wrong(pair: _Pair, suites: Suites, matrix: Mapping[int, SuiteRow]) -> list[bool]:
    """Of the failed trials' solutions that some other passed pair's tests reject, whether this pair's reject them."""
    passed = [row for attempt, row in matrix.items() if suites.candidates[attempt].passed and row is not pair.row]
    found = []
    for attempt, candidate in suites.candidates.items():
        if candidate.passed or attempt not in pair.row.by:
            continue
        if any("0" in row.by.get(attempt, "") for row in passed):
            found.append("0" in pair.row.by[attempt])
    return found


async def _confirm(pairs: Sequence[_Pair], judge: Judge, job_id: str) -> None:
    """The dear controls, for the pair that is ahead and still ahead after them."""
    for _ in range(_FINALISTS):
        ahead = max(
            pairs, key=lambda pair: (pair.assessment().trust, pair.candidate.coverage or 0, -pair.candidate.attempt)
        )
        if ahead.always_equal is not None:
            return
        candidate = ahead.candidate
        control = always_equal(candidate.solution)
        verdict = await _judged(
            judge, Job(f"{job_id}:always-equal", control or "", test=candidate.test, coverage=False)
        )
        ahead.always_equal = verdict.kind.value
        if ahead.inspected.hash_order:
            again = Job(f"{job_id}:hash", candidate.solution, test=candidate.test, coverage=False, confirm=True)
            ahead.again["other hash seed"] = candidate.confirmed or (await _judged(judge, again)).passed


async def _judged(judge: Judge, job: Job) -> Verdict:
    verdict = await judge(job)
    if verdict.kind is VerdictKind.INFRASTRUCTURE:
        raise InfrastructureFailure(verdict.message or "the sandbox came to no verdict")
    return verdict
