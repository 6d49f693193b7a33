"""How long questions and solutions are, how many tests they have, and how far those can be believed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from sqlalchemy import Connection

from tasks.report.figure import TOP, Figure, in_order, lines, read
from tasks.report.svg import HALF, LABELS, ROW, WIDE, Canvas, heat, number, on_heat, percent, powers, spoken

_SAMPLE = 20_000  # texts that are read to count their tokens
_TOKEN = re.compile(r"\w+|[^\w\s]")
_MEASURES = ("tokens of the question", "tokens of the solution", "tests")
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def lengths(connection: Connection) -> Figure:
    found = read(
        connection,
        "select t.subset, t.question, t.solution,"
        " (select count(*) from jsonb_object_keys(case jsonb_typeof(c.outcomes) when 'object' then c.outcomes end))"
        " as tests from ("
        "   select triplet_id from triplets where style = 'instruct' and status = 'accepted'"
        "   order by md5(triplet_id) limit :most) drawn"
        " join kodcode.triplets t using (triplet_id)"
        " left join kodcode.trials c on c.question_id = t.question_id and c.attempt = t.chosen_attempt"
        " order by md5(t.triplet_id)",
        most=_SAMPLE,
    )
    title = "Lengths and number of tests"
    if not found:
        return Figure("lengths", title, "No question is verified yet.", "triplets", None, wide=True)
    values: dict[str, list[list[int]]] = defaultdict(lambda: [[], [], []])
    for row in found:
        measured = (len(_TOKEN.findall(str(row.question))), len(_TOKEN.findall(str(row.solution))), int(row.tests))
        for collected, value in zip(values[str(row.subset)], measured, strict=True):
            collected.append(value)
    subsets = in_order(values)
    spread = {
        (name, n): np.quantile(values[name][n], _QUANTILES).tolist() for name in subsets for n in range(len(_MEASURES))
    }
    bottom = TOP + ROW * len(subsets)
    canvas = Canvas(WIDE, bottom + 24)
    width = (WIDE - LABELS - 20) / 3
    for n, measure in enumerate(_MEASURES):
        left = LABELS + 20 + n * width
        low, high = min(spread[name, n][0] for name in subsets), max(spread[name, n][-1] for name in subsets)
        scale = powers(max(low, 1), max(high, 1), left, left + width - 70)
        canvas.text(left, 16, measure, "muted")
        canvas.across(scale, 34, bottom)
        for y, name in lines(subsets):
            least, lower, middle, upper, most = spread[name, n]
            tip = (
                f"{spoken(name)}, {measure}: median {number(middle)}, half of them {number(lower)} to "
                f"{number(upper)}, eight of ten {number(least)} to {number(most)}"
            )
            canvas.line(scale(least), y, scale(most), y, "link")
            canvas.rect(scale(lower), y - 5, max(scale(upper) - scale(lower), 2), 10, "s-box", tip)
            canvas.circle(scale(middle), y, 4.5, "k4", tip)
    for y, name in lines(subsets):
        canvas.text(LABELS, y + 4, spoken(name), "", "end")
    return Figure(
        "lengths",
        title,
        "Verified questions, on logarithmic scales: the dot is the median, the box holds half of them, the line eight "
        "of ten. Tokens are words and signs, about three quarters of what a model's tokeniser counts; tests are those "
        "of the chosen trial.",
        "triplets, trials" + (f" (a sample of {number(_SAMPLE)})" if len(found) == _SAMPLE else ""),
        canvas.markup("Boxes of three measures for each subset; the table below has the medians and quartiles."),
        ["subset", "questions", *(f"{measure}: median (quartiles)" for measure in _MEASURES)],
        [
            [
                spoken(name),
                number(len(values[name][0])),
                *(
                    f"{number(spread[name, n][2])} ({number(spread[name, n][1])}–{number(spread[name, n][3])})"
                    for n in range(len(_MEASURES))
                ),
            ]
            for name in subsets
        ],
        wide=True,
    )


def trust(connection: Connection) -> Figure:
    """Trust against coverage, as a map of how many."""
    found = read(
        connection,
        "select least(floor(trust * 10 + 1e-9), 9)::int as trust, least(floor(coverage / 10), 9)::int as coverage,"
        " count(*) as triplets from triplets where style = 'instruct' and status = 'accepted'"
        " and trust is not null and coverage is not null group by 1, 2",
    )
    title = "Trust against coverage"
    if not found:
        return Figure("trust", title, "No pair was assessed yet.", "triplets", None)
    cells = {(int(row.trust), int(row.coverage)): int(row.triplets) for row in found}
    most, total = max(cells.values()), sum(cells.values())
    left, top, width, height = 84.0, 14.0, 51.0, 29.0
    canvas = Canvas(HALF, top + 10 * height + 46)
    for tenth in range(10):
        y, x = top + (9 - tenth) * height, left + tenth * width
        canvas.text(left - 8, y + height / 2 + 4, f"{tenth / 10:.1f}–{(tenth + 1) / 10:.1f}", "small muted", "end")
        canvas.text(x, top + 10 * height + 16, str(tenth * 10), "small muted", "middle")
        for column in range(10):
            count = cells.get((tenth, column), 0)
            share = (count / most) ** 0.5
            tip = f"trust {tenth / 10:.1f} to {(tenth + 1) / 10:.1f}, coverage {column * 10} to {column * 10 + 10} %: "
            cell = left + column * width
            canvas.rect(cell, y, width - 2, height - 2, heat(share), tip + number(count))
            if count:
                canvas.text(cell + width / 2 - 1, y + height / 2 + 3, number(count), on_heat(share), "middle")
    canvas.text(left + 10 * width, top + 10 * height + 16, "100 %", "small muted", "middle")
    canvas.text(
        left + 5 * width, top + 10 * height + 36, "coverage of the solution by its test", "small muted", "middle"
    )
    canvas.raw(
        f'<text class="small muted" text-anchor="middle" transform="translate(14 {top + 5 * height:.0f}) rotate(-90)">'
        "trust</text>"
    )
    full = sum(count for (_, column), count in cells.items() if column == 9)
    doubted = sum(count for (tenth, column), count in cells.items() if column == 9 and tenth < 5)
    return Figure(
        "trust",
        title,
        f"Verified pairs. {number(full)} of {number(total)} are covered by 90 % or more; of these {number(doubted)} "
        "have a trust below 0.5: a test may run every line and check little.",
        "triplets",
        canvas.markup("A grid of trust by coverage with the number of pairs in each cell; the table below has them."),
        ["trust", *(f"coverage {n * 10}–{n * 10 + 10} %" for n in range(10))],
        [
            [f"{tenth / 10:.1f}–{(tenth + 1) / 10:.1f}", *(number(cells.get((tenth, n), 0)) for n in range(10))]
            for tenth in range(9, -1, -1)
        ],
    )


def kill_rates(connection: Connection) -> Figure:
    found = read(
        connection,
        "select subset, least(floor(kill_rate * 10 + 1e-9), 9)::int as tenth, count(*) as triplets,"
        " sum(kill_rate) as total from triplets"
        " where style = 'instruct' and status = 'accepted' and kill_rate is not null group by 1, 2",
    )
    title = "How many wrong solutions the tests reject"
    if not found:
        return Figure("kill-rates", title, "No test was tried on wrong solutions yet.", "triplets", None)
    cells = {(str(row.subset), int(row.tenth)): int(row.triplets) for row in found}
    totals: dict[str, float] = defaultdict(float)
    for row in found:
        totals[str(row.subset)] += float(row.total)
    subsets = in_order(totals)
    pairs = {name: sum(cells.get((name, tenth), 0) for tenth in range(10)) for name in subsets}
    left, width = LABELS + 10, 43.0
    bottom = TOP + ROW * len(subsets)
    canvas = Canvas(HALF, bottom + 40)
    canvas.text(left + 10 * width + 8, 30, "mean", "small muted")
    for tenth in range(10):
        canvas.text(left + tenth * width, bottom + 15, str(tenth * 10), "small muted", "middle")
    canvas.text(left + 10 * width, bottom + 15, "100 %", "small muted", "middle")
    for y, name in lines(subsets):
        canvas.text(LABELS, y + 4, spoken(name), "", "end")
        canvas.text(left + 10 * width + 8, y + 4, percent(totals[name] / pairs[name]), "small")
        for tenth in range(10):
            count = cells.get((name, tenth), 0)
            share = count / pairs[name]
            tip = f"{spoken(name)}: {number(count)} pairs whose test rejects {tenth * 10} to {tenth * 10 + 10} %"
            canvas.rect(left + tenth * width, y - ROW / 2 + 1, width - 2, ROW - 2, heat(share), tip)
            if count:
                canvas.text(left + tenth * width + width / 2 - 1, y + 4, number(count), on_heat(share), "middle")
    canvas.text(left + 5 * width, bottom + 34, "wrong solutions rejected", "small muted", "middle")
    return Figure(
        "kill-rates",
        title,
        "Kill rate: of the small faults that were put into the solution, the share that the chosen test rejects. The "
        "numbers are verified pairs; the colour is their share of the subset.",
        "triplets",
        canvas.markup("A grid of subsets by kill rate with the number of pairs; the table below has the numbers."),
        ["subset", "mean", *(f"{n * 10}–{n * 10 + 10} %" for n in range(10))],
        [[spoken(name), percent(totals[name] / pairs[name]), *_tenths(cells, name)] for name in subsets],
    )


def _tenths(cells: dict[tuple[str, int], int], name: str) -> Sequence[str]:
    return [number(cells.get((name, tenth), 0)) for tenth in range(10)]
