"""What a task tries again: errors of the surroundings, and nothing that would fail the same way."""

from __future__ import annotations

from typing import Any

import pytest
from prefect.states import Failed
from sqlalchemy.exc import IntegrityError, OperationalError

from tasks.drain import shard_task
from tasks.llm import BudgetReached, ProviderMisconfigured
from tasks.shards import LeaseLost
from tasks.store import ArtifactStoreUnavailable
from tasks.work import ProviderDown

DOWN = OperationalError("select 1", {}, Exception("the server is gone"))


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
    ],
)
def test_a_shard_is_tried_again_where_the_surroundings_failed(error: Exception, again: bool) -> None:
    condition: Any = shard_task.retry_condition_fn
    assert condition(shard_task, None, Failed(data=error)) is again
