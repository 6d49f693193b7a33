"""How near the questions are to the benchmarks: by count, by cosine, and on a map."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from sqlalchemy import Connection, text

from tasks.report.figure import Figure, in_order, read
from tasks.report.plane import Plane, plane
from tasks.report.svg import HALF, LABELS, ROW, WIDE, Canvas, counts, heat, number, on_heat, percent, spoken

_COLUMNS = 9  # pairs of benchmark and measure that are drawn; the table has all
_BINS = 20
_STEP = 1 / _BINS
_KINDS = (("kept", "s-kept"), ("kept with caution", "s-caution"), ("rejected", "s-rejected"))
_MAPPED, _MAPPED_ITEMS = 3_000, 600
_PANELS, _SIDE = 6, 190  # panels of the map in a row, and their side


def contamination(connection: Connection) -> Figure:
    found = read(
        connection,
        "select subset, benchmark, measure, questions, rejected, cautioned, highest_value, threshold"
        " from v_contamination",
    )
    title = "Questions too near to a benchmark"
    if not found:
        compared = connection.scalar(
            text("select exists (select from questions where benchmark_similarity is not null)")
        )
        says = (
            "No question reached a threshold."
            if compared
            else "No benchmark was given to compare with: kodcode run --benchmark FILE, or kodcode decontaminate."
        )
        return Figure("contamination", title, says, "v_contamination", None)
    cells = {(str(row.subset), str(row.benchmark), str(row.measure)): row for row in found}
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for (_, benchmark, measure), row in cells.items():
        sums[benchmark, measure] += int(row.questions)
    columns = sorted(sums, key=lambda column: (-sums[column], column))[:_COLUMNS]
    subsets = in_order(str(row.subset) for row in read(connection, "select distinct subset from questions"))
    most = max(int(row.questions) for row in found)
    top, left = 92.0, LABELS + 10.0
    width = min(86.0, (HALF - left - 50) / len(columns))
    canvas = Canvas(HALF, top + ROW * len(subsets) + 8)
    for n, (benchmark, measure) in enumerate(columns):
        x = left + n * width + width / 2
        canvas.slanted(x - 4, top - 8, f"{benchmark}, {measure}", "small muted")
    for line, name in enumerate(subsets):
        y = top + ROW * line
        canvas.text(LABELS, y + ROW / 2 + 4, spoken(name), "", "end")
        for n, column in enumerate(columns):
            cell = cells.get((name, *column))
            count = 0 if cell is None else int(cell.questions)
            share = (count / most) ** 0.5
            tip = f"{spoken(name)}, {column[0]} by {column[1]}: {number(count)} questions"
            if cell is not None:
                tip += f", {number(cell.rejected)} rejected, nearest {cell.highest_value:.3f}"
            canvas.rect(left + n * width, y + 1, width - 2, ROW - 2, heat(share), tip)
            if count:
                canvas.text(left + n * width + width / 2 - 1, y + ROW / 2 + 4, number(count), on_heat(share), "middle")
    return Figure(
        "contamination",
        title,
        "Questions that reached a threshold of decontamination, by their nearest benchmark item and by measure. One "
        "question may be in several columns.",
        "v_contamination",
        canvas.markup("A grid of subsets by benchmark and measure; the table below has the numbers."),
        ["subset", "benchmark", "measure", "questions", "rejected", "kept with caution", "nearest", "threshold"],
        [
            [
                spoken(name),
                benchmark,
                measure,
                number(row.questions),
                number(row.rejected),
                number(row.cautioned),
                f"{row.highest_value:.3f}",
                f"{row.threshold:.3f}",
            ]
            for (name, benchmark, measure), row in sorted(cells.items())
        ],
    )


def similarity(connection: Connection) -> Figure:
    found = read(
        connection,
        "select least(floor(greatest(benchmark_similarity, 0) * :bins + 1e-9), :bins - 1)::int as bin,"
        " case when status = 'rejected' then 'rejected' when caution is not null then 'kept with caution'"
        " else 'kept' end as kind, count(*) as questions"
        " from questions where benchmark_similarity is not null group by 1, 2",
        bins=_BINS,
    )
    title = "Likeness to the nearest benchmark item"
    if not found:
        return Figure("similarity", title, "No question was compared with a benchmark.", "questions", None)
    cells = {(int(row.bin), str(row.kind)): int(row.questions) for row in found}
    heights = [sum(cells.get((n, kind), 0) for kind, _ in _KINDS) for n in range(_BINS)]
    threshold = connection.scalar(text("select min(threshold) from v_contamination where measure = 'cosine'"))
    left, bottom, width = 60.0, 268.0, (HALF - 80) / _BINS
    canvas, scale = Canvas(HALF, bottom + 44), counts(max(heights), 268, 40)
    canvas.upward(scale, left, HALF - 20)
    for n in range(_BINS):
        x, y = left + n * width, bottom
        for kind, css in _KINDS:
            count = cells.get((n, kind), 0)
            if count:
                height = bottom - scale(count)
                tip = f"cosine {n * _STEP:.2f} to {(n + 1) * _STEP:.2f}: {number(count)} {kind}"
                canvas.rect(x + 1, y - height, width - 2, height, css, tip)
                y -= height
        if n % 4 == 0:
            canvas.text(x, bottom + 16, f"{n * _STEP:.1f}", "small muted", "middle")
    canvas.text(left + _BINS * width, bottom + 16, "1.0", "small muted", "middle")
    canvas.text(left + _BINS * width / 2, bottom + 34, "cosine", "small muted", "middle")
    if threshold is not None:
        x = left + float(threshold) * _BINS * width
        canvas.line(x, 40, x, bottom, "mark")
        canvas.text(x - 4, 36, f"threshold {float(threshold):.2f}", "small", "end")
    canvas.legend(left, 16, [(css, kind) for kind, css in _KINDS])
    return Figure(
        "similarity",
        title,
        f"The cosine of each question with the benchmark item that is nearest to it; {number(sum(heights))} questions "
        "were compared. Questions are also rejected for other reasons than this likeness.",
        "questions",
        canvas.markup("A histogram of cosines from 0 to 1; the table below has the numbers."),
        ["cosine", *(kind for kind, _ in _KINDS)],
        [
            [f"{n * _STEP:.2f}–{(n + 1) * _STEP:.2f}", *(number(cells.get((n, kind), 0)) for kind, _ in _KINDS)]
            for n in range(_BINS)
            if heights[n]
        ],
    )


def question_map(connection: Connection) -> tuple[Figure, list[dict[str, Any]]]:
    """The figure, and per panel its subset, its place in the figure and its points: (x, y, question id)."""
    title = "Map of the questions"
    model = connection.scalar(
        text("select model from embeddings group by model order by count(*) desc, model limit 1")
    )
    questions = _vectors(
        connection,
        "select q.subset as name, q.question_id as id, e.vector from questions q join embeddings e using (text_hash)"
        " where e.model = :model and q.status = 'accepted' order by md5(q.question_id) limit :most",
        model,
        _MAPPED,
    )
    if not questions:
        return Figure("map", title, "No vectors of accepted questions are stored.", "embeddings", None, wide=True), []
    items = _vectors(
        connection,
        "select b.benchmark as name, b.item_id as id, e.vector from benchmark_items b join embeddings e"
        " using (text_hash) where e.model = :model order by md5(b.item_id) limit :most",
        model,
        _MAPPED_ITEMS,
    )
    placed = plane(np.stack([np.frombuffer(vector, dtype="<f4") for _, _, vector in (*questions, *items)]))
    places = np.round(placed * (_SIDE - 16) + 8, 1)
    subsets = in_order(name for name, _, _ in questions)
    lines = -(-len(subsets) // _PANELS)
    pitch_x, pitch_y = (WIDE + 24) / _PANELS, _SIDE + 36.0
    canvas = Canvas(WIDE, lines * pitch_y + 6)
    # Every panel shows the same grey dots and crosses, which are written once.
    canvas.raw(
        f'<defs><path id="map-all" d="{_dots(places[: len(questions)])}" class="dots dots-all"/>'
        f'<path id="map-items" d="{_crosses(places[len(questions) :])}" class="crosses"/></defs>'
    )
    panels: list[dict[str, Any]] = []
    for n, name in enumerate(subsets):
        x, y = n % _PANELS * pitch_x, n // _PANELS * pitch_y + 24
        own = [row for row, (subset, _, _) in enumerate(questions) if subset == name]
        canvas.text(x, y - 8, f"{spoken(name)} {number(len(own))}")
        canvas.raw(
            f'<g transform="translate({x:.1f} {y:.1f})"><rect width="{_SIDE}" height="{_SIDE}" class="panel"/>'
            f'<use href="#map-all"/><path d="{_dots(places[own])}" class="dots dots-own"/><use href="#map-items"/></g>'
        )
        points = [[*places[row].tolist(), questions[row][1]] for row in own]
        panels.append({"subset": name, "x": x, "y": y, "side": _SIDE, "points": points})
    figure = Figure(
        "map",
        title,
        f"{number(len(questions))} accepted questions (blue: of the subset, grey: all) and "
        f"{number(len(items))} benchmark items (crosses), put on a plane so that neighbours stay neighbours: a start "
        f"by principal components, then the forces of UMAP, on the stored vectors of the embedder {model}. "
        "Distances between groups mean nothing. Point at a dot to read it, click to open it.",
        "embeddings, benchmark_items",
        canvas.markup("A small map for each subset; the table below says how many questions and items are drawn."),
        ["drawn", "number", "share of the drawn questions"],
        [
            *(
                [
                    spoken(str(panel["subset"])),
                    number(len(panel["points"])),
                    percent(len(panel["points"]) / len(questions)),
                ]
                for panel in panels
            ),
            *(
                [name, number(sum(item[0] == name for item in items)), "–"]
                for name in sorted({item[0] for item in items})
            ),
        ],
        wide=True,
    )
    return figure, panels


def _vectors(connection: Connection, query: str, model: str | None, most: int) -> list[tuple[str, str, bytes]]:
    rows = connection.execute(text(query), {"model": model, "most": most}).all()
    return [(str(row.name), str(row.id), bytes(row.vector)) for row in rows]


def _dots(places: Plane) -> str:
    """A path of lines without length, which round ends turn into dots."""
    return "".join(f"M{x:g} {y:g}h0" for x, y in places.tolist())


def _crosses(places: Plane) -> str:
    return "".join(f"M{x - 3:g} {y:g}h6m-3-3v6" for x, y in places.tolist())
