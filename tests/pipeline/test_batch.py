"""The whole pipeline through the batch API: killed while a batch is away, continued, paid once at half price."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.exc import ProgrammingError

from tests.llm.batch_server import BatchServer, batch_server
from tests.llm.fault_server import CHAT
from tests.pipeline.conftest import Replay, Workplace, kill, wait_until

RUN = (
    "run", "--subset", "leetcode", "--questions", "8", "--attempts", "2", "--responses", "1", "--style", "complete",
    "--timeout", "30", "--mode", "batch", "--model", "gpt-4o", "--reasoning-model", "deepseek-r1",
)  # fmt: skip
QUICK = {"OPENAI_API_KEY": "replay", "KODCODE_BATCH_GATHER_S": "0.5", "KODCODE_BATCH_POLL_S": "0.2"}


@pytest.fixture
def server(replay: Callable[..., Replay]) -> Iterator[BatchServer]:
    """Batches whose answers are the recorded ones."""
    recorded = replay()

    def complete(path: str, body: dict[str, Any]) -> Any:
        headers = {"content-type": "application/json"}
        asked = urllib.request.Request(f"{recorded.url}{path}", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return json.load(reply)

    with batch_server() as running:
        running.complete = complete
        yield running


def submitted(workplace: Workplace, stage: str) -> bool:
    """Whether a batch of this stage is at the provider."""
    try:
        return bool(
            workplace.rows(
                "select 1 from kodcode.llm_batches join kodcode.llm_batch_requests m using (batch_id) "
                f"where llm_batches.status = 'submitted' and m.stage = '{stage}'"
            )
        )
    except ProgrammingError:  # there is no schema yet
        return False


@pytest.mark.slow
def test_a_run_in_batches_that_is_killed_while_one_is_away_ends_with_everything_paid_once(
    workplace: Workplace, server: BatchServer
) -> None:
    asked = (*RUN, "--base-url", server.url, "--price", "deepseek-r1=0.55:2.19")
    server.polls = 3
    process = workplace.start(*asked, **QUICK)
    wait_until(lambda: submitted(workplace, "solve") or process.poll() is not None, "a batch of trials", seconds=240)
    kill(process)
    before = len(server.batches)
    workplace.kodcode(*asked, **QUICK)
    workplace.kodcode("audit")

    assert not [seen for seen in server.seen if seen.path == CHAT]
    assert 2 <= before < len(server.batches)
    answers = workplace.rows("select count(*), sum(cost_usd) from kodcode.llm_calls")[0]
    assert answers[0] == sum(server.paid.values())
    assert set(workplace.rows("select distinct status from kodcode.v_batches")) == {("collected",)}
    assert workplace.rows("select sum(answered), sum(cost_usd) from kodcode.v_batches")[0] == answers
    stages = workplace.rows("select stage, count(distinct batch_id) from kodcode.llm_batch_requests group by 1")
    assert {stage for stage, _ in stages} == {"propose", "solve", "convert", "respond"}
    # Trials that were asked for together went together.
    assert dict(tuple(row) for row in stages)["solve"] <= 2
    [(half,)] = workplace.rows(
        "select sum(input_tokens * 2.5 + output_tokens * 10) / 2000000 from kodcode.llm_calls where model = 'gpt-4o'"
    )
    [(cost,)] = workplace.rows("select sum(cost_usd) from kodcode.llm_calls where model = 'gpt-4o'")
    assert abs(Decimal(half) - cost) < Decimal("0.00001")
    assert workplace.rows("select distinct parameters -> 'teacher' ->> 'mode' from kodcode.runs") == [("batch",)]
    assert workplace.rows("select * from kodcode.trials where status in ('pending', 'failed')") == []
    assert workplace.rows("select count(*) from kodcode.triplets where status = 'accepted'")[0][0] > 0
