"""Drawing: a canvas that escapes every text, scales and axes, and how numbers are written.

Colours and fonts are classes of figure.css, for the page forbids inline styles. A `tip` is what is shown beside the
pointer; a `pick` is what a click filters the triplets by, like {"subset": "Docs"}.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from typing import Literal

from markupsafe import Markup

Anchor = Literal["start", "middle", "end"]
Number = int | float | Decimal
HALF, WIDE = 620, 1280  # widths of figures; ROW is the height of a subset's line
ROW = 23
LABELS = 118  # room for the subsets' names


@dataclass(slots=True)
class Canvas:
    """Collects shapes; y grows downwards, units are CSS pixels at the figure's full width."""

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def rect(
        self, x: float, y: float, width: float, height: float, css: str, tip: str = "",
        pick: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}"'
        self.parts.append(f'<rect {place} class="{css}"{_data(tip, pick)}/>')

    def circle(self, x: float, y: float, radius: float, css: str, tip: str = "") -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" class="{css}"{_data(tip)}/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str) -> None:
        self.parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" class="{css}"/>')

    def path(self, d: str, css: str, tip: str = "") -> None:
        self.parts.append(f'<path d="{d}" class="{css}"{_data(tip)}/>')

    def text(self, x: float, y: float, content: str, css: str = "", anchor: Anchor = "start") -> None:
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{_label(content)}</text>'
        )

    def slanted(self, x: float, y: float, content: str, css: str = "") -> None:
        """A text that rises from (x, y), and needs less room than a level one."""
        self.parts.append(
            f'<text transform="translate({x:.1f} {y:.1f}) rotate(-32)" class="{css}">{_label(content, 26)}</text>'
        )

    def raw(self, markup: str) -> None:
        self.parts.append(markup)

    def legend(self, x: float, y: float, entries: Sequence[tuple[str, str]]) -> None:
        """(css, label) side by side from `x` on, `y` the text's baseline."""
        for css, label in entries:
            self.rect(x, y - 10, 11, 11, css)
            self.text(x + 16, y, label, "small")
            x += 34 + 6.8 * len(label)

    def across(self, scale: Scale, top: float, bottom: float, label: str = "") -> None:
        """Grid lines and numbers of a horizontal scale, the numbers below `bottom`."""
        for value, written in scale.ticks:
            self.line(scale(value), top, scale(value), bottom, "grid")
            self.text(scale(value), bottom + 15, written, "small muted", "middle")
        if label:
            self.text((scale.start + scale.end) / 2, bottom + 32, label, "small muted", "middle")

    def upward(self, scale: Scale, left: float, right: float) -> None:
        """Grid lines and numbers of a vertical scale, the numbers left of `left`."""
        for value, written in scale.ticks:
            self.line(left, scale(value), right, scale(value), "grid")
            self.text(left - 6, scale(value) + 4, written, "small muted", "end")

    def markup(self, label: str) -> Markup:
        return Markup(  # noqa: S704 - every text in it was escaped above
            f'<svg viewBox="0 0 {self.width:.0f} {self.height:.0f}" role="img" aria-label="{escape(label)}">'
            f"{''.join(self.parts)}</svg>"
        )


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps low..high to start..end, straight or by logarithm; `ticks` are values with what is written at them."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool = False

    def __call__(self, value: float) -> float:
        low, high = self.low, self.high
        if self.logarithmic:
            value, low, high = math.log(max(value, self.low)), math.log(low), math.log(high)
        share = 0.0 if high == low else (value - low) / (high - low)
        return self.start + min(max(share, 0.0), 1.0) * (self.end - self.start)


def shares(start: float, end: float) -> Scale:
    """0 to 100 percent."""
    return Scale(0, 1, start, end, tuple((tick / 4, f"{25 * tick} %") for tick in range(5)))


def counts(highest: float, start: float, end: float) -> Scale:
    """From 0 to a whole round number not below `highest`, with about four steps."""
    values = _steps(highest, max(1.0, _round_step(highest / 4 or 1)))
    return Scale(0, values[-1], start, end, tuple((value, number(value)) for value in values))


def dollar_scale(highest: float, start: float, end: float) -> Scale:
    """From 0 to a round number of dollars not below `highest` > 0, all with as many digits as the steps need."""
    step = _round_step(highest / 4)
    values, digits = _steps(highest, step), max(0, -math.floor(math.log10(step) + 1e-9))
    return Scale(0, values[-1], start, end, tuple((value, f"${value:,.{digits}f}") for value in values))


def powers(lowest: float, highest: float, start: float, end: float) -> Scale:
    """A logarithmic scale over 1, 2, 5, 10, 20 ..., from a step not above `lowest` to one not below `highest`."""
    factors = (1, 1.5, 2, 3, 4, 5, 7) if highest < 8 * lowest else (1, 2, 5)
    steps = [factor * 10.0**power for power in range(9) for factor in factors if power or factor != 1.5]
    first = max((step for step in steps if step <= lowest), default=1.0)
    last = min((step for step in steps if step >= max(highest, first * 2)), default=steps[-1])
    ticks = tuple((step, number(step)) for step in steps if first <= step <= last)
    return Scale(first, last, start, end, ticks, logarithmic=True)


def _round_step(at_least: float) -> float:
    power = 10.0 ** math.floor(math.log10(at_least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= at_least * 0.999)


def _steps(highest: float, step: float) -> list[float]:
    return [step * n for n in range(max(1, math.ceil(highest / step - 1e-9)) + 1)]


def heat(share: float) -> str:
    """Class of a cell whose value is `share` of the highest; 0 is empty."""
    return f"heat{0 if share <= 0 else max(1, min(9, math.ceil(share * 9)))}"


def on_heat(share: float) -> str:
    """Class of a text on such a cell."""
    return "small on-dark" if share > 4 / 9 else "small"


def number(value: Number | None) -> str:
    """1,234; 0.25; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def some(count: int, noun: str) -> str:
    """1 question; 1,234 questions."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def percent(share: Number | None) -> str:
    return "–" if share is None else f"{float(share) * 100:.0f} %"


def dollars(value: Number | None) -> str:
    """Two digits that mean something; a price that is not known says so."""
    if value is None:
        return "unknown"
    value = float(value)
    if value == 0 or value >= 1000:
        return f"${value:,.0f}"
    digits = 2 if value >= 1 else max(2, 1 - math.floor(math.log10(value)))
    return f"${value:.{digits}f}"


def spoken(name: str) -> str:
    """A subset's, status's or reason's name as people write it."""
    return name.replace("_", " ")


def visible(value: str) -> str:
    """`value` with a mark for each character that steers a terminal or the direction of writing instead of showing."""
    return "".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in value)


def _label(content: str, longest: int = 42) -> str:
    """Models and benchmarks may have any name; a figure has room for so many characters of it."""
    return escape(visible(content if len(content) <= longest else f"{content[: longest - 1]}…"))


def _data(tip: str, pick: Mapping[str, str] | None = None) -> str:
    told = f' data-tip="{escape(visible(tip))}"' if tip else ""
    return told + (f' data-pick="{escape(json.dumps(pick))}"' if pick else "")
