"""Real limits over real connections: shared by three processes, moving, and shut altogether."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tasks.llm import Gateway, Message, PriceTable, Progress, Request
from tasks.llm.openai_provider import OpenAIProvider
from tasks.store import ArtifactStore
from tests.llm.fault_server import FaultServer, Reply, Seen, error
from tests.llm.worker import Worker

LIMIT, WARM_UP_S, MEASURED_S = 50, 5.0, 10.0
PHASE_S = 12.0


class Bucket:
    """So many requests a second, one second's worth at once at most; remembers what it said when.

    `limits` hold for `each_s` one after the other; `full` is set when the last is over.
    """

    def __init__(self, limits: Sequence[int] = (LIMIT,), each_s: float = WARM_UP_S + MEASURED_S) -> None:
        self.said: list[tuple[float, bool]] = []
        self.full = threading.Event()
        self._limits, self._each_s = limits, each_s
        self._room, self._at = float(limits[0]), 0.0
        self._begun: float | None = None

    def decide(self, seen: Seen) -> Reply | None:
        self._begun = self._begun or time.monotonic()
        now = time.monotonic() - self._begun
        limit = self._limits[min(int(now / self._each_s), len(self._limits) - 1)]
        self._room = min(limit, self._room + (now - self._at) * limit)
        self._at = now
        allowed = self._room >= 1
        self._room -= allowed
        self.said.append((now, allowed))
        if now > self._each_s * len(self._limits):
            self.full.set()
        return None if allowed else error(429, "slow down", headers={})

    def between(self, start_s: float, end_s: float) -> tuple[int, int]:
        """How many were accepted and refused in that time."""
        said = [allowed for at, allowed in self.said if start_s < at <= end_s]
        return sum(said), len(said) - sum(said)


# A rate is time: on a host that is busy otherwise it says little, so it stays out of the default suite.
@pytest.mark.slow
def test_three_workers_share_one_limit(database: Engine, tmp_path: Path, server: FaultServer) -> None:
    """At most 5 % of 429 and at least 90 % of what is allowed, once the first seconds are over."""
    bucket = Bucket()
    server.decide = bucket.decide
    workers = [
        Worker(database, tmp_path / "artifacts", server.url, 3000, 16, f"worker {number}") for number in range(3)
    ]
    try:
        assert bucket.full.wait(120)
    finally:
        for worker in workers:
            worker.kill()
    accepted, refused = bucket.between(WARM_UP_S, WARM_UP_S + MEASURED_S)
    print(f"{accepted / MEASURED_S:.1f} requests a second of {LIMIT}, {refused} of {accepted + refused} refused")
    assert accepted >= 0.9 * LIMIT * MEASURED_S
    assert refused <= 0.05 * (accepted + refused)


@pytest.mark.slow
def test_a_limit_that_falls_is_followed(database: Engine, tmp_path: Path, server: FaultServer) -> None:
    """The second half of each phase shows what was found in the first. (That it is followed up again, which takes a
    minute, is shown in simulated time.)"""
    limits = (60, 15)
    bucket = Bucket(limits, PHASE_S)
    server.decide = bucket.decide
    worker = Worker(database, tmp_path / "artifacts", server.url, 5000, 32)
    try:
        assert bucket.full.wait(120)
    finally:
        worker.kill()
    for phase, limit in enumerate(limits):
        accepted, refused = bucket.between((phase + 0.5) * PHASE_S, (phase + 1) * PHASE_S)
        print(f"{accepted / (PHASE_S / 2):.1f} requests a second of {limit}, {refused} refused")
        assert accepted >= 0.7 * limit * PHASE_S / 2
        assert refused <= 0.15 * (accepted + refused)


def test_a_storm_of_refusals_loses_nothing_and_does_not_wedge(
    database: Engine, artifacts: ArtifactStore, server: FaultServer
) -> None:
    """All that is in flight is refused, and what is tried then; the first answer opens the door for the rest."""
    refusals = 18
    server.decide = lambda seen: error(429, "slow down", headers={}) if len(server.seen) <= refusals else None
    asked = [Request("openai", "gpt-4o", (Message("user", f"question {number}"),)) for number in range(60)]

    async def run() -> Progress:
        async with Gateway(
            database, artifacts, OpenAIProvider(server.url), PriceTable.load(), None, 16
        ) as gateway:
            await asyncio.gather(*(gateway.ask(one) for one in asked))
            return gateway.progress

    progress = asyncio.run(run())
    assert (progress.paid, progress.failed, progress.limited) == (60, 0, refusals)
    assert len(server.seen) == 60 + refusals
    assert progress.limit > 1
