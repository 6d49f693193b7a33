"""Time: what ends a run that takes too long, and another day for those that look at the calendar."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

_REPEATS_BEFORE_EXIT = 40


class Late(BaseException):
    """The run used up its time. No Exception, so that `except Exception` in judged code lets it through."""


class Clock:
    """Ends a run that computes or waits too long; one that swallows this again and again ends the process."""

    def __init__(self) -> None:
        self.fired = 0
        signal.signal(signal.SIGPROF, self._fire)
        signal.signal(signal.SIGALRM, self._fire)

    def _fire(self, number: int, frame: FrameType | None) -> None:
        self.fired += 1
        if self.fired > _REPEATS_BEFORE_EXIT:
            os._exit(9)
        raise Late()

    def start(self, cpu_s: float, wall_s: float) -> None:
        self.fired = 0
        signal.setitimer(signal.ITIMER_PROF, cpu_s, 0.005)
        signal.setitimer(signal.ITIMER_REAL, wall_s, 0.05)

    def stop(self) -> None:
        while True:
            try:
                signal.setitimer(signal.ITIMER_PROF, 0)
                signal.setitimer(signal.ITIMER_REAL, 0)
                return
            except Late:
                continue


def shift(seconds: float) -> Callable[[], None]:
    """Sets time.time and its kin to another day; returns what undoes it."""
    plain, plain_ns = time.time, time.time_ns

    def undo() -> None:
        time.time, time.time_ns = plain, plain_ns

    time.time = lambda: plain() + seconds
    time.time_ns = lambda: plain_ns() + int(seconds * 1e9)
    return undo
