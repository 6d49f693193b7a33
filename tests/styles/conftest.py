"""The real sandbox as the judge of conversions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.sandbox import Policy, Sandbox
from tasks.styles import Judge


@pytest.fixture(scope="session")
def judge() -> Iterator[Judge]:
    with Sandbox(Policy(timeout_s=20, jobs=1)) as sandbox:
        yield sandbox.judge
