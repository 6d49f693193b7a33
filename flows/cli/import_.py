"""The command that takes in what people have already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy import Engine, text

from flows.cli.conduct import complain, conducted, rows_left
from flows.cli.context import AsJson, DataDir, console, note, settings_for
from flows.cli.display import funnel_table
from flows.cli.options import Benchmarks, Select, SelectChoice
from tasks.history import funnel
from tasks.imports import Columns, check_files
from tasks.options import chosen_subsets

_SHOWN = 20  # bad rows that are told one by one


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(help="Parquet, JSONL, CSV files (.gz too), or folders.", show_default=False),
    ],
    subset: Annotated[
        str | None, typer.Option(help="Plain tables: the subset that the questions are most like.")
    ] = None,
    question_column: Annotated[str, typer.Option(help="Plain tables: where the question is.")] = "question",
    solution_column: Annotated[str, typer.Option(help="Plain tables: where its solution is.")] = "solution",
    test_column: Annotated[str, typer.Option(help="Plain tables: where the pytest module is.")] = "test",
    subset_column: Annotated[str, typer.Option(help="Plain tables: where the subset is, if it is.")] = "subset",
    name: Annotated[
        str | None, typer.Option(help="What the rows are called by, in place of a model.", show_default="the file's")
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the files, an SPDX identifier.")
    ] = None,
    benchmark: Benchmarks = [],
    select: Select = SelectChoice.trust,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Verify what you have: questions, solutions and tests in files become questions and trials. No model is asked.

    kodcode import KodCode-V1/*.parquet: KodCode-V1 (both editions) and KodCode-V1-SFT are known by their columns. All
    trials are taken; ids are kept where they are free; conversions are proven again.

    kodcode import mine.jsonl --subset leetcode --test-column tests: any table of (question, solution, pytest module).
    Rows with the same question are trials of it.

    Every pair is executed here and every question screened; what the source says of them is kept aside (v_imports,
    import_rows) and decides nothing. The same file again adds nothing; after a stop, the same command goes on. Exit
    status 1 says that there were bad rows: they are counted, the first are shown, and all are in import_rows.
    """
    chosen = chosen_subsets([subset])[0] if subset else None
    columns = Columns(question_column, solution_column, test_column, subset_column)
    check_files(files, chosen, columns)  # before servers are started for nothing
    settings = settings_for(data_dir)
    with conducted(
        settings,
        "import",
        False,
        [str(file.absolute()) for file in files],
        subset=chosen,
        columns=asdict(columns),
        name=name,
        licence=licence,
        benchmarks=[str(path) for path in benchmark],
        select=select.value,
    ) as (backends, imported):
        subsets = funnel(backends.engine, imported.subsets)
        bad = sum(file["bad"] for file in imported.files)
        shown = _bad_rows(backends.engine, [file["import_id"] for file in imported.files]) if bad else []
        left = rows_left(backends)
    if as_json:
        rows = {subset_name: asdict(row) for subset_name, row in subsets.items()}
        print(json.dumps({"files": imported.files, "subsets": rows, "bad_rows": shown}))
    else:
        _show(imported.files, subsets, shown, bad)
    complain(left)
    if bad:
        raise typer.Exit(1)


def _bad_rows(engine: Engine, import_ids: list[str]) -> list[dict[str, Any]]:
    """The first bad rows, each with its file, number and reason."""
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "select i.path, r.row, r.reason, r.detail from kodcode.import_rows r join kodcode.imports i"
                " using (import_id) where r.status = 'bad' and r.import_id = any(:ids)"
                " order by i.path, r.row limit :few"
            ),
            {"ids": import_ids, "few": _SHOWN},
        ).mappings()
        return [dict(row) for row in rows]


def _show(files: Sequence[dict[str, Any]], subsets: Any, shown: list[dict[str, Any]], bad: int) -> None:
    for file in files:
        claimed = f" (the file claims {file['claimed_passes']})" if file["claimed_passes"] is not None else ""
        note(
            f"{file['path']}: {file['rows']} rows, {file['bad']} bad, {file['skipped']} proposed here already; "
            f"{file['questions']} questions, {file['duplicates']} duplicates, {file['contaminated']} contaminated; "
            f"{file['passed']} of {file['trials']} trials pass{claimed}, {file['verified']} questions verified"
        )
    for row in shown:
        note(f"{row['path']}:{row['row']}: {row['reason']}: {row['detail']}")
    if bad > len(shown):
        note(f"... and {bad - len(shown)} more: kodcode sql \"select * from import_rows where status = 'bad'\"")
    if subsets:
        console.print(funnel_table(subsets))
    console.print(
        "Next: kodcode release writes what is verified; kodcode run adds attempts, conversions and responses.",
        soft_wrap=True,
    )
