"""One request until it has an answer or there is no hope for it: which failures are worth another try, and when."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from tasks.llm.limiter import Limiter
from tasks.llm.types import (
    Answer,
    BadAnswer,
    Completion,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to try. Failures while the whole provider is down are the breaker's to count, not the request's."""

    failures: int = 4  # no connection, 5xx, timeouts
    bad_answers: int = 1  # may have been paid for
    deadline_s: float = 3600.0  # 429s do not count, but this long a request waits for its turn to be kept
    longest_retry_after_s: float = 120.0  # who asks for more has no quota left, and is not waited for
    first_s: float = 0.5
    longest_s: float = 8.0


async def ask_patiently(
    limiter: Limiter,
    send: Callable[[], Awaitable[Completion]],
    keep: Callable[[Completion, float], Awaitable[Answer]],
    count_failure: Callable[[ProviderUnavailable], None],
    check: Callable[[], None],
    patience: Patience = Patience(),
) -> Answer:
    """`send` in turn until there is an answer and `keep` it, seconds of the last try beside it.

    `check`, called before and after a try, raises where asking has become pointless. The turn is held until the answer
    is kept, so that a crash loses no more than the requests in flight.

    Raises what `send` (`Provider.complete`) raises, once another try is not worth it, and what `keep` raises.
    """
    begun = time.monotonic()
    tries = failures = bad_answers = 0
    while True:
        async with limiter.turn(retry=tries > 0) as turn:
            check()
            started = time.monotonic()
            try:
                completion = await send()
            except RateLimited as limited:
                limiter.limited(turn, _sane(limited.retry_after_s, patience))
                error: ProviderUnavailable = limited
            except ProviderUnavailable as broken:
                down = limiter.breaker.opened_at is not None
                limiter.failed(str(broken))
                bad_answers += isinstance(broken, BadAnswer)
                failures += not down
                error = broken
            except ProviderError:
                limiter.answered(0.0)
                raise
            else:
                limiter.answered(completion.pause_s)
                return await keep(replace(completion, retries=tries), time.monotonic() - started)
        count_failure(error)
        check()
        tries += 1
        waited_s = time.monotonic() - begun
        wait_s = error.retry_after_s
        if (
            failures > patience.failures
            or bad_answers > patience.bad_answers
            or waited_s > patience.deadline_s
            or (wait_s is not None and not wait_s <= patience.longest_retry_after_s)
        ):
            raise error
        if wait_s is None:
            wait_s = min(patience.first_s * 2 ** min(tries - 1, 10), patience.longest_s)
        # Spread, so that those who failed together do not come back together.
        await asyncio.sleep(max(wait_s, 0.0) * random.uniform(1.0, 1.25))  # noqa: S311 (no secret)


def _sane(retry_after_s: float | None, patience: Patience) -> float | None:
    """What the others wait too: a day of patience is this request's to give up on, not theirs to sit through."""
    if retry_after_s is None or not 0 < retry_after_s <= patience.longest_retry_after_s:
        return None
    return retry_after_s
