"""The pipeline's own fixtures, and a system of several processes to kill parts of."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.pipeline.conftest import embedded, new_workplace, workplace
from tests.recovery.teacher import Teacher, teacher

__all__ = ["embedded", "new_workplace", "workplace"]


@pytest.fixture
def faulty() -> Iterator[Teacher]:
    """A teacher that breaks every tenth request."""
    with teacher() as started:
        yield started


@pytest.fixture
def steady() -> Iterator[Teacher]:
    """A teacher that breaks none."""
    with teacher(0) as started:
        yield started
