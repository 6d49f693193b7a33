"""prefect.yaml: what it names exists, and every form of the UI has its texts and bounds."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema

from tasks.options import SubsetName
from tasks.settings import REPOSITORY
from tasks.subsets import SUBSETS

DEPLOYMENTS = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]


@pytest.fixture
def flow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Flow[..., Any]:
    monkeypatch.chdir(REPOSITORY)
    return load_flow_from_entrypoint(request.param["entrypoint"])


def named(deployment: dict[str, Any]) -> str:
    return str(deployment["name"])


def test_every_subset_stage_and_the_whole_have_a_deployment() -> None:
    stages = {"import", "push", "verify", "convert", "respond", "release", "nightly"}
    assert {named(entry) for entry in DEPLOYMENTS} == {subset.slug for subset in SUBSETS.values()} | stages


def test_forms_offer_the_subsets_of_the_registry() -> None:
    assert list(get_args(SubsetName)) == list(SUBSETS)


@pytest.mark.parametrize("flow", DEPLOYMENTS, indirect=True, ids=named)
def test_flow_runs_with_its_defaults_and_explains_every_parameter(flow: Flow[..., Any]) -> None:
    assert flow.validate_parameters({}) is not None
    schema = parameter_schema(flow.fn)
    described = {**schema.properties}
    assert described
    for name, field in described.items():
        assert field.get("description") or "$ref" in str(field), name


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("nightly", {"questions": 0}),
        ("nightly", {"target_verified": 0}),
        ("nightly", {"subsets": ["Leetkode"]}),
        ("verify", {"attempts": 11}),
        ("respond", {"teacher": {"provider": "nobody"}}),
        ("convert", {"styles": ["haiku"]}),
        ("import", {"subset": "Leetkode"}),
        ("import", {"columns": {"answer": "a"}}),
        ("push", {"release": 0}),
    ],
)
def test_nonsense_is_refused_before_a_run_exists(
    name: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(REPOSITORY)
    entrypoint = next(entry["entrypoint"] for entry in DEPLOYMENTS if entry["name"] == name)
    found = load_flow_from_entrypoint(entrypoint)
    with pytest.raises(ParameterTypeError):
        found.validate_parameters(wrong)
