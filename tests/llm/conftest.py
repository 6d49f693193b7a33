"""A server that breaks the protocols on request, and keys that open nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.llm.fault_server import FaultServer, fault_server

KEY = "sk-test-1f0c9e7d-do-not-show-me"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> str:
    """Keys in the environment, nothing else of the caller's."""
    for name in ("OPENAI_BASE_URL", "ANTHROPIC_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return KEY


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server() as running:
        yield running
