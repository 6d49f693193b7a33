"""The control law against a simulated provider: time is a number here, so hours of it take a moment."""

from __future__ import annotations

import pytest

from tasks.llm.breaker import OPENS_AFTER, Breaker
from tasks.llm.rate import Report, State, advance

STEP_S = 0.25


class Provider:
    """Allows `limit` requests a second, as a bucket of one second; workers start as many as they may."""

    def __init__(self, limit: float, workers: int = 3) -> None:
        self.limit = limit
        self.state = State()
        self.now = 1000.0
        self.room = limit
        self.allowed: dict[str, float] = {f"worker {number}": 25.0 for number in range(workers)}
        self.cuts = dict.fromkeys(self.allowed, 0)
        self.accepted = self.refused = 0

    def run(self, seconds: float) -> tuple[float, float]:
        """Accepted requests a second and the refused part of all, over `seconds`."""
        self.accepted = self.refused = 0
        for _ in range(int(seconds / STEP_S)):
            self.now += STEP_S
            self.room = min(self.limit, self.room + self.limit * STEP_S)
            for name in self.allowed:
                self._work(name)
        total = self.accepted + self.refused
        return self.accepted / seconds, self.refused / max(total, 1)

    def _work(self, name: str) -> None:
        started = self.allowed[name]
        accepted = int(min(started, self.room))
        refused = int(started) - accepted
        self.room -= accepted
        self.accepted += accepted
        self.refused += refused
        news = refused if self.cuts[name] == self.state.cuts else 0
        report = Report(name, 0, 100, 100, accepted, accepted, news)
        self.state, allowance = advance(self.state, report, self.now)
        self.cuts[name] = allowance.cuts
        rate = allowance.rate if allowance.rate is not None else 100.0
        carried = started - int(started)
        self.allowed[name] = 0.0 if allowance.pause_s > 0 else min(rate * STEP_S + carried, 100.0)


def test_a_steady_limit_is_used_and_seldom_overrun() -> None:
    provider = Provider(50)
    provider.run(5)
    rate, refused = provider.run(300)
    assert rate >= 45
    assert refused <= 0.05


def test_a_limit_that_moves_is_followed_down_and_up() -> None:
    provider = Provider(200)
    provider.run(30)
    provider.limit = 20
    provider.run(10)
    rate, refused = provider.run(60)
    assert rate >= 18
    assert refused <= 0.05
    provider.limit = 200
    provider.run(60)
    rate, _ = provider.run(60)
    assert rate >= 160


def test_a_storm_does_not_wedge_it() -> None:
    """A minute in which everything is refused; then all is as before within seconds."""
    provider = Provider(50)
    provider.run(60)
    provider.limit = provider.room = 0
    provider.run(60)
    assert provider.accepted == 0
    assert provider.refused < 60 * 3
    provider.limit = 50
    provider.run(20)
    rate, _ = provider.run(30)
    assert rate >= 40


def test_one_burst_is_one_cut() -> None:
    state = State(rate=100.0, ceiling=100.0, concurrency=50.0, at=1000.0, recent=((999.5, 100),), cuts=1)
    for name in ("a", "b", "c"):
        state, _ = advance(state, Report(name, 10, 10, 50, 0, 0, 20), 1000.1)
    assert state.cuts == 2
    assert state.rate == pytest.approx(90.0)


def test_what_nobody_uses_does_not_grow() -> None:
    state = State(rate=10.0, ceiling=11.0, concurrency=5.0, at=1000.0, cuts=1)
    for second in range(100):
        state, _ = advance(state, Report("a", 0, 1, 50, 1, 1), 1000.0 + 5 * second)
    assert state.rate == 10.0


def test_the_rate_is_shared_by_demand_and_a_worker_that_left_is_forgotten() -> None:
    state = State(rate=40.0, ceiling=40.0, concurrency=40.0, at=1000.0, cuts=1)
    state, _ = advance(state, Report("busy", 30, 0, 50), 1000.0)
    state, idle = advance(state, Report("idle", 10, 0, 50), 1000.0)
    assert idle.rate == pytest.approx(10.0)
    assert idle.concurrency == 10
    state, alone = advance(state, Report("idle", 10, 0, 50), 1010.0)
    assert alone.rate == state.rate


def test_the_shared_state_survives_the_database() -> None:
    state, _ = advance(State(), Report("a", 1, 2, 3, 4, 5, 6, 0.5), 1000.0)
    assert State.from_json(state.as_json()) == state


def test_the_breaker_opens_probes_and_closes() -> None:
    breaker = Breaker()
    breaker.answered()
    for _ in range(OPENS_AFTER):
        assert breaker.wait_s(0.0) == 0.0
        breaker.failed("boom", 0.0)
    assert breaker.wait_s(0.0) == 1.0
    breaker.start()
    assert breaker.wait_s(1.5) > 1.0  # one probe at a time
    breaker.failed("boom", 1.5)
    assert breaker.wait_s(1.5) == 2.0
    assert breaker.given_up(60.0) is None
    assert "boom" in str(breaker.given_up(121.0))
    breaker.answered()
    assert breaker.wait_s(121.0) == 0.0
    assert breaker.given_up(121.0) is None


def test_a_provider_that_never_answered_is_given_up_soon() -> None:
    breaker = Breaker()
    for _ in range(OPENS_AFTER):
        breaker.failed("refused", 0.0)
    assert breaker.given_up(6.0) is not None
