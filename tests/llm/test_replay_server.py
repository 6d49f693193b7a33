"""Answers that models really gave, served by a program of other hands over both protocols."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tasks.llm import Gateway, Message, PriceTable, Request, make_provider
from tasks.store import open_artifacts

SHARED = Path(__file__).resolve().parents[3] / "shared"
TOOL, RECORDING = SHARED / "tools" / "replay_server.py", SHARED / "recorded" / "leetcode"

pytestmark = pytest.mark.skipif(
    not (TOOL.exists() and RECORDING.exists()), reason="needs ../shared/tools/replay_server.py and its recording"
)


@pytest.fixture
def replay(request: pytest.FixtureRequest) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = getattr(request, "param", [])
    command = [sys.executable, str(TOOL), str(RECORDING), "--port", str(port), *options]
    with subprocess.Popen(command) as process:
        origin = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 60
            while not answers(origin):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)  # another program's start has no event to wait for
            yield origin
        finally:
            process.terminate()


def answers(origin: str) -> bool:
    try:
        stats(origin)
    except (urllib.error.URLError, ConnectionError):
        return False
    return True


def stats(origin: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{origin}/stats") as response:
        return dict(json.load(response))


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("replay", [["--fail-every", "7", "--truncate-every", "5"]], indirect=True)
def test_a_second_run_asks_nothing(database: Engine, tmp_path: Path, replay: str, provider: str) -> None:
    artifacts = open_artifacts((tmp_path / "artifacts").as_uri())
    prompt = "Write a new question in the style of these."
    asked = [Request(provider, "gpt-4o", (Message("user", prompt),), attempt=number) for number in range(20)]

    async def run() -> list[tuple[str, bool]]:
        made = make_provider(provider, f"{replay}/v1" if provider == "openai" else replay)
        async with Gateway(database, artifacts, made, PriceTable.load()) as gateway:
            found = await asyncio.gather(*(gateway.ask(one) for one in asked))
        return [(answer.text, answer.truncated) for answer in found]

    first = asyncio.run(run())
    counts = stats(replay)
    assert counts["question"] == 20
    assert counts["500"] > 0
    assert sum(truncated for _, truncated in first) == counts["truncated"] > 0
    assert asyncio.run(run()) == first
    assert stats(replay) == counts


def test_raw_completions_are_spoken_too(replay: str) -> None:
    async def run() -> str:
        made = make_provider("openai", f"{replay}/v1")
        try:
            return (await made.complete(Request("openai", "base", prompt="Write a"))).text
        finally:
            await made.close()

    assert asyncio.run(run())
