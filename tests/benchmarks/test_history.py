"""How long questions about a million trials take."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

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
    slow = []
    for name, statement in questions.items():
        took = []
        for _ in range(3):
            with reading(million, 300) as connection:
                begun, cpu = time.perf_counter(), cpu_s()
                rows = len(connection.execute(statement).all())
                took.append((time.perf_counter() - begun, cpu_s() - cpu))
        clock, busy = min(took)
        print(f"{name:28} {clock:6.2f} s, {busy:6.2f} s CPU, {rows} rows")
        if statistics.median(one for one, _ in took) > 1:
            slow.append(name)
    print(f"over a second: {slow}")


def test_mirror(million: Engine, tmp_path: Path) -> None:
    with peak_memory_mb() as peak:
        before, cpu = peak(), cpu_s()
        files = mirror(million, tmp_path)
        rows, size = sum(file.rows for file in files), sum(file.bytes for file in files) / 1e6
        print(f"{rows} rows, {size:.0f} MB, {cpu_s() - cpu:.0f} s CPU, memory {peak() - before:.0f} MB above before")
