"""How the open rows of a stage are worked through: planned as shards, drained, waited for where others have them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks import assess, convert, generate, import_verdicts, respond, solve
from tasks.crews import crew_of
from tasks.llm import BudgetReached
from tasks.logs import about
from tasks.record import Standing, standing, stop_run
from tasks.retries import INFRASTRUCTURE_RETRIES, is_infrastructure
from tasks.run import Run, current_run, joined_run
from tasks.shards import Lease, LeaseLost, claim, close, counts, finish, give_back, keep, left_behind, plan, shard_size
from tasks.slots import slots
from tasks.telemetry import span
from tasks.work import ENDS_RUN, ProviderDown, Work

STAGES: dict[str, Callable[[Run, Lease, Work], Coroutine[Any, Any, dict[str, int]]]] = {
    generate.STAGE: generate.propose_shard,
    solve.STAGE: solve.verify_shard,
    assess.STAGE: assess.assess_shard,
    convert.STAGE: convert.convert_shard,
    respond.STAGE: respond.respond_shard,
    import_verdicts.JUDGE: import_verdicts.judge_shard,
    import_verdicts.PROVE: import_verdicts.prove_shard,
}
# Which of a shard's rows are open still.
STILL_OPEN: dict[str, Callable[[Engine, Sequence[str]], Sequence[str]]] = {
    generate.STAGE: generate.still_open,
    solve.STAGE: solve.still_open,
    assess.STAGE: assess.still_open,
    convert.STAGE: convert.still_open,
    respond.STAGE: respond.still_open,
    import_verdicts.JUDGE: import_verdicts.open_imported_trials,
    import_verdicts.PROVE: import_verdicts.open_imported_conversions,
}
ShardTask = Callable[[Lease], Awaitable[dict[str, int]]]
# What says nothing of the shard at hand.
_NOT_ITS_FAULT: tuple[type[BaseException], ...] = (*ENDS_RUN, asyncio.CancelledError)
# How often is looked at shards that others work on.
_LOOK_AGAIN_S = (0.1, 2.0)
# So long the database may be away while somebody only looks: what is under way waits for it as long.
_PATIENCE_S = 180.0
T = TypeVar("T")

log = logging.getLogger(__name__)


async def work_through(stage: str, work: Work, open_rows: Callable[[], Sequence[str]]) -> int:
    """Bring every row that is open now to its end, together with whoever else works on them; returns how many.

    `open_rows` reads the keys of the open rows, in the order in which they are worked on. Rows of dead shards stay.
    """
    run = current_run()
    rows = list(await _asked(open_rows))
    total = len(rows)
    run.progress.begin(stage, total)
    with about(stage=stage), span("stage", stage=stage, rows=total):
        await _asked(_close_ended, run, stage, rows)
        await _work_through(run, stage, work, open_rows, rows)
    return total


def _close_ended(run: Run, stage: str, rows: Sequence[str]) -> None:
    """Shards whose worker was lost after their last row and before their end: no run would plan them ever again.

    Those that hold some of `rows`, which are open, are left to the plan, and nothing is read for them.
    """
    planned = frozenset(rows)
    for shard in left_behind(run.engine, run.run_id, stage):
        if planned.isdisjoint(shard.rows) and not STILL_OPEN[stage](run.engine, shard.rows):
            close(run.engine, shard)


async def _work_through(
    run: Run, stage: str, work: Work, open_rows: Callable[[], Sequence[str]], rows: list[str]
) -> None:
    content = work.model_dump(mode="json")
    look_again_s, longest_s = _LOOK_AGAIN_S
    while rows:
        size = await _asked(_size, run, stage, work, len(rows))
        planned = await _asked(plan, run.engine, run.run_id, stage, content, rows, size)
        if planned.dead:
            run.progress.say(
                f"{len(planned.dead)} rows of {stage} are in shards that stopped their workers again and again, and "
                "are left aside: kodcode status says why, kodcode retry tries them again."
            )
        vanished = await drain_shards(run, stage, planned.shard_ids)
        if not planned.elsewhere and not vanished:
            break
        # What others have, they may leave to us.
        before = set(rows) if vanished else planned.elsewhere
        rows = [row for row in await _asked(open_rows) if row in before]
        await asyncio.sleep(look_again_s if rows else 0)
        look_again_s = min(1.5 * look_again_s, longest_s)


def _size(run: Run, stage: str, work: Work, rows: int) -> int:
    workers = 1 if run.settings.execution == "local" else run.settings.drainers
    size = run.settings.shard_size or shard_size(run.engine, stage, rows, workers)
    return size if work.models is None else max(size, work.models.least_rows)


async def _patiently(look: Callable[[], Awaitable[T]]) -> T:
    """What a look at the database finds, or a change that made twice is made once; asked again while it restarts."""
    until, told = time.monotonic() + _PATIENCE_S, False
    while True:
        try:
            return await look()
        except Exception as error:  # raised, unless the same may go well
            if not is_infrastructure(error) or time.monotonic() > until:
                raise
            if not told:
                log.warning(
                    "The database does not answer (%s): looking again for %.0f s.", type(error).__name__, _PATIENCE_S
                )
            told = True
        await asyncio.sleep(_LOOK_AGAIN_S[1])


async def _asked(ask: Callable[..., T], *arguments: object) -> T:
    return await _patiently(functools.partial(asyncio.to_thread, ask, *arguments))


async def _standing(run: Run) -> Standing:
    return await _asked(standing, run.engine, run.run_id)


async def drain_shards(run: Run, stage: str, shard_ids: Sequence[int]) -> int:
    """Work on these shards until all are done or dead, whoever does it; returns how many another run took away."""
    crew = crew_of(run)
    if crew is not None and (await _standing(run)).stop is not None:
        crew = None  # the workers elsewhere were called off; what is left to do with what there is, is done here
    look_again_s, longest_s = _LOOK_AGAIN_S
    left, vanished = 0, -1
    while shard_ids:
        if crew is None:
            lease = await _patiently(lambda: _claimed(run, shard_ids))
            if lease is not None:
                await work_on(run, lease)
                continue
        state = await _asked(counts, run.engine, run.run_id, shard_ids)
        if crew is not None and vanished == state.vanished:  # else some rows did not end, but went to another run
            run.progress.advance(stage, left - state.rows_left)
        left, vanished = state.rows_left, state.vanished
        if not state.unfinished:
            return state.vanished
        if crew is not None:
            stop = (await _standing(run)).stop
            if stop is not None:
                raise _reason(stop)
            await crew.tend()
        await asyncio.sleep(look_again_s)
        look_again_s = min(1.5 * look_again_s, longest_s)
    return 0


async def _claimed(run: Run, shard_ids: Sequence[int] | None = None) -> Lease | None:
    """A shard to work on. Who is cancelled meanwhile leaves none behind that would wait for the end of its lease."""
    claiming = asyncio.create_task(asyncio.to_thread(claim, run.engine, run.run_id, run.settings.lease_s, shard_ids))
    try:
        return await asyncio.shield(claiming)
    except asyncio.CancelledError:
        # Whatever the database says now: an error in place of this one would be taken for a reason to ask again.
        with contextlib.suppress(DBAPIError, PoolTimeout):
            lease = await claiming
            if lease is not None:
                await asyncio.to_thread(give_back, run.engine, lease)
        raise


async def drain_for(run_id: str, flow_run_id: str | None = None) -> int:
    """Work on the shards that another process's run waits for until it has ended; returns on how many.

    `flow_run_id` is that of this process; where there is none, Prefect does not hear of the shards.
    """
    async with joined_run(run_id, flow_run_id) as run:
        found = await _standing(run)
        if found.over:
            return 0
        with span("drain", found.traceparent, run_id=run_id):
            serving = asyncio.create_task(_serve(run, orchestrated=flow_run_id is not None))
            watching = asyncio.create_task(_until_over(run))
            try:
                await asyncio.wait({serving, watching}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in (serving, watching):
                    one.cancel()
                await asyncio.wait({serving, watching})
        if not watching.cancelled():
            watching.result()  # raises where it failed
        return 0 if serving.cancelled() else serving.result()


class RunStopped(Exception):
    """Somebody stopped the run; the message says who or why."""


async def _serve(run: Run, *, orchestrated: bool) -> int:
    handle: ShardTask = functools.partial(shard_task, limited=True) if orchestrated else handle_shard
    served = 0
    while True:
        lease = await _patiently(lambda: _claimed(run))
        if lease is None:
            await asyncio.sleep(_LOOK_AGAIN_S[1])
            continue
        try:
            await work_on(run, lease, handle)
        except ProviderDown:
            raise  # for this host: others may reach the provider, and where none does, the crew gives up
        except ENDS_RUN as error:
            await _asked(stop_run, run.engine, run.run_id, _told(error))
            return served
        served += 1


async def _until_over(run: Run) -> None:
    while not (await _standing(run)).over:  # noqa: ASYNC110 (of the database)
        await asyncio.sleep(_LOOK_AGAIN_S[1])


def _told(error: Exception) -> dict[str, str]:
    cap = {"cap": error.cap} if isinstance(error, BudgetReached) else {}
    kind = next(kind for kind in ENDS_RUN if isinstance(error, kind))
    return {"error": kind.__name__, "message": str(error), **cap}


def _reason(stop: Mapping[str, str]) -> Exception:
    """The error that a worker elsewhere stopped the run with."""
    if stop["error"] == BudgetReached.__name__:
        return BudgetReached(stop["message"], stop["cap"])
    kinds = {kind.__name__: kind for kind in ENDS_RUN}
    return kinds.get(stop["error"], RunStopped)(stop["message"])


async def work_on(run: Run, lease: Lease, handle: ShardTask | None = None) -> None:
    """Work on a claimed shard; whatever goes wrong, it is left to the next that claims it."""
    try:
        await (handle or shard_task)(lease)
    except LeaseLost as lost:
        log.warning("%s", lost)
    except _NOT_ITS_FAULT:
        await asyncio.to_thread(give_back, run.engine, lease)
        raise
    except Exception as error:  # whatever it is: it may be the shard's fault, and is raised
        log.warning("Shard %d of %s is given back: %s", lease.shard_id, lease.stage, type(error).__name__)
        await asyncio.to_thread(give_back, run.engine, lease, f"{type(error).__name__}: {error}", counted=True)
        raise


async def handle_shard(lease: Lease, *, limited: bool = False) -> dict[str, int]:
    """Handle the rows of a shard that are still open; `limited`, not before Prefect's limits have room for it.

    Raises LeaseLost where another took it over meanwhile.
    """
    run = current_run()
    stage, shard_id = lease.stage, lease.shard_id

    async def work() -> dict[str, int]:
        async with slots(stage, lease.lease_s) if limited else contextlib.nullcontext():
            return await STAGES[stage](run, lease, Work.model_validate(lease.work))

    told = span("shard", stage=stage, shard_id=shard_id, rows=len(lease.rows), token=lease.token)
    with about(stage=stage, shard_id=shard_id), told as made:
        log.info("Shard %d of %s: %d rows.", shard_id, stage, len(lease.rows))
        handled = await keep(run.engine, lease, work())
        await asyncio.to_thread(finish, run.engine, lease)
        for status, count in handled.items():
            made.set_attribute(f"kodcode.{status}", count)
        counts = ", ".join(f"{count} {status}" for status, count in sorted(handled.items()))
        log.info("Shard %d of %s is done: %s.", shard_id, stage, counts or "nothing was left to do")
    return handled


shard_task = task(
    name="shard", task_run_name="{lease.stage} {lease.shard_id}", cache_policy=NO_CACHE, **INFRASTRUCTURE_RETRIES
)(handle_shard)
