"""What a figure is made of, and the order of the subsets in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection, Row, text

from tasks.report.svg import ROW
from tasks.subsets import SUBSETS

TOP = 40.0  # of the first subset's line, below a legend


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing with its words, and the same numbers as a table: for screen readers, for copying, for doubt."""

    key: str
    title: str
    says: str  # what is drawn, and what to beware of
    source: str  # where the numbers come from
    drawing: Markup | None  # None: there is nothing to draw yet, `says` tells why
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    wide: bool = False


def read(connection: Connection, query: str, **values: float | str) -> Sequence[Row[tuple[Any, ...]]]:
    return connection.execute(text(query), values).all()


def in_order(subsets: Iterable[str]) -> list[str]:
    """Each once, in the registry's order."""
    found = set(subsets)
    return [name for name in SUBSETS if name in found] + sorted(found - SUBSETS.keys())


def lines(subsets: Sequence[str]) -> list[tuple[float, str]]:
    """The middle of each subset's line."""
    return [(TOP + ROW * n + ROW / 2, name) for n, name in enumerate(subsets)]
