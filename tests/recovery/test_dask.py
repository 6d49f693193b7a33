"""A run whose shards go to a Dask cluster that loses a worker."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.pipeline.conftest import Workplace, wait_until
from tests.recovery.system import IN_FLIGHT, TIED, command, end_tree
from tests.recovery.teacher import Teacher


def dask(stack: ExitStack, environment: Mapping[str, str], log: Path, *arguments: str) -> subprocess.Popen[Any]:
    """A process of the cluster; ended with the stack."""
    with log.open("wb") as written:
        process = subprocess.Popen(
            [*TIED, sys.executable, "-m", "distributed.cli.dask_" + arguments[0], *arguments[1:]],
            env=dict(environment), stdout=written, stderr=written, start_new_session=True,
        )  # fmt: skip
    stack.callback(end_tree, process)
    return process


@pytest.mark.slow
def test_a_run_on_dask_that_loses_one_of_two_workers(workplace: Workplace, faulty: Teacher) -> None:
    environment = {
        "OPENAI_API_KEY": "any", "KODCODE_EXECUTION": "dask", "KODCODE_DRAINERS": "2", "KODCODE_LEASE_S": "5",
        "KODCODE_SHARD_SIZE": "3", "KODCODE_TRIAL_TIMEOUT_S": "10",
    }  # fmt: skip
    with ExitStack() as stack:
        everywhere = workplace.environment | environment
        log = workplace.folder / "scheduler"
        dask(stack, everywhere, log, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard")
        address = ""

        def listening() -> bool:
            nonlocal address
            found = re.search(r"(tcp://127\.0\.0\.1:\d+)", log.read_text())
            address = found[1] if found else ""
            return bool(found)

        wait_until(listening, "the scheduler", 120)
        options = ("--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1", "--no-nanny")
        workers = [
            dask(stack, everywhere, workplace.folder / f"worker{n}", "worker", address, *options) for n in range(2)
        ]
        run = workplace.start(*command(faulty, 16), **environment, KODCODE_DASK_SCHEDULER=address)
        stack.callback(end_tree, run)

        def works(process: subprocess.Popen[Any]) -> bool:
            owners = workplace.rows("select owner from kodcode.shards where status = 'leased'")
            return str(process.pid) in {row.owner.rpartition(":")[2] for row in owners}

        def stored() -> int:
            return int(workplace.rows("select count(*) from kodcode.llm_calls")[0][0])

        def schema() -> bool:
            return workplace.rows("select to_regclass('kodcode.shards') as found")[0].found is not None

        wait_until(lambda: run.poll() is not None or schema(), "the schema", 120)
        wait_until(lambda: run.poll() is not None or (stored() > 20 and works(workers[0])), "the first at work", 300)
        assert run.poll() is None
        end_tree(workers[0])
        _, said = run.communicate(timeout=600)
        assert run.returncode == 0, said[-3000:]
        assert psutil.pid_exists(workers[1].pid)
    workplace.kodcode("audit")
    assert {row.status for row in workplace.rows("select status from kodcode.shards")} == {"done"}
    assert 0 <= faulty.total() - stored() <= IN_FLIGHT
