"""Group work: single items from many coroutines become batches for one thread, so one transaction serves many."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Grouped(Generic[Item, Result]):
    """`await grouped(item)` for `work([item, ...]) -> [result, ...]`.

    While one batch is worked on, the next gathers, so batches grow with the load and a lone item waits for nothing.
    What was handed over is worked on whatever becomes of the event loop: a cancelled coroutine only stops waiting, and
    the interpreter does not exit before the thread is done. An error of a batch is everybody's where it is one of
    `shared`; else the items are tried one by one, so that a bad one does not fail its neighbours.
    """

    def __init__(
        self,
        work: Callable[[Sequence[Item]], Sequence[Result]],
        name: str,
        *,
        shared: tuple[type[Exception], ...] = (),
        largest: int = 250,
    ) -> None:
        self._work = work
        self._shared = shared
        self._largest = largest
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Item, asyncio.Future[Result]]] = deque()
        self._busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def __call__(self, item: Item) -> Result:
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        with self._lock:
            self._waiting.append((item, future))
            start, self._busy = not self._busy, True
        if start:
            self._thread.submit(self._run)
        return await future

    def close(self) -> None:
        """Wait for what was handed over. Blocks."""
        self._thread.shutdown(wait=True)

    def _run(self) -> None:
        while True:
            with self._lock:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._largest))]
                if not batch:
                    self._busy = False
                    return
            self._settle(batch)

    def _settle(self, batch: Sequence[tuple[Item, asyncio.Future[Result]]]) -> None:
        futures = [future for _, future in batch]
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            if len(batch) > 1 and not isinstance(error, self._shared):
                for single in batch:
                    self._settle([single])
                return
            _deliver(futures, [error] * len(futures))
        else:
            _deliver(futures, results)


def _deliver(futures: Sequence[asyncio.Future[Result]], results: Sequence[Result | Exception]) -> None:
    """Wake those who wait, once for each loop and not once for each of them: a wake-up is a system call."""

    def settle(pairs: Sequence[tuple[asyncio.Future[Result], Result | Exception]]) -> None:
        for future, result in pairs:
            if future.done():
                continue  # cancelled: nobody waits any more
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Result], Result | Exception]]] = {}
    for future, result in zip(futures, results, strict=True):
        by_loop.setdefault(future.get_loop(), []).append((future, result))
    for loop, pairs in by_loop.items():
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            loop.call_soon_threadsafe(settle, pairs)
