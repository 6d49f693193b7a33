"""A sandbox as a run starts it, with pytest preloaded for the trust engine's programs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.sandbox import Policy, Sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Policy(timeout_s=10, memory_mb=512, jobs=2, preload=("pytest",))) as shared:
        yield shared
