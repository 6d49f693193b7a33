"""One batch from its rows to its end: submitted once, looked for before it is submitted again, polled, collected.

    built (rows, leases) -> uploaded -> submitted -> collected, expired or failed

Every arrow is a commit. Whoever dies leaves rows, and the next process of this provider takes them over: what was only
built is free again, what may have been submitted is looked for at the provider, what was submitted is collected.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tasks.llm.batch import (
    Batch,
    BatchApi,
    BatchPolicy,
    BatchState,
    MemberStatus,
    Unanswered,
    is_results,
    read_results,
)
from tasks.llm.batch_ledger import BatchLedger, Fenced
from tasks.llm.ledger import Ledger, Paid, Want
from tasks.llm.prices import PriceTable
from tasks.llm.types import (
    Answer,
    BadAnswer,
    Completion,
    ProviderError,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
    Request,
)
from tasks.store import ArtifactStoreUnavailable

_STORED_AT_ONCE = 200

Outcome = Answer | Unanswered | BaseException
Result = TypeVar("Result")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Member:
    """A request for a batch: with its canonical form, and as a line of the batch's file."""

    want: Want
    canonical: str
    line: bytes


class Follower:
    """Takes batches to their ends. `settle` is told what became of each member, `count` what was paid for now; errors
    are everybody's whose outcome was not told: what providers raise, Fenced, StoreError."""

    def __init__(
        self,
        api: BatchApi,
        ledger: BatchLedger,
        ledger_of: Callable[[str | None], Ledger],
        prices: PriceTable,
        policy: BatchPolicy,
        settle: Callable[[str, Outcome], None],
        count: Callable[[Paid], None],
        threads: ThreadPoolExecutor,
    ) -> None:
        self._api = api
        self._ledger = ledger
        self._ledger_of = ledger_of
        self._prices = prices
        self._policy = policy
        self._settle = settle
        self._count = count
        self._threads = threads
        self.most_requests = api.most_requests  # less once the provider's queue had no room for so many

    async def begin(self, path: str, model: str, waiting: Sequence[Member]) -> None:
        """A new batch of requests whose leases this worker holds, to its end."""
        members = {one.want.request_hash: one for one in waiting}
        wants = [(one.want, one.canonical) for one in waiting]
        batch_id = str(uuid.uuid4())
        with self._ledger.following(batch_id):
            batch = await self._run(self._ledger.build, batch_id, path, model, wants)
            for lost in members.keys() - set(batch.hashes):
                self._settle(lost, Unanswered("Another worker has its lease.", counts=False))
            lines = [members[request_hash].line for request_hash in batch.hashes]
            try:
                file = await self._patiently(lambda: self._api.upload(batch, lines))
            except ProviderError as error:
                await self._end(batch, str(error))
                raise
            batch = await self._run(self._ledger.uploaded, batch, file)
            async with self._left_to_others(batch):
                name = await self._submitted(batch, lines)
                await self._follow(await self._run(self._ledger.submitted, batch, name))

    async def resume(self, batch: Batch) -> None:
        """A batch of a process that is gone, or that an error here ended the following of, to its end."""
        with self._ledger.following(batch.batch_id):
            await self._resume(batch)

    async def _resume(self, batch: Batch) -> None:
        name: str | None = None
        if batch.status == "uploaded":
            await asyncio.sleep(max(0.0, self._policy.settle_s - batch.age_s))
            async with self._left_to_others(batch):
                name = await self._locate(batch)
            if name is not None:
                batch = await self._run(self._ledger.submitted, batch, name)
        if batch.status != "submitted":
            await self._end(batch, "Its process ended, or an error came, before it was submitted.")
            for request_hash in batch.hashes:
                self._settle(request_hash, Unanswered("It was not submitted.", counts=False))
            return
        async with self._left_to_others(batch):
            await self._follow(batch)

    async def _submitted(self, batch: Batch, lines: Sequence[bytes]) -> str:
        """The id of the batch at the provider, which is asked to begin it once: after a failure that leaves open
        whether it began it is looked for first."""
        waits = Waits(self._policy)
        while True:
            try:
                return await self._api.submit(batch, lines)
            except RateLimited as error:
                await waits.after(error)
                continue
            except ProviderUnavailable as error:
                await waits.after(error)
            except ProviderError as error:
                await self._end(batch, str(error))
                raise
            await asyncio.sleep(self._policy.settle_s)
            name = await self._locate(batch)
            if name is not None:
                return name

    async def _locate(self, batch: Batch) -> str | None:
        """The id of a batch whose submission may have gone through; None where it has not."""
        wait_s = self._policy.first_poll_s
        while True:
            known = await self._run(self._ledger.known)
            search = await self._patiently(lambda known=known: self._api.find(batch, known))  # type: ignore[misc]
            if search.certain:
                return search.found
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, self._policy.longest_poll_s)

    async def _follow(self, batch: Batch) -> None:
        """Poll until the batch has ended, store its answers, tell those who wait."""
        begun, wait_s = time.monotonic() - batch.age_s, self._policy.first_poll_s
        late = cancelled = False
        while not (state := await self._patiently(lambda: self._api.state(batch))).ended:
            late = self._policy.mode != "batch" and time.monotonic() - begun > self._policy.wait_s
            if late and not cancelled:
                cancelled = await self._cancelled(batch)
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 1.5, self._policy.longest_poll_s)
        contents = [
            await self._patiently(lambda file=file: self._downloaded(batch, file))  # type: ignore[misc]
            for file in state.files
        ]
        outcomes, paid = await self._run(self._collect, batch, state, contents, time.monotonic() - begun)
        for one in paid:
            self._count(one)
        if state.queue_full:
            self.most_requests = max(1, len(batch.hashes) // 2)
            await asyncio.sleep(self._policy.longest_poll_s)
        for request_hash, outcome in outcomes.items():
            if isinstance(outcome, Unanswered) and late:
                outcome = replace(outcome, online=True)  # noqa: PLW2901
            self._settle(request_hash, outcome)

    async def _cancelled(self, batch: Batch) -> bool:
        """Whether the provider took the request to end early; it refuses where the batch has ended since the last
        look, which the next one shows."""
        try:
            await self._api.cancel(batch)
        except (ProviderUnavailable, ProviderRefused) as error:
            log.info("Batch %s could not be cancelled: %s", batch.provider_batch_id, error)
            return False
        return True

    async def _downloaded(self, batch: Batch, file: str) -> bytes:
        content = await self._api.download(batch, file)
        if not is_results(content):
            raise BadAnswer(f"The results of the batch {batch.provider_batch_id} are no JSON lines.")
        return content

    def _collect(
        self, batch: Batch, state: BatchState, contents: Iterable[bytes], latency_s: float
    ) -> tuple[dict[str, Outcome], list[Paid]]:
        """Store the answers in the results, close the batch; what became of each member, answers first, and what of it
        was not in the ledger before. Blocks."""
        members = self._ledger.requests(batch)
        found = read_results(contents, members, lambda line, raw: self._api.read(line, raw, batch.model))
        if found.report:
            log.warning("Batch %s has %s in its results.", batch.provider_batch_id, found.report)
        outcomes: dict[str, Outcome] = {}
        ledger = self._ledger_of(batch.run_id)  # its run's money, whoever collects
        fresh: list[Paid] = []
        names = sorted(found.completions)
        for start in range(0, len(names), _STORED_AT_ONCE):
            chunk = names[start : start + _STORED_AT_ONCE]
            paid = [self._paid(*members[name], name, found.completions[name], latency_s) for name in chunk]
            answers = ledger.store(paid)
            outcomes |= zip(chunk, answers, strict=True)
            fresh += [one for one, answer in zip(paid, answers, strict=True) if not answer.from_ledger]
        for name, problem in found.problems.items():
            if state.error is not None:
                outcomes[name] = state.error
            elif state.status == "failed":
                smaller = state.queue_full and len(members) > 1
                outcomes[name] = Unanswered(state.problem or "The batch failed.", counts=not smaller)
            else:
                outcomes[name] = problem
        rows = {name: _row(outcome) for name, outcome in outcomes.items()}
        try:
            self._ledger.end(batch, state.status, state.problem or found.report, rows)
        except Fenced:  # the answers are stored, and the rest is for another to say
            again = Unanswered("Another worker follows the batch.", counts=False)
            outcomes |= {name: again for name, outcome in outcomes.items() if not isinstance(outcome, Answer)}
        return outcomes, fresh

    def _paid(
        self, request: Request, canonical: str, request_hash: str, completion: Completion, latency_s: float
    ) -> Paid:
        cost_usd = self._prices.price_of(request).cost_usd(completion.usage, batched=True)
        return Paid(request, request_hash, canonical, completion, cost_usd, latency_s)

    async def _end(self, batch: Batch, problem: str) -> None:
        """Close a batch of which nothing was submitted."""
        await self._run(self._ledger.end, batch, "failed", problem)

    @contextlib.asynccontextmanager
    async def _left_to_others(self, batch: Batch) -> AsyncIterator[None]:
        """Where the provider or the artifact store gives no hope, or the run is misconfigured, the batch waits for who
        comes next. Where the ledger gives none, that cannot be said: the lane looks for the batch again."""
        try:
            yield
        except (ProviderError, ArtifactStoreUnavailable):
            with contextlib.suppress(Fenced):  # or it was closed
                await self._run(self._ledger.let_go, batch)
            raise

    async def _patiently(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Try as long as the provider may come back. Raises what `call` does."""
        waits = Waits(self._policy)
        while True:
            try:
                return await call()
            except ProviderUnavailable as error:
                await waits.after(error)

    async def _run(self, work: Callable[..., Result], *arguments: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)


class Waits:
    """The pauses between tries of one call: as long as the provider asks, or longer each time."""

    def __init__(self, policy: BatchPolicy) -> None:
        self._policy = policy
        self._next_s = policy.first_retry_s
        self._begun = time.monotonic()

    async def after(self, error: ProviderUnavailable) -> None:
        """Wait for the next try. Raises `error` once there is no patience left."""
        asked_s = error.retry_after_s if error.retry_after_s is not None else 0.0
        wait_s = max(self._next_s, asked_s) if asked_s <= self._policy.patience_s else self._policy.patience_s
        if time.monotonic() + wait_s - self._begun > self._policy.patience_s:
            raise error
        self._next_s = min(self._next_s * 2, self._policy.longest_retry_s)
        await asyncio.sleep(wait_s)


def _row(outcome: Outcome) -> tuple[MemberStatus, str | None]:
    """A member's outcome as its row says it."""
    if isinstance(outcome, Answer):
        return "answered", None
    if isinstance(outcome, Unanswered):
        return outcome.status, outcome.why
    return "refused" if isinstance(outcome, ProviderRefused) else "failed", str(outcome)
