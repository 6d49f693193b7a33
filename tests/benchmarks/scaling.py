"""One stage of the pipeline over many rows, by a teacher in the process that answers at once: what it took, as JSON.

`python -m tests.benchmarks.scaling STAGE FIRST ROWS [DRAINERS]` runs it in a flow on the Prefect server that the
environment names, or, with DRAINERS, has so many processes work on it, each on a core of its own. With
KODCODE_BENCHMARK_VERDICTS=remembered, of programs that differ in their numbers only the first is executed.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prefect import flow, runtime
from sqlalchemy import Engine, text

import tasks.run
from tasks import convert, drain, generate, respond, solve
from tasks.convert import open_conversions, plan_conversions
from tasks.generate import open_questions, plan_questions, read_seeds, store_seeds
from tasks.llm import Completion, Request
from tasks.options import Models, Teacher
from tasks.respond import open_responses, plan_responses
from tasks.run import Run, current_run, recorded_run
from tasks.sandbox import Job, Sandbox, Verdict
from tasks.shards import Lease
from tasks.solve import open_trials, plan_trials
from tasks.subsets import get_subset
from tasks.work import Work
from tests.benchmarks.measure import cpu_s
from tests.recovery.teacher import answer_to

SUBSET = get_subset("Leetcode")
TEACHER = Teacher(provider="openai", model="bench", max_concurrency=32, prices=["0"])

# Shifts by their number pass the tests that the teacher writes; those whose number 3 divides do not.
_QUESTIONS = text("""
insert into kodcode.questions (question_id, subset, number, provider, model, prompt_index, seed_ids, text, status)
select format('Leetcode_%s', lpad(n::text, 8, '0')), 'Leetcode', n, 'openai', 'bench', n, '{}',
       format('Write `shift_%s(value: int) -> int`; it adds %s.', 3 * n + 1, 3 * n + 1), 'accepted'
from generate_series(cast(:first as int), :first + :rows - 1) n
""")
_TRIPLETS = text("""
insert into kodcode.triplets (triplet_id, question_id, subset, style, status, question, solution, test, test_info,
                              chosen_attempt, pass_count, trial_count, difficulty)
select question_id || '_I', question_id, subset, 'instruct', 'accepted', text,
       format(E'def shift_%s(value: int) -> int:\\n    return value + %s\\n', 3 * number + 1, 3 * number + 1),
       format(E'from solution import shift_%s\\n\\n\\ndef test_one():\\n    assert shift_%s(1) == %s\\n',
              3 * number + 1, 3 * number + 1, 3 * number + 2), '[]', 0, 1, 1, 'easy'
from kodcode.questions where number between :first and :first + :rows - 1 and subset = 'Leetcode'
""")


class Instant:
    """A provider without latency."""

    name = "openai"
    has_completions = False

    async def complete(self, request: Request) -> Completion:
        prompt = request.messages[-1].content if request.messages else ""
        if "<|Completion Begin|>" in prompt:
            return Completion(_stub(prompt))
        return Completion(answer_to(prompt))

    async def close(self) -> None:
        """Nothing is open."""


class Remembering(Sandbox):
    """Executes the first program of a kind and gives its verdict to the others."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._known: dict[str, Verdict] = {}

    async def judge(self, job: Job) -> Verdict:
        programs = f"{job.solution}\0{job.test}\0{job.stdin}\0{job.stdout}"
        number = re.search(r"shift_(\d+)", programs)
        passes = number is not None and int(number[1]) % 3 > 0
        kind = f"{job.judge} {job.coverage} {job.star_import} {passes} {re.sub(r'[0-9]+', '0', programs)}"
        if kind not in self._known:
            self._known[kind] = await super().judge(job)
        return dataclasses.replace(self._known[kind], id=job.id)


def _stub(prompt: str) -> str:
    found = re.search(r"shift_(\d+)", prompt)
    assert found is not None
    name, number = found[0], int(found[1])
    docstring = f'"""Add {number} to value.\n\n    >>> {name}(1)\n    {number + 1}\n    """'
    stub = f"def {name}(value: int) -> int:\n    {docstring}\n"
    return f"<|Completion Begin|>\n```python\n{stub}```\n<|Completion End|>"


async def _propose(run: Run, models: Models, first: int, rows: int) -> int:
    pool = store_seeds(run.engine, SUBSET, await read_seeds(SUBSET, None), named=False)
    plan_questions(run.engine, SUBSET, models, first + rows, pool)
    work = Work(models=models, subset=SUBSET.name)
    wanted = first + rows
    return await drain.work_through(generate.STAGE, work, lambda: open_questions(run.engine, SUBSET, models, wanted))


async def _verify(run: Run, models: Models, first: int, rows: int) -> int:
    _insert(run.engine, first, rows, _QUESTIONS)
    plan_trials(run.engine, [SUBSET.name], models, 1)
    work = Work(models=models)
    return await drain.work_through(solve.STAGE, work, lambda: open_trials(run.engine, [SUBSET.name], models))


async def _convert(run: Run, models: Models, first: int, rows: int) -> int:
    _insert(run.engine, first, rows, _QUESTIONS, _TRIPLETS)
    plan_conversions(run.engine, [SUBSET.name], ["complete"], models)
    work = Work(models=models)
    return await drain.work_through(
        convert.STAGE, work, lambda: open_conversions(run.engine, [SUBSET.name], ["complete"], models)
    )


async def _respond(run: Run, models: Models, first: int, rows: int) -> int:
    _insert(run.engine, first, rows, _QUESTIONS, _TRIPLETS)
    plan_responses(run.engine, [SUBSET.name], ["instruct"], models, 1)
    work = Work(models=models)
    return await drain.work_through(
        respond.STAGE, work, lambda: open_responses(run.engine, [SUBSET.name], ["instruct"], models)
    )


STAGES: Mapping[str, Callable[[Run, Models, int, int], Awaitable[int]]] = {
    generate.STAGE: _propose, solve.STAGE: _verify, convert.STAGE: _convert, respond.STAGE: _respond,
}  # fmt: skip


def _insert(engine: Engine, first: int, rows: int, *statements: Any) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement, {"first": first, "rows": rows})


@dataclass
class Shares:
    """Seconds in which a shard was in Prefect's hands, and those of them in which its rows were worked on."""

    seconds: Counter[str] = field(default_factory=Counter)

    def watch(self) -> None:
        whole, stages = drain.work_on, dict(drain.STAGES)

        async def work_on(run: Run, lease: Lease, handle: Any = None) -> None:
            started = time.perf_counter()
            await whole(run, lease, handle)
            self.seconds["shards"] += time.perf_counter() - started

        async def handled(run: Run, lease: Lease, work: Work) -> dict[str, int]:
            started = time.perf_counter()
            try:
                return await stages[lease.stage](run, lease, work)
            finally:
                self.seconds["rows"] += time.perf_counter() - started

        drain.work_on = work_on  # type: ignore[assignment]
        drain.STAGES.update(dict.fromkeys(stages, handled))


@dataclass
class PinnedCrew:
    """Processes that drain for a run, each on a core of its own."""

    run_id: str
    size: int
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def tend(self) -> None:
        if any(process.returncode is not None for process in self.processes):
            raise RuntimeError("a drainer has ended before the run")
        for core in sorted(os.sched_getaffinity(0))[len(self.processes) : self.size]:
            command = [sys.executable, "-m", "tests.benchmarks.scaling", "drain", self.run_id, str(core)]
            self.processes.append(await asyncio.create_subprocess_exec(*command))

    async def dismiss(self) -> None:
        """They see by themselves that the run has ended."""


@flow(name="scaling")
async def scaled(stage: str, first: int, rows: int, drainers: int) -> dict[str, Any]:
    """Work on `rows` new rows, of which the first has the number `first`."""
    shares = Shares()
    shares.watch()
    began, cpu = time.perf_counter(), cpu_s()
    async with recorded_run("scaling", {}, str(runtime.flow_run.id)) as run:
        crew = PinnedCrew(run.run_id, drainers)
        if drainers:
            run.crew = crew
        handled = await STAGES[stage](run, TEACHER.resolved(run.settings), first, rows)
        assert handled == rows
        spans = text("select extract(epoch from max(finished_at) - min(claimed_at)) from kodcode.shards "
                     "where stage = :stage and :run_id = any(wanted_by)")  # fmt: skip
        with run.engine.connect() as connection:
            lasted = float(connection.scalar(spans, {"stage": stage, "run_id": current_run().run_id}) or 0)
        used = cpu_s() - cpu  # now: what a sandbox took is not known any more when it has ended
        own = time.process_time()
    for process in crew.processes:
        await process.wait()
    return {
        "stage": stage, "rows": rows, "wall_s": time.perf_counter() - began, "cpu_s": used + time.process_time() - own,
        "shards_s": lasted, "prefect_share": 1 - shares.seconds["rows"] / max(shares.seconds["shards"], 1e-9),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
    }  # fmt: skip


def main(arguments: list[str]) -> None:
    tasks.run.make_provider = lambda name, *, base_url: Instant()  # type: ignore[attr-defined, assignment]
    if os.environ.get("KODCODE_BENCHMARK_VERDICTS") == "remembered":
        tasks.run.Sandbox = Remembering  # type: ignore[assignment, attr-defined, misc]
    if arguments[0] == "drain":
        os.sched_setaffinity(0, {int(arguments[2])})
        asyncio.run(drain.drain_for(arguments[1]))
        return
    stage, *numbers = arguments
    first, rows, drainers = (*map(int, numbers), 0)[:3]
    print(json.dumps(asyncio.run(scaled(stage, first, rows, drainers))))


if __name__ == "__main__":
    main(sys.argv[1:])
