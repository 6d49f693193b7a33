"""A worker elsewhere, on its own: what it does for a run that is over, stopped or unknown."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import InternalError, OperationalError

from tasks.drain import STAGES, STILL_OPEN, RunStopped, _reason, _told, drain_for, handle_shard, work_through
from tasks.llm import ProviderMisconfigured
from tasks.options import Models
from tasks.record import begin_run, end_run, standing, stop_run
from tasks.run import Run, recorded_run
from tasks.settings import ConfigurationError
from tasks.shards import Lease, Planned, claim, fence, plan
from tasks.store import connect, copy_rows
from tasks.store.schema import IMPORTED, Question, Response, Trial, Triplet
from tasks.work import DOWN_AFTER, Ending, ProviderDown, ShardStalled, Work
from tests.llm.fault_server import FaultServer, error
from tests.pipeline.conftest import wait_until

ROW = "Leetcode_00000000:0"
REACHED = {"error": "BudgetReached", "message": "It is spent.", "cap": "run"}


@pytest.fixture(autouse=True)
def places(database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The three addresses that a worker is given, and the key."""
    monkeypatch.setenv("KODCODE_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("KODCODE_ARTIFACTS_URL", (tmp_path / "artifacts").as_uri())
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    monkeypatch.setenv("OPENAI_API_KEY", "any")


def begun(database: Engine) -> None:
    begin_run(database, "a", "verify", {}, None, 60)


def test_a_worker_with_another_database_says_so(database: Engine) -> None:
    with pytest.raises(ConfigurationError, match="KODCODE_DATABASE_URL"):
        asyncio.run(drain_for("a"))


def test_a_run_that_is_over_leaves_nothing_to_do(database: Engine) -> None:
    begun(database)
    plan(database, "a", "solve", {}, [ROW], 1)
    end_run(database, "a", "completed")
    assert asyncio.run(drain_for("a")) == 0
    with database.connect() as connection:
        assert connection.scalar(text("select status from kodcode.shards")) == "open"


def planned(database: Engine, base_url: str, rows: int = 1) -> None:
    """A run with a shard of trials to be asked of a teacher there."""
    with database.begin() as connection:
        copy_rows(connection, Question, [
            {"question_id": "Leetcode_00000000", "subset": "Leetcode", "number": 0, "provider": "openai", "model": "m",
             "prompt_index": 0, "seed_ids": [], "text": "Add one.", "status": "accepted"}
        ])  # fmt: skip
        copy_rows(connection, Trial, [{"question_id": "Leetcode_00000000", "attempt": n} for n in range(rows)])
    begun(database)
    models = Models(
        provider="openai", teacher="m", base_url=base_url, base_model=None, reasoner="m", max_concurrency=4,
        prices=("0",),
    )  # fmt: skip
    keys = [f"Leetcode_00000000:{n}" for n in range(rows)]
    plan(database, "a", "solve", Work(models=models).model_dump(mode="json"), keys, rows)


@pytest.fixture
def teacher() -> Iterator[FaultServer]:
    server = FaultServer()
    yield server
    server.close()


def test_what_stops_a_worker_stops_the_run_and_its_shard_is_given_back(
    database: Engine, teacher: FaultServer
) -> None:
    teacher.always(error(401, "no such key"))
    planned(database, teacher.url)
    asyncio.run(drain_for("a"))
    stop = standing(database, "a").stop
    assert stop is not None
    assert stop["error"] == ProviderMisconfigured.__name__
    with database.connect() as connection:
        assert connection.execute(text("select status, attempts from kodcode.shards")).all() == [("open", 0)]
        assert connection.scalar(text("select status from kodcode.trials")) == "pending"


def test_a_worker_that_cannot_reach_the_provider_fails_alone(database: Engine) -> None:
    planned(database, "http://127.0.0.1:1/v1", DOWN_AFTER + 1)
    with pytest.raises(ProviderDown):
        asyncio.run(drain_for("a"))
    assert standing(database, "a").stop is None
    with database.connect() as connection:
        assert connection.execute(text("select status, attempts from kodcode.shards")).all() == [("open", 0)]


def test_the_answers_that_are_awaited_when_a_run_is_stopped_are_kept(
    database: Engine, teacher: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = Run.close

    async def answered_late(run: Run, *arguments: Any, **more: Any) -> None:
        asyncio.get_running_loop().call_later(0.2, teacher.release)
        await close(run, *arguments, **more)

    monkeypatch.setattr(Run, "close", answered_late)
    monkeypatch.setattr("tasks.run._TERMINATED_GRACE_S", 0.0)  # for who is killed, not for who is called off
    teacher.hold()
    teacher.on_request = lambda count: stop_run(database, "a", REACHED)
    planned(database, teacher.url)
    asyncio.run(drain_for("a"))
    with database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.llm_calls")) == 1
        assert connection.scalar(text("select count(*) from kodcode.llm_leases")) == 0


def test_who_works_for_a_run_waits_for_a_database_that_is_restarted(
    database: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(database)
    name = database.url.database
    admin = connect(database.url.set(database="postgres").render_as_string(hide_password=False))

    looking = threading.Event()

    def look(*arguments: Any) -> Lease | None:
        looking.set()
        return claim(*arguments)

    def opened(yes: bool) -> None:
        with admin.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f'alter database "{name}" allow_connections {yes}'))
            if not yes:
                sessions = "select pg_terminate_backend(pid) from pg_stat_activity where datname = :name"
                connection.execute(text(sessions), {"name": name})

    async def main() -> int:
        serving = asyncio.create_task(drain_for("a"))
        await asyncio.to_thread(looking.wait)
        await asyncio.to_thread(opened, False)
        await asyncio.to_thread(wait_until, lambda: "looking again" in caplog.text, "it to miss the database")
        await asyncio.to_thread(opened, True)
        await asyncio.to_thread(end_run, database, "a", "completed")
        return await asyncio.wait_for(serving, 60)

    monkeypatch.setattr("tasks.drain.claim", look)
    database.dispose()
    try:
        assert asyncio.run(main()) == 0
    finally:
        opened(True)
        admin.dispose()


def test_a_run_waits_for_a_database_that_is_restarted_between_two_stages(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.drain._LOOK_AGAIN_S", (0.1, 0.1))
    looks: list[int] = []

    def open_rows() -> list[str]:
        looks.append(len(looks))
        if len(looks) < 3:
            raise OperationalError("select", None, Exception("the server is gone"))
        return []

    async def main() -> int:
        async with recorded_run("verify", {}, None):
            return await work_through("solve", Work(), open_rows)

    assert asyncio.run(main()) == 0
    assert looks == [0, 1, 2]


class NamedMore(ProviderMisconfigured):
    """Of the kind that ends a run, by another name."""


def test_whatever_stops_a_run_its_own_process_raises_with_the_same_words() -> None:
    told = _told(NamedMore("Give --price MODEL=IN:OUT."))
    assert repr(_reason(told)) == repr(ProviderMisconfigured("Give --price MODEL=IN:OUT."))
    assert repr(_reason({"error": "Interrupted", "message": "The run was stopped."})) == repr(
        RunStopped("The run was stopped.")
    )


def test_a_run_that_was_told_to_stop_assesses_by_itself_what_there_is(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KODCODE_EXECUTION", "prefect")
    ended: list[str] = []

    async def handle(run: Run, lease: Lease, work: Work) -> dict[str, int]:
        ended.extend(lease.rows)
        return {}

    monkeypatch.setitem(STAGES, "assess", handle)
    monkeypatch.setattr("tasks.drain.shard_task", handle_shard)

    async def main() -> None:
        async with recorded_run("verify", {}, None) as run:
            await asyncio.to_thread(stop_run, database, run.run_id, REACHED)
            await asyncio.wait_for(work_through("assess", Work(), lambda: ["Leetcode_00000000"]), 60)

    asyncio.run(main())
    assert ended == ["Leetcode_00000000"]


def test_a_run_that_seemed_lost_gets_back_what_another_had_adopted(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"Evol_{number:08d}:0" for number in range(4)]
    ended: list[str] = []
    adopted: list[Planned] = []

    def lives(run_id: str, *, alive: bool) -> None:
        span = "1 hour" if alive else "-1 second"
        with database.begin() as connection:
            connection.execute(
                text("update kodcode.runs set alive_until = now() + cast(:span as interval) where run_id = :id"),
                {"id": run_id, "span": span},
            )

    async def handle(run: Run, lease: Lease, work: Work) -> dict[str, int]:
        if not adopted:
            # All at once: the run seems lost, another adopts some of its rows, is killed, and the run lives after all.
            lives(run.run_id, alive=False)
            with database.begin() as connection:
                connection.execute(text("update kodcode.shards set lease_until = now() - interval '1 second'"))
            begin_run(database, "b", "verify", {}, None, 60)
            adopted.append(plan(database, "b", "solve", {"other": "work"}, rows[:2], 10))
            lives("b", alive=False)
            lives(run.run_id, alive=True)
        with database.begin() as connection:
            fence(connection, lease)
            ended.extend(lease.rows)
        return {}

    monkeypatch.setitem(STAGES, "solve", handle)
    monkeypatch.setattr("tasks.drain.shard_task", handle_shard)

    async def main() -> int:
        async with recorded_run("verify", {}, None):
            return await asyncio.wait_for(
                work_through("solve", Work(), lambda: [row for row in rows if row not in ended]), 60
            )

    assert asyncio.run(main()) == 4
    assert len(adopted[0].shard_ids) == 1
    assert sorted(ended) == rows
    with database.connect() as connection:
        assert set(connection.scalars(text("select status from kodcode.shards"))) == {"done"}


@pytest.mark.parametrize("answers", [True, False])
def test_who_is_stopped_while_it_claims_a_shard_leaves_it_to_others(
    database: Engine, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    claiming, go_on = threading.Event(), threading.Event()

    def slowly(*arguments: Any) -> Lease | None:
        claiming.set()
        go_on.wait()
        if not answers:
            raise InternalError("claim", None, Exception("the connection is closed"), connection_invalidated=True)
        return claim(*arguments)

    monkeypatch.setattr("tasks.drain.claim", slowly)

    async def stopped() -> None:
        async with recorded_run("verify", {}, None):
            await work_through("solve", Work(), lambda: [ROW])

    async def main() -> None:
        stopping = asyncio.create_task(stopped())
        await asyncio.to_thread(claiming.wait)
        stopping.cancel()
        asyncio.get_running_loop().call_later(0.1, go_on.set)
        with pytest.raises(asyncio.CancelledError):
            await stopping

    asyncio.run(main())
    with database.connect() as connection:
        assert connection.execute(text("select status, attempts from kodcode.shards")).all() == [("open", 0)]


def test_a_shard_of_which_no_row_ends_is_given_back_and_counted_against_it(
    database: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KODCODE_STALL_S", "0.3")
    ended: list[str] = []

    async def handle(run: Run, lease: Lease, work: Work) -> dict[str, int]:
        async def attempt(row: str) -> Ending:
            if row == lease.rows[-1]:
                await asyncio.Event().wait()  # it hangs
            await asyncio.sleep(0.2)  # less than it takes to be given up, all of them together more
            ended.append(row)
            return Ending("accepted")

        async def mark(row: str, ending: Ending) -> None:
            raise AssertionError

        return dict(await run.drain(lease, lease.rows, attempt, mark, 1))

    monkeypatch.setitem(STAGES, "solve", handle)
    monkeypatch.setattr("tasks.drain.shard_task", handle_shard)

    async def main() -> None:
        async with recorded_run("verify", {}, None):
            await work_through("solve", Work(), lambda: ["a", "b", "c", "d"])

    with pytest.raises(ShardStalled, match="KODCODE_STALL_S"):
        asyncio.run(asyncio.wait_for(main(), 60))
    assert ended == ["a", "b", "c"]
    with database.connect() as connection:
        shard = connection.execute(text("select status, attempts, reason from kodcode.shards")).one()
    assert (shard.status, shard.attempts) == ("open", 1)
    assert "ShardStalled" in shard.reason


# Stage -> a row that has ended, one that is open.
ROWS_OF = {
    "propose": ("Leetcode_00000000", "Leetcode_00000001"),
    "solve": ("Leetcode_00000000:0", "Leetcode_00000002:0"),
    "assess": ("Leetcode_00000000", "Leetcode_00000003"),
    "convert": ("Leetcode_00000000_C", "Leetcode_00000002_C"),
    "respond": ("Leetcode_00000000_I:0:openai:m:1", "Leetcode_00000002_I:0:openai:m:1"),
    "judge": ("Leetcode_00000000:1", "Leetcode_00000002:1"),
    "prove": ("Leetcode_00000000_O", "Leetcode_00000002_O"),
}


def rows_of_all_stages(database: Engine) -> None:
    ids = [f"Leetcode_{number:08d}" for number in range(4)]
    wrote = {"provider": "openai", "model": "m:1"}
    with database.begin() as connection:
        copy_rows(connection, Question, [
            {"question_id": name, "subset": "Leetcode", "number": number, "prompt_index": number, "seed_ids": [],
             "text": None if number == 1 else "Add.", "status": "pending" if number == 1 else "accepted", **wrote}
            for number, name in enumerate(ids)
        ])  # fmt: skip
        ended, waits, unassessed = ids[0], ids[2], ids[3]
        copy_rows(connection, Trial, [
            {"question_id": name, "attempt": attempt, "provider": by, "status": status, "assessed_with": assessed}
            for name, status, assessed in ((ended, "accepted", 2), (waits, "pending", None))
            for attempt, by in enumerate(("openai", IMPORTED))
        ] + [{"question_id": unassessed, "attempt": 0, "provider": "openai", "status": "accepted",
              "assessed_with": None}])  # fmt: skip
        for letter, style in (("I", "instruct"), ("C", "complete"), ("O", "online_judge")):
            copy_rows(connection, Triplet, [
                {"triplet_id": f"{name}_{letter}", "question_id": name, "subset": "Leetcode", "style": style,
                 "provider": IMPORTED if letter == "O" else "openai",
                 "source_triplet_id": None if letter == "I" else f"{name}_I",
                 "status": "pending" if letter != "I" and name == waits else "accepted",
                 "question": "Add.", "solution": "s", "test": "t", "test_info": []}
                for name in (ended, waits)
            ])  # fmt: skip
        copy_rows(connection, Response, [
            {"triplet_id": f"{ended}_I", "attempt": 0, "status": "accepted", **wrote},
            {"triplet_id": f"{waits}_I", "attempt": 0, "status": "pending", **wrote},
        ])  # fmt: skip


@pytest.mark.parametrize("stage", list(ROWS_OF))
def test_a_shard_whose_worker_was_lost_after_its_last_row_is_closed_by_the_next_run(
    database: Engine, stage: str
) -> None:
    rows_of_all_stages(database)
    begun(database)
    ended, open_row = ROWS_OF[stage]
    plan(database, "a", stage, {"by": "another version"}, [ended, open_row], 1)
    for _ in range(2):
        claim(database, "a", 3600)

    async def main() -> None:
        async with recorded_run("verify", {}, None):
            assert await work_through(stage, Work(), list) == 0

    def stored() -> list[Any]:
        with database.connect() as connection:
            query = "select status, rows, remaining from kodcode.shards order by shard_id"
            return [tuple(row) for row in connection.execute(text(query))]

    asyncio.run(main())
    assert [status for status, *_ in stored()] == ["leased", "leased"]  # a living run waits for them
    end_run(database, "a", "failed")
    asyncio.run(main())
    assert stored() == [("done", [], 0), ("leased", [open_row], None)]


def test_every_stage_knows_which_rows_are_open() -> None:
    assert STILL_OPEN.keys() == STAGES.keys() == ROWS_OF.keys()
