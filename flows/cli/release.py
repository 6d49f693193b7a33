"""The command that releases what is verified."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, get_args

import typer

from flows.cli.context import AsJson, DataDir, console, settings_for
from flows.cli.options import Subsets
from flows.cli.pipeline import carry_out
from tasks.filters import PresetName, quotas, release_filters
from tasks.formats import FORMATS, chosen_formats
from tasks.licences import LicencePolicy
from tasks.options import AnyStyle, chosen_subsets


def release(
    context: typer.Context,
    subset: Subsets = [],
    canned: Annotated[bool, typer.Option("--canned", help="Release the demo's canned answers.")] = False,
    classes: Annotated[
        bool | None,
        typer.Option(
            "--classes/--no-classes",
            help="With or without triplets whose test builds a class.",
            show_default="classes",
        ),
    ] = None,
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
    style: Annotated[
        list[str], typer.Option(help=f"Only this style; may be repeated: {', '.join(get_args(AnyStyle))}.")
    ] = [],
    difficulty: Annotated[
        list[str],
        typer.Option(help="Only questions of this difficulty, and their conversions: easy, medium, hard; repeatable."),
    ] = [],
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was made on this day (UTC) or after.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what was made on this day (UTC) or before.")
    ] = None,
    answered: Annotated[bool, typer.Option("--answered", help="Only where a response was kept.")] = False,
    licence_policy: Annotated[
        LicencePolicy,
        typer.Option(
            help="permissive leaves out what derives from seeds that ask for more than notices, or from models whose "
            "output may not train others, or of which that is not known."
        ),
    ] = "any",
    quota: Annotated[
        list[str], typer.Option(metavar="SUBSET=ROWS", help="Rows of a subset at most; may be repeated.")
    ] = [],
    sample: Annotated[int | None, typer.Option(min=1, help="Rows at most, chosen by hash.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of quotas and sample.", show_default="0")] = None,
    preset: Annotated[
        PresetName | None, typer.Option(help="Filters of a set of the paper; options given here count before them.")
    ] = None,
    number: Annotated[
        int | None, typer.Option(min=1, help="Fail where the release does not get this number.")
    ] = None,
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
    given: dict[str, Any] = {
        "min_trust": min_trust,
        "min_consensus": min_consensus,
        "min_kill_rate": min_kill_rate,
        "min_coverage": min_coverage,
        "min_assertions": min_assertions,
        "stub_rejected": stub_rejected,
        "stable": stable,
        "apart": apart,
        "max_response_tokens": max_response_tokens,
        "styles": style,
        "difficulties": difficulty,
        "since": since and since.date(),
        "until": until and until.date(),
        "answered": answered,
        "licence_policy": licence_policy,
        "quota": quotas(quota),
        "sample": sample,
        "seed": seed,
    }
    # A bound of 0 is a bound, though it equals False.
    set_here = {
        name: value
        for name, value in given.items()
        if value is not None and value is not False and value not in ([], {})
    }
    filters = release_filters(set_here | ({} if classes is None else {"classes": classes}))
    formats = [chosen.name for chosen in chosen_formats(format)] if format else []
    outcome, _ = carry_out(
        settings,
        chosen_subsets(subset),
        "release",
        canned=canned,
        filters=filters,
        formats=formats,
        prove_all=prove_all,
        preset=preset,
        number=number,
    )
    assert outcome.release is not None  # this flow fails where there is nothing to release
    if as_json:
        print(json.dumps(outcome.release))
    else:
        console.print(f"{outcome.release['rows']} rows in {outcome.release['path']}", soft_wrap=True)
