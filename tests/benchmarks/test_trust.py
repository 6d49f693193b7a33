"""What trust costs beside verification, and what the adaptive attempt policy saves."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tasks.assess import STAGE as ASSESS
from tasks.assess import unassessed_questions
from tasks.backends import Backends
from tasks.label import label
from tasks.llm import Completion, Gateway, PriceTable, Request, Usage
from tasks.llm.offline.bank import shipped
from tasks.options import Models
from tasks.run import Run, _current
from tasks.sandbox import Policy, Sandbox
from tasks.settings import load_settings
from tasks.solve import STAGE, open_trials, plan_round, plan_trials
from tasks.store import ArtifactStore, connect, copy_rows
from tasks.store.schema import Question
from tasks.trials import AttemptPolicy, SolveAnswer, difficulty, parse_solve
from tasks.trust import assess
from tasks.work import Work
from tests.benchmarks.measure import cpu_s
from tests.conftest import TEMPLATE, PostgresServer
from tests.handled import handled
from tests.trust.problems import PROBLEMS
from tests.trust.simulation import GOOD_TEACHER, answer, judged, question

Pairs = Sequence[tuple[str, str]]
SEED = 20250305
QUESTIONS = 60
MODELS = Models(
    provider="openai", teacher="simulated", base_url=None, base_model=None, reasoner="simulated", max_concurrency=32,
)  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Policy(timeout_s=10, memory_mb=1024, preload=("pytest",))) as started:
        yield started


def canned(count: int) -> list[Pairs]:
    """The pairs that the offline teacher answers with, right and wrong ones; those that never end left out."""
    found = []
    for entry in shipped().everything():
        parsed = [parse_solve(one.answer, one.finish_reason) for one in entry.solve if one.kind != "endless_loop"]
        found.append([(one.solution, one.test) for one in parsed if isinstance(one, SolveAnswer)])
    return found[:count]


def simulated(count: int) -> list[Pairs]:
    rng = random.Random(SEED)
    return [[(one.solution, one.test) for one in question(rng, GOOD_TEACHER)[1]] for _ in range(count)]


@pytest.mark.benchmark
@pytest.mark.parametrize(
    "questions", [pytest.param(canned(40), id="canned pairs"), pytest.param(simulated(40), id="simulated pairs")]
)
def test_trust_costs_at_most_one_and_a_half_times_verification(
    sandbox: Sandbox, questions: Sequence[Pairs], capsys: pytest.CaptureFixture[str]
) -> None:
    """Question by question in turn, so that what else the machine does meets both alike."""
    cpu: Counter[str] = Counter()

    async def measured() -> None:
        cpu.clear()
        for number, pairs in enumerate(questions):
            started = cpu_s()
            candidates = await judged(sandbox, f"q{number}", pairs)
            verified = cpu_s()
            await assess(candidates, sandbox.judge, job_id=f"q{number}")
            cpu["verification"] += verified - started
            cpu["trust"] += cpu_s() - verified

    asyncio.run(measured())  # starts every process
    asyncio.run(measured())
    trials = sum(map(len, questions))
    ratio = cpu["trust"] / cpu["verification"]
    with capsys.disabled():
        print(f"\n{len(questions)} questions, {trials} trials, CPU ms a trial:", end=" ")
        print(", ".join(f"{name} {1000 * spent / trials:.1f}" for name, spent in cpu.items()), f"ratio {ratio:.2f}")
    assert ratio <= 1.5


class Teacher:
    """Answers at once. It passes question n's own test with a probability that belongs to n, and the k-th attempt at n
    is the same whoever asks."""

    name = "openai"
    has_completions = False

    @staticmethod
    def rate(number: int) -> float:
        return random.Random(f"{SEED} {number}").random()

    async def complete(self, request: Request) -> Completion:
        found = re.search(r"Question (\d+):", request.messages[-1].content)
        assert found
        number = int(found[1])
        rng = random.Random(f"{SEED} {number} {request.attempt}")
        problem = PROBLEMS[number % len(PROBLEMS)]
        right = rng.random() < self.rate(number)
        made = answer(rng, "right" if right else "wrong test", problem, {"a": 3, "b": 4})
        said = f"""<|Solution Begin|>\n```python\n{made.solution}\n```\n<|Solution End|>
<|Test Begin|>\n```python\n{made.test}\n```\n<|Test End|>"""
        usage = Usage(input_tokens=len(request.messages[-1].content) // 4, output_tokens=len(said) // 4)
        return Completion(said, usage=usage)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Stage:
    """What a stage of verification, trust and labels came to."""

    calls: int
    usd: float
    verified: int
    labels: Mapping[int, str]
    solve_cpu_s: float
    assess_cpu_s: float
    wall_s: float

    @property
    def accuracy(self) -> float:
        """The share of labels that are those of the teacher's true rates."""
        truth = {number: difficulty(round(3000 * Teacher.rate(number)), 3000) for number in self.labels}
        return sum(truth[number] == found for number, found in self.labels.items()) / len(self.labels)


@contextmanager
def within(run: Run) -> Iterator[None]:
    token = _current.set(run)
    try:
        yield
    finally:
        _current.reset(token)


async def staged(engine: Engine, artifacts: ArtifactStore, sandbox: Sandbox, policy: AttemptPolicy) -> Stage:
    with engine.begin() as connection:
        copy_rows(connection, Question, (
            {"question_id": f"Evol_{n:08d}", "subset": "Evol", "number": n, "provider": "openai", "model": "simulated",
             "prompt_index": n, "seed_ids": [], "text": f"Question {n}: as simulated.", "status": "accepted"}
            for n in range(QUESTIONS)
        ))  # fmt: skip
    run = Run("bench", Backends(load_settings(), engine, artifacts, None))
    run._sandbox = sandbox
    prices = PriceTable.load(given=["simulated=2.5:10"])
    run._gateways[MODELS] = Gateway(engine, artifacts, Teacher(), prices, "bench", MODELS.max_concurrency)
    scope = ["Evol"]
    started, begun = cpu_s(), time.perf_counter()
    with within(run):
        planned = plan_trials(engine, scope, MODELS, policy.first_round)
        while planned:
            await handled(run, STAGE, Work(models=MODELS), open_trials(engine, scope, MODELS))
            planned = plan_round(engine, scope, MODELS, policy, {})
        solved = cpu_s()
        await handled(run, ASSESS, Work(), unassessed_questions(engine, scope, MODELS))
        await label.fn(scope, MODELS)
    ended, wall_s = cpu_s(), time.perf_counter() - begun
    await run._gateways[MODELS].close()
    with engine.connect() as connection:
        calls, usd = connection.execute(text("select count(*), sum(cost_usd) from kodcode.llm_calls")).one()
        rows = connection.execute(text("select question_id, status, difficulty from kodcode.triplets")).all()
    labels = {int(row.question_id[-8:]): row.difficulty for row in rows}
    verified = sum(row.status == "accepted" for row in rows)
    return Stage(calls, float(usd), verified, labels, solved - started, ended - solved, wall_s)


@pytest.mark.benchmark
def test_adaptive_attempts_against_ten_for_every_question(
    postgres: PostgresServer, artifacts: ArtifactStore, sandbox: Sandbox, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The whole of verification, trust and labels on the same teacher, with ledger and PostgreSQL."""
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path))
    found: dict[str, Stage] = {}
    for name, policy in (("fixed", AttemptPolicy(10, 10)), ("adaptive", AttemptPolicy())):
        engine = connect(postgres.create(f"bench_{name}", TEMPLATE))
        found[name] = asyncio.run(staged(engine, artifacts, sandbox, policy))
        engine.dispose()
        postgres.drop(f"bench_{name}")
    fixed, adaptive = found["fixed"], found["adaptive"]
    with capsys.disabled():
        print()
        for name, one in found.items():
            print(
                f"{name:9}{one.calls} calls ({one.calls / one.verified:.2f} and ${one.usd / one.verified:.5f} a "
                f"verified triplet), {one.verified} of {QUESTIONS} verified, labels right {one.accuracy:.1%}; "
                f"{QUESTIONS / one.wall_s:.2f} questions/s, CPU a question: attempts "
                f"{1000 * one.solve_cpu_s / QUESTIONS:.0f} ms, trust and label "
                f"{1000 * one.assess_cpu_s / QUESTIONS:.0f} ms"
            )
    assert adaptive.calls <= 0.7 * fixed.calls
    assert adaptive.verified == fixed.verified
