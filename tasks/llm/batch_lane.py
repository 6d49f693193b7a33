"""The batch lane: where requests gather for a batch, and wait for what becomes of them in it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from tasks.llm.batch import BatchApi, BatchPolicy, Unanswered
from tasks.llm.batch_follow import Follower, Member, Outcome
from tasks.llm.batch_ledger import BatchLedger, Fenced
from tasks.llm.batch_wire import give_up
from tasks.llm.budget import Budget
from tasks.llm.ledger import Ledger, LedgerError, Paid, Want
from tasks.llm.prices import UNLIMITED_OUTPUT_TOKENS, PriceTable
from tasks.llm.transport import MAX_REPLY_BYTES
from tasks.llm.types import (
    Answer,
    BatchUnanswered,
    BatchUnsupported,
    Provider,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    Request,
)
from tasks.store import ArtifactStore

# Results come as one reply, so a batch is bounded by what they may come to: a token is about four bytes.
_TOKEN_BYTES, _ENVELOPE_BYTES = 4, 2000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Queue:
    """Requests that gather for one batch."""

    first_s: float
    last_s: float
    waiting: dict[str, Member] = field(default_factory=dict)
    line_bytes: int = 0
    reply_bytes: int = 0
    closing: asyncio.Task[None] | None = None


class Lane:
    """Batches of one provider. `release` gives up a lease, `count` is told of each answer that was paid for now.

    In mode `online` no batch is made, but what earlier runs left open is collected. Raises BatchUnsupported where
    batches are wanted of a provider that has none.
    """

    def __init__(
        self,
        engine: Engine,
        artifacts: ArtifactStore,
        worker_id: str,
        run_id: str | None,
        provider: Provider,
        prices: PriceTable,
        policy: BatchPolicy,
        release: Callable[[str], Awaitable[None]],
        count: Callable[[Paid], None],
    ) -> None:
        api: BatchApi | None = getattr(provider, "batches", None)
        if api is None and policy.mode == "batch":
            raise BatchUnsupported(f"The provider {provider.name!r} has no batch API. Ask with --mode online.")
        endpoint = getattr(provider, "endpoint", None)
        self._api = api
        self._policy = policy
        self._release = release
        self._off = api is None or policy.mode == "online"
        self._queues: dict[tuple[str, str], _Queue] = {}
        self._outcomes: dict[str, asyncio.Future[Outcome]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._adopting: asyncio.Task[None] | None = None
        self._adopted_s = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="llm-batches")
        self._ledger = BatchLedger(
            engine, artifacts, worker_id, run_id, provider.name, endpoint.shown if endpoint is not None else ""
        )

        def ledger_of(run_id: str | None) -> Ledger:
            return Ledger(engine, artifacts, worker_id, run_id, Budget())

        if api is not None:
            self._follower = Follower(api, self._ledger, ledger_of, prices, policy, self._settle, count, self._threads)

    @property
    def waiting(self) -> int:
        """Requests that gather, or are in a batch that this process follows."""
        return len(self._outcomes)

    def way(self, request_hash: str) -> Way:
        return Way(self, request_hash)

    def batched(self, tries: int, online: bool, why: str) -> bool:
        """Whether a request that `tries` batches left unanswered goes in another. Raises BatchUnanswered where it may
        not go online either."""
        if self._off:
            return False
        enough = online or tries >= self._policy.tries
        if enough and self._policy.mode == "batch":
            raise BatchUnanswered(f"{tries} batches ended without an answer to the request. {why}")
        return not enough

    async def adopt(self) -> None:
        """Take over the batches that dead processes, or errors here, left open. Called often, it looks seldom. Raises
        LedgerError."""
        if self._api is None:
            return
        last, now = self._adopting, time.monotonic()
        if last is None or (last.done() and (last.exception() or now - self._adopted_s > self._policy.look_s)):
            self._adopted_s = now
            self._adopting = last = asyncio.create_task(self._adopt())
        if not last.done():
            await asyncio.shield(last)

    async def held(self, request_hash: str) -> None:
        """Somebody holds the request: if that is a batch without a process, take it over. Raises ProviderMisconfigured
        where the batch is another server's, so that nobody would ever collect it."""
        await self.adopt()
        if request_hash in self._outcomes:
            return
        elsewhere = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._ledger.elsewhere, request_hash
        )
        if elsewhere is not None:
            batch_id, endpoint = elsewhere
            raise ProviderMisconfigured(
                f"Request {request_hash[:16]} is in a batch that an earlier run left at {endpoint}; it may be paid "
                f"for. Run with that provider and base URL to collect it, or give it up: {give_up(batch_id)}"
            )

    async def add(self, want: Want, canonical: str) -> None:
        """Let a request, whose lease this worker holds, gather with others. Raises what `BatchApi.line` does."""
        assert self._api is not None, "without a batch API nothing is batched"
        request = want.request
        try:
            line, key = self._api.line(request, want.request_hash), (self._api.path(request), request.model)
        except ProviderError:
            await self._release(want.request_hash)
            raise
        line_bytes, reply_bytes = len(line) + 1, _reply_bytes(request)
        queue = self._queues.get(key)
        if queue is not None and (
            queue.line_bytes + line_bytes > self._api.most_bytes or queue.reply_bytes + reply_bytes > MAX_REPLY_BYTES
        ):
            self._close_queue(key)
            queue = None
        now = time.monotonic()
        if queue is None:
            queue = self._queues[key] = _Queue(now, now)
            queue.closing = asyncio.create_task(self._gathered(key, queue))
        queue.waiting[want.request_hash] = Member(want, canonical, line)
        queue.line_bytes += line_bytes
        queue.reply_bytes += reply_bytes
        queue.last_s = now
        self._outcomes[want.request_hash] = asyncio.get_running_loop().create_future()
        if len(queue.waiting) >= self._follower.most_requests:
            self._close_queue(key)

    async def outcome(self, request_hash: str) -> Outcome | None:
        """What becomes of the request in this process's batches; None where it is in none."""
        future = self._outcomes.get(request_hash)
        if future is None:
            return None
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            for queue in self._queues.values():
                if queue.waiting.pop(request_hash, None) is not None:
                    del self._outcomes[request_hash]
                    await self._release(request_hash)
                    break
            raise

    async def close(self) -> None:
        """Stop following. What is under way stays with the provider, for the next process to collect."""
        closing = (queue.closing for queue in self._queues.values())
        tasks = {*self._tasks, *closing, self._adopting, self._looking} - {None}
        for task in tasks:
            task.cancel()  # type: ignore[union-attr]
        await asyncio.gather(*tasks, return_exceptions=True)  # type: ignore[arg-type]
        for future in self._outcomes.values():
            future.cancel()
        await asyncio.to_thread(self._threads.shutdown)  # what is being stored is stored

    async def _adopt(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            batches = await loop.run_in_executor(self._threads, self._ledger.adopt)
        except LedgerError:
            self._look_again()
            raise
        for batch in batches:
            for request_hash in batch.hashes:
                self._outcomes.setdefault(request_hash, loop.create_future())
            self._spawn(self._follower.resume(batch), batch.hashes)

    def _look_again(self) -> None:
        """Adopt once the database answers: a batch that names this process is nobody else's while it lives, and
        perhaps nobody asks here any more."""

        async def look() -> None:
            while True:
                await asyncio.sleep(self._policy.look_s)
                with contextlib.suppress(LedgerError):
                    return await self.adopt()

        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(look())

    async def _gathered(self, key: tuple[str, str], queue: _Queue) -> None:
        """Close the queue when no more come."""
        while True:
            due_s = min(queue.last_s + self._policy.gather_s, queue.first_s + self._policy.longest_gather_s)
            wait_s = due_s - time.monotonic()
            if wait_s <= 0:
                break
            await asyncio.sleep(wait_s)
        queue.closing = None  # it ends by itself
        self._close_queue(key)

    def _close_queue(self, key: tuple[str, str]) -> None:
        queue = self._queues.pop(key)
        if queue.closing is not None:
            queue.closing.cancel()
        members = list(queue.waiting.values())
        if members:
            least = min(self._policy.least, self._follower.most_requests) if self._policy.mode == "auto" else 1
            few = self._off or len(members) < least
            work = self._too_few(members) if few else self._follower.begin(*key, members)
            self._spawn(work, list(queue.waiting))

    async def _too_few(self, members: Sequence[Member]) -> None:
        # Released, for online they may cost more than was reserved.
        await asyncio.gather(*(self._release(member.want.request_hash) for member in members))
        for member in members:
            self._settle(member.want.request_hash, Unanswered("Too few for a batch.", counts=False, online=True))

    def _spawn(self, work: Coroutine[Any, Any, None], hashes: Sequence[str]) -> None:
        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                if isinstance(error, LedgerError):
                    self._look_again()
                outcome = self._outcome_of(error)
                for request_hash in hashes:
                    self._settle(request_hash, outcome)

        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(done)

    def _outcome_of(self, error: BaseException) -> Outcome:
        """What a batch that could not be gone on with means to its members."""
        if isinstance(error, Fenced):
            return Unanswered("Another worker follows the batch.", counts=False)
        log.warning("A batch was given up for now: %s", error)
        if isinstance(error, ProviderRefused):  # of the file, not of each request in it
            return Unanswered(str(error))
        if isinstance(error, BatchUnsupported) and self._policy.mode == "auto":
            self._off = True
            return Unanswered(str(error), counts=False, online=True)
        return error

    def _settle(self, request_hash: str, outcome: Outcome) -> None:
        future = self._outcomes.pop(request_hash, None)
        if future is not None and not future.done():
            future.set_result(outcome)


class Way:
    """One request's way: in batches as long as the policy says so, then online or not at all."""

    def __init__(self, lane: Lane, request_hash: str) -> None:
        self._lane = lane
        self._request_hash = request_hash
        self._tries = 0
        self._online = False
        self._why = ""

    @property
    def batched(self) -> bool:
        """How it goes on. Raises BatchUnanswered."""
        return self._lane.batched(self._tries, self._online, self._why)

    async def answer(self) -> Answer | None:
        """The answer out of the batch that it is in, once that has ended; None where it is in none, or has no answer.

        Raises what a provider does where the batch shows that the request fails whatever way it goes.
        """
        outcome = await self._lane.outcome(self._request_hash)
        if isinstance(outcome, BaseException):
            raise outcome.with_traceback(None)  # one error, many who wait
        if isinstance(outcome, Unanswered):
            self._tries += outcome.counts
            self._online = self._online or outcome.online
            self._why = outcome.why
            return None
        return outcome


def _reply_bytes(request: Request) -> int:
    return _TOKEN_BYTES * (request.sampling.max_tokens or UNLIMITED_OUTPUT_TOKENS) + _ENVELOPE_BYTES
