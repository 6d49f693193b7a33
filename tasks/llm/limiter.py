"""Turns at one model: a request starts when concurrency, rate, pauses and the breaker allow it; retries take part."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace

from tasks.llm.breaker import Breaker
from tasks.llm.rate import Allowance, Report, State, advance
from tasks.llm.types import ProviderUnavailable

SYNC_S = 0.25
_TOLERANCE_S = 0.05  # starts may be so early: timers are coarse, and a rate is an average
FIRST_CONCURRENCY = 100  # doubled at every round trip: a server may not like a thousand connections at once

# Takes a report to where all workers' reports meet and brings back what this one may do.
Exchange = Callable[[Report], Awaitable[Allowance]]


@dataclass(slots=True)
class Turn:
    """The right to send one request, and what became of it."""

    cuts: int


class Limiter:
    """One model's turns in this process. `exchange` shares the limits with other processes; None: they are its own."""

    def __init__(
        self, worker_id: str, max_concurrency: int, exchange: Exchange | None = None, breaker: Breaker | None = None
    ) -> None:
        self.breaker = breaker or Breaker()
        self.in_flight = 0
        self._allowance = Allowance(max_concurrency, None, 0.0)
        self._report = Report(worker_id, max_concurrency=max_concurrency)
        self._exchange = exchange or self._alone
        self._state = State()
        self._window = min(FIRST_CONCURRENCY, max_concurrency)
        self._fresh: deque[asyncio.Future[None]] = deque()
        self._again: deque[asyncio.Future[None]] = deque()
        self._next_start = 0.0
        self._paused_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    @property
    def limit(self) -> int:
        """Requests that may be in flight now."""
        return min(self._window, self._allowance.concurrency)

    @property
    def waiting(self) -> int:
        return len(self._fresh) + len(self._again)

    @contextlib.asynccontextmanager
    async def turn(self, *, retry: bool = False) -> AsyncIterator[Turn]:
        """Wait for a turn. New requests and retries take turns with each other, so neither keeps the other waiting.

        Raises ProviderUnavailable once the breaker has given up.
        """
        await self._admitted(retry)
        self._sync()
        try:
            yield Turn(self._allowance.cuts)
        finally:
            self.in_flight -= 1
            self.breaker.left()
            self._pump()

    def answered(self, pause_s: float) -> None:
        """A reply came; `pause_s` is what its headers ask to wait."""
        self.breaker.answered()
        if self._window < self._report.max_concurrency:
            self._window += 1
        self._note(answered=1, pause_s=pause_s)

    def limited(self, turn: Turn, retry_after_s: float | None) -> None:
        """429: wait as long as the server says, and if this is news, slow down."""
        self.breaker.answered()
        news = turn.cuts == self._allowance.cuts
        self._note(accepted=-1, limited=int(news), pause_s=retry_after_s or 0.0)
        if news or retry_after_s:
            self._hurry.set()

    def failed(self, message: str) -> None:
        """The provider failed: no connection, 5xx, a timeout, nonsense."""
        self.breaker.failed(message, time.monotonic())
        self._pump()

    async def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._syncing is not None:
            self._syncing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._syncing

    async def _admitted(self, retry: bool) -> None:
        if not self.waiting and self._wait_s(time.monotonic()) == 0.0:
            self._start()
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        (self._again if retry else self._fresh).append(future)
        self._sync()
        self._pump()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.in_flight -= 1  # the turn had come already
                self.breaker.left()
                self._pump()
            raise

    def _start(self) -> None:
        self.in_flight += 1
        self._note(accepted=1)
        self.breaker.start()
        rate = self._allowance.rate
        if rate is not None:
            self._next_start = max(self._next_start, time.monotonic()) + 1.0 / rate

    def _wait_s(self, now: float) -> float | None:
        """Seconds until a turn can be given; None: when a request in flight ends."""
        if self.in_flight >= self.limit:
            return None
        wait_s = max(self._paused_until - now, self.breaker.wait_s(now), 0.0)
        if self._allowance.rate is not None:
            early_s = self._next_start - now
            wait_s = max(wait_s, early_s if early_s > _TOLERANCE_S else 0.0)
        return wait_s

    def _pump(self) -> None:
        """Give the turns that can be given now, and come back for the next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self.waiting:
            now = time.monotonic()
            despair = self.breaker.given_up(now)
            if despair is not None:
                for future in (*self._again, *self._fresh):
                    if not future.done():
                        future.set_exception(ProviderUnavailable(despair))
                self._again.clear()
                self._fresh.clear()
                return
            wait_s = self._wait_s(now)
            if wait_s is None:
                return
            if wait_s > 0:
                self._timer = asyncio.get_running_loop().call_later(wait_s, self._pump)
                return
            queue = self._again if self._again else self._fresh
            if self._again and self._fresh and self._turn_of_fresh:
                queue = self._fresh
            self._turn_of_fresh = queue is self._again
            future = queue.popleft()
            if not future.done():
                self._start()
                future.set_result(None)

    _turn_of_fresh = False

    def _note(self, accepted: int = 0, answered: int = 0, limited: int = 0, pause_s: float = 0.0) -> None:
        report = self._report
        self._report = replace(
            report, accepted=report.accepted + accepted, answered=report.answered + answered,
            limited=report.limited + limited, pause_s=max(report.pause_s, pause_s),
        )  # fmt: skip
        if pause_s > 0:
            self._paused_until = max(self._paused_until, time.monotonic() + pause_s)

    def _sync(self) -> None:
        if self._syncing is None or self._syncing.done():
            self._syncing = asyncio.create_task(self._keep_in_step())

    async def _keep_in_step(self) -> None:
        """Exchange reports while there is anything to do."""
        while self.in_flight or self.waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), SYNC_S)
            self._hurry.clear()
            report = replace(self._report, in_flight=self.in_flight, waiting=self.waiting)
            self._report = replace(report, accepted=0, answered=0, limited=0, pause_s=0.0)
            self._allowance = await self._exchange(report)
            now = time.monotonic()
            self._paused_until = max(self._paused_until, now + self._allowance.pause_s)
            if self._allowance.rate is not None:
                # A start that was put off at an old rate is not owed at the new one.
                self._next_start = min(self._next_start, now + 1.0 / self._allowance.rate)
            self._pump()

    async def _alone(self, report: Report) -> Allowance:
        self._state, allowance = advance(self._state, report, time.monotonic())
        return allowance
