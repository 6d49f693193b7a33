"""Which errors of a task are worth another try: those of database, artifact store and network, no others."""

from __future__ import annotations

from typing import Any

from prefect.client.schemas.objects import State
from prefect.tasks import exponential_backoff
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from tasks.llm import LedgerError
from tasks.store import ArtifactStoreUnavailable, DatabaseUnavailable

INFRASTRUCTURE = (
    OperationalError, InterfaceError, PoolTimeout, LedgerError, DatabaseUnavailable, ArtifactStoreUnavailable,
    ConnectionError,
)  # fmt: skip


def is_infrastructure(error: object) -> bool:
    """Whether all that went wrong is of the surroundings, so that the same again may go well."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_infrastructure(one) for one in error.exceptions)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True  # of whatever class: the connection is gone
    return isinstance(error, INFRASTRUCTURE)


def _worth_it(task: Any, task_run: Any, state: State[Any]) -> bool:
    return is_infrastructure(state.data)


# Arguments of @task: 2, 4, 8 and 16 seconds later, each up to half as much again.
INFRASTRUCTURE_RETRIES: dict[str, Any] = {
    "retries": 4,
    "retry_delay_seconds": exponential_backoff(2),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _worth_it,
}
