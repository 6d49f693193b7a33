"""Progress of a flow that nobody watches on a terminal: a line in its log and a bar a stage among its artifacts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact
from prefect.logging import get_run_logger

from tasks.meter import Meter, StageMeter
from tasks.plaintext import printable
from tasks.shown import Log, shown

# An artifact's update costs the server 16-22 ms, a line 1 ms.
BAR_S = 5.0
LINE_S = 30.0


class LiveProgress:
    """What a run shows in Prefect's UI while it lives; made and stopped inside a flow run.

    Nothing here may hold a run up: a Prefect server that does not take a bar costs that bar.
    """

    def __init__(
        self, flow: str, bar_s: float = BAR_S, line_s: float = LINE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._flow = flow
        self._bar_s = bar_s
        self._line_s = line_s
        self._clock = clock
        self._log: Log = get_run_logger()
        self._meter = Meter(clock)
        self.watch, self.expect = self._meter.watch, self._meter.expect
        self._stages: dict[str, StageMeter] = {}
        self._current: str | None = None
        self._bars: dict[str, tuple[UUID, int, int]] = {}  # artifact; what it shows: done, total
        self._said = ""
        self._ended = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._follow())

    def begin(self, stage: str, total: int) -> None:
        """`total` more rows are to be worked on in this stage."""
        if self._current not in (None, stage):
            self._line()
        self._current = stage
        meter = self._stages.setdefault(stage, StageMeter(stage, self._clock))
        meter.total += total

    def advance(self, stage: str, count: int = 1) -> None:
        """`count` rows have ended."""
        self._stages[stage].done += count

    def say(self, message: str) -> None:
        self._log.info("%s", printable(message))

    async def stop(self, *, quietly: bool = False) -> None:
        """End it, with the last numbers; `quietly`: at once and without them."""
        self._ended.set()
        if quietly:
            self._task.cancel()
        # Not interrupted otherwise: an update that is sent already may arrive after the last one.
        await asyncio.gather(self._task, return_exceptions=True)
        if not quietly:
            self._line()
            await self._draw()

    async def _follow(self) -> None:
        lined = self._clock()
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), self._bar_s)
                return
            await self._draw()
            if self._clock() - lined >= self._line_s:
                lined = self._clock()
                self._line()

    def _line(self) -> None:
        stage = self._stages.get(self._current or "")
        if stage is None or not stage.total:
            return
        line = "; ".join(part for part in (str(stage), str(self._meter)) if part)
        if line != self._said:
            self._log.info("%s", line)
            self._said = line

    async def _draw(self) -> None:
        for name, stage in list(self._stages.items()):
            drawn = self._bars.get(name)
            if not stage.total or (drawn is not None and drawn[1:] == (stage.done, stage.total)):
                continue
            if drawn is None:
                key = f"{self._flow}-progress-{name}"
                creation = acreate_progress_artifact(stage.percent, key=key, description=str(stage))
            else:
                creation = aupdate_progress_artifact(drawn[0], stage.percent, str(stage))
            done, total = stage.done, stage.total
            bar = await shown(f"the progress of {name}", creation, self._log)
            if bar is None:
                return  # nor would the others be taken now
            self._bars[name] = (bar, done, total)
