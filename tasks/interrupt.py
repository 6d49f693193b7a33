"""Ctrl-C in a program on an event loop: the first cancels it, another cancels what it then still waits for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
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
