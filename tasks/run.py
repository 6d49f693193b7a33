"""One run: its row in `runs`, and the database, artifact store, teacher and sandbox that its stages share."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import logging
import os
import socket
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.backends import Backends
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
from tasks.options import Models
from tasks.sandbox import Job, Policy, Sandbox, Verdict
from tasks.settings import REPOSITORY, Settings
from tasks.shards import Lease, begin, expire, fence
from tasks.store.schema import Response, Trial, Triplet
from tasks.store.schema import Run as RunRow
from tasks.telemetry import telemetry
from tasks.work import Ending, Progress, Silent, drain, judged

Row = TypeVar("Row")

log = logging.getLogger(__name__)


def code_version() -> str:
    """The package's version, with the commit where the code runs from a checkout."""
    version = metadata.version("kodcode")
    described = (
        subprocess.run(
            ["git", "-C", str(REPOSITORY), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            check=False,
        )
        if (REPOSITORY / ".git").exists()
        else None
    )
    return f"{version}+{described.stdout.strip()}" if described and described.returncode == 0 else version


@dataclass
class Run:
    """What the stages of one run share. Sandbox and gateway start when a stage first needs them."""

    run_id: str
    backends: Backends
    progress: Progress = field(default_factory=Silent)
    _gateways: dict[Models, Gateway] = field(default_factory=dict)
    _sandbox: Sandbox | None = None
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock)

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
        """`tasks.work.drain` of those rows of a shard that are still open; none where the shard is dead now."""
        if not await asyncio.to_thread(begin, self.engine, lease, len(rows)):
            self.progress.say(
                f"Shard {lease.shard_id} of {lease.stage} has stopped its workers again and again and is left aside: "
                "kodcode status says why, kodcode retry tries it again."
            )
            return Counter()
        self.progress.advance(lease.stage, len(lease.rows) - len(rows))
        return await drain(rows, handle, mark, functools.partial(self.progress.advance, lease.stage), limit)

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
        columns = {"status": ending.status, "reason": ending.reason, "run_id": self.run_id, "updated_at": func.now()}
        same_row = [getattr(table, name) == value for name, value in key.items()]
        with self.engine.begin() as connection:
            fence(connection, lease)
            connection.execute(
                update(table).where(*same_row, table.status.in_(("pending", "failed"))).values(**columns, **values)
            )

    @property
    def executions_at_once(self) -> int:
        """How many programs the sandbox runs at a time."""
        return self.settings.sandbox_jobs or len(os.sched_getaffinity(0))

    async def judge(self, job: Job) -> Verdict:
        """The sandbox's verdict. Raises InfrastructureFailed where there is none."""
        async with self._starting:
            if self._sandbox is None:
                # tasks/trust runs test modules in the trials of programs.
                policy = dataclasses.replace(policy_of(self.settings), preload=("pytest",))
                self._sandbox = await asyncio.to_thread(Sandbox(policy).__enter__)
        return judged(await self._sandbox.judge(job))

    async def close(self) -> None:
        in_flight = self.asked().in_flight
        if in_flight:
            self.progress.say(
                f"Waiting up to {GRACE_S:.0f} s for {in_flight} calls in flight: they are paid for, so their answers "
                "are stored. Ctrl-C ends this at once."
            )
        for gateway in self._gateways.values():
            await gateway.close()
        if self._sandbox is not None:
            await asyncio.to_thread(self._sandbox.__exit__, None, None, None)


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
# Set by a face that draws progress; a flow started by a worker has none.
progress_display: ContextVar[Progress] = ContextVar("progress", default=Silent())  # noqa: B039 (it keeps no state)


def current_run() -> Run:
    """The run that the calling stage belongs to."""
    run = _current.get()
    if run is None:
        raise RuntimeError("a stage was called outside recorded_run()")
    return run


@contextlib.asynccontextmanager
async def recorded_run(flow: str, parameters: Mapping[str, Any], flow_run_id: str | None) -> AsyncIterator[Run]:
    """The run around a flow: the one that the calling flow opened, or a new one with its row in `runs`."""
    outer = _current.get()
    if outer is not None:
        yield outer
        return
    backends = await asyncio.to_thread(Backends.open)
    run = Run(run_id=flow_run_id or str(uuid.uuid4()), backends=backends, progress=progress_display.get())
    await asyncio.to_thread(_begin, run, flow, dict(parameters), flow_run_id)
    heart = Heart(run)
    token = _current.set(run)
    status, error = "interrupted", None
    try:
        yield run
        status = "completed"
    except BudgetReached as reached:
        error = str(reached)
        raise
    except Exception as problem:  # recorded, whatever it is, and raised
        status, error = "failed", f"{type(problem).__name__}: {problem}"
        raise
    finally:
        _current.reset(token)
        heart.stop()  # what is left takes seconds, and gives no row
        await run.close()
        task = asyncio.current_task()
        if flow_run_id is not None and not (task and task.cancelling()):  # who is stopped does not wait for a table
            from tasks.costs import publish_costs  # noqa: PLC0415 - Prefect, which a command configures before

            await publish_costs(run.engine, run.run_id, flow)
        await asyncio.to_thread(backends.artifacts.pack, run.engine)
        await asyncio.to_thread(_end, run, status, error)
        await asyncio.to_thread(backends.close)


class Heart:
    """A thread that says in `runs`, while this process lives, that the run does. A run past its `alive_until` is lost:
    its leases go to others, and its row is `interrupted` as soon as somebody looks."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="run-heart", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        lease_s = self._run.settings.lease_s
        while not self._stopped.wait(lease_s / 3):
            try:
                with self._run.engine.begin() as connection:
                    connection.execute(
                        update(RunRow)
                        .where(RunRow.run_id == self._run.run_id)
                        .values(status="running", alive_until=alive_until(lease_s))
                    )
            except (DBAPIError, PoolTimeout) as error:  # the next beat may get through
                log.warning("The run could not say that it lives: %s", type(error).__name__)


def alive_until(lease_s: float) -> ColumnElement[datetime]:
    """The end of a lease that begins now, on the database's clock."""
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s)


def _begin(run: Run, flow: str, parameters: dict[str, Any], flow_run_id: str | None) -> None:
    host = socket.gethostname()
    with run.engine.begin() as connection:
        # Lost are runs without a sign of life, and at once those of this machine whose process is gone.
        gone = RunRow.alive_until < func.clock_timestamp()
        running = connection.execute(
            select(RunRow.run_id, RunRow.pid, gone.label("gone"), (RunRow.host == host).label("here")).where(
                RunRow.status == "running"
            )
        ).all()
        killed = [row for row in running if row.here and not _alive(row.pid)]
        dead = {row.run_id for row in killed} | {row.run_id for row in running if row.gone}
        connection.execute(
            update(RunRow).where(RunRow.run_id.in_(dead)).values(status="interrupted", finished_at=func.now())
        )
        expire(connection, [f"{host}:{row.pid}" for row in killed])
        values = {
            "flow": flow,
            "flow_run_id": flow_run_id,
            "parameters": parameters,
            "code_version": code_version(),
            "host": host,
            "pid": os.getpid(),
            "status": "running",
            "error": None,
            "alive_until": alive_until(run.settings.lease_s),
        }
        statement = insert(RunRow).values(run_id=run.run_id, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=values))


def _end(run: Run, status: str, error: str | None) -> None:
    with run.engine.begin() as connection:
        connection.execute(
            update(RunRow)
            .where(RunRow.run_id == run.run_id)
            .values(status=status, error=error, finished_at=func.now())
        )


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
