"""What a verified question costs, and what got done when."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import accumulate, pairwise

from sqlalchemy import Connection

from tasks.report.figure import TOP, Figure, in_order, lines, read
from tasks.report.svg import HALF, LABELS, ROW, WIDE, Canvas, counts, dollar_scale, dollars, number, spoken

_STAGES = ("propose", "annotate", "solve", "convert", "respond")
_MOST_BARS = 120


def cost(connection: Connection) -> Figure:
    found = read(connection, "select subset, stage, calls, cost_usd, verified from v_cost")
    title = "Dollars per verified question"
    if not found:
        return Figure("cost", title, "No answer was asked for yet.", "v_cost", None)
    paid: dict[tuple[str, str], float | None] = {}
    verified = {str(row.subset): int(row.verified) for row in found}
    for row in found:
        key, usd = (str(row.subset), str(row.stage)), None if row.cost_usd is None else float(row.cost_usd)
        before = paid.get(key, 0.0)
        paid[key] = None if usd is None or before is None else before + usd
    subsets = in_order(verified)
    stages = [stage for stage in _STAGES if any((name, stage) in paid for name in subsets)]
    known = {name: [(stage, paid.get((name, stage), 0.0)) for stage in stages] for name in subsets}
    prices = {name: _price([usd for _, usd in known[name]], verified[name]) for name in subsets}
    unknown = [spoken(name) for name in subsets if any(usd is None for _, usd in known[name])]
    barren = [spoken(name) for name in subsets if not verified[name]]
    dearest = max(price or 0 for price in prices.values())
    if not dearest and not unknown:
        return Figure(
            "cost", title, "Nothing was paid: the models were free, or their answers canned.", "v_cost", None
        )
    bottom = TOP + ROW * len(subsets)
    canvas, scale = Canvas(HALF, bottom + 24), dollar_scale(dearest or 1, LABELS + 10, HALF - 70)
    canvas.across(scale, 34, bottom)
    for y, name in lines(subsets):
        canvas.text(LABELS, y + 4, spoken(name), "", "end")
        price = prices[name]
        if price is None:
            canvas.text(scale(0) + 5, y + 4, "unknown" if verified[name] else "none verified", "small muted")
            continue
        parts = [(usd or 0.0) / verified[name] for _, usd in known[name]]
        for stage, part, (start, end) in zip(stages, parts, pairwise(accumulate(parts, initial=0.0)), strict=True):
            if part > 0:
                tip = f"{spoken(name)}: {dollars(part)} per verified question to {stage}"
                canvas.rect(scale(start), y - 8, scale(end) - scale(start), 16, f"s-{stage}", tip)
        canvas.text(scale(price) + 5, y + 4, dollars(price), "small")
    canvas.legend(LABELS + 10, 16, [(f"s-{stage}", stage) for stage in stages])
    says = "What was paid for all answers of the subset, the rejected ones too, by the questions verified with them."
    if unknown:
        says += f" The price of a model is not known in {', '.join(unknown)}."
    if barren:
        says += f" Nothing is verified yet in {', '.join(barren)}."
    return Figure(
        "cost",
        title,
        says,
        "v_cost",
        canvas.markup("Bars of dollars per verified question, cut by stage; the table below has the numbers."),
        ["subset", "verified", *stages, "all", "per verified question"],
        [
            [
                spoken(name),
                number(verified[name]),
                *(dollars(usd) for _, usd in known[name]),
                dollars(_price([usd for _, usd in known[name]], 1)),
                dollars(prices[name]) if verified[name] else "–",
            ]
            for name in subsets
        ],
    )


def _price(paid: list[float | None], verified: int) -> float | None:
    """None where a price is not known, or there is nothing that it could be the price of."""
    known = [usd for usd in paid if usd is not None]
    return None if len(known) < len(paid) or not verified else sum(known) / verified


def throughput(connection: Connection) -> Figure:
    found = read(
        connection,
        "select hour, calls, output_tokens, cost_usd, trials, passes, verified from v_throughput order by hour",
    )
    title = "Throughput"
    if not found:
        return Figure("throughput", title, "Nothing has ended yet.", "v_throughput", None, wide=True)
    hours = [row.hour for row in found if isinstance(row.hour, datetime)]
    step = _step(hours[0], hours[-1])
    sums: dict[datetime, dict[str, float | None]] = defaultdict(
        lambda: {"calls": 0, "output_tokens": 0, "cost_usd": 0.0, "trials": 0, "passes": 0, "verified": 0}
    )
    for row in found:
        into = sums[_floor(row.hour, step)]
        for name, before in into.items():
            value = row._mapping[name]
            into[name] = None if value is None or before is None else before + float(value)
    first, last = _floor(hours[0], step), _floor(hours[-1], step)
    bars = int((last - first) / step) + 1
    times = [first + n * step for n in range(bars)]
    unit = "hour" if step == timedelta(hours=1) else "day" if step == timedelta(days=1) else f"{step.days} days"
    left, bottom = 62.0, 236.0
    canvas = Canvas(WIDE, bottom + 28)
    highest = max(float(entry["trials"] or 0) for entry in sums.values())
    most_verified = max(float(entry["verified"] or 0) for entry in sums.values())
    scale = counts(max(highest, most_verified, 1), bottom, TOP)
    canvas.upward(scale, left, WIDE - 20)
    width = (WIDE - 20 - left) / max(bars, 8)
    every = max(1, -(-bars // 12))
    for n, time in enumerate(times):
        x, entry = left + n * width, sums.get(time)
        written = f"{time:%d %b %H:%M}" if step < timedelta(days=1) else f"{time:%d %b %Y}"
        if n % every == 0:
            canvas.text(x + width / 2, bottom + 17, written, "small muted", "middle")
        if entry is None:
            continue
        tip = (
            f"{written}, {unit}: {number(entry['trials'])} trials, {number(entry['passes'])} passed, "
            f"{number(entry['verified'])} questions verified, {number(entry['calls'])} answers, "
            f"{dollars(entry['cost_usd'])}"
        )
        for key, share in (("trials", 0.8), ("passes", 0.8), ("verified", 0.36)):
            y, inset = scale(float(entry[key] or 0)), width * (1 - share) / 2
            canvas.rect(x + inset, y, width * share, bottom - y, f"s-{key}", tip)
    canvas.legend(
        left, 16, [("s-trials", "trials"), ("s-passes", "of these passed"), ("s-verified", "questions verified")]
    )
    return Figure(
        "throughput",
        title,
        f"Trials and verified questions by the {unit} (UTC) in which they ended.",
        "v_throughput",
        canvas.markup(f"Bars of trials, passes and verified questions by {unit}; the table below has the numbers."),
        [f"{unit} from", "answers", "tokens out", "paid", "trials", "passed", "verified"],
        [
            [
                f"{time:%Y-%m-%d %H:%M}",
                *(number(sums[time][key]) for key in ("calls", "output_tokens")),
                dollars(sums[time]["cost_usd"]),
                *(number(sums[time][key]) for key in ("trials", "passes", "verified")),
            ]
            for time in sorted(sums)
        ],
        wide=True,
    )


def _step(first: datetime, last: datetime) -> timedelta:
    """The shortest of hours, days and more days that gives no more than `_MOST_BARS` bars."""
    span = last - first
    if span / timedelta(hours=1) < _MOST_BARS:
        return timedelta(hours=1)
    return timedelta(days=max(1, -(-span.days // _MOST_BARS)))


def _floor(time: datetime, step: timedelta) -> datetime:
    start = datetime(2000, 1, 1, tzinfo=UTC)
    return start + (time - start) // step * step
