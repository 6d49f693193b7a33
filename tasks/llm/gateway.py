"""The gateway: the one way to ask a model. Nothing that is in the ledger is paid again, nothing paid is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import TracebackType

from sqlalchemy import Engine

from tasks.llm.batch import BatchPolicy
from tasks.llm.batch_lane import Lane
from tasks.llm.budget import Budget, Cap
from tasks.llm.grouping import Grouped
from tasks.llm.ledger import Claim, Ledger, LedgerError, Paid, Want
from tasks.llm.limiter import Limiter
from tasks.llm.prices import PriceTable
from tasks.llm.retry import ask_patiently
from tasks.llm.shared_limit import SharedLimit
from tasks.llm.telemetry import Telemetry
from tasks.llm.types import (
    Answer,
    BudgetReached,
    Completion,
    Provider,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    Request,
    hash_of,
)
from tasks.llm.wire import printable
from tasks.llm.workers import Worker
from tasks.store import ArtifactStore, ArtifactStoreUnavailable

# How often those look again who wait for another's call, or for money that is reserved for calls in flight.
_LOOK_AGAIN_S = (0.05, 2.0)
# What was sent will be charged, wanted or not: so long its answer is waited for when all else ends.
GRACE_S = 60.0


@dataclass(slots=True)
class Progress:
    """What a gateway did so far. An ask ends in `from_ledger`, `joined`, `paid` or `failed`, or is under way."""

    asked: int = 0
    from_ledger: int = 0
    joined: int = 0  # the same request was in flight already: one call served both
    paid: int = 0
    failed: int = 0
    in_flight: int = 0
    limit: int = 0  # how many may be in flight now
    in_batches: int = 0  # gathering for one, or in one at the provider
    retries: int = 0
    limited: int = 0  # replies of 429
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)


@dataclass(slots=True, eq=False)
class _Flight:
    """A request under way. Where nobody waits any more it ends, unless it is `sent`: that is paid for, and lands."""

    task: asyncio.Task[Answer] = field(init=False)
    waiting: int = 0
    sent: bool = False


class Gateway:
    """Asks one provider, on one event loop, through the ledger.

    `max_concurrency` bounds the requests in flight, and so what a killed process may have paid for nothing; below it
    the limits that the provider shows are found and shared with other processes. `budget` caps what is spent,
    `batching` says what goes in batches. Use it as an async context manager, or `close` it.
    """

    def __init__(
        self,
        engine: Engine,
        artifacts: ArtifactStore,
        provider: Provider,
        prices: PriceTable,
        run_id: str | None = None,
        max_concurrency: int = 32,
        budget: Budget = Budget(),  # noqa: B008 (frozen)
        batching: BatchPolicy = BatchPolicy(),  # noqa: B008 (frozen)
        telemetry: Telemetry | None = None,
    ) -> None:
        self.provider = provider
        self._engine = engine
        self._prices = prices
        self._budget = budget
        self._telemetry = telemetry or Telemetry()
        self._max_concurrency = max_concurrency
        # Twice as many may have a lease as are in flight: some wait for their next try, and others go ahead.
        self._slots = asyncio.Semaphore(2 * max_concurrency)
        self._misconfigured: ProviderMisconfigured | None = None
        self._flights: dict[str, _Flight] = {}
        self._worker = Worker(engine, run_id)
        self._begun: asyncio.Task[None] | None = None
        ledger = Ledger(engine, artifacts, self._worker.worker_id, run_id, budget)
        outages = (LedgerError, ArtifactStoreUnavailable)
        self._claim = Grouped(ledger.claim, "ledger-claim", shared=outages)
        self._store = Grouped(ledger.store, "ledger-store", shared=outages)
        self._release = Grouped(ledger.release, "ledger-release", shared=outages)
        self._limiters: dict[str, Limiter] = {}
        self._sharing = ThreadPoolExecutor(1, thread_name_prefix="llm-limits")
        self._progress = Progress()
        self._lane = Lane(
            engine,
            artifacts,
            self._worker.worker_id,
            run_id,
            provider,
            prices,
            batching,
            self._release,
            self._count,
        )
        # Thousands of requests may wait for a batch, and for hours.
        self._look_again_s = (_LOOK_AGAIN_S[0], _LOOK_AGAIN_S[1] if batching.mode == "online" else batching.look_s)

    @property
    def has_completions(self) -> bool:
        """Whether the provider takes a raw prompt."""
        return self.provider.has_completions

    @property
    def progress(self) -> Progress:
        """A copy of the counts."""
        limiters = list(self._limiters.values())
        return replace(
            self._progress,
            in_flight=sum(limiter.in_flight for limiter in limiters),
            limit=sum(limiter.limit for limiter in limiters),
            in_batches=self._lane.waiting,
        )

    async def ask(self, request: Request) -> Answer:
        """The answer to `request`: the ledger's, or a new one that is in the ledger by the time it is returned.

        A cancelled ask leaves a call that was sent to land in the ledger; what was not sent yet is given up.

        Raises ProviderUnavailable (try again later), ProviderRefused (this request never), ProviderMisconfigured (no
        request; from then on every ask fails so, at once), BudgetReached (a cap has no room for it), StoreError where
        the ledger cannot be read or written.
        """
        if request.provider != self.provider.name:
            raise ValueError(f"This gateway asks {self.provider.name!r}; the request is for {request.provider!r}.")
        self._progress.asked += 1
        canonical = request.canonical()
        request_hash = hash_of(canonical)
        while (flight := self._flights.get(request_hash)) is not None and flight.task.cancelling():
            await asyncio.wait([flight.task])  # until it has given up its lease too
        joined = flight is not None
        if flight is None:
            flight = self._flights[request_hash] = _Flight()
            flight.task = asyncio.create_task(self._answer(flight, request, request_hash, canonical))
            flight.task.add_done_callback(lambda task: self._landed(request_hash, task))
        flight.waiting += 1
        try:
            # Shielded, for others may wait for the same call.
            answer = await asyncio.shield(flight.task)
        except Exception:  # counted, whatever it is, and raised
            self._progress.failed += 1
            raise
        except asyncio.CancelledError:
            self._progress.failed += 1
            if flight.waiting == 1 and not flight.sent:
                flight.task.cancel()
            raise
        finally:
            flight.waiting -= 1
        if joined:
            answer = replace(answer, from_ledger=True)
            self._progress.joined += 1
        elif answer.from_ledger:
            self._progress.from_ledger += 1
        else:
            self._progress.paid += 1
        if answer.finish_reason == "content_filter":
            # Paid for and stored, so never paid again; but no answer.
            raise ProviderRefused(f"The model refused: {printable(answer.text) or 'its filter left no text.'}")
        return answer

    async def close(self, grace_s: float = GRACE_S) -> None:
        """Wait up to `grace_s` for the calls in flight, then for what is being stored; leave the ledger's workers and
        close the provider. Twice is no harm."""
        try:
            await self._lane.close()  # what waits there goes on at the provider
            flying = {flight.task for flight in self._flights.values() if not flight.task.done()}
            late = (await asyncio.wait(flying, timeout=grace_s))[1] if flying else flying
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
            for limiter in self._limiters.values():
                await limiter.close()
            for grouped in (self._store, self._claim, self._release):
                await asyncio.to_thread(grouped.close)
            await asyncio.to_thread(self._sharing.shutdown)
            await asyncio.to_thread(self._worker.end)
        finally:
            self._worker.hush()  # for whoever is stopped once more while it waits
        await self.provider.close()

    async def __aenter__(self) -> Gateway:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _answer(self, flight: _Flight, request: Request, request_hash: str, canonical: str) -> Answer:
        if self._begun is None or (self._begun.done() and self._begun.exception() is not None):
            self._begun = asyncio.create_task(asyncio.to_thread(self._worker.begin))
        await asyncio.shield(self._begun)
        await self._lane.adopt()
        look_again_s, longest_s = self._look_again_s
        way = self._lane.way(request_hash)
        try:
            price = self._prices.price_of(request)
            while True:
                if (answer := await way.answer()) is not None:
                    return answer
                batched = way.batched
                most_usd = price.highest_usd(request, batched=batched) if self._budget else Decimal(0)
                want = Want(request, request_hash, most_usd)
                async with self._slots:
                    self._stop_if_misconfigured()
                    claim = await self._claimed(want)
                    if claim.kind == "leased" and not batched:
                        return await self._leased(flight, want, canonical)
                if claim.kind == "leased":
                    await self._lane.add(want, canonical)
                    continue
                if claim.answer is not None:
                    return claim.answer
                if claim.kind == "over" and claim.cap is not None:
                    raise BudgetReached(_over(claim.cap, want), claim.cap.name)
                if claim.kind == "held":
                    await self._lane.held(request_hash)
                # Another's call decides: an answer that is on its way, or what it leaves of the money reserved for it.
                await asyncio.sleep(look_again_s * random.uniform(0.7, 1.3))  # noqa: S311 (no secret)
                look_again_s = min(look_again_s * 1.5, longest_s)
        except ProviderMisconfigured as error:
            self._misconfigured = error
            raise

    async def _claimed(self, want: Want) -> Claim:
        """What becomes of the want. Who is cancelled meanwhile leaves no lease behind that would hold as long as this
        process lives: nobody else here waits for it, or the flight would not be cancelled."""
        claiming = asyncio.ensure_future(self._claim(want))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            with contextlib.suppress(LedgerError):  # told to nobody, for all have gone
                if (await claiming).kind == "leased":
                    await self._release(want.request_hash)
            raise

    async def _leased(self, flight: _Flight, want: Want, canonical: str) -> Answer:
        """Ask what is leased, and store the answer or give up the lease."""
        handed_over = False

        async def send() -> Completion:
            flight.sent = True
            try:
                with self._telemetry.call(want.request, want.request_hash) as span:
                    completion = await self.provider.complete(want.request)
                    self._telemetry.completed(span, completion)
                    return completion
            finally:
                flight.sent = False

        def check() -> None:
            if not flight.waiting:
                flight.task.cancel()  # it failed after all had gone who wanted it: no further try
            self._stop_if_misconfigured()

        async def keep(completion: Completion, latency_s: float) -> Answer:
            nonlocal handed_over
            handed_over = True
            return await self._keep(want, canonical, completion, latency_s)

        try:
            limiter = self._limiter(want.request.model)
            return await ask_patiently(limiter, send, keep, self._count_failure, check)
        except ProviderMisconfigured as error:
            self._misconfigured = error  # before anything is awaited: the next request may have its turn by then
            raise
        finally:
            if not handed_over:
                await self._release(want.request_hash)

    async def _keep(self, want: Want, canonical: str, completion: Completion, latency_s: float) -> Answer:
        cost_usd = self._prices.price_of(want.request).cost_usd(completion.usage)
        paid = Paid(want.request, want.request_hash, canonical, completion, cost_usd, latency_s)
        self._count(paid)
        self._telemetry.answered(want.request, latency_s)
        answer = await self._store(paid)
        # Another process may have been first, and its answer counts; paid was this one too.
        return replace(answer, from_ledger=False)

    def _limiter(self, model: str) -> Limiter:
        if model not in self._limiters:
            endpoint = getattr(self.provider, "endpoint", None)
            exchange = SharedLimit(self._engine, endpoint.shown, model, self._sharing) if endpoint else None
            self._limiters[model] = Limiter(self._worker.worker_id, self._max_concurrency, exchange)
        return self._limiters[model]

    def _landed(self, request_hash: str, task: asyncio.Task[Answer]) -> None:
        del self._flights[request_hash]
        if not task.cancelled():
            task.exception()  # seen: whoever waited has it too

    def _count(self, paid: Paid) -> None:
        usage = paid.completion.usage
        self._progress.input_tokens += usage.input_tokens
        self._progress.output_tokens += usage.output_tokens
        self._progress.cost_usd += paid.cost_usd
        self._telemetry.paid(paid.request, usage, paid.cost_usd)

    def _count_failure(self, error: ProviderUnavailable) -> None:
        self._progress.retries += 1
        self._progress.limited += isinstance(error, RateLimited)

    def _stop_if_misconfigured(self) -> None:
        """Every other request would fail the same way, some of them slowly."""
        if self._misconfigured is not None:
            raise type(self._misconfigured)(str(self._misconfigured))


def _over(cap: Cap, want: Want) -> str:
    where = {"run": "this run", "day": "today (UTC)"}.get(cap.name, cap.name)
    return (
        f"The budget of ${cap.usd} for {where} has no room for another answer, which may cost up to "
        f"${want.highest_usd:.4f}. What was answered is stored: to go on, raise "
        "the budget and run the same command again."
    )
