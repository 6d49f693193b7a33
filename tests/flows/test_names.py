"""A run's name says what runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from prefect import flow
from prefect.context import FlowRunContext

from flows.names import named
from tasks.subsets import SUBSETS


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
    @flow
    def any_flow() -> None: ...

    with FlowRunContext.model_construct(flow=any_flow, flow_run=SimpleNamespace(id="r"), parameters=parameters):
        assert named("{subsets}, {number}")() == name
