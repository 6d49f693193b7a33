"""Prefect's global limits on a real server: made once, waited for, and free again when who held them is killed."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitUpdate
from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from tasks import drain
from tasks.slots import ASKING, EXECUTING, LIMIT, NEEDS, make_limits, slots
from tasks.solve import STAGE
from tasks.store import services
from tests.conftest import TIED
from tests.pipeline.conftest import embedded

__all__ = ["embedded"]

HOLDER = f"""
import asyncio
import contextlib
from tasks.slots import slots
async def main():
    async with slots({STAGE!r}, 60):
        print("held", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def server(embedded: services.Services) -> Iterator[str]:
    url = embedded.prefect_api_url
    assert url is not None
    embedded.wait()
    with temporary_settings({PREFECT_API_URL: url}):
        yield url


async def limit_of(name: str) -> tuple[int, int]:
    async with get_client() as client:
        found = await client.read_global_concurrency_limit_by_name(name)
        return found.limit, found.active_slots


async def change(name: str, limit: int) -> None:
    async with get_client() as client:
        await client.update_global_concurrency_limit(name, GlobalConcurrencyLimitUpdate(limit=limit))


async def holds() -> bool:
    async with slots(STAGE, 60):
        return True


def test_every_stage_that_workers_elsewhere_do_has_its_limits() -> None:
    assert set(NEEDS) == set(drain.STAGES)


def test_where_prefect_does_not_answer_work_goes_on() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        assert asyncio.run(asyncio.wait_for(holds(), 60))


@pytest.mark.slow
def test_limits_are_made_once_and_stay_as_somebody_set_them(server: str) -> None:
    async def main() -> None:
        assert await make_limits() == [ASKING, EXECUTING]
        await change(ASKING, 7)
        await make_limits()
        assert await limit_of(ASKING) == (7, 0)
        assert await limit_of(EXECUTING) == (LIMIT, 0)
        async with slots(STAGE, 60):
            assert (await limit_of(ASKING))[1] == (await limit_of(EXECUTING))[1] == 1
        assert (await limit_of(ASKING))[1] == (await limit_of(EXECUTING))[1] == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_limit_of_none_is_waited_for_and_the_other_is_not_held_meanwhile(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        await make_limits()
        await change(EXECUTING, 0)
        waiting = asyncio.create_task(holds())
        await asyncio.wait([waiting], timeout=2)
        assert not waiting.done()
        assert (await limit_of(ASKING))[1] == 0
        await change(EXECUTING, LIMIT)
        assert await asyncio.wait_for(waiting, 60)

    monkeypatch.setattr("tasks.slots._LOOK_AGAIN_S", 0.2)
    asyncio.run(main())


@pytest.mark.slow
def test_what_was_done_under_slots_stays_done_where_they_cannot_be_given_back(
    server: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        await make_limits()
        nowhere = {PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}
        with contextlib.ExitStack() as lost:
            async with slots(STAGE, 60):
                assert (await limit_of(ASKING))[1] == 1
                lost.enter_context(temporary_settings(nowhere))

    asyncio.run(main())
    assert "when their lease ends" in caplog.text


@pytest.mark.slow
def test_slots_of_a_killed_worker_are_free_when_their_lease_ends(server: str, tmp_path: Path) -> None:
    asyncio.run(make_limits())
    asyncio.run(change(EXECUTING, 1))
    environment = {"PREFECT_API_URL": server, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    holder = subprocess.Popen([*TIED, sys.executable, "-c", HOLDER], env=environment, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert asyncio.run(limit_of(EXECUTING))[1] == 1
    finally:
        holder.kill()
        holder.communicate()
    assert asyncio.run(asyncio.wait_for(holds(), 240))
    asyncio.run(change(EXECUTING, LIMIT))
