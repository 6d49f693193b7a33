"""A run's name says what runs."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from prefect import Flow, flow
from prefect.context import FlowRunContext

from flows.import_ import import_files
from flows.names import named
from flows.nightly import nightly
from flows.report import report
from tasks.subsets import SUBSETS


def name_of(maker: Callable[[], str], parameters: dict[str, Any]) -> str:
    """What a run of a flow with these parameters is called."""

    @flow
    def any_flow() -> None: ...

    with FlowRunContext.model_construct(flow=any_flow, flow_run=SimpleNamespace(id="r"), parameters=parameters):
        return maker()


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({"subsets": [], "number": 3}, "all 12 subsets, 3"),
        ({"subsets": list(SUBSETS), "number": 3}, "all 12 subsets, 3"),
        ({"subsets": ["Docs"], "number": 3}, "Docs, 3"),
        ({"subsets": ["Docs", "Evol", "Taco"], "number": 3}, "Docs, Evol and Taco, 3"),
        ({"subsets": list(SUBSETS)[:5], "number": 3}, "5 subsets, 3"),
    ],
)
def test_names_tell_parameters_in_words(parameters: dict[str, Any], name: str) -> None:
    assert name_of(named("{subsets}, {number}"), parameters) == name


@pytest.mark.parametrize(
    ("flow", "parameters", "name"),
    [
        (import_files, {"files": ["/data/KodCode-V1", "/data/mine.jsonl"]}, "import KodCode-V1 and mine.jsonl"),
        (import_files, {"files": [f"{n}.parquet" for n in range(5)]}, "import 5 files"),
        (report, {"run": None, "release": None}, "report on the whole history"),
        (report, {"run": None, "release": 3}, "report on release 3"),
        (report, {"run": "abc", "release": None}, "report on run abc"),
        (nightly, {"subsets": ["Docs"], "questions": 7}, "nightly: Docs, 7 questions each"),
        (nightly, {"subsets": ["Docs"], "questions": 7, "target_verified": 9}, "nightly: Docs, 9 verified each"),
    ],
)
def test_runs_of_a_flow_are_told_apart_by_their_names(
    flow: Flow[..., Any], parameters: dict[str, Any], name: str
) -> None:
    assert name_of(flow.flow_run_name, parameters) == name  # type: ignore[arg-type]
