"""SIGTERM cancels a program where it waits, and what was there before is there again."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tasks.interrupt import cancelled_by_sigterm


def test_sigterm_cancels_the_task_which_can_still_put_things_in_order() -> None:
    in_order = []
    before = signal.getsignal(signal.SIGTERM)

    async def main() -> None:
        with cancelled_by_sigterm() as came:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                in_order.append(came.is_set())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert in_order == [True]
    assert signal.getsignal(signal.SIGTERM) is before


def test_on_another_thread_nothing_changes() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async def main() -> bool:
        with cancelled_by_sigterm():
            return signal.getsignal(signal.SIGTERM) is before

    assert asyncio.run(asyncio.to_thread(asyncio.run, main()))
