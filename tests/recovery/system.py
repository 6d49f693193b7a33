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
from tests.recovery.teacher import Teacher

# None outlives the tests, however these end.
TIED = ("setpriv", "--pdeathsig", "KILL", "--")

FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}  # states of a flow run

# Calls at once of a process: what may be paid for nothing when it is lost.
IN_FLIGHT = 4


def parameters(teacher: Teacher, questions: int) -> dict[str, Any]:
    """The nightly that is disturbed, as a person enters it in the form: subset Leetcode, two attempts."""
    return {
        "subsets": ["Leetcode"],
        "questions": questions,
        "attempts": 2,
        "styles": ["complete"],
        "responses": 1,
        "teacher": {"provider": "openai", "base_url": teacher.url, "max_concurrency": IN_FLIGHT, "prices": ["0"]},
    }


def command(teacher: Teacher, questions: int) -> list[str]:
    """The same as a command; its trials are quick, so they get little time."""
    asked = parameters(teacher, questions)
    models = asked["teacher"]
    options = {
        "subset": asked["subsets"][0], "questions": questions, "attempts": asked["attempts"],
        "responses": asked["responses"], "style": asked["styles"][0], "concurrency": models["max_concurrency"],
        "base-url": models["base_url"], "price": models["prices"][0], "timeout": 10,
    }  # fmt: skip
    return ["run", "--json", *(str(part) for name, value in options.items() for part in (f"--{name}", value))]


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
