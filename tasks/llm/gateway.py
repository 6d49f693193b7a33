"""The gateway: the one way to ask a model. Nothing that is in the ledger is paid again, nothing paid is lost."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from types import TracebackType

from sqlalchemy import Engine

from tasks.llm.grouping import Grouped
from tasks.llm.ledger import Ledger, LedgerError, Paid
from tasks.llm.prices import PriceTable
from tasks.llm.types import (
    Answer,
    Provider,
    ProviderMisconfigured,
    ProviderRefused,
    Request,
)
from tasks.llm.wire import printable
from tasks.store import ArtifactStore, ArtifactStoreUnavailable


@dataclass(frozen=True, slots=True)
class Progress:
    """What a gateway did so far. An ask ends in `from_ledger`, `joined`, `paid` or `failed`, or is under way."""

    asked: int = 0
    from_ledger: int = 0
    joined: int = 0  # the same request was in flight already: one call served both
    paid: int = 0
    failed: int = 0
    in_flight: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0  # paid answers whose price is not known: cost_usd lacks them


@dataclass(slots=True)
class _Flight:
    task: asyncio.Task[Answer]
    waiting: int = 0


class Gateway:
    """Asks one provider, on one event loop, through the ledger.

    `max_concurrency` bounds the requests in flight, and so what a killed process may have paid for nothing. Use it as
    an async context manager, or `close` it.
    """

    def __init__(
        self,
        engine: Engine,
        artifacts: ArtifactStore,
        provider: Provider,
        prices: PriceTable,
        run_id: str | None = None,
        max_concurrency: int = 32,
    ) -> None:
        self.provider = provider
        self._prices = prices
        self._slots = asyncio.Semaphore(max_concurrency)
        self._misconfigured: ProviderMisconfigured | None = None
        self._flights: dict[str, _Flight] = {}
        ledger = Ledger(engine, artifacts, run_id)
        outages = (LedgerError, ArtifactStoreUnavailable)
        self._find = Grouped(ledger.find, "ledger-find", shared=outages)
        self._store = Grouped(ledger.store, "ledger-store", shared=outages)
        self._progress = Progress()

    @property
    def has_completions(self) -> bool:
        """Whether the provider takes a raw prompt."""
        return self.provider.has_completions

    @property
    def progress(self) -> Progress:
        return self._progress

    async def ask(self, request: Request) -> Answer:
        """The answer to `request`: the ledger's, or a new one that is in the ledger by the time it is returned.

        Raises ProviderUnavailable (try again later), ProviderRefused (this request never), ProviderMisconfigured (no
        request; from then on every ask fails so, at once), StoreError where the ledger cannot be read or written.
        """
        if request.provider != self.provider.name:
            raise ValueError(f"This gateway asks {self.provider.name!r}; the request is for {request.provider!r}.")
        self._count(asked=1)
        request_hash = request.hash
        flight = self._flights.get(request_hash)
        joined = flight is not None
        if flight is None:
            flight = _Flight(asyncio.create_task(self._answer(request, request_hash)))
            self._flights[request_hash] = flight
        flight.waiting += 1
        try:
            # Shielded, for others may wait for the same call.
            answer = await asyncio.shield(flight.task)
        except Exception:
            self._count(failed=1)
            raise
        except asyncio.CancelledError:
            self._count(failed=1)
            if flight.waiting == 1:
                flight.task.cancel()
            raise
        finally:
            flight.waiting -= 1
            if (flight.waiting == 0 or flight.task.done()) and self._flights.get(request_hash) is flight:
                del self._flights[request_hash]
        if joined:
            answer = replace(answer, from_ledger=True)
            self._count(joined=1)
        else:
            self._count(**{"from_ledger" if answer.from_ledger else "paid": 1})
        if answer.finish_reason == "content_filter":
            # Paid for and stored, so never paid again; but no answer.
            raise ProviderRefused(f"The model refused: {printable(answer.text) or 'its filter left no text.'}")
        return answer

    async def close(self) -> None:
        """Wait for what is being stored, then close the provider. Twice is no harm."""
        await asyncio.to_thread(self._store.close)
        await asyncio.to_thread(self._find.close)
        await self.provider.close()

    async def __aenter__(self) -> Gateway:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _answer(self, request: Request, request_hash: str) -> Answer:
        self._stop_if_misconfigured()
        stored = await self._find(request_hash)
        if stored is not None:
            return stored
        # The slot is held until the answer is stored: what a crash can lose is bounded by the requests in flight.
        async with self._slots:
            self._stop_if_misconfigured()
            self._count(in_flight=1)
            try:
                return await self._pay(request, request_hash)
            except ProviderMisconfigured as error:
                self._misconfigured = error
                raise
            finally:
                self._count(in_flight=-1)

    async def _pay(self, request: Request, request_hash: str) -> Answer:
        started = time.perf_counter()
        completion = await self.provider.complete(request)
        latency_s = time.perf_counter() - started
        cost_usd = self._prices.cost_usd(request.provider, request.model, completion.usage)
        self._count(
            retries=completion.retries,
            input_tokens=completion.usage.input_tokens,
            output_tokens=completion.usage.output_tokens,
            cost_usd=cost_usd or Decimal(0),
            unpriced=int(cost_usd is None),
        )
        answer = await self._store(Paid(request, request_hash, completion, cost_usd, latency_s))
        # Another process may have been first, and its answer counts; paid was this one too.
        return replace(answer, from_ledger=False)

    def _stop_if_misconfigured(self) -> None:
        """Every other request would fail the same way, some of them slowly."""
        if self._misconfigured is not None:
            raise ProviderMisconfigured(str(self._misconfigured))

    def _count(self, **more: int | Decimal) -> None:
        self._progress = replace(
            self._progress, **{name: getattr(self._progress, name) + value for name, value in more.items()}
        )
