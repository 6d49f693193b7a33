"""Many runs of solutions against test modules in few sandbox jobs.

A verdict needs a process of its own, with evidence that it was not forged; a trust signal is asked of pairs that have
their verdict, and a hundred of them together cost less than one verdict. Programs that share the process could spoil
each other's outcomes, so every test module is first run with its own solution: where that does not repeat the outcomes
of the verdict, nothing that this module says is believed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from tasks.sandbox import Job, Verdict, VerdictKind
from tasks.trials import storable
from tasks.trust.program import program

Judge = Callable[[Job], Awaitable[Verdict]]
Order = Literal["as written", "reversed", "alone"]

_RESTARTS = 12  # processes that the runs of one question may end before the rest is given up
_JOB_TIMEOUT_S = 60.0
_MAX_RUNS = 400  # a job, so that its report stays below what a verdict carries


@dataclass(frozen=True, slots=True)
class Planned:
    """One run: which solution against which test module, by their keys, and under what conditions."""

    suite: str
    solution: str
    first: bool = False  # stop at the first test that fails
    soft: bool = False  # outcomes of assertions, not of tests: one that fails does not end its test
    names: bool = False  # the module's own solution: report its claims, tests and time
    order: Order = "as written"
    seed: int = 0
    clock_s: float = 0.0  # by how much time.time is off
    cpu_s: float = 2.0
    wall_s: float = 5.0
    times: float | None = None  # of the own solution's time, instead of cpu_s


@dataclass(frozen=True, slots=True)
class Seen:
    """What a run showed: '1' passed, '0' failed, '-' not reached, one a test; empty where `why` says why not.

    Where the run was soft, one a claim: an assertion, or a test where no test asserts anything.
    """

    outcomes: str = ""
    why: str = ""
    took_s: float = 0.0
    claims: tuple[str, ...] = ()  # lines of assertions, or names of tests; where the run asked for names
    tests: tuple[tuple[str, bool], ...] = ()  # names, and whether they passed; where the run asked for names
    repeated: str = ""  # where the order was alone: each test a second time in the same module

    @property
    def known(self) -> bool:
        """Whether it says anything about the solution. Ending the process or the time is a failure, and known."""
        return not self.why.startswith(("unsupported", "unknown"))

    @property
    def passed(self) -> bool:
        return bool(self.outcomes) and set(self.outcomes) == {"1"}


UNKNOWN = Seen(why="unknown")


class InfrastructureFailure(Exception):
    """The sandbox came to no verdict; nothing is known and the question stays to be assessed."""


async def execute(
    runs: Sequence[Planned],
    suites: Mapping[str, str],
    solutions: Mapping[str, str],
    judge: Judge,
    job_id: str,
    usual_s: dict[str, float] | None = None,
) -> list[Seen]:
    """One Seen a run, in order; what is the same in text and conditions runs once. `usual_s` is how long each suite
    takes with its own solution: what is known of it before, and then of runs with `names` too.

    Raises InfrastructureFailure where the sandbox failed.
    """
    usual_s = {} if usual_s is None else usual_s
    same_suite, same_solution = _first_of_each(suites), _first_of_each(solutions)
    runs = [replace(run, suite=same_suite[run.suite], solution=same_solution[run.solution]) for run in runs]
    places: dict[Planned, int] = {}
    for number, run in enumerate(runs):
        places.setdefault(run, number)
    seen: dict[int, Seen] = {}
    left = list(places.values())
    for _ in range(_RESTARTS + 1 + len(runs) // _MAX_RUNS):
        if not left:
            break
        part = left[:_MAX_RUNS]
        stopped = await _once(part, runs, suites, solutions, judge, job_id, seen, usual_s)
        if stopped is None and part[-1] not in seen:
            break  # the report does not hold together: what it left out stays unknown
        left = [number for number in left if number not in seen]
    usual_s |= {key: usual_s[first] for key, first in same_suite.items() if first in usual_s}
    return [seen.get(places[run], UNKNOWN) for run in runs]


def _first_of_each(texts: Mapping[str, str]) -> dict[str, str]:
    """Key -> the first key with the same text."""
    first: dict[str, str] = {}
    return {key: first.setdefault(text, key) for key, text in texts.items()}


async def _once(
    part: Sequence[int],
    runs: Sequence[Planned],
    suites: Mapping[str, str],
    solutions: Mapping[str, str],
    judge: Judge,
    job_id: str,
    seen: dict[int, Seen],
    usual_s: dict[str, float],
) -> int | None:
    """Executes the runs `part` in one process; returns the one that ended it, if any."""
    chosen = [runs[number] for number in part]
    plan = {
        "runs": [_as_json(run) for run in chosen],
        "suites": {run.suite: suites[run.suite] for run in chosen},
        "solutions": {run.solution: solutions[run.solution] for run in chosen},
        "usual": usual_s,
    }
    job = Job(
        f"{job_id}:trust", program(), judge="stdio", stdin=(json.dumps(plan),), coverage=False,
        timeout_s=_JOB_TIMEOUT_S,
    )  # fmt: skip
    verdict = await judge(job)
    if verdict.kind is VerdictKind.INFRASTRUCTURE:
        raise InfrastructureFailure(verdict.message or "the sandbox came to no verdict")
    begun = _read("".join(verdict.outputs), part, runs, seen, usual_s)
    if begun is not None:
        seen[begun] = Seen(why=f"ended the process: {verdict.kind.value}")
    return begun


def _as_json(run: Planned) -> dict[str, Any]:
    shown: dict[str, Any] = {"suite": run.suite, "solution": run.solution, "cpu_s": run.cpu_s, "wall_s": run.wall_s}
    shown |= {name: value for name in ("first", "soft", "names", "times", "seed") if (value := getattr(run, name))}
    if run.order != "as written":
        shown["order"] = run.order
    if run.clock_s:
        shown["clock"] = run.clock_s
    return shown


def _read(
    output: str, part: Sequence[int], runs: Sequence[Planned], seen: dict[int, Seen], usual_s: dict[str, float]
) -> int | None:
    """Reads a report into `seen`; returns the run that was begun and not ended. Stops at the first line out of place:
    a program may have written it."""
    begun: int | None = None
    following = 0
    for text in output.splitlines():
        if begun is None and re.fullmatch(r"[0-9]{1,6}", text) and following <= int(text) < len(part):
            begun = int(text)
            continue
        try:
            line = _Line.model_validate_json(text)
        except ValidationError:
            return None
        if not following <= line.run < len(part) or begun not in (None, line.run):
            return None
        number = part[line.run]
        tested = tuple(zip(line.tests, (one == "1" for one in line.tested), strict=False))
        seen[number] = Seen(line.outcomes, line.why, line.took_s, line.claims, tested, line.repeated)
        if runs[number].names and not line.why:
            usual_s[runs[number].suite] = line.took_s
        begun, following = None, line.run + 1
    return part[begun] if begun is not None else None


class _Line(BaseModel, strict=True, extra="forbid", frozen=True):
    """How a run ended, as `guest.runs` writes it. A program may have written it: what the guest never would is
    refused, before it reaches the matrix and the database."""

    run: int
    outcomes: str = Field(pattern="^[01-]*$")
    why: str
    took_s: float = Field(ge=0, allow_inf_nan=False)
    claims: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    tested: str = ""
    repeated: str = ""

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.claims and self.outcomes and len(self.claims) != len(self.outcomes):
            raise ValueError("another number of outcomes than of claims")
        if not all(map(storable, self.claims)):  # they go into the question's matrix
            raise ValueError("claims that no database can hold")
        return self
