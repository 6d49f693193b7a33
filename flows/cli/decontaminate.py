"""The command that checks old questions against new benchmarks."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from flows.cli.context import AsJson, DataDir, console, note, opened, settings_for
from flows.cli.options import Benchmarks, Subsets
from tasks.options import chosen_subsets, thresholds_of
from tasks.screening import Policy, load_benchmark, make_embedder, store_benchmark
from tasks.screening import decontaminate as check


def decontaminate(
    benchmark: Benchmarks = [],
    subset: Subsets = [],
    reject: Annotated[
        bool,
        typer.Option("--reject", help="Reject contaminated questions that have no trials yet; else only mark them."),
    ] = False,
    cosine: Annotated[
        float | None, typer.Option(min=-1, max=1, help="Contaminated above this cosine.", show_default="0.95")
    ] = None,
    ngram: Annotated[
        int | None, typer.Option(min=5, max=50, help="Words or code tokens in a row.", show_default="13")
    ] = None,
    ngram_share: Annotated[
        float | None, typer.Option(min=0.01, max=1, help="Contaminated from this share of them.", show_default="0.3")
    ] = None,
    terms: Annotated[
        float | None,
        typer.Option(
            min=0.01, max=1, help="Contaminated from this weighted Jaccard similarity of the words.",
            show_default="0.55",
        ),
    ] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Check every accepted question, and its solutions, against benchmarks; those given are stored first.

    No language model is asked. Contaminated questions keep their place and go to the split use_with_caution.
    """
    settings = settings_for(data_dir)
    problems = [(path, load_benchmark(path)) for path in benchmark]
    policy: Policy = "reject" if reject else "use_with_caution"
    given = {"benchmark_cosine": cosine, "ngram": ngram, "ngram_share": ngram_share, "terms_jaccard": terms}
    thresholds = thresholds_of(settings.model_copy(update={
        "thresholds": settings.thresholds | {name: value for name, value in given.items() if value is not None}
    }))  # fmt: skip
    with opened(settings) as backends:
        for path, found in problems:
            note(f"{store_benchmark(backends.engine, found)} problems of {path}")
        embedder = make_embedder(settings.embedder, base_url=settings.embedder_url)
        report = check(backends.engine, chosen_subsets(subset), embedder, thresholds, policy=policy)
    if as_json:
        print(json.dumps(asdict(report)))
        return
    measures = ", ".join(f"{count} by {measure}" for measure, count in sorted(report.found.items()))
    console.print(
        f"{report.checked} questions checked, {report.contaminated} contaminated{f' ({measures})' if measures else ''}"
        f'\n  which: ./kodcode sql "select * from contaminations"'
    )
