"""A run that is stopped at its cap keeps all it paid for, and is continued, or replayed, without paying again."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest
from sqlalchemy import text

from tests.pipeline.conftest import Replay, Workplace
from tests.pipeline.test_bad_input import complaint

# Output at 100 dollars a million: an answer costs cents, and up to 0.82 dollars are reserved for a solution. So the
# cap has room for the questions and for a part of the solutions.
RUN = (
    "run", "--subset", "leetcode", "--questions", "8", "--attempts", "2", "--responses", "1", "--style", "complete",
    "--timeout", "30", "--concurrency", "4", "--model", "teacher", "--reasoning-model", "deepseek-r1",
    "--price", "0:100",
)  # fmt: skip
CAP = Decimal("1.1")


def hashes(workplace: Workplace) -> set[str]:
    return {row.request_hash for row in workplace.rows("select request_hash from kodcode.llm_calls")}


@pytest.mark.slow
def test_a_run_stopped_at_its_cap_is_continued_and_replayed_without_paying_twice(
    workplace: Workplace, replay: Callable[..., Replay]
) -> None:
    server = replay("--latency-ms", "20")
    asked = (*RUN, "--base-url", f"{server.url}/v1")
    said = complaint(workplace, *asked, "--budget", str(CAP), status=4, OPENAI_API_KEY="replay")
    assert f"${CAP} for this run" in said
    assert "raise the budget and run the same command again" in said

    # All that was paid for is in the ledger, and used.
    first = hashes(workplace)
    assert server.served() == len(first)
    assert 0 < workplace.rows("select sum(cost_usd) from kodcode.llm_calls")[0][0] <= CAP
    assert workplace.rows("select * from kodcode.llm_leases") == []
    unused = "select request_hash from kodcode.llm_calls except (select request_hash from kodcode.questions union all "
    assert workplace.rows(unused + "select request_hash from kodcode.trials)") == []
    assert workplace.rows("select * from kodcode.trials where status = 'pending'")
    assert workplace.rows("select status from kodcode.runs") == [("interrupted",)]
    workplace.kodcode("audit")

    # What is left is forecast from what was measured, and what was not measured is said not to be known.
    found = json.loads(workplace.kodcode(*asked, "--forecast", "--json").stdout)
    of_stage = {stage["stage"]: stage for stage in found["stages"]}
    assert found["usd"] is of_stage["respond"]["usd"] is None
    assert of_stage["solve"]["usd"] > 0
    assert of_stage["solve"]["measured_with_this_model"]
    open_trials = workplace.rows("select count(*) from kodcode.trials where status = 'pending'")[0][0]
    assert of_stage["solve"]["calls"] == open_trials

    done = workplace.kodcode(*asked, "--budget", "100", OPENAI_API_KEY="replay")
    assert "Forecast: About" in done.stderr
    assert hashes(workplace) > first
    # Prefect shows the costs of both runs, the stopped one's too.
    runs = [row.flow_run_id for row in workplace.rows("select flow_run_id from kodcode.runs")]
    shown = httpx.post(
        f"{workplace.environment['PREFECT_API_URL']}/artifacts/filter",
        json={"artifacts": {"key": {"any_": ["nightly-costs"]}, "flow_run_id": {"any_": runs}}},
    ).json()
    totals = [row["calls"] for artifact in shown for row in json.loads(artifact["data"]) if row["stage"] == "all"]
    assert sorted(totals) == sorted([len(first), len(hashes(workplace)) - len(first)])
    assert server.served() == len(hashes(workplace))
    assert workplace.rows("select * from kodcode.trials where status in ('pending', 'failed')") == []

    # What follows from the answers comes out again with no key, no server and no price.
    before, served = workplace.tables(), server.served()
    with workplace.engine.begin() as connection:
        for table in (
            "release_parts",
            "release_shard_rows",
            "release_shards",
            "releases",
            "responses",
            "triplets",
            "trials",
        ):
            connection.execute(text(f"delete from kodcode.{table}"))
    workplace.kodcode(*RUN[:-2], "--replay")
    after = workplace.tables()
    assert server.served() == served
    for table in ("llm_calls", "questions", "trials", "triplets", "responses"):
        assert after[table] == before[table], table
