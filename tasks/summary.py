"""What a flow leaves in Prefect's UI: a summary, the funnel of its subsets, what it paid, why rows were dropped.

Only numbers, names of this project's own and fixed words of reasons: no text of a model's goes into an artifact, and
the words of an error, which may quote one, are escaped.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from sqlalchemy import Engine, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.costs import costs
from tasks.history import funnel, named_query, reading
from tasks.plaintext import markdown
from tasks.report import funnel_picture
from tasks.run import Run, current_run
from tasks.shown import shown
from tasks.store.schema import Release
from tasks.store.schema import Run as RunRow

log = logging.getLogger(__name__)

_NEXT = {
    "completed": "Run it again with larger numbers to grow: what is stored is neither asked nor paid again.",
    "interrupted": "Run it again with the same parameters to continue; after a budget was reached, with a higher one.",
    "failed": "Mend what the message names, then run it again with the same parameters: it continues, and what is "
    "stored is neither asked nor paid again.",
}
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class _Ended:
    """What a run did: rows of `@run_added`, of `tasks.costs`, the releases it made."""

    row: RunRow
    added: Sequence[dict[str, Any]]
    costs: Sequence[dict[str, Any]]
    releases: Sequence[Release]


async def publish_funnel(flow: str, subsets: Sequence[str]) -> None:
    """Artifacts `FLOW-funnel`, a table, and `FLOW-picture`, the same as a Sankey diagram, newest version first in the
    UI; and the numbers in the run's row."""
    run = current_run()
    rows = await asyncio.to_thread(funnel, run.engine, subsets)
    table = [{"subset": name, **asdict(row)} for name, row in rows.items()]
    about = _about(run.run_id, 'kodcode sql "select * from v_funnel"')
    await shown("the funnel", acreate_table_artifact(table, key=f"{flow}-funnel", description=about), log)
    await asyncio.to_thread(_keep, run, {"funnel": table})
    if any(row.proposed for row in rows.values()):
        # Not an image artifact: the UI writes the whole address of those below them.
        picture = f"![The funnel]({await asyncio.to_thread(funnel_picture, run.engine, subsets)})"
        told = acreate_markdown_artifact(picture, key=f"{flow}-picture", description=about)
        await shown("the picture", told, log)


async def publish_end(run: Run, flow: str, status: str, error: str | None) -> None:
    """Artifacts `FLOW-summary`, `FLOW-costs`, `FLOW-failures` and `FLOW-release`, each where there is something to
    say. A server that is away or slow costs them, not the run: the database has it all."""
    try:
        ended = await asyncio.to_thread(_ended, run.engine, run.run_id)
    except (DBAPIError, PoolTimeout) as problem:
        log.warning("The summary of run %s could not be made: %s", run.run_id, type(problem).__name__)
        return
    text = _summary(ended, status, error)
    about = f"Run {run.run_id}"
    await shown("the summary", acreate_markdown_artifact(text, key=f"{flow}-summary", description=about), log)
    if ended.costs:
        about = _about(run.run_id, f"kodcode sql \"select * from llm_calls where run_id = '{run.run_id}'\"")  # noqa: S608
        table = acreate_table_artifact(list(ended.costs), key=f"{flow}-costs", description=about)
        await shown("the costs", table, log)
    dropped = [
        {**row, "next": "the next run tries it again" if row["status"] == "failed" else "kept out, with its reason"}
        for row in ended.added
        if row["status"] in ("rejected", "failed")
    ]
    if dropped:
        about = _about(run.run_id, 'kodcode sql "select * from v_failures"')
        await shown("the failures", acreate_table_artifact(dropped, key=f"{flow}-failures", description=about), log)
    for release in ended.releases:
        name = f"Release {release.release_id}"
        told = acreate_markdown_artifact(_released(release), key=f"{flow}-release", description=name)
        await shown("the release", told, log)


def _ended(engine: Engine, run_id: str) -> _Ended:
    added = named_query("run_added").statement({"run": run_id})
    with reading(engine, _TIMEOUT_S) as connection:
        rows = [dict(row._mapping) for row in connection.execute(added)]
    with engine.connect() as connection:
        row = connection.execute(select(RunRow.__table__).where(RunRow.run_id == run_id)).one()
        made = connection.execute(
            select(Release.__table__).where(Release.run_id == run_id).order_by(Release.release_id)
        ).all()
    return _Ended(row, rows, costs(engine, run_id), made)  # type: ignore[arg-type]  # rows with the tables' columns


def _summary(ended: _Ended, status: str, error: str | None) -> str:
    took = datetime.now(UTC) - ended.row.started_at
    paid = ended.costs[-1] if ended.costs else {"calls": 0, "cost_usd": 0.0}
    usd = "n/a (a price is not known)" if paid["cost_usd"] is None else f"${paid['cost_usd']:,.2f}"
    lines = [
        f"# {ended.row.flow}: {status}",
        f"Run `{ended.row.run_id}`, {took.total_seconds():,.0f} s, {paid['calls']:,} answers paid, {usd}, "
        f"version `{ended.row.code_version}`.",
    ]
    if error is not None:
        lines.append(f"**{markdown(error)}**")
    stages: dict[str, dict[str, int]] = {}
    for row in ended.added:
        counts = stages.setdefault(row["what"], {})
        counts[row["status"]] = counts.get(row["status"], 0) + row["rows"]
    if stages:
        states = ("accepted", "rejected", "failed", "pending")
        table = [f"| | {' | '.join(states)} |", "|---|" + "---:|" * len(states)]
        table += [
            f"| {what} | {' | '.join(f'{counts.get(state, 0):,}' for state in states)} |"
            for what, counts in stages.items()
        ]
        lines += ["## What it did", "\n".join(table)]
    else:
        lines.append("It found nothing left to do.")
    lines += [f"Release {release.release_id}, {release.rows:,} rows: `{release.path}`" for release in ended.releases]
    lines += [
        "## Look further",
        "\n".join((
            "```sh",
            f"kodcode sql @run_added --param run={ended.row.run_id}   # by subset and reason",
            'kodcode sql "select * from v_funnel"                      # where all rows are',
            "kodcode why QUESTION_ID                                   # one row from seed to release",
            "```",
        )),
        "## Next",
        _NEXT[status],
    ]  # fmt: skip
    return "\n\n".join(lines)


def _released(release: Release) -> str:
    """Not a link: no browser follows one from the UI's page to a folder or an object of S3."""
    number = release.release_id
    return (
        f"# Release {number}\n\n{release.rows:,} rows of KodCode-V1, in `{release.path}`.\n\n```sh\n"
        f"kodcode report --release {number}   # its figures and triplets, as a page\n"
        f"kodcode release push --release {number} --repo ORG/NAME\n```"
    )


def _about(run_id: str, command: str) -> str:
    return f"Run `{run_id}`. Look further with `{command}`."


def _keep(run: Run, summary: dict[str, object]) -> None:
    with run.engine.begin() as connection:
        connection.execute(update(RunRow).where(RunRow.run_id == run.run_id).values(summary=summary))
