"""How much to ask at once: the control law of one model's limits, shared by all workers; it knows nothing of prompts.

`advance` is a pure function: the state that the workers share, one worker's report since its last, and the time make
the next state and what this worker may do. Two things are controlled, for providers limit both:

- concurrency, requests in flight: additive increase, multiplicative decrease, with slow start below half of where it
  was cut (RFC 5681, 3.1);
- rate, requests started a second: cut to what was really let in, then regrown along a cubic curve that is flat near
  the last limit and steep far from it (RFC 9438, 4.1): a steady limit is seldom overrun, a raised one soon found.

Neither binds before the provider has once said 429. Server errors and timeouts are no sign of either and change
nothing here. A burst of 429 is one cut: replies to what was started before the cut belong to it. While nothing at all
is answered after a cut there is nothing to learn, so the rate is not cut further: the workers pause, longer each time,
and then try with one request each; the first answer ends it. That is why a storm cannot wedge it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

CUT = 0.9  # of the rate that proved too high
GROWTH_S = 15.0  # until the rate is back where it was cut
_CUBIC = (1 - CUT) / GROWTH_S**3
_LOWEST_RATE = 0.2  # a second
CONCURRENCY_CUT = 0.7
BURST_S = 1.0  # two cuts are at least so far apart
FRESH_S = 5.0  # a worker that did not report for so long is gone
MEMORY_S = 10.0
_WINDOWS_S, _ENOUGH = (1.0, 2.0, 4.0), 10
MAX_PAUSE_S = 15.0  # where the provider names none
FORGET_S = 600.0  # limits of a run that ended so long ago are not taken over


@dataclass(frozen=True, slots=True)
class Report:
    """What one worker saw since its last report.

    `accepted` are requests begun less all 429s, `limited` counts 429s of requests begun after the last cut that the
    worker knew of, `pause_s` is the longest wait that the provider asked for.
    """

    worker_id: str
    in_flight: int = 0
    waiting: int = 0
    max_concurrency: int = 1
    accepted: int = 0
    answered: int = 0
    limited: int = 0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """What the workers know together; times are seconds of one clock."""

    rate: float | None = None  # None: no limit was met yet
    ceiling: float = 0.0  # the rate at which the last cut was made
    age_s: float = 0.0  # since the last cut, while the rate was used
    concurrency: float | None = None
    threshold: float = 0.0  # below it concurrency grows by doubling
    cut_at: float = 0.0
    cuts: int = 0
    answered_since_cut: bool = True
    tries: int = 0  # pauses in a row without an answer
    paused_until: float = 0.0
    at: float = 0.0
    recent: tuple[tuple[float, int], ...] = ()  # accepted requests by time of report, the last MEMORY_S
    workers: dict[str, tuple[float, int, int]] = field(default_factory=dict)  # seen at, demand, max_concurrency

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> State:
        recent = tuple((float(at), int(count)) for at, count in data["recent"])
        workers = {name: (float(at), int(want), int(most)) for name, (at, want, most) in data["workers"].items()}
        return cls(**data | {"recent": recent, "workers": workers})


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one worker may do until its next report; `cuts` tells it which cut it knows of."""

    concurrency: int
    rate: float | None  # requests a second
    pause_s: float
    cuts: int = 0


def advance(state: State, report: Report, now: float) -> tuple[State, Allowance]:
    """The next state, and what the reporting worker may do."""
    if now - state.at > FORGET_S:
        state = State(cuts=state.cuts, at=now)
    elapsed_s = max(0.0, now - state.at)
    state = _seen(state, report, now)
    if report.answered:
        state = replace(state, answered_since_cut=True, tries=0)
    if report.limited and now - state.cut_at >= BURST_S:
        accepted_rate = _accepted_rate(state, now)
        if state.answered_since_cut and accepted_rate > 0:
            state = _cut(state, accepted_rate, now)
        else:
            state = _hold(state, report.pause_s, now)
    elif not report.limited:
        state = _grow(state, report.answered, elapsed_s, now)
    if report.pause_s > 0:
        state = replace(state, paused_until=max(state.paused_until, now + report.pause_s))
    return state, _share(state, report, now)


def _seen(state: State, report: Report, now: float) -> State:
    workers = {name: seen for name, seen in state.workers.items() if now - seen[0] <= FRESH_S}
    workers[report.worker_id] = (now, report.in_flight + report.waiting, report.max_concurrency)
    recent = (*((at, count) for at, count in state.recent if now - at <= MEMORY_S), (now, report.accepted))
    return replace(state, workers=workers, recent=recent, at=max(now, state.at))


def _accepted_rate(state: State, now: float) -> float:
    """Requests let in a second, over the shortest time that holds enough of them: a limit that fell is seen at once,
    a low one at all."""
    for window_s in _WINDOWS_S:
        count = sum(count for at, count in state.recent if now - at <= window_s)
        if count >= _ENOUGH:
            return count / window_s
    first = min((at for at, _ in state.recent), default=now)
    return sum(count for _, count in state.recent) / max(1.0, now - first)


def _cut(state: State, accepted_rate: float, now: float) -> State:
    measured = max(accepted_rate, _LOWEST_RATE)
    if state.rate is None:
        ceiling, rate = measured, measured * CUT
    else:
        rate = max(min(state.rate * CUT, max(measured, state.rate / 2)), _LOWEST_RATE)
        ceiling = rate / CUT
    flying = float(sum(want for _, want, _ in state.workers.values()))
    before = flying if state.concurrency is None else min(state.concurrency, max(flying, 1.0))
    concurrency = max(before * CONCURRENCY_CUT, 1.0)
    return replace(
        state, rate=rate, ceiling=ceiling, age_s=0.0, concurrency=concurrency, threshold=before / 2,
        cut_at=now, cuts=state.cuts + 1, answered_since_cut=False,
    )  # fmt: skip


def _hold(state: State, asked_s: float, now: float) -> State:
    """Limited with no answer since the last cut: not a lower limit but a closed door."""
    pause_s = asked_s or min(0.5 * 2**state.tries, MAX_PAUSE_S)
    return replace(
        state, tries=state.tries + 1, paused_until=max(state.paused_until, now + pause_s), cut_at=now,
        cuts=state.cuts + 1,
    )  # fmt: skip


def _grow(state: State, answered: int, elapsed_s: float, now: float) -> State:
    if state.rate is None or state.concurrency is None or now < state.paused_until or state.tries:
        return state
    rate, age_s, concurrency = state.rate, state.age_s, state.concurrency
    # An allowance that nobody uses says nothing about the limit, so it does not grow.
    if _accepted_rate(state, now) >= 0.5 * rate:
        age_s += min(elapsed_s, 1.0)
        rate = max(rate, state.ceiling * (1 + _CUBIC * (age_s - GROWTH_S) ** 3))
    wanted = sum(want for _, want, _ in state.workers.values())
    if wanted >= concurrency:
        concurrency += answered if concurrency < state.threshold else answered / concurrency
    most = sum(most for _, _, most in state.workers.values())
    return replace(state, rate=rate, age_s=age_s, concurrency=min(concurrency, float(max(most, 1))))


def _share(state: State, report: Report, now: float) -> Allowance:
    """By demand; a worker without any gets room to begin."""
    wants = {name: max(want, 1) for name, (_, want, _) in state.workers.items()}
    part = wants[report.worker_id] / sum(wants.values())
    concurrency = report.max_concurrency
    if state.tries:
        concurrency = 1
    elif state.concurrency is not None:
        concurrency = max(1, min(concurrency, round(state.concurrency * part)))
    rate = None if state.rate is None else state.rate * part
    return Allowance(concurrency, rate, max(0.0, state.paused_until - now), state.cuts)
