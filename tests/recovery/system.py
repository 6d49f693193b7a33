"""The processes of a distributed run: Prefect's workers, and what a person does in Prefect's UI, by its API."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import psutil

from tests.pipeline.conftest import Workplace

# None outlives the tests, however these end.
TIED = ("setpriv", "--pdeathsig", "KILL", "--")


def end_tree(process: subprocess.Popen[Any]) -> None:
    """kill -9 of a process and all that it started, as when its machine is lost."""
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process.pid)
        for one in [found, *found.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


@contextlib.contextmanager
def worker(workplace: Workplace, pool: str, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[Any]]:
    """A Prefect worker that takes one run of a pool at a time; what it writes is in the workplace's folder."""
    name = f"worker-{pool}-{len(list(workplace.folder.glob('worker-*')))}"
    with (workplace.folder / name).open("wb") as log:
        process = subprocess.Popen(
            [*TIED, sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--limit", "1",
             "--name", name],
            env=workplace.environment | environment, cwd=workplace.folder, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        end_tree(process)


class Api:
    """Prefect's HTTP API, as its pages use it."""

    def __init__(self, workplace: Workplace) -> None:
        self._url = workplace.environment["PREFECT_API_URL"]

    def call(self, path: str, body: dict[str, Any] | None = None) -> Any:
        request = urllib.request.Request(
            f"{self._url}/{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def start(self, deployment: str, parameters: dict[str, Any]) -> str:
        found = self.call(f"deployments/name/{deployment}")
        run = self.call(f"deployments/{found['id']}/create_flow_run", {"parameters": parameters})
        return str(run["id"])

    def cancel(self, flow_run_id: str) -> None:
        state = {"type": "CANCELLING", "name": "Cancelling"}
        self.call(f"flow_runs/{flow_run_id}/set_state", {"state": state})

    def state(self, flow_run_id: str) -> str:
        return str(self.call(f"flow_runs/{flow_run_id}")["state_type"])
