"""The automation that finds lost runs: of a machine that is gone with all that ran on it, nobody says anything."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack

import pytest

from tests.pipeline.conftest import Workplace, wait_until
from tests.recovery.system import TIED, Api, end_tree

# The shortest time between two heartbeats that Prefect allows, and three times that and some.
BEAT_S, SILENT_S = 30, 95
FLOW = """
import sys
from prefect import flow
from prefect.runtime import flow_run

@flow(name=sys.argv[1])
def waits():
    print(flow_run.id, flush=True)
    sys.stdin.read()

waits()
"""


@pytest.mark.slow
def test_a_lost_run_of_ours_is_found_and_no_other(workplace: Workplace) -> None:
    workplace.kodcode("bootstrap", "--heartbeat-s", str(SILENT_S))
    api = Api(workplace)
    environment = workplace.environment | {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(BEAT_S)}
    with ExitStack() as stack:
        runs: dict[str, tuple[str, subprocess.Popen[str]]] = {}
        ours = dict.fromkeys(("lost", "living", "ended"), "verify")
        for what, flow in (ours | {"lost of others": "theirs"}).items():
            process = subprocess.Popen(
                [*TIED, sys.executable, "-c", FLOW, flow], env=environment, cwd=workplace.folder, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            stack.callback(end_tree, process)
            assert process.stdout is not None
            runs[what] = process.stdout.readline().strip(), process

        def beaten(what: str) -> bool:
            resource = {"id": [f"prefect.flow-run.{runs[what][0]}"]}
            asked = {"event": {"name": ["prefect.flow-run.heartbeat"]}, "resource": resource}
            return bool(api.call("events/filter", {"filter": asked})["total"])

        for what in runs:
            wait_until(lambda what=what: beaten(what), f"a heartbeat of the {what} run", 120)
        for what in ("lost", "lost of others"):
            end_tree(runs[what][1])
        runs["ended"][1].communicate("")
        wait_until(lambda: api.state(runs["lost"][0]) == "CRASHED", "the lost run to be found", 4 * SILENT_S)
        states = {what: api.state(run_id) for what, (run_id, _) in runs.items()}
    assert states == {"lost": "CRASHED", "living": "RUNNING", "ended": "COMPLETED", "lost of others": "RUNNING"}
