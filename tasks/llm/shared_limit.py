"""Where the workers' reports on one model's limits meet: a row in PostgreSQL, on the clock of its server."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.llm.ledger import begun
from tasks.llm.rate import Allowance, Report, State, advance

log = logging.getLogger(__name__)


class SharedLimit:
    """The exchange of one endpoint and model; one short transaction a report."""

    def __init__(self, engine: Engine, endpoint: str, model: str, thread: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._key = (endpoint, model)
        self._thread = thread
        self._last = State()

    async def __call__(self, report: Report) -> Allowance:
        """Report, and learn what may be done. While the database does not answer, the last known state goes on."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._exchange, report)

    def _exchange(self, report: Report) -> Allowance:
        try:
            with self._engine.begin() as connection:
                begun(connection, durable=False, brief=True)
                row = connection.exec_driver_sql(
                    "insert into kodcode.llm_limits as l (endpoint, model, state) values (%s, %s, 'null')"
                    " on conflict (endpoint, model) do update set updated_at = clock_timestamp()"
                    " returning state, extract(epoch from clock_timestamp())::float as now",
                    self._key,
                ).one()
                state = State.from_json(row.state) if row.state else State()
                state, allowance = advance(state, report, row.now)
                connection.exec_driver_sql(
                    "update kodcode.llm_limits set state = %s where endpoint = %s and model = %s",
                    (json.dumps(state.as_json()), *self._key),
                )
        except (DBAPIError, PoolTimeout) as error:
            log.warning("The shared limit of %s could not be read: %s", self._key[1], type(error).__name__)
            self._last, allowance = advance(self._last, report, self._last.at + 0.25)
            return allowance
        self._last = state
        return allowance
