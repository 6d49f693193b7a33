"""Who asks: a row for each process, alive while it keeps saying so. Leases hold as long as their worker lives."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import uuid

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.llm.ledger import begun, transaction
from tasks.store import gone, machine, this_start

# A worker that says nothing for so long is taken for dead. One that was only suspended finds its requests asked by
# another: its answers then change nothing, for the first one stored counts.
LEASE_S = 60.0
_BEAT_S = LEASE_S / 6

log = logging.getLogger(__name__)


class Worker:
    """This process in `llm_workers`, from the first `begin` to `end`; a thread keeps it alive in between."""

    def __init__(self, engine: Engine, run_id: str | None) -> None:
        self.worker_id = str(uuid.uuid4())
        self._engine = engine
        self._run_id = run_id
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Enter the row and clear away the leases of dead workers; later calls do nothing. Blocks. Raises
        LedgerError."""
        with self._lock:
            if self._thread is not None:
                return
            transaction(self._engine, self._enter, brief=True)
            self._thread = threading.Thread(target=self._beat, name="llm-worker", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Leave: what this worker still holds is free for others. Blocks."""
        with self._lock:
            if self._thread is None:
                return
            self._stop.set()
            self._thread.join()
            # A database that is gone frees the leases by itself, when they run out.
            with contextlib.suppress(DBAPIError, PoolTimeout), self._engine.begin() as connection:
                begun(connection, brief=True)
                connection.exec_driver_sql("delete from kodcode.llm_leases where worker_id = %s", (self.worker_id,))
                connection.exec_driver_sql("delete from kodcode.llm_workers where worker_id = %s", (self.worker_id,))

    def hush(self) -> None:
        """Say nothing any more, without waiting: others take this worker for dead when its time is up."""
        self._stop.set()

    def _beat(self) -> None:
        while not self._stop.wait(_BEAT_S):
            try:
                with self._engine.begin() as connection:
                    begun(connection, brief=True)
                    self._renew(connection)
            except (DBAPIError, PoolTimeout) as error:
                log.warning("The worker's lease could not be renewed: %s", type(error).__name__)

    def _enter(self, connection: Connection) -> None:
        bury(connection)
        self._renew(connection)

    def _renew(self, connection: Connection) -> None:
        # An insert each time: a worker that was suspended for long may have been taken for dead.
        connection.exec_driver_sql(
            "insert into kodcode.llm_workers (worker_id, host, pid, process_start, run_id, expires_at)"
            " values (%s, %s, %s, %s, %s, now() + make_interval(secs => %s))"
            " on conflict (worker_id) do update set expires_at = excluded.expires_at",
            (self.worker_id, machine(), os.getpid(), this_start(), self._run_id, LEASE_S),
        )


def bury(connection: Connection) -> None:
    """Delete workers that are dead and what they held: those whose time is up, and at once those of this machine whose
    process is gone, so that a killed run goes on without waiting."""
    here = connection.exec_driver_sql(
        "select worker_id, pid, process_start from kodcode.llm_workers where host = %s", (machine(),)
    ).all()
    ended = [row.worker_id for row in here if gone(machine(), row.pid, row.process_start)]
    connection.exec_driver_sql(
        "delete from kodcode.llm_workers where expires_at < now() or worker_id = any(%s)", (ended,)
    )
    connection.exec_driver_sql(
        "delete from kodcode.llm_leases where request_hash in (select request_hash from kodcode.llm_leases l"
        " where not exists (select from kodcode.llm_workers w where w.worker_id = l.worker_id)"
        " and batch_id is null"
        " for update skip locked)"
    )
