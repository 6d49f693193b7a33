"""How every stage works through its rows: side by side, each row ending in a status, infrastructure kept apart."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from tasks.llm import Progress as Asked
from tasks.llm.types import BatchUnanswered, BudgetReached, ProviderMisconfigured, ProviderRefused, ProviderUnavailable
from tasks.options import Models
from tasks.sandbox.types import Verdict, VerdictKind
from tasks.shards import LeaseLost

Row = TypeVar("Row")

# So many rows in a row without one answer, and the provider is taken to be down: the rest stays pending.
DOWN_AFTER = 10


class InfrastructureFailed(Exception):
    """The sandbox could not judge: says nothing about the program, the row stays retryable."""


class ProviderDown(Exception):
    """The provider answers nothing; what was stored is kept and the next run goes on from there."""


# What ends a run, not only a shard: every other row would fail the same way. The rows not reached stay pending.
ENDS_RUN: tuple[type[Exception], ...] = (BudgetReached, ProviderMisconfigured, ProviderDown)


class ShardStalled(InfrastructureFailed):
    """No row of a shard ended for so long that something must hang; what was stored is kept."""


class Work(BaseModel):
    """What is to be done with the rows of a shard: all that a worker elsewhere needs to know beside the three URLs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: Models | None = None  # assessing asks none
    subset: str | None = None  # of proposals
    solvers: tuple[str, ...] = ()  # of trials: the models by tier, cheapest first; the teacher where there are none
    tries: int = 3  # of conversions

    @property
    def asked(self) -> Models:
        """The models, of a stage that asks some."""
        if self.models is None:
            raise ValueError("this work names no models")
        return self.models


@dataclass(frozen=True, slots=True)
class Ending:
    """How a row leaves a stage; `reason` is a fixed word, `detail` a sentence for people."""

    status: str
    reason: str | None = None
    detail: str | None = None


class Progress(Protocol):
    """Whoever wants to show how far a stage is."""

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self, stage: str, count: int = 1) -> None: ...

    def say(self, message: str) -> None: ...

    def expect(self, usd: Decimal | None) -> None:
        """The whole is expected to cost so much; None: nobody knows."""

    def watch(self, asked: Callable[[], Asked]) -> None:
        """`asked` tells at any time what the run has asked of its models so far."""


class Silent:
    """No display."""

    def begin(self, stage: str, total: int) -> None:
        """Nothing to draw."""

    def advance(self, stage: str, count: int = 1) -> None:
        """Nothing to draw."""

    def say(self, message: str) -> None:
        """Nobody listens."""

    def expect(self, usd: Decimal | None) -> None:
        """Nobody asks."""

    def watch(self, asked: Callable[[], Asked]) -> None:
        """Nobody looks."""


def shards(rows: Sequence[Row], size: int) -> list[Sequence[Row]]:
    """Consecutive slices of at most `size` rows."""
    return [rows[start : start + size] for start in range(0, len(rows), size)]


async def drain(
    rows: Iterable[Row],
    handle: Callable[[Row], Awaitable[Ending]],
    mark: Callable[[Row, Ending], Awaitable[None]],
    done: Callable[[], None],
    limit: int,
) -> Counter[str]:
    """Handle the rows, at most `limit` at once, and count the statuses they ended with.

    `handle` stores its own accepted and rejected rows; what the provider or the sandbox did to a row is turned into an
    ending here and stored through `mark`. After a ProviderMisconfigured or BudgetReached no row is begun; those under
    way, whose answers may be paid for, are handled to their end before it is raised. Raises ProviderDown when the
    provider has answered nothing DOWN_AFTER times running, and LeaseLost where another has the shard. The rows not
    reached stay pending in each case.
    """
    counts: Counter[str] = Counter()
    queue = iter(rows)
    silent = 0
    stopped: ProviderMisconfigured | BudgetReached | None = None

    async def worker() -> None:
        nonlocal silent, stopped
        for row in queue:
            if stopped is not None:
                return
            try:
                ending = await handle(row)
                silent = 0
            except ProviderUnavailable as error:
                silent += not isinstance(error, BatchUnanswered)
                ending = Ending("failed", "provider_unavailable", str(error))
            except ProviderRefused as error:
                silent = 0
                ending = Ending("rejected", "refused", str(error))
            except InfrastructureFailed as error:
                ending = Ending("failed", "infrastructure", str(error))
            except (ProviderMisconfigured, BudgetReached) as error:
                stopped = stopped or error
                return
            else:
                counts[ending.status] += 1
                done()
                continue
            await mark(row, ending)
            counts[ending.status] += 1
            done()
            if silent >= DOWN_AFTER:
                raise ProviderDown(
                    f"The provider gave no answer {silent} times running; the last time: {ending.detail} "
                    "What was answered is stored. Run the same command again to continue."
                )

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(limit):
                group.create_task(worker())
    except* (ProviderDown, LeaseLost) as errors:
        raise first_error(errors) from None
    if stopped is not None:
        raise stopped
    return counts


def first_error(error: BaseException) -> BaseException:
    """The first error of a group, as deep as they are nested; another error itself."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def judged(verdict: Verdict) -> Verdict:
    """The verdict, if it is one. Raises InfrastructureFailed where the sandbox could not come to a verdict."""
    if verdict.kind is VerdictKind.INFRASTRUCTURE:
        raise InfrastructureFailed(verdict.message or "the sandbox came to no verdict")
    return verdict
