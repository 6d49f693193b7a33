"""How often attempts pass, how hard the questions are, and why rows fail."""

from __future__ import annotations

from collections import defaultdict
from itertools import accumulate, pairwise

from sqlalchemy import Connection

from tasks.report.figure import Figure, in_order, lines, read
from tasks.report.svg import HALF, LABELS, ROW, Canvas, counts, number, percent, shares, spoken

_SHOWN_KS = (1, 2, 3, 5, 10)
_DIFFICULTIES = ("easy", "medium", "hard", "fail")
_REASONS = 14


def pass_at_k(connection: Connection) -> Figure:
    found = read(connection, "select subset, k, questions, pass_at_k, fewest_trials, most_trials from v_pass_at_k")
    title = "pass@k by subset"
    if not found:
        return Figure("pass-at-k", title, "No question is labelled yet.", "v_pass_at_k", None)
    estimates = {(str(row.subset), int(row.k)): row for row in found}
    subsets = in_order(subset for subset, _ in estimates)
    ks = [k for k in _SHOWN_KS if any((name, k) in estimates for name in subsets)]
    bottom = 40.0 + ROW * len(subsets)
    canvas, scale = Canvas(HALF, bottom + 24), shares(LABELS + 10, HALF - 24)
    canvas.across(scale, 34, bottom)
    for y, name in lines(subsets):
        canvas.text(LABELS, y + 4, spoken(name), "", "end")
        points = [(scale(float(estimates[name, k].pass_at_k)), k) for k in ks if (name, k) in estimates]
        canvas.line(points[0][0], y, points[-1][0], y, "link")
        for x, k in reversed(points):
            row = estimates[name, k]
            tip = f"{spoken(name)}: pass@{k} {percent(row.pass_at_k)} over {number(row.questions)} questions"
            canvas.circle(x, y, 5.5, f"k{ks.index(k)}", tip)
    canvas.legend(LABELS + 10, 16, [(f"k{n}", f"k = {k}") for n, k in enumerate(ks)])
    fixed = all(row.fewest_trials == row.most_trials for row in found)
    beware = (
        "" if fixed else " Questions had different numbers of attempts: a large k is over fewer, harder questions."
    )
    return Figure(
        "pass-at-k",
        title,
        "The share of labelled questions of which one of k attempts passes, by the unbiased estimate "
        f"(Chen et al. 2021).{beware}",
        "v_pass_at_k",
        canvas.markup(
            "pass@k of each subset as dots on a line from 0 to 100 percent; the table below has the numbers."
        ),
        ["subset", *(f"pass@{k}" for k in ks), "questions"],
        [
            [
                spoken(name),
                *(percent(estimates[name, k].pass_at_k) if (name, k) in estimates else "–" for k in ks),
                number(max(row.questions for (subset, _), row in estimates.items() if subset == name)),
            ]
            for name in subsets
        ],
    )


def difficulty(connection: Connection) -> Figure:
    found = read(connection, "select subset, difficulty, questions, share, pass_rate from v_difficulty")
    title = "Difficulty by subset"
    if not found:
        return Figure("difficulty", title, "No question is labelled yet.", "v_difficulty", None)
    by_label = {(str(row.subset), str(row.difficulty)): row for row in found}
    subsets = in_order(subset for subset, _ in by_label)
    bottom = 40.0 + ROW * len(subsets)
    canvas, scale = Canvas(HALF, bottom + 24), shares(LABELS + 10, HALF - 24)
    canvas.across(scale, 34, bottom)
    for y, name in lines(subsets):
        canvas.text(LABELS, y + 4, spoken(name), "", "end")
        parts = [float(by_label[name, label].share) if (name, label) in by_label else 0.0 for label in _DIFFICULTIES]
        for label, (start, end) in zip(_DIFFICULTIES, pairwise(accumulate(parts, initial=0.0)), strict=True):
            if end > start:
                row = by_label[name, label]
                tip = f"{spoken(name)}: {number(row.questions)} {label}, {percent(row.share)}; shows them below"
                x, width = scale(start), scale(end) - scale(start)
                canvas.rect(x, y - 8, width, 16, f"s-{label} edge", tip, {"subset": name, "difficulty": label})
                if width > 9 + 7 * len(number(row.questions)):
                    canvas.text(x + width / 2, y + 4, number(row.questions), f"small on-{label}", "middle")
    canvas.legend(LABELS + 10, 16, [(f"s-{label}", label) for label in _DIFFICULTIES])
    return Figure(
        "difficulty",
        title,
        "Labelled questions: easy from two thirds of the attempts passed, medium from one third, hard below, fail "
        "without any. The numbers are questions.",
        "v_difficulty",
        canvas.markup("Bars of 100 percent for each subset, cut by difficulty; the table below has the numbers."),
        ["subset", *_DIFFICULTIES],
        [
            [
                spoken(name),
                *(
                    f"{number(by_label[name, label].questions)} ({percent(by_label[name, label].share)})"
                    if (name, label) in by_label
                    else "0"
                    for label in _DIFFICULTIES
                ),
            ]
            for name in subsets
        ],
    )


def failures(connection: Connection) -> Figure:
    found = read(connection, "select stage, status, reason, rows from v_failures")
    title = "Why rows fail"
    if not found:
        return Figure("failures", title, "Nothing was rejected and nothing failed.", "v_failures", None)
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for row in found:
        sums[str(row.stage), str(row.reason), str(row.status)] += int(row.rows)
    ranked = sorted(sums.items(), key=lambda entry: (-entry[1], entry[0]))
    shown = ranked[:_REASONS]
    bottom, left = 40.0 + ROW * len(shown), 250.0
    canvas, scale = Canvas(HALF, bottom + 24), counts(shown[0][1], left + 10, HALF - 50)
    canvas.across(scale, 34, bottom)
    for n, ((stage, reason, status), count) in enumerate(shown):
        y = 40 + ROW * n + ROW / 2
        canvas.text(left, y + 4, f"{spoken(stage)}: {spoken(reason)}", "", "end")
        tip = f"{number(count)} rows {status}: {spoken(reason)}"
        canvas.rect(
            scale(0), y - 8, scale(count) - scale(0), 16, "s-failed-row" if status == "failed" else "s-rejected", tip
        )
        canvas.text(scale(count) + 5, y + 4, number(count), "small")
    canvas.legend(left + 10, 16, [("s-rejected", "rejected"), ("s-failed-row", "infrastructure, tried again")])
    return Figure(
        "failures",
        title,
        "The commonest reasons by stage. Rejected rows are bad; those that failed met trouble of the infrastructure, "
        "and the next run tries them again.",
        "v_failures",
        canvas.markup("Bars of the commonest reasons; the table below has all of them."),
        ["stage", "reason", "status", "rows"],
        [[spoken(stage), spoken(reason), status, number(count)] for (stage, reason, status), count in ranked],
    )
