"""What the models are doing right now, in one line."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal

from tasks.llm import Progress as Asked

# Tokens a second are the mean of so long.
_RATE_S = 10.0


class Meter:
    """One line on the models: in flight and limit, in batches, tokens a second, dollars so far and expected. Empty
    without calls."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: Callable[[], Asked] | None = None
        self._expected: Decimal | None = None
        self._tokens: deque[tuple[float, int]] = deque()

    def watch(self, asked: Callable[[], Asked]) -> None:
        self._asked = asked

    def expect(self, usd: Decimal | None) -> None:
        self._expected = usd

    def __str__(self) -> str:
        asked = self._asked() if self._asked is not None else Asked()
        now = self._clock()
        self._tokens.append((now, asked.output_tokens))
        while len(self._tokens) > 2 and now - self._tokens[1][0] >= _RATE_S:
            self._tokens.popleft()
        if not asked.paid and not asked.in_flight and not asked.in_batches:
            return ""
        since, before = self._tokens[0]
        rate = (asked.output_tokens - before) / (now - since) if now > since else 0.0
        expected = "" if self._expected is None else f" of about ${self._expected:,.2f}"
        parts = [f"{asked.in_flight} of {asked.limit} in flight"] if asked.limit else []
        parts += [f"{asked.in_batches:,} in batches"] if asked.in_batches else []
        return ", ".join((*parts, f"{rate:,.0f} tokens/s", f"${asked.cost_usd:,.2f}{expected}"))
