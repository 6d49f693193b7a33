"""The funnel as a Sankey diagram: subsets -> what screening said -> how the attempts ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from tasks.report.figure import Figure, in_order, read
from tasks.report.svg import WIDE, Canvas, dollars, number, percent, some, spoken

_SCREENED = ("accepted", "duplicates", "contaminated", "unusable", "unscreened")
_ENDED = ("easy", "medium", "hard", "failed", "unlabelled")
_COLUMNS = ("proposed", *_SCREENED, "verified", *_ENDED, "complete", "online_judge", "responses_kept")
_QUERY = "select *, accepted - verified - failed as unlabelled from v_funnel"
_SAID = {"unscreened": "not yet screened", "unlabelled": "not yet labelled", "failed": "no attempt passed"}

_TOP, _HEIGHT, _GAP, _NODE, _LEAST = 34.0, 440.0, 7.0, 14.0, 9.0
_X = (132.0, 600.0, 1064.0)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums of v_funnel over all subsets; `cost_usd` is None where a price is not known."""

    counts: Mapping[str, int]  # by column
    cost_usd: float | None


@dataclass(slots=True)
class _Node:
    """A bar of a column; `left` and `right` are how far its flows have been drawn, from its top."""

    key: str
    count: int
    y: float
    left: float = 0.0
    right: float = 0.0


def funnel(connection: Connection, only: Collection[str] | None = None) -> tuple[Figure, Totals]:
    """The figure, and what its subsets come to: all of them, or those of `only`."""
    found = read(connection, _QUERY)
    by_subset = {str(row.subset): row._mapping for row in found if only is None or row.subset in only}
    subsets = in_order(by_subset)
    sums = {column: sum(int(by_subset[name][column]) for name in subsets) for column in _COLUMNS}
    costs = {name: by_subset[name]["cost_usd"] for name in subsets}
    total = None if None in costs.values() else float(sum(costs.values()))
    flows = {
        (name, outcome): int(by_subset[name][outcome])
        for name in subsets
        for outcome in _SCREENED
        if by_subset[name][outcome]
    }
    proposed = sums["proposed"]
    # One scale for all columns: the one with most gaps leaves least room.
    most = max(len(subsets), len(_SCREENED))
    scale = (_HEIGHT - _GAP * (most - 1)) / max(proposed, 1)
    left = _column([(name, int(by_subset[name]["proposed"])) for name in subsets], scale)
    middle = _column([(name, sums[name]) for name in _SCREENED], scale)
    right = _column([(name, sums[name]) for name in _ENDED], scale)
    # Small nodes take more room than their count, for their labels.
    ends = [node.y + max(node.count * scale, _LEAST) for column in (left, middle, right) for node in column.values()]
    canvas = Canvas(WIDE, max([_TOP + _HEIGHT, *ends]) + 12)
    for (name, outcome), count in flows.items():
        tip = f"{spoken(name)}: {number(count)} {_said(outcome)}, {percent(count / left[name].count)}"
        _flow(canvas, left[name], middle[outcome], _X[0], _X[1], count, scale, outcome, tip)
    if (accepted := middle.get("accepted")) is not None:
        for outcome, node in right.items():
            tip = f"{number(node.count)} {_said(outcome)}, {percent(node.count / accepted.count)} of the accepted"
            _flow(canvas, accepted, node, _X[1], _X[2], node.count, scale, outcome, tip)
    for x, column, anchor in ((_X[0], left, "end"), (_X[1], middle, "start"), (_X[2], right, "start")):
        for node in column.values():
            css = "s-subset" if column is left else f"s-{node.key}"
            canvas.rect(x, node.y, _NODE, max(node.count * scale, 1.5), css)
            at = x - 7 if anchor == "end" else x + _NODE + 7
            label = f"{_said(node.key)} {number(node.count)}"
            canvas.text(at, node.y + node.count * scale / 2 + 4, label, "halo", "end" if anchor == "end" else "start")
    for x, head, anchor in zip(_X, ("proposed", "screened", "attempted"), ("end", "start", "start"), strict=True):
        canvas.text(x + (_NODE if anchor == "end" else 0), 18, head, "muted", "end" if anchor == "end" else "start")
    header = ["subset", *map(spoken, _COLUMNS), "paid"]
    rows = [
        [spoken(name), *(number(by_subset[name][column]) for column in _COLUMNS), dollars(costs[name])]
        for name in subsets
    ]
    rows.append(["all", *(number(sums[column]) for column in _COLUMNS), dollars(total)])
    figure = Figure(
        "funnel",
        "From proposals to verified questions",
        f"Of {some(proposed, 'proposed question')} {number(sums['accepted'])} passed the screens and "
        f"{number(sums['verified'])} were verified: a solution passes its test. From these came "
        f"{some(sums['complete'], 'triplet')} in style Complete, {number(sums['online_judge'])} in style Online "
        f"Judge, and {some(sums['responses_kept'], 'kept reasoning response')}.",
        "v_funnel",
        canvas.markup("Sankey diagram from subsets over screening to difficulty; the table below has its numbers."),
        header,
        rows,
        wide=True,
    )
    return figure, Totals(sums, total)


def _said(key: str) -> str:
    return _SAID.get(key, spoken(key))


def _column(nodes: Sequence[tuple[str, int]], scale: float) -> dict[str, _Node]:
    """Nodes that hold something, below each other."""
    column, y = {}, _TOP
    for key, count in nodes:
        if count > 0:
            column[key] = _Node(key, count, y)
            y += max(count * scale, _LEAST) + _GAP
    return column


def _flow(
    canvas: Canvas, source: _Node, target: _Node, x1: float, x2: float, count: int, scale: float, css: str, tip: str
) -> None:
    thick = max(count * scale, 0.8)
    start, end = source.y + source.right, target.y + target.left
    source.right += count * scale
    target.left += count * scale
    x1, bend = x1 + _NODE, (x1 + x2) / 2
    canvas.path(
        f"M{x1:.1f} {start:.1f}C{bend:.1f} {start:.1f} {bend:.1f} {end:.1f} {x2:.1f} {end:.1f}V{end + thick:.1f}"
        f"C{bend:.1f} {end + thick:.1f} {bend:.1f} {start + thick:.1f} {x1:.1f} {start + thick:.1f}Z",
        f"flow s-{css}",
        tip,
    )
