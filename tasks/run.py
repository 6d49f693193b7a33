"""One run: its row in `runs`, and the database, artifact store, teacher and sandbox that its stages share."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import os
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

from sqlalchemy import Engine, func, update
from sqlalchemy.dialects.postgresql import insert

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
from tasks.store.schema import Response, Trial, Triplet
from tasks.store.schema import Run as RunRow
from tasks.telemetry import telemetry
from tasks.work import Ending, Progress, Silent, first_error, judged


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

    def advance(self, stage: str) -> Callable[[], None]:
        """One row of `stage` is done."""
        return functools.partial(self.progress.advance, stage)

    def end_row(
        self,
        table: type[Trial | Triplet | Response],
        key: Mapping[str, Any],
        ending: Ending,
        values: Mapping[str, Any],
    ) -> None:
        """Store how a row ends, in a transaction of its own; a row that has ended already stays as it is."""
        columns = {"status": ending.status, "reason": ending.reason, "run_id": self.run_id, "updated_at": func.now()}
        same_row = [getattr(table, name) == value for name, value in key.items()]
        with self.engine.begin() as connection:
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
    display = progress_display.get()
    live = LiveProgress(flow) if display is None and flow_run_id is not None else None
    run = Run(flow_run_id or str(uuid.uuid4()), backends, display or live or Silent())
    await asyncio.to_thread(_begin, run, flow, dict(parameters), flow_run_id)
    token = _current.set(run)
    status, error = "interrupted", None
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
        await run.close()
        # Who is stopped does not wait for a table. Task.cancelling() would not tell: a failed TaskGroup leaves it set.
        stopped = status == "interrupted" and error is None
        if live is not None:
            await live.stop(quietly=stopped)
        if flow_run_id is not None and not stopped:
            await publish_end(run, flow, status, error)
        await asyncio.to_thread(backends.artifacts.pack, run.engine)
        await asyncio.to_thread(_end, run, status, error)
        await asyncio.to_thread(backends.close)


def _begin(run: Run, flow: str, parameters: dict[str, Any], flow_run_id: str | None) -> None:
    host = socket.gethostname()
    with run.engine.begin() as connection:
        # Runs of this machine whose process is gone were killed; those of other machines are theirs to judge.
        running = connection.execute(
            RunRow.__table__.select().where(RunRow.status == "running", RunRow.host == host)
        ).all()
        dead = [row.run_id for row in running if not _alive(row.pid)]
        connection.execute(
            update(RunRow).where(RunRow.run_id.in_(dead)).values(status="interrupted", finished_at=func.now())
        )
        values = {
            "flow": flow,
            "flow_run_id": flow_run_id,
            "parameters": parameters,
            "code_version": code_version(),
            "host": host,
            "pid": os.getpid(),
            "status": "running",
            "error": None,
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
