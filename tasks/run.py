"""One run: its row in `runs`, and the database, artifact store, teacher and sandbox that its stages share."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import itertools
import logging
import os
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from sqlalchemy import Engine, Update, bindparam, func, update

from tasks.backends import Backends
from tasks.interrupt import cancelled_by_sigterm
from tasks.llm import (
    FREE,
    GRACE_S,
    BatchPolicy,
    Budget,
    BudgetReached,
    Gateway,
    PriceTable,
    make_provider,
    replay_provider,
)
from tasks.llm import Progress as Asked
from tasks.logs import about, send_to_prefect, set_up_logs
from tasks.options import Models
from tasks.record import Heart, begin_run, end_run, stop_run
from tasks.sandbox import Job, Policy, Sandbox, Verdict
from tasks.settings import Settings
from tasks.shards import Lease, begin, fence
from tasks.store import ArtifactStoreUnavailable
from tasks.store.schema import Response, Trial, Triplet, fold_rollup
from tasks.telemetry import counted, span, telemetry, traceparent
from tasks.work import Ending, Progress, ShardStalled, Silent, Work, drain, first_error, judged

if TYPE_CHECKING:
    from tasks.live import LiveProgress

Row = TypeVar("Row")

# A program that is told to end gets half a minute, from Prefect's workers and from container engines alike.
_TERMINATED_GRACE_S = 5.0

log = logging.getLogger(__name__)

# Rows that a run ends between two foldings of the rollup, so that what the views sum stays short during long runs too.
_FOLD_EVERY = 2_000


class Crew(Protocol):
    """Processes elsewhere that work for a run."""

    async def tend(self) -> None:
        """Replace those that have ended."""

    async def dismiss(self) -> None:
        """Call off those that have not begun; the others see that the run has ended."""


@functools.lru_cache(maxsize=64)
def _ending(table: type[Trial | Triplet | Response], key: tuple[str, ...], columns: tuple[str, ...]) -> Update:
    """Sets these columns, by parameters `new_` and their names, of the row with this key if it has not ended.

    Kept: SQLAlchemy takes longer to build and to recognise such a statement than to have it executed.
    """
    same_row = [getattr(table, name) == bindparam(f"new_{name}") for name in key]
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in columns}
    still_open = table.status.in_(("pending", "failed"))
    return update(table).where(*same_row, still_open).values(**new, updated_at=func.now())


@dataclass
class Run:
    """What the stages of one run share. Sandbox and gateway start when a stage first needs them."""

    run_id: str
    backends: Backends
    progress: Progress = field(default_factory=Silent)
    crew: Crew | None = None
    _gateways: dict[Models, Gateway] = field(default_factory=dict)
    _sandbox: Sandbox | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    _endings: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self.progress.watch(self.asked)

    def asked(self) -> Asked:
        """What was asked of all models so far, and is in flight now."""
        total = Asked()
        for gateway in list(self._gateways.values()):
            for name, count in dataclasses.asdict(gateway.progress).items():
                setattr(total, name, getattr(total, name) + count)
        return total

    @property
    def engine(self) -> Engine:
        return self.backends.engine

    @property
    def settings(self) -> Settings:
        return self.backends.settings

    def gateway(self, models: Models) -> Gateway:
        """The way to these models; raises ProviderMisconfigured where a key is missing."""
        if models not in self._gateways:
            if models.replay:
                provider = replay_provider(models.provider)
                prices = PriceTable({}, every=FREE)  # nothing is paid, so no price need be known
            else:
                provider = make_provider(models.provider, base_url=models.base_url)
                prices = PriceTable.load(self.settings.prices, models.prices)
            self._gateways[models] = Gateway(
                self.engine,
                self.backends.artifacts,
                provider,
                prices,
                self.run_id,
                models.max_concurrency,
                Budget.parse(models.budget),
                _batching(self.settings, models),
                telemetry(),
            )
            if models.mode != "online" and not models.replay:
                self.progress.say(
                    "Requests go in batches, which may take hours. Stopping is safe: they go on at the provider, and "
                    'the same command collects them. kodcode sql "select * from v_batches" shows where they are.'
                )
        return self._gateways[models]

    async def drain(
        self,
        lease: Lease,
        rows: Sequence[Row],
        handle: Callable[[Row], Awaitable[Ending]],
        mark: Callable[[Row, Ending], Awaitable[None]],
        limit: int,
    ) -> Counter[str]:
        """`tasks.work.drain` of those rows of a shard that are still open; none where the shard is dead now.

        Raises ShardStalled where none of them ends any more.
        """
        if not await asyncio.to_thread(begin, self.engine, lease, len(rows)):
            self.progress.say(
                f"Shard {lease.shard_id} of {lease.stage} has stopped its workers again and again and is left aside: "
                "kodcode status says why, kodcode retry tries it again."
            )
            return Counter()
        self.progress.advance(lease.stage, len(lease.rows) - len(rows))
        # Prefect's timeouts know no progress, and cut a thread anywhere: this one waits for the next row, and cancels.
        models = Work.model_validate(lease.work).models
        stall_s = self.settings.stall_s if models is None or models.mode == "online" else None
        now = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(stall_s) as stalled:

                def done() -> None:
                    if stall_s is not None and not stalled.expired():
                        stalled.reschedule(now() + stall_s)
                    self.progress.advance(lease.stage)

                counts = await drain(rows, handle, mark, done, limit)
        except TimeoutError:
            if not stalled.expired():
                raise
            raise ShardStalled(
                f"No row of shard {lease.shard_id} of {lease.stage} has ended for {stall_s:g} s (KODCODE_STALL_S). "
                "What was stored is kept; run the same command again to continue."
            ) from None
        counted().rows(lease.stage, counts)
        return counts

    def end_row(
        self,
        lease: Lease,
        table: type[Trial | Triplet | Response],
        key: Mapping[str, Any],
        ending: Ending,
        values: Mapping[str, Any],
    ) -> None:
        """Store how a row ends, in a transaction of its own; a row that has ended already stays as it is.

        Raises LeaseLost.
        """
        columns = {"status": ending.status, "reason": ending.reason, "run_id": self.run_id, **values}
        statement = _ending(table, tuple(key), tuple(columns))
        with self.engine.begin() as connection:
            fence(connection, lease)
            connection.execute(statement, {f"new_{name}": value for name, value in {**key, **columns}.items()})
        if next(self._endings) % _FOLD_EVERY == 0:
            with self.engine.begin() as connection:
                fold_rollup(connection)

    @property
    def executions_at_once(self) -> int:
        """How many programs the sandbox runs at a time."""
        return self.settings.sandbox_jobs or len(os.sched_getaffinity(0))

    async def judge(self, job: Job) -> Verdict:
        """The sandbox's verdict. Raises InfrastructureFailed where there is none."""
        with span("execute", job=job.id, judge=job.judge) as made:
            verdict = await (await self._judges()).judge(job)
            made.set_attribute("kodcode.verdict", verdict.kind.value)
            counted().execution(job.judge, verdict.kind.value, verdict.duration_s)
            return judged(verdict)

    async def _judges(self) -> Sandbox:
        async with self._starting:
            if self._sandbox is None:
                # tasks/trust runs test modules in the trials of programs.
                policy = dataclasses.replace(policy_of(self.settings), preload=("pytest",))
                self._sandbox = await asyncio.to_thread(Sandbox(policy).__enter__)
            return self._sandbox

    async def close(self, grace_s: float = GRACE_S, *, abandon: bool = False) -> None:
        """Wait up to `grace_s` for the calls in flight. With `abandon`, executions under way are not waited for: the
        sandbox ends with this process."""
        if self.crew is not None:
            await self.crew.dismiss()
        in_flight = self.asked().in_flight
        if in_flight:
            self.progress.say(
                f"Waiting up to {grace_s:.0f} s for {in_flight} calls in flight: they are paid for, so their answers "
                "are stored. Ctrl-C ends this at once."
            )
        for gateway in self._gateways.values():
            await gateway.close(grace_s)
        if self._sandbox is not None and not abandon:
            await asyncio.to_thread(self._sandbox.close)


def _batching(settings: Settings, models: Models) -> BatchPolicy:
    """How requests to these models go; a replay asks nothing, so it has no batches."""
    return BatchPolicy(
        mode="online" if models.replay else models.mode,
        least=settings.batch_least,
        tries=settings.batch_tries,
        wait_s=settings.batch_wait_s,
        gather_s=settings.batch_gather_s,
        first_poll_s=min(10.0, settings.batch_poll_s),
        longest_poll_s=settings.batch_poll_s,
    )


def policy_of(settings: Settings) -> Policy:
    """The sandbox policy that the settings ask for."""
    return Policy(
        python=settings.sandbox_python,
        timeout_s=settings.trial_timeout_s,
        memory_mb=settings.trial_memory_mb,
        jobs=settings.sandbox_jobs,
        allow_weak=settings.allow_weak_sandbox,
    )


_current: ContextVar[Run | None] = ContextVar("run", default=None)
# Set by a face that draws progress; a flow started by a worker has none and shows it in Prefect's UI.
progress_display: ContextVar[Progress | None] = ContextVar("progress", default=None)


def current_run() -> Run:
    """The run that the calling stage belongs to."""
    run = _current.get()
    if run is None:
        raise RuntimeError("a stage was called outside recorded_run()")
    return run


@contextlib.asynccontextmanager
async def recorded_run(flow: str, parameters: Mapping[str, Any], flow_run_id: str | None) -> AsyncIterator[Run]:
    """The run around a flow: the one that the calling flow opened, or a new one with its row in `runs`.

    Of a group of errors the first is raised, whose message says what to do; its cause is the group.
    """
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    # Prefect reads its settings when it is imported, which a command has set by now.
    from tasks.live import LiveProgress  # noqa: PLC0415
    from tasks.summary import publish_end  # noqa: PLC0415

    backends = await asyncio.to_thread(Backends.open)
    set_up_logs(backends.settings.log)
    run_id = flow_run_id or str(uuid.uuid4())
    with about(run_id=run_id, flow=flow, flow_run_id=flow_run_id), span("run", run_id=run_id, flow=flow):
        if flow_run_id is not None:
            send_to_prefect()
        display = progress_display.get()
        live = LiveProgress(flow) if display is None and flow_run_id is not None else None
        run = Run(run_id, backends, display or live or Silent())
        lease_s = run.settings.lease_s
        begun = (flow, dict(parameters), flow_run_id, lease_s, traceparent())
        await asyncio.to_thread(begin_run, run.engine, run.run_id, *begun)
        log.info("Run %s of %s has begun.", run_id, flow)
        heart = Heart(run.engine, run.run_id, lease_s)
        token = _current.set(run)
        status, error = "interrupted", None
        with cancelled_by_sigterm() as terminated:
            try:
                yield run
                status = "completed"
            except Exception as problem:  # recorded, whatever it is, and raised
                first = first_error(problem)
                if isinstance(first, BudgetReached):
                    error = str(first)
                else:
                    status, error = "failed", f"{type(first).__name__}: {first}"
                if first is not problem:
                    raise first from problem
                raise
            finally:
                _current.reset(token)
                # Task.cancelling() would not tell: a failed TaskGroup leaves it set.
                stopped = status == "interrupted" and error is None
                try:
                    grace_s = _TERMINATED_GRACE_S if terminated.is_set() else GRACE_S
                    publish = functools.partial(publish_end, run, flow, status, error)
                    await _wind_down(run, live, publish if flow_run_id else None, grace_s, stopped=stopped)
                finally:
                    # Not awaited, for whoever stops it once more shall not find a run that seems to go on.
                    heart.stop()
                    end_run(run.engine, run.run_id, status, error)
                    paid = run.asked()
                    log.info("Run %s of %s: %s, %d answers, $%.4f.", run_id, flow, status, paid.paid, paid.cost_usd)
                    backends.close()


async def _wind_down(
    run: Run,
    live: LiveProgress | None,
    publish: Callable[[], Awaitable[None]] | None,
    grace_s: float,
    *,
    stopped: bool,
) -> None:
    """Call off the workers, wait for the calls in flight, show what was done. Who is stopped does not wait for what
    can be done without."""
    if run.crew is not None and stopped:
        why = {"error": "Interrupted", "message": "The run was stopped."}
        await asyncio.to_thread(stop_run, run.engine, run.run_id, why)
    await run.close(grace_s, abandon=stopped)
    if live is not None:
        await live.stop(quietly=stopped)
    if stopped:
        return
    if publish is not None:
        await publish()
    try:
        await asyncio.to_thread(run.backends.artifacts.pack, run.engine)
    except ArtifactStoreUnavailable as problem:
        run.progress.say(f"Texts stay in the database until the next run moves them to the artifact store: {problem}")


@contextlib.asynccontextmanager
async def joined_run(run_id: str, flow_run_id: str | None = None) -> AsyncIterator[Run]:
    """Another process's run, to work for: its answers are paid from its budget, its row is not ours to write.

    `flow_run_id` is that of this process, if it is a flow run.
    """
    backends = await asyncio.to_thread(Backends.open)
    set_up_logs(backends.settings.log)
    with about(run_id=run_id, flow_run_id=flow_run_id):
        if flow_run_id is not None:
            send_to_prefect()
        run = Run(run_id, backends)
        token = _current.set(run)
        with cancelled_by_sigterm() as terminated:
            try:
                yield run
            finally:
                _current.reset(token)
                try:
                    # Where something is in flight still, the run was stopped: it is paid for, and kept like that of
                    # the run's own process. Only a process that ends may leave its sandbox.
                    grace_s = _TERMINATED_GRACE_S if terminated.is_set() else GRACE_S
                    await run.close(grace_s, abandon=terminated.is_set())
                finally:
                    backends.close()
