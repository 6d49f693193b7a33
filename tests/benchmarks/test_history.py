"""How long questions about a million trials take."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, TextClause, bindparam, text

from tasks.history import mirror, named_queries, reading
from tasks.report import Selection, make_report
from tasks.store import open_artifacts
from tests.benchmarks.history import draw
from tests.benchmarks.measure import cpu_s, peak_memory_mb
from tests.conftest import TEMPLATE, PostgresServer, _fresh

pytestmark = pytest.mark.benchmark

TRIALS = int(os.environ.get("KODCODE_BENCHMARK_TRIALS", "1000000"))
VIEWS = (
    "v_funnel", "v_pass_at_k", "v_difficulty", "v_cost", "v_model_comparison", "v_prompt_versions", "v_trust",
    "v_failures", "v_stages", "v_contamination", "v_throughput", "v_release_contents",
)  # fmt: skip


@pytest.fixture(scope="module")
def million(postgres: PostgresServer) -> Iterator[Engine]:
    for engine in _fresh(postgres, TEMPLATE):
        draw(engine, TRIALS)
        yield engine


def test_views_and_named_queries(million: Engine) -> None:
    questions = {view: text(f"select * from {view}") for view in VIEWS}
    questions |= {f"@{name}": query.statement({}) for name, query in named_queries().items()}
    slow, plans = [], []
    for name, statement in questions.items():
        clock, busy, rows = _best(million, statement)
        print(f"{name:28} {clock:6.2f} s, {busy:6.2f} s CPU, {rows} rows")
        plans.append(f"{name}: {clock:.2f} s, {busy:.2f} s CPU, {rows} rows\n{_plan(million, statement)}\n")
        # Where other load makes it wait, what counts is how long both cores would work on it.
        if min(clock, busy / 2) > 1:
            slow.append(name)
    if path := os.environ.get("KODCODE_BENCHMARK_PLANS"):
        Path(path).write_text("\n".join(plans), "utf-8")
    assert slow == []


def _plan(engine: Engine, statement: TextClause) -> str:
    """The nodes of its plan with the rows that each gave."""
    explained = text("explain (analyze, costs off, timing off, summary off, buffers off) " + statement.text)
    values = statement.compile().params
    with reading(engine, 300) as connection:
        bound = explained.bindparams(
            *(bindparam(name, value, type_=statement._bindparams[name].type) for name, value in values.items())
        )
        lines = connection.scalars(bound).all()
    return "\n".join(line.replace("actual ", "").replace(" loops=1)", ")") for line in lines
                     if line == lines[0] or "->" in line)  # fmt: skip


def _best(engine: Engine, statement: TextClause) -> tuple[float, float, int]:
    """Seconds and CPU seconds of the fastest of three, and its rows."""
    took = []
    for _ in range(3):
        with reading(engine, 300) as connection:
            begun, cpu = time.perf_counter(), cpu_s()
            rows = len(connection.execute(statement).all())
            took.append((time.perf_counter() - begun, cpu_s() - cpu, rows))
    return min(took)


def test_mirror(million: Engine, tmp_path: Path) -> None:
    with peak_memory_mb() as peak:
        before, cpu = peak(), cpu_s()
        files = mirror(million, tmp_path)
        rows, size = sum(file.rows for file in files), sum(file.bytes for file in files) / 1e6
        print(f"{rows} rows, {size:.0f} MB, {cpu_s() - cpu:.0f} s CPU, memory {peak() - before:.0f} MB above before")
        assert peak() - before < 250


def test_reports(million: Engine, tmp_path: Path) -> None:
    """A page about a selection counts its rows, that about all reads the rollup; each has up to 10,000 triplets."""
    artifacts = open_artifacts((tmp_path / "artifacts").as_uri())
    took = {}
    for selection in (Selection(), Selection(run_id="run50"), Selection(release_id=2)):
        begun, cpu = time.perf_counter(), cpu_s()
        made = make_report(million, artifacts, selection, tmp_path / "report.html")
        took[selection] = cpu_s() - cpu
        print(f"{selection.title}: {made.questions} questions, {time.perf_counter() - begun:.1f} s,"
              f" {took[selection]:.1f} s CPU")  # fmt: skip
    assert max(took.values()) < 10 * took[Selection()]


INDEXES = ("questions_history", "trials_history", "trials_reason", "triplets_history", "responses_reason")
WITHOUT_ROLLUP = [f"alter table kodcode.{table} disable trigger user"
                  for table in ("questions", "trials", "triplets", "responses", "llm_calls")]  # fmt: skip
WRITTEN = 600


def test_what_the_rollup_and_its_indexes_cost_who_writes(postgres: PostgresServer) -> None:
    """The statements of a trial, each in a transaction: answer, verdict, trust, and the question's label."""
    variants = {
        "neither": [*WITHOUT_ROLLUP, *(f"drop index kodcode.ix_{name}" for name in INDEXES)],
        "indexes": WITHOUT_ROLLUP,
        "indexes and rollup": [],
    }
    with contextlib.ExitStack() as stack:
        engines = {}
        for name, changes in variants.items():
            engines[name] = stack.enter_context(contextlib.contextmanager(_fresh)(postgres, TEMPLATE))
            draw(engines[name], 10_000)
            with engines[name].begin() as connection:
                for change in changes:
                    connection.execute(text(change))
        took = dict.fromkeys(variants, float("inf"))
        for part in range(2):
            for name, engine in engines.items():
                begun = cpu_s()
                _write(engine, range(part * WRITTEN, (part + 1) * WRITTEN))
                took[name] = min(took[name], cpu_s() - begun)
        for name, busy in took.items():
            print(f"{name:20} {busy / WRITTEN * 1000:.2f} ms CPU a trial, {busy / took['neither']:.2f}")
        with engines["indexes and rollup"].begin() as connection:
            entries = connection.scalar(text("select count(*) from kodcode.rollup_rows"))
            begun = cpu_s()
            connection.execute(text("select kodcode.fold_rollup()"))
            print(f"folding {entries} entries: {cpu_s() - begun:.2f} s CPU")
    assert took["indexes and rollup"] < 3 * took["neither"]


def test_one_row_costs_the_same_after_many(postgres: PostgresServer) -> None:
    """What triggers plan for the first statement of a session, they use for all others of it."""
    for engine in _fresh(postgres, TEMPLATE):
        draw(engine, 10_000)
        trial = text("update kodcode.trials set trust = 0.5 where question_id = :question and attempt = 1")
        took = []
        for first in ("select 1", "update kodcode.trials set trust = 0.4 where question_id < 'B'"):
            engine.dispose()  # the next connection is a new session
            with engine.connect() as connection:
                connection.execute(text(first))
                begun = cpu_s()
                for number in range(WRITTEN):
                    connection.execute(trial, {"question": f"Apps_{number % 400:08d}"})
                took.append((cpu_s() - begun) / WRITTEN * 1000)
        print(f"{took[0]:.2f} ms CPU a trial at first, {took[1]:.2f} after a statement of {10_000 // 4} rows")
        assert took[1] < 3 * took[0]


def _write(engine: Engine, numbers: range) -> None:
    answer = text(
        "insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling, prompt_key,"
        " answer_key, finish_reason, input_tokens, cached_input_tokens, output_tokens, reasoning_tokens, cost_usd,"
        " latency_s, retries) values (:call, 'openai', 'big', 'solve', 'Apps', 0, '{}', 'k', 'k', 'stop', 800, 0, 500,"
        " 0, 0.01, 5, 0)"
    )
    verdict = text(
        "update kodcode.trials set status = 'accepted', reason = null, verdict = 'passed', request_hash = :call,"
        " coverage = 90, updated_at = now() where question_id = :question and attempt = :attempt"
    )
    trust = text(
        "update kodcode.trials set trust = 0.5, kill_rate = 0.5, updated_at = now()"
        " where question_id = :question and attempt = :attempt"
    )
    label = text(
        "update kodcode.triplets set pass_count = pass_count + 1, trust = 0.5, updated_at = now()"
        " where question_id = :question and style = 'instruct'"
    )
    for number in numbers:
        values = {"question": f"Apps_{number // 3:08d}", "attempt": number % 3, "call": f"written{number}"}
        for statement in (answer, verdict, trust, *([label] if number % 3 == 2 else [])):
            with engine.begin() as connection:
                connection.execute(statement, values)
