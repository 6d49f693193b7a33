"""Who works on shards where the run does not itself: runs of a Prefect deployment, or tasks of a Dask cluster."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.states import Cancelled

from tasks.run import Crew, Run
from tasks.settings import ConfigurationError

DEPLOYMENT = "drain/drain"
# So often for each place a drainer that fails is replaced; one that its machine takes along, always.
_MOST_FAILED = 3
# Between two looks at whether the drainers still live.
_TEND_S = 10.0
# So long a Prefect server may take; its client alone would try for minutes where one takes requests and answers none.
_ANSWER_S = 60.0

log = logging.getLogger(__name__)


def crew_of(run: Run) -> Crew | None:
    """The run's crew as the settings ask for it; None where the run works by itself.

    Raises ConfigurationError where the settings do not say enough.
    """
    settings = run.settings
    if settings.execution == "prefect":
        run.crew = run.crew or PrefectCrew(run.run_id, settings.drainers)
    elif settings.execution == "dask":
        if settings.dask_scheduler is None:
            raise ConfigurationError("KODCODE_EXECUTION=dask needs KODCODE_DASK_SCHEDULER, like tcp://HOST:8786.")
        run.crew = run.crew or DaskCrew(run.run_id, settings.drainers, settings.dask_scheduler)
    return run.crew


class PrefectCrew:
    """Runs of the deployment `drain/drain`, wherever its work pool has workers."""

    def __init__(self, run_id: str, size: int) -> None:
        self._run_id = run_id
        self._size = size
        self._drainers: set[UUID] = set()
        self._failures: list[str] = []
        self._tending = asyncio.Lock()
        self._tended = -_TEND_S

    async def tend(self) -> None:
        """Start as many drainers as are missing. A server that does not answer is asked again later.

        Raises ConfigurationError where the deployment does not exist, or its runs fail again and again.
        """
        async with self._tending:
            if time.monotonic() - self._tended < _TEND_S:
                return
            self._tended = time.monotonic()
            try:
                async with asyncio.timeout(_ANSWER_S):
                    self._drainers = {drainer.id for drainer in await self._unfinished()}
                if len(self._failures) > _MOST_FAILED * self._size:
                    raise ConfigurationError(f"Runs of {DEPLOYMENT} fail, at last: {self._failures[-1]}")
                while len(self._drainers) < self._size:
                    async with asyncio.timeout(_ANSWER_S):
                        started = await arun_deployment(
                            DEPLOYMENT, parameters={"run_id": self._run_id}, timeout=0, as_subflow=False
                        )
                    self._drainers.add(started.id)
            except ObjectNotFound:
                raise ConfigurationError(
                    f"This Prefect server has no deployment {DEPLOYMENT}: kodcode bootstrap makes it."
                ) from None
            except (PrefectException, httpx.HTTPError, TimeoutError) as error:
                log.warning("The drainers could not be looked after: %s", type(error).__name__)

    async def dismiss(self) -> None:
        """Cancel those that no worker has taken yet."""
        if not self._drainers:
            return
        try:
            async with asyncio.timeout(_ANSWER_S), get_client() as client:
                for drainer in await self._unfinished():
                    if drainer.state is not None and not drainer.state.is_running():
                        await client.set_flow_run_state(drainer.id, Cancelled(message="The run has ended."))
        except (PrefectException, httpx.HTTPError, TimeoutError) as error:
            log.warning("Drainers that have not begun could not be called off: %s", type(error).__name__)

    async def _unfinished(self) -> list[Any]:
        if not self._drainers:  # no filter at all would find every run
            return []
        async with get_client() as client:
            found = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(self._drainers)))
            )
        self._failures += [d.state.message or "" for d in found if d.state is not None and d.state.is_failed()]
        return [drainer for drainer in found if drainer.state is None or not drainer.state.is_final()]


class DaskCrew:
    """Tasks of a Dask cluster, each of which drains until the run has ended."""

    def __init__(self, run_id: str, size: int, scheduler: str) -> None:
        self._run_id = run_id
        self._size = size
        self._scheduler = scheduler
        self._client: Any = None
        self._drainers: list[Any] = []
        self._started = 0
        self._failed = 0
        self._tending = asyncio.Lock()

    async def tend(self) -> None:
        """Submit as many drainers as are missing.

        Raises ConfigurationError where there is no such scheduler, or the drainers fail again and again.
        """
        async with self._tending:
            if self._client is None:
                self._client = await self._connected()
            for drainer in self._drainers:
                if drainer.status == "error":
                    self._failed += 1
                    log.warning("A drainer on the Dask cluster failed: %s", await drainer.exception())
                    if self._failed > _MOST_FAILED * self._size:
                        raise ConfigurationError(f"Drainers on Dask fail, at last: {await drainer.exception()}")
            self._drainers = [drainer for drainer in self._drainers if drainer.status == "pending"]
            while len(self._drainers) < self._size:
                self._started += 1
                key = f"kodcode-{self._run_id}-{os.getpid()}-{self._started}"
                self._drainers.append(self._client.submit(drain_on_dask, self._run_id, key=key, pure=False))

    async def _connected(self) -> Any:
        try:
            from distributed import Client  # noqa: PLC0415 (an extra)
        except ImportError:
            raise ConfigurationError("KODCODE_EXECUTION=dask needs the extra: pip install 'kodcode[dask]'.") from None
        try:
            return await Client(  # type: ignore[no-untyped-call]
                self._scheduler, asynchronous=True, timeout=30
            )
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigurationError(f"No Dask scheduler answers at {self._scheduler}: {error}.") from error

    async def dismiss(self) -> None:
        """Let go of them."""
        if self._client is not None:
            for drainer in self._drainers:
                drainer.release()
            await self._client.close()
            self._client = None


def drain_on_dask(run_id: str) -> int:
    """What a Dask worker does: it needs this package, and the three URLs in its environment."""
    from tasks.drain import drain_for  # noqa: PLC0415 (this module is part of that one)

    return asyncio.run(drain_for(run_id))
