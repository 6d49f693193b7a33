"""One sandbox for the tests that need no policy of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.sandbox import Policy, Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Policy(timeout_s=10, memory_mb=512, output_kb=256, disk_mb=16, jobs=2)) as shared:
        yield shared
