"""What people have: files -> questions -> screen -> judge pairs -> trust and label -> prove conversions."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prefect import flow, runtime
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import text

from flows.names import named
from flows.verify import assess_and_label
from tasks.drain import work_through
from tasks.import_ import (
    complete,
    import_conversions,
    import_questions,
    import_trials,
    state_licences,
    subsets_of,
    unfinished,
)
from tasks.import_verdicts import (
    JUDGE,
    PROVE,
    open_imported_conversions,
    open_imported_trials,
)
from tasks.imports import Columns, Source, open_sources
from tasks.options import Blank, SubsetName, Teacher, chosen_subsets
from tasks.run import Run, recorded_run
from tasks.screen import screen, store_benchmarks
from tasks.summary import publish_funnel
from tasks.trials import Select
from tasks.work import Work


class PlainColumns(BaseModel):
    """Where a table that is not in KodCode's layout holds what."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: str = Field("question", title="Question", json_schema_extra={"position": 0})
    solution: str = Field("solution", title="Solution", json_schema_extra={"position": 1})
    test: str = Field("test", title="Test, a pytest module", json_schema_extra={"position": 2})
    subset: str = Field("subset", title="Subset, if the table says it", json_schema_extra={"position": 3})


@dataclass(frozen=True, slots=True)
class Imported:
    """What the files are worth here (rows of v_imports), and the subsets that hold their questions."""

    files: tuple[dict[str, Any], ...]
    subsets: tuple[SubsetName, ...]


@flow(name="import", flow_run_name=named("import {files}"))
async def import_files(
    files: list[str] = [],
    subset: Literal["as the table says", SubsetName] | Blank = "as the table says",
    columns: PlainColumns = PlainColumns(),
    name: str | Blank = "",
    licence: str | Blank = "",
    benchmarks: list[str] = [],
    select: Select = "trust",
) -> Imported:
    """Make questions and trials of files, and verify them here. No model is asked; the same file again adds nothing.

    Args:
        files: Parquet, JSON lines or CSV, or folders of them: KodCode-V1, KodCode-V1-SFT, or plain tables.
        subset: Which subset all questions of plain tables belong to; else their column says it.
        columns: Where plain tables hold what.
        name: What the rows are called by, in place of a model; the file's name if empty.
        licence: The licence of the files, as an SPDX identifier; unknown if empty.
        benchmarks: Files of problems that must not appear, stored before.
        select: How the pair that stands for a question is chosen: by trust, or by coverage as the original does.
    """
    of_all = None if subset == "as the table says" else subset
    parameters = {
        "files": files, "subset": of_all, "columns": columns.model_dump(), "name": name or None,
        "licence": licence or None,
        "benchmarks": benchmarks, "select": select,
    }  # fmt: skip
    paths = [Path(file) for file in files]
    async with recorded_run("import", parameters, runtime.flow_run.id) as run:
        where = Columns(**columns.model_dump())
        sources = await asyncio.to_thread(
            open_sources, paths, subset=of_all, columns=where, name=name or None, licence=licence or None
        )
        await asyncio.to_thread(store_benchmarks, run.engine, benchmarks)
        for sentence in await asyncio.to_thread(state_licences, run.engine, sources):
            run.progress.say(sentence)
        left = await asyncio.to_thread(unfinished, run.engine, sources)
        for source in left:
            await import_questions(source)
        names = chosen_subsets(found) if (found := await asyncio.to_thread(subsets_of, run.engine, sources)) else []
        for one in names:
            await screen(one)
        for source in left:
            await import_trials(source)
        await work_through(JUDGE, Work(), lambda: open_imported_trials(run.engine))
        if names:
            # Trust and labels know models only as canned or not.
            await assess_and_label(run, names, Teacher(provider="openai").resolved(run.settings), select)
        for source in left:
            if source.layout == "kodcode":
                await import_conversions(source)
        await work_through(PROVE, Work(), lambda: open_imported_conversions(run.engine))
        await asyncio.to_thread(complete, run.engine, sources)
        await publish_funnel("import", names)
        return Imported(await asyncio.to_thread(_report, run, sources), tuple(names))


def _report(run: Run, sources: list[Source]) -> tuple[dict[str, Any], ...]:
    with run.engine.connect() as connection:
        rows = connection.execute(
            text("select * from kodcode.v_imports where import_id = any(:ids) order by created_at, path"),
            {"ids": [source.source_id for source in sources]},
        ).mappings()
        return tuple({**row, "created_at": row["created_at"].isoformat()} for row in rows)
