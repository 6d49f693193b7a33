"""How the open rows of a stage are worked through: planned as shards, drained, waited for where others have them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import assess, convert, generate, respond, solve
from tasks.llm import BudgetReached, ProviderMisconfigured
from tasks.retries import INFRASTRUCTURE_RETRIES
from tasks.run import Run, current_run
from tasks.shards import Lease, LeaseLost, claim, counts, finish, give_back, keep, plan, shard_size
from tasks.work import ProviderDown, Work

STAGES: dict[str, Callable[[Run, Lease, Work], Coroutine[Any, Any, dict[str, int]]]] = {
    generate.STAGE: generate.propose_shard,
    solve.STAGE: solve.verify_shard,
    assess.STAGE: assess.assess_shard,
    convert.STAGE: convert.convert_shard,
    respond.STAGE: respond.respond_shard,
}
# How often is looked at shards that others work on.
_LOOK_AGAIN_S = (0.1, 2.0)

log = logging.getLogger(__name__)


async def work_through(stage: str, work: Work, open_rows: Callable[[], Sequence[str]]) -> int:
    """Bring every row that is open now to its end, together with whoever else works on them; returns how many.

    `open_rows` reads the keys of the open rows, in the order in which they are worked on. Rows of dead shards stay.
    """
    run = current_run()
    rows = list(await asyncio.to_thread(open_rows))
    total = len(rows)
    run.progress.begin(stage, total)
    content = work.model_dump(mode="json")
    look_again_s, longest_s = _LOOK_AGAIN_S
    while rows:
        size = await asyncio.to_thread(_size, run, stage, work, len(rows))
        planned = await asyncio.to_thread(plan, run.engine, run.run_id, stage, content, rows, size)
        if planned.dead:
            run.progress.say(
                f"{len(planned.dead)} rows of {stage} are in shards that stopped their workers again and again, and "
                "are left aside: kodcode status says why, kodcode retry tries them again."
            )
        vanished = await drain_shards(run, planned.shard_ids)
        if not planned.elsewhere and not vanished:
            break
        # What others have, they may leave to us.
        before = set(rows) if vanished else planned.elsewhere
        rows = [row for row in await asyncio.to_thread(open_rows) if row in before]
        await asyncio.sleep(look_again_s if rows else 0)
        look_again_s = min(1.5 * look_again_s, longest_s)
    return total


def _size(run: Run, stage: str, work: Work, rows: int) -> int:
    size = run.settings.shard_size or shard_size(run.engine, stage, rows)
    return size if work.models is None else max(size, work.models.least_rows)


async def drain_shards(run: Run, shard_ids: Sequence[int]) -> int:
    """Work on these shards until all are done or dead, whoever does it; returns how many another run took apart."""
    look_again_s, longest_s = _LOOK_AGAIN_S
    while shard_ids:
        lease = await asyncio.to_thread(claim, run.engine, run.run_id, run.settings.lease_s, shard_ids)
        if lease is not None:
            await work_on(run, lease)
            continue
        state = await asyncio.to_thread(counts, run.engine, shard_ids)
        if not state.unfinished:
            return state.vanished
        await asyncio.sleep(look_again_s)
        look_again_s = min(1.5 * look_again_s, longest_s)
    return 0


async def work_on(run: Run, lease: Lease) -> None:
    """Work on a claimed shard; whatever goes wrong, it is left to the next that claims it."""
    try:
        await shard_task(lease)
    except LeaseLost as lost:
        log.warning("%s", lost)
    except (BudgetReached, ProviderMisconfigured, ProviderDown, asyncio.CancelledError):
        await asyncio.to_thread(give_back, run.engine, lease)
        raise
    except Exception as error:  # whatever it is: it may be the shard's fault, and is raised
        await asyncio.to_thread(give_back, run.engine, lease, f"{type(error).__name__}: {error}", counted=True)
        raise


@task(name="shard", task_run_name="{lease.stage} {lease.shard_id}", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES)
async def shard_task(lease: Lease) -> dict[str, int]:
    """Handle the rows of a shard that are still open. Raises LeaseLost where another took it over meanwhile."""
    run = current_run()
    handled = await keep(run.engine, lease, STAGES[lease.stage](run, lease, Work.model_validate(lease.work)))
    await asyncio.to_thread(finish, run.engine, lease)
    return handled
