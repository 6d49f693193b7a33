"""A run on a real Prefect server: drained by several workers of which some are lost, and cancelled from outside."""

from __future__ import annotations

from contextlib import ExitStack

import psutil
import pytest

from tests.pipeline.conftest import Workplace, wait_until
from tests.recovery.system import FINAL, IN_FLIGHT, Api, end_tree, parameters, worker
from tests.recovery.teacher import Teacher

LEASE_S = "5"


def answers(workplace: Workplace) -> int:
    return int(workplace.rows("select count(*) from kodcode.llm_calls")[0][0])


@pytest.mark.slow
def test_a_nightly_drained_by_three_workers_of_which_two_are_lost(workplace: Workplace, faulty: Teacher) -> None:
    environment = {
        "OPENAI_API_KEY": "any", "KODCODE_EXECUTION": "prefect", "KODCODE_DRAINERS": "3", "KODCODE_LEASE_S": LEASE_S,
        "KODCODE_SHARD_SIZE": "3", "KODCODE_TRIAL_TIMEOUT_S": "10",
    }  # fmt: skip
    workplace.kodcode("bootstrap", **environment)
    api = Api(workplace)
    with ExitStack() as stack:
        stack.enter_context(worker(workplace, "kodcode", environment))
        drainers = [stack.enter_context(worker(workplace, "kodcode-drain", environment)) for _ in range(3)]
        flow_run = api.start("nightly/nightly", parameters(faulty, 15))

        def busy() -> set[str]:
            query = "select distinct owner from kodcode.shards where owner is not null"
            return {row.owner.rpartition(":")[2] for row in workplace.rows(query)}

        def over() -> bool:
            return api.state(flow_run) in FINAL

        def drains(drainer: psutil.Process) -> bool:
            return bool(busy() & {str(child.pid) for child in drainer.children(recursive=True)})

        for drainer in drainers[:2]:
            process = psutil.Process(drainer.pid)
            wait_until(lambda process=process: over() or drains(process), "a drainer at work", 300)
            assert not over()
            end_tree(drainer)
        wait_until(over, "the end of the run", 600)
        assert api.state(flow_run) == "COMPLETED"
    workplace.kodcode("audit")
    assert workplace.rows("select status, stop from kodcode.runs") == [("completed", None)]
    assert {row.status for row in workplace.rows("select status from kodcode.shards")} == {"done"}
    assert workplace.rows("select count(*) from kodcode.trials where status in ('pending', 'failed')") == [(0,)]
    # What the lost ones had in flight may be paid for nothing; what is stored was not asked again.
    assert 0 <= faulty.total() - answers(workplace) <= 2 * IN_FLIGHT


@pytest.mark.slow
def test_a_cancelled_run_stops_what_it_does_and_can_be_resumed(workplace: Workplace, steady: Teacher) -> None:
    environment = {"OPENAI_API_KEY": "any", "KODCODE_TRIAL_TIMEOUT_S": "10"}
    workplace.kodcode("bootstrap", **environment)
    api = Api(workplace)
    with worker(workplace, "kodcode", environment) as started:
        flow_run = api.start("nightly/nightly", parameters(steady, 6))
        wait_until(lambda: steady.total() >= 8, "trials", 300)
        steady.hold()
        started_by_it = psutil.Process(started.pid).children(recursive=True)  # the run, its sandboxes, what they run
        api.cancel(flow_run)
        wait_until(lambda: api.state(flow_run) == "CANCELLED", "the cancellation", 120)
        _, left = psutil.wait_procs(started_by_it, timeout=60)
        assert not left
        steady.release()
        assert workplace.rows("select status from kodcode.runs") == [("interrupted",)]
        assert workplace.rows("select count(*) from kodcode.shards where status = 'leased'") == [(0,)]
        before = answers(workplace)
        again = api.start("nightly/nightly", parameters(steady, 6))
        wait_until(lambda: api.state(again) in FINAL, "the end of the second run", 600)
        assert api.state(again) == "COMPLETED"
    workplace.kodcode("audit")
    assert answers(workplace) > before
    assert steady.total() - answers(workplace) <= IN_FLIGHT


@pytest.mark.slow
def test_a_run_whose_process_was_killed_is_started_again_and_goes_on(workplace: Workplace, steady: Teacher) -> None:
    environment = {"OPENAI_API_KEY": "any", "KODCODE_TRIAL_TIMEOUT_S": "10"}
    workplace.kodcode("bootstrap", **environment)
    api = Api(workplace)
    with worker(workplace, "kodcode", environment) as started:
        flow_run = api.start("nightly/nightly", parameters(steady, 6))
        wait_until(lambda: steady.total() >= 8, "trials", 300)
        (process,) = psutil.Process(started.pid).children()
        its_own = process.children(recursive=True)
        process.kill()
        _, left = psutil.wait_procs(its_own, timeout=60)
        assert not left
        wait_until(lambda: api.state(flow_run) == "COMPLETED", "the end of the run that was started again", 600)
    assert workplace.rows("select run_id, status from kodcode.runs") == [(flow_run, "completed")]
    workplace.kodcode("audit")
    assert steady.total() - answers(workplace) <= IN_FLIGHT
