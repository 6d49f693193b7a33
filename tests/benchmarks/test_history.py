"""How long questions about a million trials take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, TextClause, text

from tasks.history import mirror, named_queries, reading
from tests.benchmarks.history import draw
from tests.benchmarks.measure import cpu_s, peak_memory_mb
from tests.conftest import TEMPLATE, PostgresServer, _fresh

pytestmark = pytest.mark.benchmark

TRIALS = int(os.environ.get("KODCODE_BENCHMARK_TRIALS", "1000000"))
VIEWS = (
    "v_funnel", "v_pass_at_k", "v_difficulty", "v_cost", "v_model_comparison", "v_prompt_versions", "v_trust",
    "v_failures", "v_contamination", "v_throughput", "v_release_contents",
)  # fmt: skip


@pytest.fixture(scope="module")
def million(postgres: PostgresServer) -> Iterator[Engine]:
    for engine in _fresh(postgres, TEMPLATE):
        draw(engine, TRIALS)
        yield engine


def test_views_and_named_queries(million: Engine) -> None:
    questions = {view: text(f"select * from {view}") for view in VIEWS}
    questions |= {f"@{name}": query.statement({}) for name, query in named_queries().items()}
    counting = _best(million, text("select status, count(*) from trials group by status"))[1]
    counting = max(counting, 0.01)  # the clock's grain
    slow, dearest = [], 0.0
    for name, statement in questions.items():
        clock, busy, rows = _best(million, statement)
        print(f"{name:28} {clock:6.2f} s, {busy:6.2f} s CPU, {rows} rows")
        dearest = max(dearest, busy / counting)
        if clock > 1:
            slow.append(name)
    print(f"over a second: {slow}")
    print(f"the dearest costs {dearest:.0f} times the counting of all trials, which is {counting:.2f} s of CPU")
    assert dearest < 40


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
