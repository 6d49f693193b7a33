"""What a run does right now, in a line: how far its stage is, and what the models are doing."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from decimal import Decimal

from tasks.llm import Progress as Asked

# Tokens a second, and rows, are the mean of so long.
_RATE_S = 10.0
_PACE_S = 60.0

STAGES = {
    "propose": "questions asked",
    "import": "rows read",
    "judge": "imported trials judged",
    "solve": "trials solved and judged",
    "assess": "questions assessed",
    "convert": "conversions proven",
    "prove": "imported conversions proven",
    "respond": "responses judged",
}


class Rate:
    """A growing count's increase a second, over the last `window_s` seconds that it was told."""

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self._told: deque[tuple[float, int]] = deque()

    def __call__(self, now: float, count: int) -> float:
        self._told.append((now, count))
        while len(self._told) > 2 and now - self._told[1][0] >= self._window_s:
            self._told.popleft()
        since, before = self._told[0]
        return (count - before) / (now - since) if now > since else 0.0


class Meter:
    """One line on the models: in flight and limit, in batches, answers, tokens a second, dollars so far and expected.
    Empty without calls."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._asked: Callable[[], Asked] | None = None
        self._expected: Decimal | None = None
        self._tokens = Rate(_RATE_S)

    def watch(self, asked: Callable[[], Asked]) -> None:
        self._asked = asked

    def expect(self, usd: Decimal | None) -> None:
        self._expected = usd

    def __str__(self) -> str:
        asked = self._asked() if self._asked is not None else Asked()
        rate = self._tokens(self._clock(), asked.output_tokens)
        if not asked.paid and not asked.in_flight and not asked.in_batches:
            return ""
        expected = "" if self._expected is None else f" of about ${self._expected:,.2f}"
        parts = [f"{asked.in_flight} of {asked.limit} in flight"] if asked.limit else []
        parts += [f"{asked.in_batches:,} in batches"] if asked.in_batches else []
        parts += [f"{asked.paid:,} answers", f"{rate:,.0f} tokens/s"]
        return ", ".join((*parts, f"${asked.cost_usd:,.2f}{expected}"))


class StageMeter:
    """One stage: rows done of those that are known so far, their pace, and when it will be through at that pace."""

    def __init__(self, stage: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = STAGES.get(stage, stage)
        self._clock = clock
        self._pace = Rate(_PACE_S)
        self.done = self.total = 0
        self._pace(clock(), 0)

    @property
    def percent(self) -> float:
        return 100 * self.done / self.total if self.total else 100.0

    def __str__(self) -> str:
        told = f"{self.done:,} of {self.total:,} {self._name}"
        pace = self._pace(self._clock(), self.done)
        if self.done >= self.total or pace <= 0:
            return told
        return f"{told}, {pace:,.1f}/s, {_span((self.total - self.done) / pace)} left"


def _span(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
