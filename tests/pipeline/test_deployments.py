"""prefect.yaml: what it names exists, and every form of the UI has its texts and bounds."""

from __future__ import annotations

import re
from typing import Any, get_args

import httpx
import pytest
import yaml
from prefect.exceptions import ParameterTypeError
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from tasks.options import SubsetName, Teacher
from tasks.settings import REPOSITORY
from tasks.subsets import SUBSETS
from tests.pipeline.conftest import Workplace

DEPLOYMENTS = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]


@pytest.fixture
def flow(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Flow[..., Any]:
    monkeypatch.chdir(REPOSITORY)
    return load_flow_from_entrypoint(request.param["entrypoint"])


def flow_of(name: str, monkeypatch: pytest.MonkeyPatch) -> Flow[..., Any]:
    monkeypatch.chdir(REPOSITORY)
    return load_flow_from_entrypoint(next(entry["entrypoint"] for entry in DEPLOYMENTS if entry["name"] == name))


def named(deployment: dict[str, Any]) -> str:
    return str(deployment["name"])


def test_every_subset_stage_and_the_whole_have_a_deployment() -> None:
    stages = {
        "import", "push", "verify", "convert", "respond", "decontaminate", "release", "report", "nightly", "drain"
    }  # fmt: skip
    assert {named(entry) for entry in DEPLOYMENTS} == {subset.slug for subset in SUBSETS.values()} | stages


def test_forms_offer_the_subsets_of_the_registry() -> None:
    assert list(get_args(SubsetName)) == list(SUBSETS)


# Runs start drainers by themselves.
@pytest.mark.parametrize(
    "flow", [entry for entry in DEPLOYMENTS if entry["name"] != "drain"], indirect=True, ids=named
)
def test_flow_runs_with_its_defaults_and_explains_every_parameter(flow: Flow[..., Any]) -> None:
    assert flow.validate_parameters({}) is not None
    schema = parameter_schema(flow.fn)
    assert schema.properties
    for name, field in schema.properties.items():
        assert field.get("description"), name
        # Where there are several kinds, the form would ask for the kind first.
        assert "anyOf" not in field and "null" not in str(field), name
    for model, found in schema.definitions.items():
        assert found["description"], model
        positions = [field.get("position") for field in found["properties"].values()]
        assert len(set(positions)) == len(positions) or set(positions) == {None}, model
        for name, field in found["properties"].items():
            assert field["title"] and "null" not in str(field), f"{model}.{name}"
    untouched = {name: field["default"] for name, field in schema.properties.items() if field["default"] is not None}
    assert validate(untouched, schema.model_dump()) == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("nightly", {"questions": 0}),
        ("nightly", {"target_verified": -1}),
        ("nightly", {"subsets": ["Leetkode"]}),
        ("verify", {"attempts": 11}),
        ("respond", {"teacher": {"provider": "nobody"}}),
        ("convert", {"styles": ["haiku"]}),
        ("report", {"release": -1}),
        ("decontaminate", {"thresholds": {"benchmark_cosine": 2}}),
        ("import", {"subset": "Leetkode"}),
        ("import", {"columns": {"answer": "a"}}),
        ("push", {"release": -1}),
    ],
)
def test_nonsense_is_refused_before_a_run_exists(
    name: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = flow_of(name, monkeypatch)
    with pytest.raises(ParameterTypeError):
        found.validate_parameters(wrong)
    assert validate(wrong, parameter_schema(found.fn).model_dump())


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("nightly", {"teacher": {"budget": ["a lot"]}}),
        ("nightly", {"teacher": {"prices": ["cheap"]}}),
        ("nightly", {"teacher": {"base_url": "localhost:8000"}}),
        ("nightly", {"benchmarks": ["HumanEval"]}),
        ("verify", {"models": [" "]}),
    ],
)
def test_a_form_refuses_texts_that_are_none_of_those_that_it_asks_for(
    name: str, wrong: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert validate(wrong, parameter_schema(flow_of(name, monkeypatch).fn).model_dump())


@pytest.mark.parametrize("given", ["100", "$2.50", "day=50", "solve=20", "data-structure=5", "Leetcode=$5"])
def test_a_form_takes_every_budget_that_the_command_line_takes(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = parameter_schema(flow_of("nightly", monkeypatch).fn).model_dump()
    assert validate({"teacher": {"budget": [given]}}, schema) == []
    assert Teacher(budget=[given]).budget


@pytest.mark.parametrize("given", ["0", "gpt-4o=2.50:10", "Qwen/Qwen3-32B=0", "m=1:0.1:2"])
def test_a_form_takes_every_price_that_the_command_line_takes(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = parameter_schema(flow_of("nightly", monkeypatch).fn).model_dump()
    assert validate({"teacher": {"prices": [given]}}, schema) == []
    assert Teacher(prices=[given]).prices == [given]


def test_scheduled_parameters_are_those_of_their_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled = [(entry, schedule) for entry in DEPLOYMENTS for schedule in entry.get("schedules", [])]
    assert {named(entry) for entry, _ in scheduled} >= {"nightly", "release"}
    for entry, schedule in scheduled:
        flow_of(named(entry), monkeypatch).validate_parameters(schedule.get("parameters", {}))
        assert schedule["active"] is False  # nothing runs that nobody asked for
        if "paid" in entry["tags"]:
            assert Teacher(**schedule["parameters"]["teacher"]).budget


def test_nothing_secret_is_in_the_file() -> None:
    content = (REPOSITORY / "prefect.yaml").read_text()
    assert "prefect.blocks" not in content  # `prefect deploy` would resolve it, and store the secret readable
    assert not re.search(r"(?i)(api_?key|password|token)\s*:", content)


@pytest.mark.slow
def test_all_of_it_deploys_on_a_fresh_server(workplace: Workplace) -> None:
    """As the README says: `bootstrap`, which runs `prefect deploy --all`; a second time changes nothing."""

    def deployments() -> dict[str, dict[str, Any]]:
        api = workplace.environment["PREFECT_API_URL"]
        return {found["name"]: found for found in httpx.post(f"{api}/deployments/filter", json={}, timeout=60).json()}

    workplace.kodcode("bootstrap")
    first = deployments()
    assert set(first) == {named(entry) for entry in DEPLOYMENTS}
    for entry in DEPLOYMENTS:
        found = first[named(entry)]
        assert (found["entrypoint"], found["tags"]) == (entry["entrypoint"], entry["tags"])
        assert found["description"] not in (None, "", "None")
        assert found["work_pool_name"] == entry["work_pool"]["name"]
        limit = entry.get("concurrency_limit")
        if limit is not None:
            assert found["global_concurrency_limit"]["limit"] == limit["limit"]
            assert found["concurrency_options"]["collision_strategy"] == limit["collision_strategy"]
        assert not any(schedule["active"] for schedule in found["schedules"])
    workplace.kodcode("bootstrap")
    assert {name: found["id"] for name, found in deployments().items()} == {
        name: found["id"] for name, found in first.items()
    }
