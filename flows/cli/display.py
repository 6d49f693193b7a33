"""Live progress of a run, and the tables at its end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from tasks.meter import STAGES, Meter
from tasks.plaintext import printable

EXCERPT = 300  # characters of a text that a table shows


class _Bars(Progress):
    """The stages' bars with the meter's line below them."""

    def __init__(self, meter: Meter, *columns: ProgressColumn, console: Console, disable: bool) -> None:
        self._meter = meter
        super().__init__(*columns, console=console, disable=disable)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        yield Text(str(self._meter), style="dim")


class Display:
    """A bar a stage and a line on the models; where standard error is no terminal, a line on both now and then, and
    one when a stage is done."""

    def __init__(self, console: Console, remark_s: float = 30) -> None:
        self._console = console
        self._live = console.is_terminal
        self._meter = Meter()
        self.watch, self.expect = self._meter.watch, self._meter.expect
        self._bars = _Bars(
            self._meter,
            TextColumn("{task.description:26}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not self._live,
        )
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._current: str | None = None
        self._remark_s = remark_s
        self._remarked = time.monotonic()
        self._last_line = ""
        self._lock = threading.Lock()

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()
        self._remark()

    def begin(self, stage: str, total: int) -> None:
        """`total` more rows are to be worked on in this stage."""
        with self._lock:
            if stage != self._current:
                self._remark()
                self._current = stage
            self._totals[stage] = self._totals.get(stage, 0) + total
            self._done.setdefault(stage, 0)
            if self._live and self._totals[stage]:
                if stage not in self._tasks:
                    self._tasks[stage] = self._bars.add_task(STAGES.get(stage, stage), total=0)
                self._bars.update(self._tasks[stage], total=self._totals[stage])

    def advance(self, stage: str, count: int = 1) -> None:
        """`count` rows have ended."""
        with self._lock:
            self._done[stage] += count
            if self._live:
                self._bars.advance(self._tasks[stage], count)
            elif time.monotonic() - self._remarked > self._remark_s:
                self._remark()

    def say(self, message: str) -> None:
        """A remark that stays above the bars."""
        self._bars.console.print(Text(printable(message)), soft_wrap=True)

    def _remark(self) -> None:
        self._remarked = time.monotonic()
        stage = self._current
        if self._live or stage is None or not self._totals[stage]:
            return
        line = f"{self._done[stage]:6} of {self._totals[stage]} {STAGES.get(stage, stage)}"
        if meter := str(self._meter):
            line += f" ({meter})"
        if line != self._last_line:
            self._console.print(line)
            self._last_line = line


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A rich table; whatever came from a model is shown, never interpreted."""
    made = Table(title=title or None, header_style="bold", title_justify="left")
    collected = [list(row) for row in rows]
    for index, column in enumerate(columns):
        numeric = all(isinstance(row[index], int | float | type(None)) for row in collected)
        made.add_column(Text(column), justify="right" if numeric and collected else "left", overflow="fold")
    for row in collected:
        made.add_row(*(Text(cell(value)) for value in row))
    return made


def cell(value: object) -> str:
    """One value of a table as printable text."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4g}"
    return printable(str(value))


def cut(value: str) -> str:
    """The beginning of a long text, with its length."""
    return value if len(value) <= EXCERPT else f"{value[:EXCERPT]} … ({len(value)} characters)"


def plain(value: object) -> object:
    """A value of the database as JSON and CSV can say it; lists and objects become JSON texts."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date):  # a time too
        return value.isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value, default=plain)
    return str(value)


# Two-line heads keep the table inside 80 columns.
_FUNNEL_HEADS = {
    "proposed": "pro-\nposed",
    "duplicates": "dup-\nlic.",
    "contaminated": "con-\ntam.",
    "verified": "veri-\nfied",
    "easy": "easy",
    "medium": "med-\nium",
    "hard": "hard",
    "failed": "fail",
    "complete": "com-\nplete",
    "online_judge": "onl.\njudge",
    "responses_kept": "resp\nkept",
}


def funnel_table(funnel: Mapping[str, Any]) -> Table:
    """The table at the end of a run, with a line of totals."""
    made = Table(box=None, padding=(0, 1, 0, 0), header_style="bold", footer_style="bold", show_footer=True)
    made.add_column("subset", footer="all", no_wrap=True)
    for name, head in _FUNNEL_HEADS.items():
        total = sum(getattr(row, name) for row in funnel.values())
        made.add_column(head, justify="right", footer=str(total), no_wrap=True)
    costs = [row.cost_usd for row in funnel.values()]
    made.add_column("cost", justify="right", footer=cost(None if None in costs else sum(costs)), no_wrap=True)
    for subset, row in funnel.items():
        made.add_row(subset, *(str(getattr(row, name)) for name in _FUNNEL_HEADS), cost(row.cost_usd))
    return made


def cost(value: float | None) -> str:
    """Dollars; n/a where a price in the sum is not known."""
    return "n/a" if value is None else f"${value:,.2f}"
