"""Shards: planned once, each row by one worker, taken over from the lost, refused to the slow, dead when deadly."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tasks.shards import (
    MOST_ATTEMPTS,
    Lease,
    LeaseLost,
    Planned,
    begin,
    claim,
    counts,
    fence,
    finish,
    give_back,
    keep,
    plan,
    retry_dead,
    shard_size,
)
from tests.shards.worker import Worker

STAGE, WORK = "solve", {"tries": 3}
ROWS = [f"Evol_{number:08d}:0" for number in range(200)]
LONG_S, SHORT_S, OVER_S = 60.0, 1.0, 0.0

Runs = Callable[..., None]


@pytest.fixture
def runs(database: Engine) -> Runs:
    """Says that a run lives, or does no more."""

    def say(run_id: str, *, alive: bool = True) -> None:
        with database.begin() as connection:
            connection.execute(
                text(
                    "insert into kodcode.runs (run_id, flow, parameters, code_version, host, pid, alive_until) "
                    "values (:id, 'verify', '{}', '1', 'elsewhere', 1, now() + cast(:left as interval)) "
                    "on conflict (run_id) do update set alive_until = excluded.alive_until"
                ),
                {"id": run_id, "left": "1 hour" if alive else "-1 second"},
            )

    with database.begin() as connection:
        connection.execute(text("create table written (row text, pid int)"))
    say("a")
    say("b")
    return say


def planned(
    database: Engine, run_id: str, rows: Sequence[str] = ROWS, size: int = 10, **changed: Any
) -> Planned:
    return plan(database, run_id, STAGE, WORK | changed, rows, size)


def stored(database: Engine, query: str) -> list[Any]:
    with database.connect() as connection:
        return list(connection.execute(text(query)))


def claimed(database: Engine, run_id: str, lease_s: float = LONG_S) -> Lease:
    lease = claim(database, run_id, lease_s)
    assert lease is not None
    return lease


def work_until_done(database: Engine) -> None:
    """By workers that end where nothing can be claimed: one comes again when the lease of the lost one is over."""
    while stored(database, "select count(*) from kodcode.shards where status <> 'done'") != [(0,)]:
        Worker(database, "a", SHORT_S).join()


def each_row_once(database: Engine) -> bool:
    return sorted(row for (row,) in stored(database, "select row from written")) == ROWS


def test_planning_again_changes_nothing(database: Engine, runs: Runs) -> None:
    first = planned(database, "a")
    assert len(first.shard_ids) == 20
    assert set(planned(database, "a").shard_ids) == set(first.shard_ids)
    shards = stored(database, "select rows from kodcode.shards order by shard_id")
    assert [row for shard in shards for row in shard.rows] == ROWS


def test_runs_that_plan_at_the_same_moment_put_every_row_into_one_shard(database: Engine, runs: Runs) -> None:
    with ThreadPoolExecutor(6) as threads:
        made = list(threads.map(lambda number: planned(database, "ab"[number % 2]), range(6)))
    assert len({frozenset(one.shard_ids) for one in made}) == 1
    assert stored(database, "select count(*) from kodcode.shards") == [(20,)]


def test_two_runs_share_a_shard_and_wait_for_rows_that_are_worked_on_in_another_way(
    database: Engine, runs: Runs
) -> None:
    shards = planned(database, "a").shard_ids
    narrower = planned(database, "b", ROWS[:15])
    assert narrower.shard_ids == shards[:1]  # the second shard has rows that b does not ask for
    assert narrower.elsewhere == set(ROWS[10:15])
    assert planned(database, "b", tries=5).elsewhere == set(ROWS)
    assert {claimed(database, "b").shard_id, claimed(database, "a").shard_id} == set(shards[:2])


def test_what_a_lost_run_left_is_adopted_with_its_attempts_and_done_in_the_new_way(
    database: Engine, runs: Runs
) -> None:
    planned(database, "a")
    lost = claimed(database, "a", OVER_S)
    begin(database, lost, 10)
    runs("a", alive=False)
    left = ROWS[4:15]  # of the first shard's rows, four have ended
    adopted = planned(database, "b", left, tries=5)
    assert not adopted.elsewhere
    with pytest.raises(LeaseLost):
        finish(database, lost)
    shards = stored(
        database,
        "select rows, attempts, work->>'tries' as tries from kodcode.shards where 'b' = any(wanted_by) order by 1",
    )
    assert [(shard.rows, shard.attempts, shard.tries) for shard in shards] == [
        (ROWS[4:10], 1, "5"),
        (ROWS[10:15], 0, "5"),
    ]


def test_workers_of_two_runs_share_the_shards_and_write_each_row_once(database: Engine, runs: Runs) -> None:
    shards = planned(database, "a").shard_ids
    planned(database, "b")
    workers = [Worker(database, run_id, LONG_S) for run_id in "aabb"]
    for worker in workers:
        worker.join()
    assert each_row_once(database)
    assert counts(database, "a", shards).unfinished == 0
    assert stored(database, "select distinct status, attempts, rows from kodcode.shards") == [("done", 1, [])]


def test_a_killed_workers_shard_is_taken_over_where_it_stopped(database: Engine, runs: Runs) -> None:
    planned(database, "a")
    doomed = Worker(database, "a", SHORT_S, hold_after=15)
    assert doomed.held.wait(60)
    doomed.kill()
    work_until_done(database)
    assert each_row_once(database)
    with database.connect() as connection:
        pids = set(connection.scalars(text("select pid from written")))
    assert doomed.process.pid in pids


def test_a_worker_that_was_too_slow_writes_nothing_more(database: Engine, runs: Runs) -> None:
    planned(database, "a")
    slow = Worker(database, "a", SHORT_S, hold_after=5)
    assert slow.held.wait(60)
    slow.freeze()
    work_until_done(database)
    slow.thaw()
    assert slow.lost.wait(60)
    slow.join()
    assert each_row_once(database)


def test_a_shard_is_not_taken_over_in_the_midst_of_a_transaction(database: Engine, runs: Runs) -> None:
    planned(database, "a", size=200)
    slow = claimed(database, "a", OVER_S)
    with database.begin() as connection:
        fence(connection, slow)
        assert claim(database, "a", LONG_S) is None
    assert claimed(database, "a").token > slow.token
    with database.begin() as connection, pytest.raises(LeaseLost):
        fence(connection, slow)
    give_back(database, slow)  # of no effect
    assert claim(database, "a", LONG_S) is None


def test_a_worker_that_is_frozen_in_the_midst_of_a_transaction_does_not_keep_its_shard(
    database: Engine, runs: Runs
) -> None:
    planned(database, "a", size=200)
    frozen = claimed(database, "a", 0.2)
    with pytest.raises(DBAPIError, match="idle-in-transaction"), database.begin() as connection:
        fence(connection, frozen)
        while (lease := claim(database, "a", LONG_S)) is None:
            time.sleep(0.02)
        connection.execute(text("insert into written values ('late', 0)"))
    finish(database, lease)
    assert stored(database, "select * from written") == []


def test_work_is_cancelled_when_another_has_the_shard(database: Engine, runs: Runs) -> None:
    planned(database, "a", size=200)
    lease = claimed(database, "a", 0.3)
    cancelled = []

    async def work() -> None:
        try:
            with database.begin() as connection:
                connection.execute(text("update kodcode.shards set token = token + 1"))
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    with pytest.raises(LeaseLost):
        asyncio.run(keep(database, lease, work()))
    assert cancelled


def test_a_lease_is_renewed_while_there_is_work(database: Engine, runs: Runs) -> None:
    planned(database, "a", size=200)
    lease = claimed(database, "a", SHORT_S)
    ends = "select lease_until from kodcode.shards"
    (first,) = stored(database, ends)

    async def work() -> str:
        while stored(database, ends) == [first]:  # noqa: ASYNC110 (it is the database that changes)
            await asyncio.sleep(0.02)
        return "renewed"

    assert asyncio.run(keep(database, lease, work())) == "renewed"


def test_a_shard_that_loses_every_worker_is_dead_until_somebody_retries_it(database: Engine, runs: Runs) -> None:
    planned(database, "a", ROWS[:10])
    for _ in range(MOST_ATTEMPTS):
        assert begin(database, claimed(database, "a", OVER_S), 10)
    assert not begin(database, claimed(database, "a"), 10)
    ((status, reason),) = stored(database, "select status, reason from kodcode.shards")
    assert status == "dead"
    assert "3 workers" in reason
    assert "was lost" in reason
    again = planned(database, "b")
    assert again.dead == set(ROWS[:10])
    assert len(again.shard_ids) == 19
    assert retry_dead(database) == (1, 10)
    assert not planned(database, "b").dead


def test_rows_that_end_take_back_the_attempts(database: Engine, runs: Runs) -> None:
    planned(database, "a", ROWS[:10])
    for left in range(10, 0, -1):
        assert begin(database, claimed(database, "a", OVER_S), left)


def test_a_worker_that_gives_its_shard_back_was_not_lost(database: Engine, runs: Runs) -> None:
    planned(database, "a", ROWS[:10])
    for _ in range(MOST_ATTEMPTS + 1):
        lease = claimed(database, "a")
        assert begin(database, lease, 10)
        give_back(database, lease)
    assert stored(database, "select status, attempts from kodcode.shards") == [("open", 0)]


def test_shards_have_the_size_that_took_ten_minutes_lately(database: Engine, runs: Runs) -> None:
    assert shard_size(database, STAGE, 10_000) == 500
    with database.begin() as connection:
        connection.execute(
            text(
                "insert into kodcode.shards (stage, work, rows, wanted_by, status, remaining, claimed_at, "
                "finished_at) values ('solve', '{}', '{}', '{}', 'done', 100, now() - interval '300 seconds', now())"
            )
        )
    assert shard_size(database, STAGE, 10_000) == 200
    assert shard_size(database, "convert", 10_000) == 500
    assert shard_size(database, STAGE, 100, workers=4) == 13
