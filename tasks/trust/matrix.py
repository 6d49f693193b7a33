"""The agreement matrix of a question: every trial's solution against every trial's tests, the stub included."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.sandbox import Job, VerdictKind
from tasks.trials import align_entry_points, bound_names, entry_point_names, parse_python
from tasks.trust.agreement import SuiteRow
from tasks.trust.controls import stub
from tasks.trust.execution import InfrastructureFailure, Judge, Planned, Seen, execute

# What a solution may take on another's tests: several times of what it took on its own, start of the process included.
_TIMES_OWN = 5.0
_CPU_S = (0.2, 2.0)  # at least, and at most


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trial that was parsed and judged. `outcomes` are the verdict's, by node id."""

    attempt: int
    solution: str
    test: str
    passed: bool
    outcomes: Mapping[str, str]
    coverage: float | None = None
    duration_s: float = 0.0
    confirmed: bool = False  # it passed under another hash seed too


class Suites:
    """The test modules of a question, each with the way in which it can be run.

    A module that the light runner does not know, or in which it does not repeat the verdict's outcomes, is run as a
    sandbox trial of its own each time.
    """

    def __init__(self, candidates: Sequence[Candidate], judge: Judge, job_id: str) -> None:
        self.candidates = {candidate.attempt: candidate for candidate in candidates}
        self.judge = judge
        self.job_id = job_id
        self.expected = {c.attempt: entry_point_names(c.solution, c.test) for c in candidates}
        self.heavy: set[int] = set()  # attempts whose tests need a trial of their own
        self.usual_s: dict[str, float] = {}  # how long tests take with their own solution, by attempt
        self._bound: dict[int, set[str]] = {}
        for candidate in candidates:
            module = parse_python(candidate.solution)
            self._bound[candidate.attempt] = bound_names(module) if module else set()

    def fitted(self, attempt: int, suite: int) -> str | None:
        """The solution of `attempt` with the names that `suite` asks for; None where it has no such entry points."""
        code, wanted = self.candidates[attempt].solution, self.expected[suite]
        if set(wanted) <= self._bound[attempt]:
            return code
        aligned = align_entry_points(code, wanted)
        return aligned if aligned != code else None

    async def run(
        self, plan: Sequence[Planned], solutions: Mapping[str, str], tests: Mapping[int, Sequence[str]]
    ) -> list[Seen]:
        """Carries out a plan whose suites are attempts. `tests` are the names of heavy suites' tests."""
        light = [run for run in plan if int(run.suite) not in self.heavy]
        sources = {str(attempt): candidate.test for attempt, candidate in self.candidates.items()}
        ran = await execute(light, sources, solutions, self.judge, self.job_id, self.usual_s) if light else []
        found = iter(ran)
        heavy = iter(
            await asyncio.gather(
                *(
                    self._trial(run, solutions[run.solution], tests[int(run.suite)])
                    for run in plan
                    if int(run.suite) in self.heavy
                )
            )
        )
        return [next(heavy) if int(run.suite) in self.heavy else next(found) for run in plan]

    async def _trial(self, run: Planned, solution: str, tests: Sequence[str]) -> Seen:
        job = Job(
            f"{self.job_id}:{run.suite}:{run.solution}", solution, test=self.candidates[int(run.suite)].test,
            coverage=False, timeout_s=run.wall_s,
        )  # fmt: skip
        verdict = await self.judge(job)
        if verdict.kind is VerdictKind.INFRASTRUCTURE:
            raise InfrastructureFailure(verdict.message or "the sandbox came to no verdict")
        # A passed verdict has every test passed; otherwise what was reported before it was spoilt still counts.
        outcomes = "".join("1" if verdict.tests.get(name) == "passed" else "0" for name in tests)
        return Seen(outcomes, "" if outcomes else verdict.kind.value)


async def agreement_matrix(suites: Suites, known: Mapping[int, SuiteRow] | None = None) -> dict[int, SuiteRow]:
    """The rows of every suite that could be run. `known` are an earlier call's rows: their cells are not run again."""
    known = known or {}
    rows: dict[int, SuiteRow] = dict(known)
    solutions: dict[str, str] = {}
    own: list[Planned] = []
    fresh = [attempt for attempt in suites.candidates if attempt not in known]
    for attempt in fresh:
        solutions[str(attempt)] = suites.candidates[attempt].solution
        own.append(Planned(str(attempt), str(attempt), soft=True, names=True, cpu_s=_cpu_s(suites, attempt)))
        hollow = stub(suites.candidates[attempt].solution)
        if hollow is not None:
            solutions[f"stub {attempt}"] = hollow
            own.append(Planned(str(attempt), f"stub {attempt}", soft=True, cpu_s=_CPU_S[0]))
    others = [cell for suite in suites.candidates for cell in _others(suites, suite, rows, solutions)]
    for suite in known:
        if any("::" in name for name in known[suite].claims):  # node ids: it was run by trials
            suites.heavy.add(suite)
    seen = dict(zip(own + others, await suites.run(own + others, solutions, _tests(rows)), strict=True))
    # A test that catches what its assertions raise goes another way when they are only noted.
    plain = [replace(run, soft=False) for run in own if run.names and not _repeats(suites, run, seen[run])]
    hard = dict(zip((run.suite for run in plain), await suites.run(plain, solutions, {}), strict=True))
    for run in own:
        if run.names:
            row = _own_row(suites, run, seen[run], hard.get(run.suite))
            if row is not None:
                rows[int(run.suite)] = row
    again = [run for run in own + others if int(run.suite) in suites.heavy and int(run.suite) in rows]
    if again:
        repeated = await suites.run(again, solutions, _tests(rows))
        seen.update(zip(again, repeated, strict=True))
    return {suite: _filled(row, suite, seen) for suite, row in rows.items()}


def _others(suites: Suites, suite: int, rows: Mapping[int, SuiteRow], solutions: dict[str, str]) -> Iterable[Planned]:
    done = rows[suite].by if suite in rows else {}
    for attempt in suites.candidates:
        if attempt == suite or attempt in done:
            continue
        code = suites.fitted(attempt, suite)
        if code is None:
            continue
        key = str(attempt) if code == suites.candidates[attempt].solution else f"{attempt} as in {suite}"
        solutions[key] = code
        yield Planned(str(suite), key, soft=True, cpu_s=_cpu_s(suites, attempt))


def _cpu_s(suites: Suites, attempt: int) -> float:
    least, most = _CPU_S
    taken_s = suites.candidates[attempt].duration_s
    return min(most, max(least, _TIMES_OWN * taken_s)) if taken_s < most else least  # it has timed out before


def _tests(rows: Mapping[int, SuiteRow]) -> dict[int, Sequence[str]]:
    return {suite: row.claims for suite, row in rows.items()}


def _own_row(suites: Suites, run: Planned, soft: Seen, hard: Seen | None) -> SuiteRow | None:
    """The row of claims with the module's own solution, if the light runner repeats the verdict; one by verdicts for a
    pair that passed and is to be judged; None for another's module that cannot be run lightly: its voice is not worth
    the cost."""
    attempt = int(run.suite)
    candidate = suites.candidates[attempt]
    if soft.claims and soft.outcomes and (hard is None or _repeats(suites, run, hard)):
        return SuiteRow(soft.claims, {attempt: soft.outcomes})
    if not candidate.passed or not candidate.outcomes:
        return None
    suites.heavy.add(attempt)
    return SuiteRow(tuple(candidate.outcomes), {attempt: "1" * len(candidate.outcomes)})


def _repeats(suites: Suites, run: Planned, seen: Seen) -> bool:
    """Whether the outcomes of a module's tests with its own solution are those of the verdict."""
    passed: dict[str, bool] = {}
    for name, held in seen.tests:
        plain = name.partition("[")[0]
        passed[plain] = passed.get(plain, True) and held
    return seen.known and passed == _by_verdict(suites.candidates[int(run.suite)].outcomes)


def _by_verdict(outcomes: Mapping[str, str]) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for node_id, outcome in outcomes.items():
        plain = node_id.partition("::")[2].partition("[")[0].replace("::", ".")
        found[plain] = found.get(plain, True) and outcome == "passed"
    return found


def _filled(row: SuiteRow, suite: int, seen: Mapping[Planned, Seen]) -> SuiteRow:
    by = dict(row.by)
    hollow = row.stub
    for run, found in seen.items():
        if run.suite != str(suite) or not found.known or run.names:
            continue
        # Another number of tests than its own solution has: the module did not load as it should.
        whole = len(found.outcomes) == len(row.claims)
        outcomes = found.outcomes if whole else "0" * len(row.claims)
        if run.solution.startswith("stub "):
            hollow = outcomes
        else:
            by[int(run.solution.partition(" ")[0])] = outcomes
    return replace(row, by=by, stub=hollow)
