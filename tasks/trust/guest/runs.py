"""The plan of runs, from standard input, and the report on them, to a descriptor that judged code is not handed.

The report has two lines a run: its number when it begins, then `{"run", "outcomes", "why", "took_s"}`, with `claims`,
`tests` and `tested` where the run asks for `names`. A run that stops the process leaves its second line out, and the
supervisor goes on behind it in a new process. `usual` in the plan and `times` in a run bound a mutant's time by what
the unchanged solution needs.
"""

from __future__ import annotations

import gc
import json
import os
import random
import sys
import time
import types
from dataclasses import dataclass, field
from typing import Any

from . import clock as clocks
from .call import Call, Unsupported
from .clock import Clock, Late
from .collect import collect
from .room import Room
from .suite import Suite

PASSED, FAILED = "1", "0"
Run = dict[str, Any]


def main() -> None:
    plan = json.loads(sys.stdin.read())
    report = os.dup(1)
    silent = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(silent, descriptor)
    gc.freeze()
    runner = Runner(plan)
    for number, run in enumerate(plan["runs"]):
        started = time.perf_counter()
        try:
            suite, solution = runner.suite(run), runner.solution(run)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            found = Found(why=f"error: {type(error).__name__}")
        else:
            os.write(report, b"%d\n" % number)
            found = runner.run(run, suite, solution)
        took_s = round(time.perf_counter() - started, 6)
        line = {"run": number, "outcomes": found.outcomes, "why": found.why[:200], "took_s": took_s}
        if run.get("names"):
            line |= {"claims": found.claims, "tests": found.tests, "tested": found.tested}
        if run.get("order") == "alone":
            line["repeated"] = found.repeated
        os.write(report, (json.dumps(line) + "\n").encode())


@dataclass
class Found:
    """What a run showed. `outcomes` are those of the claims, where there are any, else of the tests; `why` says what
    ended the run before its tests did."""

    outcomes: str = ""
    why: str = ""
    claims: list[str] = field(default_factory=list)
    tests: list[str] = field(default_factory=list)
    tested: str = ""
    repeated: str = ""  # alone only: each test a second time in the same module


class Runner:
    """What the runs of a plan share: compiled modules, the clock, the room."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._suites: dict[tuple[str, bool], Suite] = {}
        self._solutions: dict[str, types.CodeType] = {}
        self._usual_s: dict[str, float] = plan["usual"]
        self._endless: set[Suite] = set()  # do not end even with their own solution: others get less time for them
        self._clock = Clock()
        self._room = Room()

    def suite(self, run: Run) -> Suite:
        key = run["suite"], run.get("soft", False)
        if key not in self._suites:
            self._suites[key] = Suite(self._plan["suites"][run["suite"]], soft=key[1])
        return self._suites[key]

    def solution(self, run: Run) -> types.CodeType:
        key = run["solution"]
        if key not in self._solutions:
            source = self._plan["solutions"][key]
            self._solutions[key] = compile(source, "solution.py", "exec", dont_inherit=True)
        return self._solutions[key]

    def run(self, run: Run, suite: Suite, solution: types.CodeType) -> Found:
        cpu_s = run["cpu_s"]
        if "times" in run and run["suite"] in self._usual_s:
            cpu_s = 0.02 + run["times"] * self._usual_s[run["suite"]]
        elif suite in self._endless:
            cpu_s = min(cpu_s, 0.03)
        begun = time.perf_counter()
        found = self._bounded(run, suite, solution, cpu_s)
        if run.get("names"):
            if self._clock.fired:
                self._endless.add(suite)
            self._usual_s[run["suite"]] = time.perf_counter() - begun
        return found

    def _bounded(self, run: Run, suite: Suite, solution: types.CodeType, cpu_s: float) -> Found:
        random.seed(run.get("seed", 0))
        suite.claims.clear()
        undo = clocks.shift(run["clock"]) if run.get("clock") else None
        found = Found(claims=suite.sites)
        verdicts: dict[str, str] = {}
        second: dict[str, str] = {}
        with self._room:
            self._clock.start(cpu_s, run["wall_s"])
            try:
                try:
                    self._run_tests(run, suite, solution, found.tests, verdicts, second)
                    if self._clock.fired:
                        raise Late()
                finally:
                    self._clock.stop()
                    if undo:
                        undo()
            except Unsupported as reason:
                found.why = f"unsupported: {reason}"
                return found
            except BaseException as error:  # noqa: BLE001  # whatever judged code raises is an outcome
                if not suite.sites:
                    found.why = "timed out" if isinstance(error, Late) else f"error: {type(error).__name__}"
                    return found
        found.tested = "".join(verdicts.get(name, "-") for name in found.tests)
        found.repeated = "".join(second.get(name, "-") for name in found.tests)
        found.claims = suite.sites or found.tests  # tests that assert nothing claim that they can be run
        # What was claimed before the module broke off was claimed.
        found.outcomes = suite.claimed() if suite.sites else found.tested
        return found

    def _run_tests(
        self,
        run: Run,
        suite: Suite,
        solution: types.CodeType,
        names: list[str],
        verdicts: dict[str, str],
        second: dict[str, str],
    ) -> None:
        """Fills in the names of all tests, and the outcomes of each that is reached."""
        order = run.get("order")
        tests = collect(suite.load(solution))
        names += [name for name, _ in tests]
        for position, (name, call) in enumerate(tests[::-1] if order == "reversed" else tests):
            again = dict(collect(suite.load(solution)))[name] if order == "alone" and position else call
            suite.refuted = False
            verdicts[name] = self._outcome(again)
            if suite.refuted:
                verdicts[name] = FAILED
            if verdicts[name] == FAILED and run.get("first"):
                break
            if order == "alone":
                second[name] = self._outcome(again)

    def _outcome(self, call: Call) -> str:
        try:
            call()
        except (Late, Unsupported):
            raise
        except BaseException as error:
            if self._clock.fired:
                raise Late() from error
            if type(error).__name__ == "Skipped":
                raise Unsupported("a test that skips") from error
            return FAILED
        return PASSED
