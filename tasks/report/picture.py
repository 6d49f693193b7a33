"""A figure by itself, for pages that show an image: SVG with the colours of the report in it, as a data: address."""

from __future__ import annotations

import base64
from collections.abc import Collection
from pathlib import Path

from sqlalchemy import Engine

from tasks.report.funnel import funnel
from tasks.report.selection import Selection, selected

STYLE = (Path(__file__).parent / "figure.css").read_text("utf-8")


def funnel_picture(engine: Engine, subsets: Collection[str]) -> str:
    """The funnel of these subsets over the whole history, light or dark as its reader's system is.

    Raises NothingToReport where the database holds no questions.
    """
    with selected(engine, Selection()) as connection:
        figure, _ = funnel(connection, subsets)
    head, shapes = str(figure.drawing).removeprefix("<svg ").split(">", 1)
    background = '<rect width="100%" height="100%" fill="var(--panel)"/>'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {head}><style>{STYLE}</style>{background}{shapes}'
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"
