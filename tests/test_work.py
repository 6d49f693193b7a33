"""How a stage works through its rows when it is stopped."""

from __future__ import annotations

import asyncio

import pytest

from tasks.llm import BatchUnanswered, BudgetReached, ProviderMisconfigured, ProviderUnavailable
from tasks.work import DOWN_AFTER, Ending, ProviderDown, drain


@pytest.mark.parametrize("reason", [BudgetReached("no room", "run"), ProviderMisconfigured("no credit")])
def test_rows_under_way_are_finished_before_the_stop_is_told_and_none_is_begun(reason: Exception) -> None:
    begun: list[str] = []
    finished: list[str] = []

    async def work() -> None:
        both, stopped = asyncio.Event(), asyncio.Event()

        async def handle(row: str) -> Ending:
            begun.append(row)
            if row == "stops":
                await both.wait()
                asyncio.get_running_loop().call_soon(stopped.set)
                raise reason
            both.set()
            await stopped.wait()
            await asyncio.sleep(0)  # a turn of the loop later than whoever would cancel it
            finished.append(row)
            return Ending("accepted")

        async def mark(row: str, ending: Ending) -> None:
            raise AssertionError((row, ending))

        await drain(["stops", "paid", "never begun"], handle, mark, lambda: None, limit=2)

    with pytest.raises(type(reason)) as told:
        asyncio.run(work())
    assert told.value is reason
    assert begun == ["stops", "paid"]
    assert finished == ["paid"]


@pytest.mark.parametrize(("failure", "down"), [(ProviderUnavailable("no"), True), (BatchUnanswered("no"), False)])
def test_requests_that_batches_left_over_do_not_make_the_provider_look_down(failure: Exception, down: bool) -> None:
    async def handle(row: int) -> Ending:
        raise failure

    async def mark(row: int, ending: Ending) -> None:
        assert ending.reason == "provider_unavailable"

    work = drain(range(DOWN_AFTER + 1), handle, mark, lambda: None, limit=1)
    if down:
        with pytest.raises(ProviderDown):
            asyncio.run(work)
    else:
        assert asyncio.run(work) == {"failed": DOWN_AFTER + 1}
