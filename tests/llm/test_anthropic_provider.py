"""Anthropic's protocol, over real connections, whole and broken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tasks.llm.anthropic_provider import AnthropicProvider
from tasks.llm.retry import Patience
from tasks.llm.types import (
    Completion,
    Message,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    Request,
    Sampling,
    Usage,
)
from tests.llm.fault_server import MESSAGES, FaultServer, Reply, answer_to, error, message
from tests.llm.patient import QUICK, ask_until

TEXT = {"type": "text", "text": "hi"}


def request(text: str = "hello", **more: Any) -> Request:
    return Request("anthropic", "claude-sonnet-5-5", (Message("user", text),), **more)


def ask(server: FaultServer, asked: Request | None = None, **options: Any) -> Completion:
    async def run() -> Completion:
        provider = AnthropicProvider(server.origin, **options)
        try:
            return await provider.complete(asked or request())
        finally:
            await provider.close()

    return asyncio.run(run())


def ask_again(server: FaultServer, patience: Patience = QUICK, **options: Any) -> Completion:
    """With the gateway's own retries."""

    async def run() -> Completion:
        provider = AnthropicProvider(server.origin, **options)
        try:
            return await ask_until(provider, request(), patience)
        finally:
            await provider.close()

    return asyncio.run(run())


def test_an_answer_comes_with_all_input_tokens_counted_and_the_cached_ones_apart(server: FaultServer) -> None:
    usage = {
        "input_tokens": 10, "cache_read_input_tokens": 80, "cache_creation_input_tokens": 5, "output_tokens": 50,
    }
    server.script(message(TEXT, usage=usage))
    assert ask(server) == Completion("hi", None, "stop", Usage(95, 80, 50, 0), "msg_1", 0)


def test_system_messages_go_where_the_protocol_has_them(server: FaultServer) -> None:
    messages = (Message("system", "be brief"), Message("system", "be kind"), Message("user", "hello"))
    ask(server, Request("anthropic", "claude", messages, sampling=Sampling(100, 0.7, 0.9, ("###",))))
    ask(server)
    full, bare = server.seen
    assert full.path == MESSAGES
    assert full.body == {
        "model": "claude", "max_tokens": 100, "stop_sequences": ["###"],
        "system": "be brief\n\nbe kind", "messages": [{"role": "user", "content": "hello"}],
    }
    assert bare.body.keys() == {"model", "max_tokens", "messages"}
    assert bare.body["max_tokens"] == 8192


def test_sampling_that_the_api_no_longer_takes_is_left_out_with_one_warning(
    server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    async def twice() -> None:
        provider = AnthropicProvider(server.origin)
        for text in "ab":
            await provider.complete(request(text, sampling=Sampling(temperature=0.7, top_p=0.9)))
        await provider.close()

    asyncio.run(twice())
    assert all(seen.body.keys() == {"model", "max_tokens", "messages"} for seen in server.seen)
    assert len([record for record in caplog.records if "temperature" in record.getMessage()]) == 1


def test_a_long_answer_may_be_asked_for(server: FaultServer) -> None:
    ask(server, request(sampling=Sampling(64_000)))
    assert server.seen[0].body["max_tokens"] == 64_000


@pytest.mark.parametrize(("sent", "read"), [
    ("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("refusal", "content_filter"),
    ("model_context_window_exceeded", "length"),
])
def test_stop_reasons_read_like_every_other_providers(server: FaultServer, sent: str, read: str) -> None:
    server.script(message(TEXT, stop_reason=sent))
    assert ask(server).finish_reason == read


def test_thinking_is_kept_apart(server: FaultServer) -> None:
    thinking = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    server.script(message(thinking, TEXT, {"type": "text", "text": "!"}))
    found = ask(server)
    assert (found.text, found.reasoning) == ("hi!", "Hm.")


def test_there_is_no_raw_completion(server: FaultServer) -> None:
    with pytest.raises(ProviderMisconfigured, match="no raw completions"):
        ask(server, Request("anthropic", "claude", prompt="x"))
    assert not server.seen


def test_a_rate_limit_is_waited_out(server: FaultServer) -> None:
    server.script(error(429, "slow down", headers={"retry-after": "0.01"}), error(429, "slow down"))
    assert ask_again(server).retries == 2


@pytest.mark.parametrize("status", [500, 529])
def test_an_overloaded_server_is_retried_then_unavailable(server: FaultServer, status: int) -> None:
    server.script(error(status, "overloaded"))
    assert ask_again(server).retries == 1
    server.always(error(status, "overloaded"))
    with pytest.raises(ProviderUnavailable, match="overloaded"):
        ask_again(server, Patience(failures=1, first_s=0.01))


def test_a_server_that_asks_for_a_day_of_patience_is_not_waited_for(server: FaultServer) -> None:
    server.always(error(429, "come back tomorrow", headers={"retry-after": "86400"}))
    with pytest.raises(ProviderUnavailable, match="come back tomorrow"):
        ask_again(server)
    assert len(server.seen) == 1


def test_a_hanging_server_is_left_after_the_timeout(server: FaultServer) -> None:
    server.always(Reply(hang=True))
    with pytest.raises(ProviderUnavailable, match=r"no whole answer within 0\.2 seconds"):
        ask(server, timeout_s=0.2)


def test_a_connection_reset_in_the_middle_of_the_answer_is_retried(server: FaultServer) -> None:
    server.script(Reply(200, message(TEXT).body, cut_after=40))
    assert (ask_again(server).text, len(server.seen)) == (answer_to("hello"), 2)


@pytest.mark.parametrize("reply", [
    Reply(200, "<html>Welcome to nginx!</html>"), Reply(200, '{"content": [{"ty'), Reply(200, {"content": None}),
    message(), message({"type": "text", "text": None}), message({"type": "tool_use", "name": "f", "input": {}}),
])
def test_garbage_is_unavailable(server: FaultServer, reply: Reply) -> None:
    server.always(reply)
    with pytest.raises(ProviderUnavailable):
        ask(server)


@pytest.mark.parametrize(("reply", "words"), [
    (error(401, "invalid x-api-key"), "ANTHROPIC_API_KEY"),
    (error(403, "not allowed"), "forbids"),
    (error(404, "model: claude-sonnet-5-5"), "Check the model's name"),
    (error(400, "Your credit balance is too low to access the Anthropic API."), "no credit"),
    (error(400, "temperature: Extra inputs are not permitted"), "temperature"),
])
def test_what_would_fail_for_every_request_is_misconfigured_at_once(
    server: FaultServer, reply: Reply, words: str
) -> None:
    server.always(reply)
    with pytest.raises(ProviderMisconfigured, match=words):
        ask(server)
    assert len(server.seen) == 1


def test_what_is_wrong_with_one_request_is_refused(server: FaultServer) -> None:
    server.always(error(400, "prompt is too long: 250000 tokens > 200000 maximum"))
    with pytest.raises(ProviderRefused, match="too long"):
        ask(server)


def test_a_missing_key_is_an_error_before_any_request(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(ProviderMisconfigured, match="ANTHROPIC_API_KEY"):
        AnthropicProvider(server.origin)
    assert not server.seen


def test_the_base_url_may_come_from_the_environment(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.origin)
    provider = AnthropicProvider()
    assert asyncio.run(provider.complete(request())).text == answer_to("hello")
