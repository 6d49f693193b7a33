"""Whether Online Judge cases are as good a test as the verified one: what they reach, and which faults they notice."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.sandbox.types import Job, Verdict
from tasks.styles._execution import run
from tasks.styles.types import Judge, JudgeUnavailable, Reason, Rejected
from tasks.trust import InfrastructureFailure, Planned, execute, mutants

# Of the mutants that the verified test rejects, which are therefore no equivalents of the solution. Not all of them:
# some faults (a type, an identity, the words of an error) leave no trace in what is printed.
MIN_KILLED_SHARE = 0.8
_TIMES = 5.0  # of the solution's own time that a mutant gets
_MUTANT_TIMEOUT_S = 5.0  # at least, in a trial of its own
_TEST, _CASES = "test", "cases"
_OWN = "own"


@dataclass(frozen=True, slots=True)
class Strength:
    """How many percent of the solution's lines cases reach, and the share of its mutants that they reject, if any."""

    coverage: float
    kill_rate: float | None


async def strength(solution: str, test: str, cases: str, judge: Judge, job_id: str) -> Strength:
    """Measures `cases`, a pytest module like `test`, against `test`.

    Raises Rejected where they reach less of the solution, or let through more than every fifth of the mutants that
    the test rejects.
    """
    coverage = await _coverage(solution, test, cases, judge, job_id)
    made = [mutant.source for mutant in mutants(solution)]
    if not made:
        return Strength(coverage, None)
    killed = await _killed(solution, made, {_TEST: test, _CASES: cases}, judge, job_id)
    provable = [by_cases for by_test, by_cases in zip(killed[_TEST], killed[_CASES], strict=True) if by_test]
    needed = math.ceil(MIN_KILLED_SHARE * len(provable))
    if sum(provable) < needed or not any(killed[_CASES]):
        passed = f"{len(provable) - sum(provable)} of {len(provable)} mutants that the test rejects pass the cases"
        raise Rejected(Reason.WEAK_CASES, passed if provable else "the cases reject no mutant")
    return Strength(coverage, round(sum(killed[_CASES]) / len(made), 4))


async def _coverage(solution: str, test: str, cases: str, judge: Judge, job_id: str) -> float:
    reached = await run(judge, Job(f"{job_id}-coverage", solution, test=cases, star_import=False))
    if reached.coverage is None:
        raise Rejected(Reason.UNCONFIRMED, f"the cases' coverage cannot be measured: {_said(reached)}")
    if reached.coverage < 100:
        tested = await run(judge, Job(f"{job_id}-test-coverage", solution, test=test))
        if tested.coverage is None:
            raise Rejected(Reason.UNCONFIRMED, f"the test's coverage cannot be measured: {_said(tested)}")
        if reached.coverage < tested.coverage:
            shares = f"{reached.coverage:.0f} % of the solution's lines, its test {tested.coverage:.0f} %"
            raise Rejected(Reason.LOW_COVERAGE, f"the cases reach {shares}")
    return reached.coverage


def _said(verdict: Verdict) -> str:
    return f"{verdict.kind}: {verdict.message}"


async def _killed(
    solution: str, made: Sequence[str], suites: Mapping[str, str], judge: Judge, job_id: str
) -> dict[str, list[bool]]:
    """By suite which mutants fail it; what cannot be found out of one counts as passed."""
    solutions = {_OWN: solution} | {str(number): source for number, source in enumerate(made)}
    plan = [_planned(suite, _OWN) for suite in suites]
    plan += [_planned(suite, str(number)) for suite in suites for number in range(len(made))]
    try:
        seen = await execute(plan, suites, solutions, judge, job_id)
    except InfrastructureFailure as failure:
        raise JudgeUnavailable(f"job {job_id}: {failure}") from failure
    found = {(planned.suite, planned.solution): one for planned, one in zip(plan, seen, strict=True)}
    killed = {}
    for suite, module in suites.items():
        if found[suite, _OWN].passed:
            mutants_seen = [found[suite, str(number)] for number in range(len(made))]
            killed[suite] = [one.known and not one.passed for one in mutants_seen]
        else:  # the light runner does not know all of pytest
            killed[suite] = await _killed_by_trials(solution, made, suite, module, judge, f"{job_id}-{suite}")
    return killed


def _planned(suite: str, solution: str) -> Planned:
    own = solution == _OWN
    planned = Planned(suite, solution, names=own, first=not own, times=None if own else _TIMES)
    # Each case starts from a fresh module, as a program does.
    return replace(planned, order="alone") if suite == _CASES else planned


async def _killed_by_trials(
    solution: str, made: Sequence[str], suite: str, module: str, judge: Judge, job_id: str
) -> list[bool]:
    job = Job(f"{job_id}-{_OWN}", solution, test=module, star_import=suite == _TEST, coverage=False)
    own = await run(judge, job)
    if not own.passed:
        raise Rejected(Reason.UNCONFIRMED, f"the {suite} cannot be run against mutants: {_said(own)}")
    trial = replace(job, timeout_s=max(_MUTANT_TIMEOUT_S, _TIMES * own.duration_s))
    verdicts = await asyncio.gather(
        *(run(judge, replace(trial, id=f"{job_id}-{number}", solution=code)) for number, code in enumerate(made))
    )
    return [not verdict.passed for verdict in verdicts]
