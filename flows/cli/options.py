"""Options that several commands have, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SelectChoice(StrEnum):
    trust = "trust"
    coverage = "coverage"


Subsets = Annotated[list[str], typer.Option(help="Which subset; may be repeated. All 12 where none is named.")]
Benchmarks = Annotated[
    list[Path],
    typer.Option(
        help="JSONL or Parquet file of problems that must not appear: HumanEval, MBPP, BigCodeBench, LiveCodeBench, "
        "own; may be repeated."
    ),
]
Select = Annotated[
    SelectChoice,
    typer.Option(help="Which passing pair stands for a question: the most trusted, or the original's rule."),
]
TrialTimeout = Annotated[float | None, typer.Option(min=0.1, help="Seconds a trial may run.", show_default="30")]
