"""Processes that claim shards and write down their rows; made to be stopped and killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from tasks.shards import Lease, LeaseLost, begin, claim, fence, finish, keep
from tasks.store import connect

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "tests.shards.worker"])


class Worker:
    """A process that works on the shards of `run_id` until none can be claimed.

    After `hold_after` rows it sets `held` and writes no more until it is told to `go_on`.
    """

    def __init__(self, database: Engine, run_id: str, lease_s: float, hold_after: int | None = None) -> None:
        url = database.url.render_as_string(hide_password=False)
        self.held = _FORKS.Event()
        self.lost = _FORKS.Event()
        self._go_on = _FORKS.Event()
        self.process = _FORKS.Process(
            target=_work, args=(url, run_id, lease_s, hold_after, self.held, self._go_on, self.lost), daemon=True
        )
        self.process.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.join()

    def freeze(self) -> None:
        os.kill(self.process.pid or 0, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid or 0, signal.SIGCONT)
        self._go_on.set()  # waits for those that wait for it to wake up, which a frozen process never does

    def join(self) -> None:
        self.process.join(60)
        assert self.process.exitcode == 0


def _work(
    url: str, run_id: str, lease_s: float, hold_after: int | None, held: Event, go_on: Event, lost: Event
) -> None:
    engine = connect(url)
    written = 0

    async def handle(lease: Lease) -> None:
        nonlocal written
        with engine.connect() as connection:
            ended = set(connection.scalars(text("select row from written")))
        rows = [row for row in lease.rows if row not in ended]
        if not begin(engine, lease, len(rows)):
            return
        for row in rows:
            if written == hold_after:
                held.set()
                await asyncio.to_thread(go_on.wait)
            with engine.begin() as connection:
                fence(connection, lease)
                connection.execute(text("insert into written values (:row, :pid)"), {"row": row, "pid": os.getpid()})
            written += 1
            await asyncio.sleep(0)
        finish(engine, lease)

    async def main() -> None:
        while (lease := claim(engine, run_id, lease_s)) is not None:
            try:
                await keep(engine, lease, handle(lease))
            except (LeaseLost, DBAPIError):  # the server ends the connection of who is frozen in a transaction
                lost.set()

    asyncio.run(main())
