"""Ctrl-C and SIGTERM in a program on an event loop: they cancel it where it waits, instead of anywhere."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_interruptible(main: Coroutine[Any, Any, Result]) -> Result:
    """As `asyncio.run`. Raises KeyboardInterrupt once the coroutine has come to its end after a Ctrl-C.

    asyncio's own handler raises KeyboardInterrupt at the second Ctrl-C wherever the program happens to be, in the
    midst of starting a thread say, which is never joined then. Here each is delivered where the coroutine waits.
    """
    interrupted = False

    async def run() -> Result:
        task = asyncio.current_task()

        def interrupt() -> None:
            nonlocal interrupted
            interrupted = True
            if task is not None:
                task.cancel()

        asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
        return await main

    try:
        return asyncio.run(run())
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise


@contextlib.contextmanager
def cancelled_by_sigterm() -> Iterator[threading.Event]:
    """SIGTERM cancels the current task, so that what it holds is given back; the event tells that it came.

    Prefect's own handler raises wherever the program happens to be, and its workers send SIGTERM to cancel a run.
    Only the main thread gets signals: elsewhere nothing changes.
    """
    came = threading.Event()
    task = asyncio.current_task()
    if task is None or threading.current_thread() is not threading.main_thread():
        yield came
        return

    def cancel() -> None:
        came.set()
        task.cancel()

    loop, before = asyncio.get_running_loop(), signal.getsignal(signal.SIGTERM)
    loop.add_signal_handler(signal.SIGTERM, cancel)
    try:
        yield came
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        signal.signal(signal.SIGTERM, before)
