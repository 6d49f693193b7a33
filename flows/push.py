"""A release on the Hugging Face Hub."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

from prefect import flow, runtime
from prefect.artifacts import acreate_link_artifact
from pydantic import Field

from flows.names import named
from tasks import hub
from tasks.options import Blank
from tasks.run import recorded_run
from tasks.shown import shown

log = logging.getLogger(__name__)

Number = Annotated[int, Field(ge=0)]


@flow(name="push", flow_run_name=named("push to {repo}"))
async def push(repo: str = "", release: Number | Blank = 0, private: bool = False) -> hub.Pushed:
    """Publish a release as a dataset, in one commit, and link it. The token is HF_TOKEN of the worker, or its login.

    Args:
        repo: ORG/NAME of the dataset; made where there is none.
        release: Number of the release; 0 is the newest.
        private: Make the dataset private; refused where it is public already.
    """
    parameters = {"repo": repo, "release": release or None, "private": private}
    async with recorded_run("push", parameters, runtime.flow_run.id) as run:
        pushed = await asyncio.to_thread(
            hub.push,
            run.engine,
            run.backends.artifacts,
            repo,
            release=release or None,
            private=private,
            note=run.progress.say,
        )
        link = acreate_link_artifact(
            pushed.url, pushed.repo, key="push", description=f"Release {pushed.release}, commit {pushed.commit}."
        )
        await shown("the link to the dataset", link, log)
    return pushed
