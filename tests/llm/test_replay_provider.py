"""A replay answers from the ledger only."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import Engine

from tasks.llm import Gateway, Message, NotRecorded, PriceTable, ProviderMisconfigured, Request, replay_provider
from tasks.llm.anthropic_provider import AnthropicProvider
from tasks.llm.offline import OfflineProvider
from tasks.llm.openai_provider import OpenAIProvider
from tasks.llm.prices import FREE
from tasks.llm.providers import PROVIDERS
from tasks.store import ArtifactStore
from tests.llm.fault_server import FaultServer, answer_to


def request(text: str) -> Request:
    return Request("openai", "gpt-4o", (Message("user", text),), attempt=2, stage="solve", subset="Leetcode")


def test_a_recorded_answer_comes_again_and_what_is_missing_is_named(
    database: Engine, artifacts: ArtifactStore, server: FaultServer
) -> None:
    async def work() -> None:
        async with Gateway(database, artifacts, OpenAIProvider(server.url), PriceTable.load(), "run-1") as gateway:
            await gateway.ask(request("known"))
        free = PriceTable({}, every=FREE)
        async with Gateway(database, artifacts, replay_provider("openai"), free, "run-2") as gateway:
            answer = await gateway.ask(request("known"))
            assert (answer.text, answer.from_ledger) == (answer_to("known"), True)
            with pytest.raises(NotRecorded) as missing:
                await gateway.ask(request("unknown"))
        said = str(missing.value)
        assert all(word in said for word in (request("unknown").hash[:16], "gpt-4o", "of Leetcode", "attempt 2"))

    asyncio.run(work())
    assert len(server.seen) == 1


def test_a_replay_asks_as_the_provider_it_stands_for() -> None:
    classes = (OpenAIProvider, AnthropicProvider, OfflineProvider)
    assert {one.name for one in classes} == set(PROVIDERS)
    for one in classes:
        stand_in = replay_provider(one.name)
        assert (stand_in.name, stand_in.has_completions) == (one.name, one.has_completions)
    with pytest.raises(ProviderMisconfigured, match="no provider 'nobody'"):
        replay_provider("nobody")
