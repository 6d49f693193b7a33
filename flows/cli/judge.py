"""The commands without a database: check judges pairs that people have, test runs the project's own suite."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.context import note
from flows.cli.errors import UsageError
from flows.cli.options import TrialTimeout
from tasks.run import policy_of
from tasks.sandbox import check as engine
from tasks.settings import REPOSITORY, load_settings


def check(
    pairs: Annotated[Path, typer.Argument(help="JSONL of {id, solution, test} or {id, solution, stdin, stdout}.")],
    out: Annotated[
        Path | None, typer.Option(help="Where results go, a JSON line a pair.", show_default="stdout")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="Trials at once; 0: one a core.")] = 0,
    timeout: TrialTimeout = None,
    memory_mb: Annotated[int | None, typer.Option(min=64, help="Memory of a trial.", show_default="4096")] = None,
    coverage: Annotated[bool, typer.Option(help="Measure line coverage of the solution.")] = True,
    star_import: Annotated[
        bool, typer.Option(help="Put `from solution import *` in front of the test, as the original pipeline does.")
    ] = True,
    confirm: Annotated[
        bool,
        typer.Option(
            "--confirm",
            help="Run what passed again, by another harness, hash seed and order; apart from its tests, if possible.",
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep the results that --out holds, judge the rest.")
    ] = False,
    allow_weak: Annotated[
        bool, typer.Option("--allow-weak", help="Judge even where nothing contains the program.")
    ] = False,
) -> None:
    """Judge (solution, test) pairs of any origin in the sandbox; needs no database and no servers."""
    if resume and out is None:
        raise UsageError("--resume needs --out: it continues that file.")
    settings = load_settings(
        sandbox_jobs=jobs or None,
        trial_timeout_s=timeout,
        trial_memory_mb=memory_mb,
        allow_weak_sandbox=allow_weak or None,
    )
    if not pairs.is_file():
        raise UsageError(f"There is no file {pairs}. Give a JSONL file with {{id, solution, test}} rows.")
    summary = engine.check(
        pairs,
        out or sys.stdout,
        policy_of(settings),
        coverage=coverage,
        star_import=star_import,
        confirm=confirm,
        resume=resume,
        complain=lambda line, reason: note(f"{pairs}:{line}: {reason}"),
    )
    counts = ", ".join(f"{count} {name}" for name, count in sorted(summary.verdicts.items()))
    kept = f", {summary.resumed} kept from before" if summary.resumed else ""
    note(f"{summary.judged} judged ({counts or 'none'}){kept}, {summary.bad_rows} bad rows")
    if summary.bad_rows:
        raise typer.Exit(1)


def test(context: typer.Context) -> None:
    """Run the project's own tests, two files at a time; arguments go to pytest instead: kodcode test -m slow."""
    os.chdir(REPOSITORY)
    # Some hundred processes start, and would compile what they import each by itself.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    arguments = context.args or ["-n", "2", "--dist", "loadfile"]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])  # noqa: S606 (our own interpreter)
