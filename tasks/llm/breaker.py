"""The circuit breaker: a provider that fails every request is asked now and then, not by everyone."""

from __future__ import annotations

from dataclasses import dataclass

OPENS_AFTER = 10  # failures in a row
FIRST_PROBE_S = 1.0
SLOWEST_PROBE_S = 30.0


@dataclass(slots=True)
class Breaker:
    """Counts failures of the provider (no connection, 5xx, timeouts, nonsense), never 429s or refusals.

    Open, it lets one request through at a time, after 1, 2, 4 ... 30 seconds, and closes at the first answer. After
    `patience_s` it gives up: those who wait are told. A provider that has never answered gets `first_patience_s`, for
    then it is more likely to be misspelt than down. Times are seconds of one monotonic clock.

    Each process has its own: failed calls cost nothing, and a host without a network must not stop the others.
    """

    patience_s: float = 120.0
    first_patience_s: float = 5.0
    answered_ever: bool = False
    failures: int = 0
    opened_at: float | None = None
    last_error: str = ""
    _probe_at: float = 0.0
    _probes: int = 0
    _probing: bool = False

    def answered(self) -> None:
        """The provider answered, if only with a refusal."""
        self.answered_ever = True
        self.failures = self._probes = 0
        self.opened_at = None
        self._probing = False

    def failed(self, message: str, now: float) -> None:
        self.failures += 1
        self.last_error = message
        self._probing = False
        if self.failures >= OPENS_AFTER or self.opened_at is not None:
            if self.opened_at is None:
                self.opened_at = now
            self._probe_at = now + min(FIRST_PROBE_S * 2**self._probes, SLOWEST_PROBE_S)
            self._probes += 1

    def wait_s(self, now: float) -> float:
        """Seconds until a request may start; 0 now."""
        if self.opened_at is None:
            return 0.0
        return SLOWEST_PROBE_S if self._probing else max(0.0, self._probe_at - now)

    def start(self) -> None:
        """A request starts; while the breaker is open it is the probe."""
        self._probing = self.opened_at is not None

    def left(self) -> None:
        """The probe was given up before it told anything."""
        self._probing = False

    def given_up(self, now: float) -> str | None:
        """What to tell those who wait, once patience is over."""
        if self.opened_at is None:
            return None
        patience_s = self.patience_s if self.answered_ever else self.first_patience_s
        if now - self.opened_at < patience_s:
            return None
        return (
            f"The provider is down: {self.failures} requests in a row failed, the last {now - self.opened_at:.0f} s "
            f"without one answer. The last time: {self.last_error}"
        )
