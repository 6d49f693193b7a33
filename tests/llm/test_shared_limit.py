"""Three processes at one provider that allows 50 requests a second."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.llm.fault_server import FaultServer, Reply, Seen, error
from tests.llm.worker import Worker

LIMIT, WARM_UP_S, MEASURED_S = 50, 5.0, 10.0


class Bucket:
    """`LIMIT` requests a second, one second's worth at once at most; remembers what it said when."""

    def __init__(self) -> None:
        self.said: list[tuple[float, bool]] = []
        self.full = threading.Event()
        self._room, self._at = float(LIMIT), time.monotonic()
        self._begun: float | None = None

    def decide(self, seen: Seen) -> Reply | None:
        now = time.monotonic()
        self._begun = self._begun or now
        self._room = min(LIMIT, self._room + (now - self._at) * LIMIT)
        self._at = now
        allowed = self._room >= 1
        self._room -= allowed
        self.said.append((now - self._begun, allowed))
        if now - self._begun > WARM_UP_S + MEASURED_S:
            self.full.set()
        return None if allowed else error(429, "slow down", headers={})


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
    measured = [allowed for at, allowed in bucket.said if WARM_UP_S < at <= WARM_UP_S + MEASURED_S]
    accepted = sum(measured)
    refused = len(measured) - accepted
    print(f"{accepted / MEASURED_S:.1f} requests a second of {LIMIT}, {refused} of {len(measured)} refused")
    assert accepted >= 0.9 * LIMIT * MEASURED_S
    assert refused <= 0.05 * len(measured)
