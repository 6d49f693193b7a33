"""What a task tries again: errors of the surroundings, and nothing that would fail the same way."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from prefect import Task
from prefect.states import Failed
from sqlalchemy.exc import IntegrityError, OperationalError

from tasks.drain import shard_task
from tasks.llm import BudgetReached, ProviderMisconfigured
from tasks.settings import REPOSITORY
from tasks.shards import LeaseLost
from tasks.store import ArtifactStoreUnavailable
from tasks.work import ProviderDown, ShardStalled

DOWN = OperationalError("select 1", {}, Exception("the server is gone"))


def test_every_task_tries_again_where_the_surroundings_failed_and_says_so_once() -> None:
    modules = [importlib.import_module(f"tasks.{path.stem}") for path in (REPOSITORY / "tasks").glob("*.py")]
    tasks = {id(found): found for module in modules for found in vars(module).values() if isinstance(found, Task)}
    assert len(tasks) >= 8
    for one in tasks.values():
        assert one.retry_condition_fn is shard_task.retry_condition_fn, one.name
        assert one.retries == 4
        assert one.retry_delay_seconds == [2, 4, 8, 16] and one.retry_jitter_factor == 0.5
        assert one.timeout_seconds is None  # of Prefect's: see Run.drain


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (DOWN, True),
        (ArtifactStoreUnavailable("no bucket"), True),
        (ConnectionResetError(), True),
        (ExceptionGroup("both", [DOWN, ConnectionResetError()]), True),
        (ExceptionGroup("one of each", [DOWN, KeyError("a bug")]), False),
        (IntegrityError("insert", {}, Exception("a bug")), False),
        (KeyError("a bug"), False),
        (BudgetReached("no room", "run"), False),
        (ProviderMisconfigured("no key"), False),
        (ProviderDown("no answer"), False),
        (LeaseLost("another has it"), False),
        (ShardStalled("no row ended"), False),
    ],
)
def test_a_shard_is_tried_again_where_the_surroundings_failed(error: Exception, again: bool) -> None:
    condition: Any = shard_task.retry_condition_fn
    assert condition(shard_task, None, Failed(data=error)) is again
