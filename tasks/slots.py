"""Prefect's global concurrency limits: how many shards of all runs together ask models, or execute programs.

`kodcode bootstrap` makes them; who changes one in Prefect's UI slows down or stops (0) what runs, without a restart.
They are taken by workers elsewhere, a slot of each limit a shard, all at once or none, so that nobody holds one and
waits for another. A slot of a worker that was lost is free when its lease at Prefect ends.

They are a brake, not what correctness rests on: where Prefect does not answer, work goes on without.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency
from prefect.exceptions import ObjectNotFound, PrefectException

from tasks import assess, convert, generate, import_verdicts, respond, solve

ASKING, EXECUTING = "kodcode-shards-asking", "kodcode-shards-executing"
# As many as there may be drainers of a run: nothing is held up until somebody wants it.
LIMIT = 1000
NEEDS: dict[str, tuple[str, ...]] = {
    generate.STAGE: (ASKING,),
    solve.STAGE: (ASKING, EXECUTING),
    assess.STAGE: (EXECUTING,),
    convert.STAGE: (ASKING, EXECUTING),
    respond.STAGE: (ASKING, EXECUTING),
    import_verdicts.JUDGE: (EXECUTING,),
    import_verdicts.PROVE: (EXECUTING,),
}
# The shortest lease that Prefect gives.
_LEAST_LEASE_S = 60.0
_LOOK_AGAIN_S = 15.0

log = logging.getLogger(__name__)


async def make_limits() -> list[str]:
    """Make the limits; those that exist stay as they are."""
    async with get_client() as client:
        for name in (ASKING, EXECUTING):
            try:
                await client.read_global_concurrency_limit_by_name(name)
            except ObjectNotFound:
                await client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=name, limit=LIMIT))
    return [ASKING, EXECUTING]


@asynccontextmanager
async def slots(stage: str, lease_s: float) -> AsyncIterator[None]:
    """Hold the slots that a shard of this stage needs; waits for them, for as long as it takes."""
    told = False
    held = AsyncExitStack()
    try:
        while True:
            try:
                # A lease that cannot be renewed is no reason to throw work away.
                wanted = concurrency(
                    list(NEEDS[stage]),
                    lease_duration=max(lease_s, _LEAST_LEASE_S),
                    raise_on_lease_renewal_failure=False,
                )
                await held.enter_async_context(wanted)
                break
            except ConcurrencySlotAcquisitionError as error:
                if not _is_closed(error):
                    log.warning("Going on without the limits of Prefect: %s", type(error.__cause__).__name__)
                    break
                if not told:
                    log.warning("A limit of Prefect is 0, %s: waiting until it is raised.", " or ".join(NEEDS[stage]))
                told = True
                await asyncio.sleep(_LOOK_AGAIN_S)
        yield
    finally:
        try:
            await held.aclose()
        except (PrefectException, httpx.HTTPError) as error:  # what was done under them is done
            log.warning("Slots of Prefect are free when their lease ends: %s", type(error).__name__)


def _is_closed(error: ConcurrencySlotAcquisitionError) -> bool:
    """Whether more slots are asked for than a limit has, that is, whether it has none."""
    cause = error.__cause__
    return isinstance(cause, httpx.HTTPStatusError) and cause.response.status_code == httpx.codes.UNPROCESSABLE_ENTITY
