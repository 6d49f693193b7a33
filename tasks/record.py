"""The row of a run in `runs`: when it began, that it lives, whether it is to stop, how it ended."""

from __future__ import annotations

import contextvars
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.settings import ConfigurationError
from tasks.shards import expire, owner_of
from tasks.store import UNKNOWN, gone, machine, this_start
from tasks.store.schema import Run, fold_rollup
from tasks.version import code_version

log = logging.getLogger(__name__)


class Heart:
    """A thread that says in `runs`, while this process lives, that the run does. A run past its `alive_until` is lost:
    its leases go to others, and its row is `interrupted` as soon as somebody looks."""

    def __init__(self, engine: Engine, run_id: str, lease_s: float) -> None:
        self._engine = engine
        self._run_id = run_id
        self._lease_s = lease_s
        self._stopped = threading.Event()
        # What it logs is about the run, like what started it.
        inherited = contextvars.copy_context()
        self._thread = threading.Thread(target=inherited.run, args=(self._beat,), name="run-heart", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stopped.wait(self._lease_s / 3):
            try:
                with self._engine.begin() as connection:
                    connection.execute(
                        update(Run)
                        .where(Run.run_id == self._run_id)
                        .values(status="running", finished_at=None, alive_until=_alive_until(self._lease_s))
                    )
            except (DBAPIError, PoolTimeout) as error:  # the next beat may get through
                log.warning("The run could not say that it lives: %s", type(error).__name__)


def _alive_until(lease_s: float) -> ColumnElement[datetime]:
    """The end of a lease that begins now, on the database's clock."""
    return func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, lease_s)


def begin_run(
    engine: Engine,
    run_id: str,
    flow: str,
    parameters: dict[str, Any],
    flow_run_id: str | None,
    lease_s: float,
    traceparent: str | None = None,
) -> None:
    """Write down that a run of this process begins, or goes on, and which others were lost."""
    with engine.begin() as connection:
        # Lost are runs without a sign of life, and at once those of this machine whose process is gone.
        silent = Run.alive_until < func.clock_timestamp()
        running = connection.execute(
            select(Run.run_id, Run.host, Run.pid, Run.process_start, silent.label("silent")).where(
                Run.status == "running"
            )
        ).all()
        killed = [row for row in running if gone(row.host, row.pid, row.process_start)]
        lost = {row.run_id for row in killed} | {row.run_id for row in running if row.silent}
        connection.execute(
            update(Run).where(Run.run_id.in_(lost)).values(status="interrupted", finished_at=func.now())
        )
        expire(connection, [owner_of(row.host, row.pid, row.process_start or UNKNOWN) for row in killed])
        values = {
            "flow": flow,
            "flow_run_id": flow_run_id,
            "parameters": parameters,
            "code_version": code_version(),
            "host": machine(),
            "pid": os.getpid(),
            "process_start": this_start(),
            "traceparent": traceparent,
            "status": "running",
            "finished_at": None,
            "error": None,
            "stop": None,
            "alive_until": _alive_until(lease_s),
        }
        statement = insert(Run).values(run_id=run_id, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["run_id"], set_=values))


def end_run(engine: Engine, run_id: str, status: str, error: str | None = None) -> None:
    """Write down how a run has ended: completed, failed or interrupted."""
    with engine.begin() as connection:
        connection.execute(
            update(Run).where(Run.run_id == run_id).values(status=status, error=error, finished_at=func.now())
        )
    with engine.begin() as connection:
        fold_rollup(connection)


def stop_run(engine: Engine, run_id: str, stop: Mapping[str, str]) -> None:
    """Tell a run and all who work for it to stop; the first reason counts."""
    with engine.begin() as connection:
        connection.execute(update(Run).where(Run.run_id == run_id, Run.stop.is_(None)).values(stop=dict(stop)))


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a run lives, why it is to stop, if it is, and where its trace is."""

    living: bool
    stop: Mapping[str, str] | None
    traceparent: str | None

    @property
    def over(self) -> bool:
        """Whether there is nothing more to do for it."""
        return not self.living or self.stop is not None


def standing(engine: Engine, run_id: str) -> Standing:
    """How a run stands. Raises ConfigurationError for one that this database does not know."""
    with engine.connect() as connection:
        living = (Run.status == "running") & (Run.alive_until > func.clock_timestamp())
        row = connection.execute(
            select(living.label("living"), Run.stop, Run.traceparent).where(Run.run_id == run_id)
        ).one_or_none()
    if row is None:
        raise ConfigurationError(
            f"The database of this worker knows no run {run_id}: give it the KODCODE_DATABASE_URL, "
            "KODCODE_ARTIFACTS_URL and PREFECT_API_URL that the run itself has."
        )
    return Standing(bool(row.living), row.stop, row.traceparent)
