"""The command that releases what is verified."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from flows.cli.context import AsJson, DataDir, console, settings_for
from flows.cli.pipeline import carry_out
from tasks.formats import FORMATS, chosen_formats
from tasks.options import ReleaseFilters, chosen_subsets


def release(
    context: typer.Context,
    subset: Annotated[list[str], typer.Option(help="Which subset; may be repeated. All 12 where none is named.")] = [],
    canned: Annotated[bool, typer.Option("--canned", help="Release the demo's canned answers.")] = False,
    classes: Annotated[
        bool, typer.Option("--classes/--no-classes", help="With or without triplets whose test builds a class.")
    ] = True,
    max_response_tokens: Annotated[
        int | None, typer.Option(min=1, help="Leave out reasoning answers that took more tokens, reasoning included.")
    ] = None,
    min_trust: Annotated[float | None, typer.Option(min=0, max=1, help="Trust of the chosen pair.")] = None,
    min_consensus: Annotated[float | None, typer.Option(min=0, max=1, help="What the other trials say.")] = None,
    min_kill_rate: Annotated[float | None, typer.Option(min=0, max=1, help="Mutants that its test rejects.")] = None,
    min_coverage: Annotated[float | None, typer.Option(min=0, max=100, help="Lines run by its test, percent.")] = None,
    min_assertions: Annotated[int | None, typer.Option(min=1, help="Assertions in its test.")] = None,
    stub_rejected: Annotated[bool, typer.Option("--stub-rejected", help="Only where a stub fails the test.")] = False,
    stable: Annotated[bool, typer.Option("--stable", help="Only where other orders, days and seeds pass.")] = False,
    apart: Annotated[
        bool, typer.Option("--apart", help="Only where solution and test passed in two processes.")
    ] = False,
    format: Annotated[
        list[str],
        typer.Option(
            help=f"Written beside KodCode-V1; may be repeated: {', '.join(FORMATS)}.", show_default="kodcode-v1-sft"
        ),
    ] = [],
    prove_all: Annotated[
        bool, typer.Option("--prove-all", help="Execute the proof of every row, not of a sample.")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write what is verified now as a numbered dataset; the number stays the same where nothing is new.

    The bounds are on a question's chosen pair, for whatever was made from it; what was not found out meets none.
    """
    if context.invoked_subcommand is not None:
        return
    settings = settings_for(data_dir, demo=canned)
    filters = ReleaseFilters(
        min_trust=min_trust,
        min_consensus=min_consensus,
        min_kill_rate=min_kill_rate,
        min_coverage=min_coverage,
        min_assertions=min_assertions,
        stub_rejected=stub_rejected,
        stable=stable,
        apart=apart,
        classes=classes,
        max_response_tokens=max_response_tokens,
    )
    formats = [chosen.name for chosen in chosen_formats(format)] if format else []
    outcome, _ = carry_out(
        settings,
        chosen_subsets(subset),
        "release",
        canned=canned,
        filters=filters,
        formats=formats,
        prove_all=prove_all,
    )
    if as_json:
        print(json.dumps(outcome.release))
    else:
        console.print(f"{outcome.release['rows']} rows in {outcome.release['path']}", soft_wrap=True)
