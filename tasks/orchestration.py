"""What a Prefect server needs beside the deployments: work pools, and automations that see to crashed runs."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists

LOST, RESTART = "kodcode: runs without a sign of life", "kodcode: restart crashed runs"
# A worker that is given a run again before it has put it away ends with an error (Prefect 3.8.8).
_REST_S = 30.0
# Runs with this tag go on where they stopped when they are started again.
TAG = "kodcode"


@dataclass(frozen=True, slots=True)
class Declared:
    """The work pools that the deployments of a prefect.yaml go to, and the names of their flows."""

    pools: tuple[str, ...]
    flows: tuple[str, ...]


def declared(prefect_yaml: Path) -> Declared:
    """What the file declares; its entrypoints are imported for their names."""
    deployments = yaml.safe_load(prefect_yaml.read_text("utf-8"))["deployments"]
    entrypoints = [deployment["entrypoint"].rpartition(".") for deployment in deployments]
    return Declared(
        tuple(sorted({deployment["work_pool"]["name"] for deployment in deployments})),
        tuple(sorted({getattr(importlib.import_module(module), name).name for module, _, name in entrypoints})),
    )


async def make_pools(names: Sequence[str]) -> None:
    """Make these work pools, of type process; those that exist stay as they are."""
    async with get_client() as client:
        for name in names:
            try:
                await client.create_work_pool(WorkPoolCreate(name=name, type="process"))
            except ObjectAlreadyExists:
                continue


def automations(silent_s: float, flows: Sequence[str]) -> list[AutomationCore]:
    """A run of these flows that sends no event for `silent_s` is crashed; a crashed run of a deployment of ours is
    scheduled again, as the same run. Others may use the same server: their runs are left alone.

    The first expects any event of the run, for one that has ended sends no heartbeats either.
    """
    runs = {"prefect.resource.id": "prefect.flow-run.*"}
    lost = EventTrigger(
        match=runs,
        match_related={"prefect.resource.role": "flow", "prefect.resource.name": list(flows)},
        after={"prefect.flow-run.heartbeat"},
        expect={"prefect.flow-run.*"},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=silent_s),
    )
    crashed = EventTrigger(
        match=runs,
        match_related={"prefect.resource.role": "tag", "prefect.resource.id": f"prefect.tag.{TAG}"},
        after={"prefect.flow-run.Crashed"},
        expect={"prefect.flow-run.Pending", "prefect.flow-run.Running", "prefect.flow-run.Completed"},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=_REST_S),
    )
    message = f"It gave no sign of life for {silent_s:.0f} s: its process or its machine is gone."
    return [
        AutomationCore(
            name=LOST,
            description="Marks runs as crashed whose machine was lost.",
            trigger=lost,
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message)],
        ),
        AutomationCore(
            name=RESTART,
            description="Schedules crashed runs again: what is stored is neither asked nor paid nor executed again.",
            trigger=crashed,
            actions=[ChangeFlowRunState(state=StateType.SCHEDULED, message="Restarted after a crash.")],
        ),
    ]


async def make_automations(silent_s: float, flows: Sequence[str]) -> list[str]:
    """Make the automations, or change those of the same name."""
    async with get_client() as client:
        for wanted in automations(silent_s, flows):
            existing = await client.read_automations_by_name(wanted.name)
            if existing:
                await client.update_automation(existing[0].id, wanted)
            else:
                await client.create_automation(wanted)
    return [LOST, RESTART]
