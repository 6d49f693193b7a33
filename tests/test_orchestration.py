"""What bootstrap declares: pools and flows of prefect.yaml, and automations for runs of these flows alone."""

from __future__ import annotations

from prefect.events.schemas.automations import EventTrigger

from tasks.orchestration import TAG, automations, declared
from tasks.settings import REPOSITORY


def test_flows_and_pools_are_those_of_the_file() -> None:
    found = declared(REPOSITORY / "prefect.yaml")
    assert set(found.pools) == {"kodcode", "kodcode-drain"}
    assert {"nightly", "generate-leetcode", "import", "drain"} <= set(found.flows)


def test_runs_of_others_on_the_same_server_are_left_alone() -> None:
    lost, restart = automations(600, ["nightly", "drain"])
    assert isinstance(lost.trigger, EventTrigger) and isinstance(restart.trigger, EventTrigger)
    related = {name: list(value) for name, value in lost.trigger.match_related.items()}  # type: ignore[union-attr]
    assert related == {"prefect.resource.role": ["flow"], "prefect.resource.name": ["nightly", "drain"]}
    assert f"prefect.tag.{TAG}" in str(restart.trigger.match_related)
