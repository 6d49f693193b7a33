"""The page: figures first, then a list of all triplets, then their details in compressed parts that wait to be opened.

The page asks for nothing and runs nothing but its own script: its Content-Security-Policy names the hashes of that
script and of its style sheet and forbids all else, inline handlers and styles included. Texts of models travel as
base64 and are put into the page by textContent.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import gzip
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import jinja2
from markupsafe import Markup
from sqlalchemy import Connection, Engine, text

from tasks.report import likeness, quality, spending, triplets, yields
from tasks.report.errors import Unwritable
from tasks.report.figure import Figure
from tasks.report.funnel import Totals, funnel
from tasks.report.picture import STYLE
from tasks.report.selection import Selection, selected
from tasks.report.svg import dollars, number, visible
from tasks.store import ArtifactStore

_FOLDER = Path(__file__).parent
_DATA = "<!-- data -->"  # where the template is cut; escaping keeps it out of all texts

_RUN = "select flow, status, started_at, finished_at, code_version from kodcode.runs where run_id = :run_id"
_RELEASE = "select created_at, rows, path, content_hash from kodcode.releases where release_id = :release_id"
_ALL = "select count(*) as runs, min(started_at) as first, max(started_at) as last from kodcode.runs"


@dataclass(frozen=True, slots=True)
class Report:
    """A page that was written."""

    path: Path
    bytes: int
    questions: int  # proposed, in the selection
    triplets: int  # that can be opened in the page
    left_out: int  # for which there was no room


def make_report(engine: Engine, artifacts: ArtifactStore, selection: Selection, path: Path) -> Report:
    """Write the page about `selection` to `path`, whole or not at all.

    Raises UnknownSelection, NothingToReport, Unwritable, and what the database and the artifact store raise.
    """
    with selected(engine, selection) as connection, _whole(path) as stream:
        figures, panels, totals = _figures(connection)
        index, known = triplets.listed(connection)
        ids: list[str] = index["id"]
        room = triplets.Room.among(connection, ids)
        head, script, end = _frame(connection, selection, figures, totals, (len(ids), known), room)
        stream.write(head.encode() + _packed("index", index) + _packed("map", panels) + script.encode())
        for n, part in enumerate(triplets.details(connection, artifacts, ids, room)):
            stream.write(_packed(str(n), part))
        stream.write(end.encode())
        size = stream.tell()
    return Report(path, size, totals.counts["proposed"], len(ids), known - len(ids))


def _figures(connection: Connection) -> tuple[list[Figure], list[dict[str, Any]], Totals]:
    flow, totals = funnel(connection)
    places, panels = likeness.question_map(connection)
    figures = [
        flow,
        yields.pass_at_k(connection),
        yields.difficulty(connection),
        quality.lengths(connection),
        places,
        likeness.contamination(connection),
        likeness.similarity(connection),
        quality.trust(connection),
        quality.kill_rates(connection),
        spending.cost(connection),
        yields.failures(connection),
        spending.throughput(connection),
    ]
    return figures, panels, totals


def _frame(
    connection: Connection,
    selection: Selection,
    figures: list[Figure],
    totals: Totals,
    triplets_shown: tuple[int, int],
    room: triplets.Room,
) -> tuple[str, str, str]:
    """The page up to the list's data, between that and the details, and after these. `triplets_shown`: of how many."""
    style, script = STYLE + (_FOLDER / "page.css").read_text("utf-8"), (_FOLDER / "page.js").read_text("utf-8")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=lambda value: visible(value) if type(value) is str else value,
    )  # fmt: skip
    page = environment.get_template("page.html").render(
        policy=f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; base-uri 'none'; "
        "form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        style=Markup(style),  # noqa: S704 - files of this folder
        script=Markup(script),  # noqa: S704
        selection=selection,
        facts=_facts(connection, selection),
        tiles=_tiles(totals),
        figures=figures,
        shown=triplets_shown[0],
        known=triplets_shown[1],
        whole=triplets.SHOWN,
        room=room,
        number=number,
        data=Markup(_DATA),  # noqa: S704
    )
    head, middle, end = page.split(_DATA)
    return head, middle, end


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def _tiles(totals: Totals) -> list[tuple[str, str]]:
    verified, cost = totals.counts["verified"], totals.cost_usd
    return [
        (number(totals.counts["proposed"]), "questions proposed"),
        (number(verified), "questions verified"),
        (number(totals.counts["complete"]), "in style Complete"),
        (number(totals.counts["online_judge"]), "in style Online Judge"),
        (number(totals.counts["responses_kept"]), "responses kept"),
        (dollars(cost), "paid"),
        (dollars(cost / verified) if verified and cost is not None else "–", "per verified question"),
    ]


def _facts(connection: Connection, selection: Selection) -> list[tuple[str, str]]:
    if selection.run_id is not None:
        row = connection.execute(text(_RUN), {"run_id": selection.run_id}).one()
        ended = _moment(row.finished_at) if row.finished_at else "not ended"
        facts = [("flow", row.flow), ("status", row.status), ("started", _moment(row.started_at)), ("ended", ended)]
        return [*facts, ("code", row.code_version), ("page made", _moment(datetime.now(UTC)))]
    if selection.release_id is not None:
        row = connection.execute(text(_RELEASE), {"release_id": selection.release_id}).one()
        facts = [("released", _moment(row.created_at)), ("rows", number(row.rows)), ("content", row.content_hash[:16])]
        return [*facts, ("page made", _moment(datetime.now(UTC)))]
    row = connection.execute(text(_ALL)).one()
    facts = [("runs", number(row.runs))]
    if row.runs:
        facts += [("first", _moment(row.first)), ("last", _moment(row.last))]
    return [*facts, ("page made", _moment(datetime.now(UTC)))]


def _moment(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"


def _packed(name: str, content: Any) -> bytes:
    """A part that the script inflates when it is wanted; base64 holds nothing that could end the element."""
    packed = base64.b64encode(gzip.compress(json.dumps(content, separators=(",", ":")).encode(), 6, mtime=0))
    return b'<script type="text/plain" id="part-%s">%s</script>\n' % (name.encode(), packed)


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when it is complete. Raises Unwritable."""
    fresh = path.with_name(f".{uuid.uuid4().hex}.part")  # two containers may have the same process ids
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        stream = fresh.open("xb")
    except OSError as error:
        raise Unwritable(f"Cannot write {path}: {error.strerror}.") from error
    try:
        with stream:
            yield stream
        try:
            fresh.replace(path)
        except OSError as error:
            raise Unwritable(f"Cannot write {path}: {error.strerror}.") from error
    finally:
        fresh.unlink(missing_ok=True)
