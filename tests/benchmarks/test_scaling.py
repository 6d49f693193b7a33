"""How the pipeline grows: with new rows, with what is stored already, and with a second worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tasks import convert, generate, respond, solve
from tasks.settings import REPOSITORY
from tasks.store import services
from tests.benchmarks.measure import cpu_s
from tests.pipeline.conftest import Workplace, embedded, new_workplace, workplace

__all__ = ["embedded", "new_workplace", "workplace"]

# Rows of the steps, each on top of those before; the first is repeated at the end, on all of them.
STEPS = [int(rows) for rows in os.environ.get("KODCODE_BENCHMARK_STEPS", "1000,10000").split(",")]
# Goals: Prefect's share of the wall, and what a second worker gains. A row may cost half more than in the first step,
# which leaves room for what only a small step has to bear alone, and none for what grows with rows or history.
MOST_PREFECT, LEAST_GAIN, MOST_GROWTH = 0.03, 1.7, 1.5
DRAINED = int(os.environ.get("KODCODE_BENCHMARK_DRAINED", "6000"))


def scaled(workplace: Workplace, *arguments: object, **more: str) -> dict[str, Any]:
    cheap = {"OPENAI_API_KEY": "any", "PYTHONPATH": str(REPOSITORY), "KODCODE_CONFIRM": "false"}
    asked = {name: os.environ[name] for name in ("KODCODE_BENCHMARK_VERDICTS",) if name in os.environ}
    environment = workplace.environment | cheap | asked | more
    command = [sys.executable, "-m", "tests.benchmarks.scaling", *map(str, arguments)]
    ended = subprocess.run(command, env=environment, cwd=workplace.folder, check=False, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return dict(json.loads(ended.stdout.splitlines()[-1]))


@pytest.fixture
def served(embedded: services.Services) -> Callable[[str], float]:
    """Processor seconds that PostgreSQL or Prefect has taken since it was started."""
    folders = {found.name: found.pid for found in services.status(embedded.data_dir)}

    def seconds(name: str) -> float:
        return cpu_s(psutil.Process(folders[name]))

    return seconds


@pytest.mark.benchmark
@pytest.mark.parametrize("stage", [generate.STAGE, solve.STAGE, convert.STAGE, respond.STAGE])
def test_growth(
    workplace: Workplace, served: Callable[[str], float], stage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first, costs = 0, []
    with capsys.disabled():
        print(f"\n{stage}: rows, CPU a row, of it PostgreSQL, Prefect; wall, peak, Prefect's share of the wall")
        for rows in (*STEPS, STEPS[0]):
            before = {name: served(name) for name in ("postgres", "prefect")}
            figures = scaled(workplace, stage, first, rows)
            servers = {name: served(name) - before[name] for name in before}
            costs.append((figures["cpu_s"] + sum(servers.values())) / rows)
            print(
                f"{rows:7,} {1000 * costs[-1]:7.2f} ms {1000 * servers['postgres'] / rows:6.2f} ms "
                f"{1000 * servers['prefect'] / rows:6.2f} ms {figures['wall_s']:7.1f} s {figures['peak_mb']:5.0f} MB "
                f"{100 * figures['prefect_share']:5.2f} %"
            )
            assert figures["prefect_share"] < MOST_PREFECT
            first += rows
    assert max(costs) < MOST_GROWTH * costs[0]


@pytest.mark.benchmark
def test_a_second_worker(workplace: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """The same rows by one process on one core, and by two on two."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("there is one core only")
    rates = {}
    for number, drainers in enumerate((1, 2)):
        figures = scaled(workplace, solve.STAGE, number * DRAINED, DRAINED, drainers, KODCODE_SHARD_SIZE="250")
        rates[drainers] = DRAINED / figures["shards_s"]
    with capsys.disabled():
        print(f"\n{DRAINED:,} trials: one worker {rates[1]:.1f}/s, two {rates[2]:.1f}/s, {rates[2] / rates[1]:.2f}x")
    assert rates[2] / rates[1] >= LEAST_GAIN
