"""Two runs of the whole at the same moment, on the same rows."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import ProgrammingError

from tests.pipeline.conftest import Workplace, wait_until
from tests.recovery.system import command
from tests.recovery.teacher import Teacher


@pytest.mark.slow
def test_two_runs_at_once_share_the_work_and_both_end_well(workplace: Workplace, faulty: Teacher) -> None:
    environment = {"OPENAI_API_KEY": "any", "KODCODE_SHARD_SIZE": "4"}
    faulty.hold()
    both = [workplace.start(*command(faulty, 8), **environment) for _ in range(2)]

    def both_at_work() -> bool:
        try:
            return workplace.rows("select count(*) from kodcode.shards where status = 'leased'") == [(2,)]
        except ProgrammingError:  # before there is a schema
            return any(process.poll() is not None for process in both)

    wait_until(both_at_work, "both to have a shard", 240)
    faulty.release()
    ended = [process.communicate(timeout=480) for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(err[-3000:] for _, err in ended)
    workplace.kodcode("audit")
    # Nothing was paid twice, and each answer is one row's.
    assert faulty.total() == workplace.rows("select count(*) from kodcode.llm_calls")[0][0]
    (trials,) = workplace.rows(
        "select count(*) filter (where status = 'pending') as open, count(*) as made, count(distinct request_hash) "
        "from kodcode.trials"
    )
    assert trials.open == 0
    assert trials.made == trials.count
    workers = {row.owner for row in workplace.rows("select distinct owner from kodcode.shards")}
    assert len(workers) == 2
    assert {row.status for row in workplace.rows("select status from kodcode.shards")} == {"done"}
