"""Group work: single items from many coroutines become batches for one thread, so one transaction serves many."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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
        largest: int = 100,
    ) -> None:
        self._work = work
        self._shared = shared
        self._largest = largest
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Item, Future[Result]]] = deque()
        self._busy = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)

    async def __call__(self, item: Item) -> Result:
        future: Future[Result] = Future()
        with self._lock:
            self._waiting.append((item, future))
            start, self._busy = not self._busy, True
        if start:
            self._thread.submit(self._run)
        return await asyncio.wrap_future(future)

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
            # An item that nobody waits for any more is worked on all the same; only its future stays cancelled.
            awaited = [(item, future if future.set_running_or_notify_cancel() else None) for item, future in batch]
            self._settle(awaited)

    def _settle(self, batch: Sequence[tuple[Item, Future[Result] | None]]) -> None:
        try:
            results = self._work([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to those who wait
            if len(batch) > 1 and not isinstance(error, self._shared):
                for single in batch:
                    self._settle([single])
                return
            for _, future in batch:
                if future is not None:
                    future.set_exception(error)
        else:
            for (_, future), result in zip(batch, results, strict=True):
                if future is not None:
                    future.set_result(result)
