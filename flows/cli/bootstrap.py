"""The command that sets a Prefect server up for the deployments of prefect.yaml: bootstrap."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console

from flows.cli.context import AsJson, DataDir, opened, settings_for
from tasks.backends import check_prefect
from tasks.settings import REPOSITORY, ConfigurationError

out = Console(highlight=False)


def bootstrap(
    heartbeat_s: Annotated[
        float,
        typer.Option(
            min=30,
            help="A run without a sign of life for so long is marked as crashed: at least three times "
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY of every worker, which is 180 unless you set it.",
        ),
    ] = 600,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Set a Prefect server up: pools, limits, automations that restart crashed runs, deployments. Again is no harm."""
    settings = settings_for(data_dir)
    with opened(settings, orchestrated=True):
        url = os.environ["PREFECT_API_URL"]
        check_prefect(url)
    # Prefect reads its settings when it is imported.
    from tasks.orchestration import declared, make_automations, make_pools  # noqa: PLC0415
    from tasks.slots import make_limits  # noqa: PLC0415

    wanted = declared(REPOSITORY / "prefect.yaml")
    pools = wanted.pools
    asyncio.run(make_pools(pools))
    limits = asyncio.run(make_limits())
    automations = asyncio.run(make_automations(heartbeat_s, wanted.flows))
    deployed = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if deployed.returncode != 0:
        raise ConfigurationError(f"prefect deploy --all failed at {url}: {deployed.stderr or deployed.stdout}")
    if as_json:
        print(json.dumps({"prefect_api_url": url, "pools": pools, "limits": limits, "automations": automations}))
        return
    out.print(
        f"{url} has the work pools {', '.join(pools)}, the limits {', '.join(limits)}, two automations and the "
        "deployments of prefect.yaml.",
        soft_wrap=True,
    )
    for pool in pools:
        out.print(f"  PREFECT_API_URL={url} prefect worker start --pool {pool}", soft_wrap=True)
