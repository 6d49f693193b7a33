"""What the pipeline itself costs a trial: everything that is neither the model nor the execution."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tasks.backends import Backends
from tasks.llm import Completion, Gateway, PriceTable, Request
from tasks.llm.prices import FREE
from tasks.options import Models
from tasks.run import Run
from tasks.sandbox import Job, Policy, Sandbox
from tasks.settings import load_settings
from tasks.solve import STAGE, open_trials, plan_trials
from tasks.store import ArtifactStore, copy_rows
from tasks.store.schema import Question
from tasks.subsets import solve_request
from tasks.trials import SolveAnswer, parse_solve
from tasks.work import Work
from tests.benchmarks.measure import cpu_s
from tests.handled import handled

QUESTIONS, ATTEMPTS = 200, 3
MODELS = Models(
    provider="openai", teacher="bench", base_url=None, base_model=None, reasoner="bench", max_concurrency=32
)
ANSWER = """<|Solution Begin|>
```python
def rank(values, limit):
    kept = [value for value in values if value <= limit]
    return sorted(kept, reverse=True)
```
<|Solution End|>
<|Test Begin|>
```python
from solution import rank

def test_keeps_what_is_small_enough():
    assert rank([3, 1, 9], 5) == [3, 1]

def test_nothing_to_keep():
    assert rank([], 5) == []

def test_all_too_large():
    assert rank([7, 8], 5) == []
```
<|Test End|>"""


class Instant:
    """A provider without latency."""

    name = "openai"
    has_completions = False

    async def complete(self, request: Request) -> Completion:
        return Completion(ANSWER)

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Policy()) as started:
        yield started


@pytest.mark.benchmark
def test_overhead_per_trial(
    database: Engine, artifacts: ArtifactStore, sandbox: Sandbox, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A shard of trials with ledger, database and labels against a bare loop over the same answers and executions."""
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path))
    with database.begin() as connection:
        copy_rows(connection, Question, (
            {"question_id": f"Evol_{n:08d}", "subset": "Evol", "number": n, "provider": "openai", "model": "bench",
             "prompt_index": n, "seed_ids": [], "text": f"Question {n}: rank the values.", "status": "accepted"}
            for n in range(QUESTIONS)
        ))  # fmt: skip

    async def bare() -> int:
        provider = Instant()
        free = asyncio.Semaphore(MODELS.max_concurrency)

        async def one(number: int, attempt: int) -> bool:
            async with free:
                request, _ = solve_request(f"Question {number}: rank the values.", attempt, "openai", "bench")
                parsed = parse_solve((await provider.complete(request)).text)
                assert isinstance(parsed, SolveAnswer)
                job = Job(f"{number}:{attempt}", parsed.solution, test=parsed.test, confirm=True)
                return (await sandbox.judge(job)).passed

        results = await asyncio.gather(*(one(n, a) for n in range(QUESTIONS) for a in range(ATTEMPTS)))
        return sum(results)

    async def pipeline() -> int:
        run = Run("bench", Backends(load_settings(), database, artifacts, None))
        run._sandbox = sandbox
        run._gateways[MODELS] = Gateway(database, artifacts, Instant(), PriceTable({}, FREE), "bench", 32)
        from tasks.run import _current

        token = _current.set(run)
        try:
            plan_trials(database, ["Evol"], MODELS, ATTEMPTS)
            counts = await handled(run, STAGE, Work(models=MODELS), open_trials(database, ["Evol"], MODELS))
        finally:
            _current.reset(token)
            await run._gateways[MODELS].close()
        return counts["accepted"]

    asyncio.run(bare())  # warms caches of both
    figures = {}
    for name, work in (("bare loop", bare), ("pipeline", pipeline)):
        before, started = cpu_s(), time.perf_counter()
        assert asyncio.run(work()) == QUESTIONS * ATTEMPTS
        figures[name] = (cpu_s() - before, time.perf_counter() - started)
    trials = QUESTIONS * ATTEMPTS
    with capsys.disabled():
        print()
        for name, (cpu, wall) in figures.items():
            print(f"{name:10} {1000 * cpu / trials:7.2f} CPU ms a trial, {trials / wall:7.1f} trials/s wall")
        extra = 1000 * (figures["pipeline"][0] - figures["bare loop"][0]) / trials
        print(f"overhead   {extra:7.2f} CPU ms a trial, ratio {figures['pipeline'][0] / figures['bare loop'][0]:.2f}")
