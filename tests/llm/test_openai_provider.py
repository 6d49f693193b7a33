"""The OpenAI protocol, over real connections, whole and broken."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from tasks.llm.openai_provider import OpenAIProvider
from tasks.llm.retry import Patience
from tasks.llm.transport import PooledTransport
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
from tests.llm.fault_server import AT_ONCE, CHAT, COMPLETIONS, FaultServer, Reply, answer_to, chat, completion, error
from tests.llm.patient import QUICK, ask_until


def request(text: str = "hello", model: str = "gpt-4o", **more: Any) -> Request:
    return Request("openai", model, (Message("user", text),), **more)


def ask(server: FaultServer, asked: Request | None = None, **options: Any) -> Completion:
    async def run() -> Completion:
        provider = OpenAIProvider(server.url, **options)
        try:
            return await provider.complete(asked or request())
        finally:
            await provider.close()

    return asyncio.run(run())


def ask_again(server: FaultServer, patience: Patience = QUICK, **options: Any) -> Completion:
    """With the gateway's own retries."""

    async def run() -> Completion:
        provider = OpenAIProvider(server.url, **options)
        try:
            return await ask_until(provider, request(), patience)
        finally:
            await provider.close()

    return asyncio.run(run())


def test_an_answer_comes_with_its_tokens_and_the_servers_id(server: FaultServer) -> None:
    usage = {
        "prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 64},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }
    server.script(chat("hi", usage=usage))
    assert ask(server) == Completion("hi", None, "stop", Usage(100, 64, 50, 20), "req-1", 0)


def test_the_request_holds_what_was_asked_and_nothing_that_was_left_to_the_server(server: FaultServer) -> None:
    messages = (Message("system", "be brief"), Message("user", "hello"))
    ask(server, Request("openai", "gpt-4o", messages, sampling=Sampling(100, 0.7, 0.9, ("\n\n",))))
    ask(server)
    full, bare = server.seen
    assert full.path == CHAT
    assert full.body == {
        "model": "gpt-4o", "max_tokens": 100, "temperature": 0.7, "top_p": 0.9, "stop": ["\n\n"],
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
    }
    assert bare.body.keys() == {"model", "messages"}


@pytest.mark.parametrize("model", ["o1", "o3-mini", "o4-mini-2025-04-16", "gpt-5", "gpt-5.1", "openai/gpt-5-mini"])
def test_reasoning_models_get_their_own_limit_and_no_sampling(server: FaultServer, model: str) -> None:
    ask(server, request(model=model, sampling=Sampling(100, 0.7, 0.9)))
    assert server.seen[0].body.keys() == {"model", "messages", "max_completion_tokens"}


@pytest.mark.parametrize("model", ["gpt-4o", "gpt-4.1-mini", "deepseek-r1", "Qwen/Qwen3-32B", "gpt-oss-120b", "olmo1"])
def test_other_models_get_max_tokens_and_their_sampling(server: FaultServer, model: str) -> None:
    ask(server, request(model=model, sampling=Sampling(100, 0.7)))
    assert server.seen[0].body.keys() == {"model", "messages", "max_tokens", "temperature"}


def test_the_name_of_the_token_limit_can_be_overridden(server: FaultServer) -> None:
    ask(server, request(sampling=Sampling(100)), token_parameter="max_completion_tokens")
    assert server.seen[0].body["max_completion_tokens"] == 100


def test_a_raw_prompt_goes_to_the_completions_endpoint(server: FaultServer) -> None:
    server.script(completion(" returns the sum", "length"))
    found = ask(server, Request("openai", "base", prompt="Write a Python function that", sampling=Sampling(9)))
    assert (found.text, found.finish_reason) == (" returns the sum", "length")
    assert server.seen[0].path == COMPLETIONS
    assert server.seen[0].body == {"model": "base", "prompt": "Write a Python function that", "max_tokens": 9}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_is_kept_apart_where_the_server_does(server: FaultServer, field: str) -> None:
    server.script(chat("42", **{field: "Let me think."}))
    found = ask(server)
    assert (found.text, found.reasoning) == ("42", "Let me think.")


def test_an_answer_cut_at_the_limit_says_so(server: FaultServer) -> None:
    server.script(chat("half an ans", "length"))
    assert ask(server).finish_reason == "length"


@pytest.mark.parametrize(("sent", "read"), [("eos", "stop"), ("eos_token", "stop"), ("model_length", "length")])
def test_finish_reasons_of_other_servers_read_alike(server: FaultServer, sent: str, read: str) -> None:
    server.script(chat("hi", sent))
    assert ask(server).finish_reason == read


@pytest.mark.parametrize("reason", ["abort", "insufficient_system_resource"])
def test_an_answer_that_the_server_broke_off_is_no_answer(server: FaultServer, reason: str) -> None:
    server.script(chat("half an ans", reason))
    with pytest.raises(ProviderUnavailable, match=reason):
        ask(server)


def test_an_allowance_spent_on_thinking_alone_is_a_truncated_answer(server: FaultServer) -> None:
    server.script(chat(None, "length"))
    found = ask(server)
    assert (found.text, found.finish_reason) == ("", "length")


def test_content_in_parts_is_joined(server: FaultServer) -> None:
    server.script(chat([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))  # type: ignore[arg-type]
    assert ask(server).text == "ab"


def test_a_refusal_counts_as_filtered(server: FaultServer) -> None:
    server.script(chat(None, refusal="I cannot help with that."))
    found = ask(server)
    assert (found.text, found.finish_reason) == ("I cannot help with that.", "content_filter")


def test_a_rate_limit_is_waited_out_and_counted(server: FaultServer) -> None:
    server.script(error(429, "slow down", headers={"retry-after": "0.01"}), error(429, "slow down"))
    found = ask_again(server)
    assert (found.text, found.retries, len(server.seen)) == (answer_to("hello"), 2, 3)


@pytest.mark.parametrize("status", [408, 409, 500, 502, 503, 529])
def test_a_server_error_is_retried(server: FaultServer, status: int) -> None:
    server.script(Reply(status, "oops", AT_ONCE))
    assert ask_again(server).retries == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_never_recovers_is_unavailable(server: FaultServer, status: int) -> None:
    server.always(error(status, "try later"))
    with pytest.raises(ProviderUnavailable, match=f"(?s){status}.*try later"):
        ask_again(server, Patience(failures=2, first_s=0.01))
    assert len(server.seen) == 3


@pytest.mark.parametrize("delay", ["86400", "inf", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_a_server_that_asks_for_a_day_of_patience_is_not_waited_for(server: FaultServer, delay: str) -> None:
    server.always(error(429, "come back tomorrow", headers={"retry-after": delay}))
    with pytest.raises(ProviderUnavailable, match="come back tomorrow"):
        ask_again(server)
    assert len(server.seen) == 1


def test_a_hanging_server_is_left_after_the_timeout(server: FaultServer) -> None:
    server.always(Reply(hang=True))
    with pytest.raises(ProviderUnavailable, match=r"no whole answer within 0\.2 seconds"):
        ask(server, timeout_s=0.2)


def test_a_hang_that_passes_is_retried(server: FaultServer) -> None:
    server.script(Reply(hang=True))
    assert ask_again(server, timeout_s=1.0).retries == 1


def test_no_request_outlives_its_deadline(server: FaultServer) -> None:
    server.always(Reply(hang=True))
    with pytest.raises(ProviderUnavailable, match=r"within 0\.2 seconds"):
        ask(server, deadline_s=0.2)


def test_a_slow_drip_is_an_answer_within_the_deadline_and_left_beyond_it(server: FaultServer) -> None:
    """Silence is measured between bytes, so that only the deadline ends a drip."""
    server.script(replace(chat("hello"), drip_s=0.0001))
    assert ask(server, timeout_s=5.0).text == "hello"
    server.always(replace(chat("hello"), drip_s=0.02))
    with pytest.raises(ProviderUnavailable, match=r"within 0\.2 seconds"):
        ask(server, timeout_s=5.0, deadline_s=0.2)


def test_a_connection_reset_in_the_middle_of_the_answer_is_retried(server: FaultServer) -> None:
    server.script(Reply(200, chat("a long answer").body, cut_after=40))
    assert (ask_again(server).text, len(server.seen)) == (answer_to("hello"), 2)


def test_resets_without_end_are_unavailable(server: FaultServer) -> None:
    server.always(Reply(200, chat("a long answer").body, cut_after=40))
    with pytest.raises(ProviderUnavailable, match="broke off"):
        ask(server)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = OpenAIProvider(f"http://127.0.0.1:{port}/v1")
    with pytest.raises(ProviderUnavailable, match=rf"http://127\.0\.0\.1:{port}/v1 cannot be reached"):
        asyncio.run(provider.complete(request()))


def test_a_host_without_address_is_unavailable() -> None:
    provider = OpenAIProvider("http://no-such-host.invalid/v1")
    with pytest.raises(ProviderUnavailable, match=r"no-such-host\.invalid"):
        asyncio.run(provider.complete(request()))


NONSENSE: dict[str, Reply] = {
    "HTML": Reply(200, "<html>\x1b[31m<body>Welcome to nginx!</body></html>" + "x" * 1000),
    "malformed JSON": Reply(200, '{"choices": [{"mess'),
    "deep JSON": Reply(200, "[" * 100_000),
    "a list": Reply(200, [1, 2, 3]),
    "an empty body": Reply(200, ""),
    "no choices": Reply(200, {"choices": [], "usage": None}),
    "null choices": Reply(200, {"choices": None}),
    "a choice that is none": Reply(200, {"choices": ["hello"]}),
    "no content": chat(None),
    "content of a wrong type": chat(17),  # type: ignore[arg-type]
    "an error under status 200": Reply(200, {"error": {"message": "upstream is gone", "code": 502}}),
}


@pytest.mark.parametrize("kind", NONSENSE)
def test_garbage_is_unavailable_and_quoted_in_one_printable_line(server: FaultServer, kind: str) -> None:
    server.always(NONSENSE[kind])
    with pytest.raises(ProviderUnavailable) as caught:
        ask(server)
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 400
    if kind == "HTML":
        assert "Welcome to nginx!" in said


def test_garbage_may_have_been_paid_for_and_is_repeated_once(server: FaultServer) -> None:
    server.always(NONSENSE["no choices"])
    with pytest.raises(ProviderUnavailable, match="without a choice"):
        ask_again(server)
    assert len(server.seen) == 2


@pytest.mark.parametrize(("sent", "text", "reasoning", "ending"), [
    ("<think>\nHm.\n</think>\n\n42", "42", "Hm.", "stop"),
    ("<think>Hm, I am cut", "", "Hm, I am cut", "length"),
    ("<think> is a tag", "<think> is a tag", None, "stop"),
    ("Write `<think>` first.</think>", "Write `<think>` first.</think>", None, "stop"),
    ("Write `<think>` first.</think> Then go.", "Write `<think>` first.</think> Then go.", None, "stop"),
    ("Hm.\n</think>\n\n42", "42", "Hm.", "stop"),
])
def test_thinking_inside_the_answer_is_set_apart(
    server: FaultServer, sent: str, text: str, reasoning: str | None, ending: str
) -> None:
    server.script(chat(sent, ending))
    found = ask(server)
    assert (found.text, found.reasoning, found.finish_reason) == (text, reasoning, ending)


@pytest.mark.parametrize(("headers", "pause_s"), [
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}, 0.02),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 1.0),
    ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1s"}, 0.0),
    ({"anthropic-ratelimit-requests-remaining": "0", "anthropic-ratelimit-requests-reset": "2099-01-01"}, 1.0),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "\x1b[2J"}, 0.0),
    ({}, 0.0),
])
def test_rate_headers_say_when_to_pause(server: FaultServer, headers: dict[str, str], pause_s: float) -> None:
    server.script(replace(chat("hi"), headers=headers))
    assert ask(server).pause_s == pytest.approx(pause_s)


def test_a_reply_without_end_is_left(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PooledTransport.__init__, "__defaults__", (1000,))
    server.script(chat("x" * 5000))
    with pytest.raises(ProviderUnavailable, match="longer than 1000 bytes"):
        ask(server)


def test_hostile_numbers_and_labels_do_no_harm(server: FaultServer) -> None:
    usage = {"prompt_tokens": -5, "completion_tokens": 1e300, "prompt_tokens_details": {"cached_tokens": "many"}}
    reply = chat("ok\x00\ud800", "stop\x00\x1b[2J" + "x" * 5000, usage)
    server.script(Reply(200, reply.body, {"x-request-id": ""}))
    found = ask(server)
    assert found.usage == Usage(0, 0, 100_000_000, 0)
    assert found.finish_reason.isprintable()
    assert len(found.finish_reason) <= 100
    assert found.text == "ok\x00?"
    assert found.provider_request_id == "chatcmpl-1"


MISCONFIGURED: dict[str, tuple[Reply, str]] = {
    "wrong key": (error(401, "Incorrect API key provided"), "OPENAI_API_KEY"),
    "forbidden": (error(403, "Your project has no access to it"), "no access"),
    "no such model": (error(404, "The model does not exist", "model_not_found"), "'gpt-4o'"),
    "no such page": (Reply(404, "<html>not here</html>"), "base URL"),
    "elsewhere": (Reply(307, "", {"location": "http://127.0.0.1:1/v1"}), "redirects"),
    "no money": (error(402, "Payment required"), "no credit"),
    "quota used up": (error(429, "You exceeded your current quota", "insufficient_quota"), "no credit"),
    "wrong parameter": (error(400, "Unsupported parameter: 'max_tokens'", "unsupported_parameter"), "max_tokens"),
}


@pytest.mark.parametrize("kind", MISCONFIGURED)
def test_what_would_fail_for_every_request_is_misconfigured_at_once(server: FaultServer, kind: str) -> None:
    reply, words = MISCONFIGURED[kind]
    server.always(reply)
    with pytest.raises(ProviderMisconfigured, match=words):
        ask(server)
    assert len(server.seen) == 1


REFUSED: dict[str, Reply] = {
    "content filter": error(400, "The response was filtered", "content_filter"),
    "too long": error(400, "This model's maximum context length is 8192 tokens", "context_length_exceeded"),
    "flagged": error(403, "Your input was flagged by moderation"),
    "too large": error(413, "Request too large"),
    # The words of a question do not stop a run.
    "prompt quoted": error(400, "Bad input: " + "x" * 300 + " raise InsufficientBalance('insufficient_quota')"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_with_one_request_is_refused(server: FaultServer, kind: str) -> None:
    server.always(REFUSED[kind])
    with pytest.raises(ProviderRefused):
        ask(server)


def test_a_prompt_that_no_server_can_be_sent_is_refused(server: FaultServer) -> None:
    with pytest.raises(ProviderRefused, match="surrogates"):
        ask(server, request("a \ud800 b"))


def test_a_chat_model_asked_for_a_raw_completion_says_what_is_wrong(server: FaultServer) -> None:
    server.always(error(404, "This is a chat model and not supported in the v1/completions endpoint."))
    with pytest.raises(ProviderMisconfigured, match="raw completions endpoint"):
        ask(server, Request("openai", "gpt-4o", prompt="x"))


def test_closing_twice_is_no_harm(server: FaultServer) -> None:
    async def run() -> None:
        provider = OpenAIProvider(server.url)
        await provider.complete(request())
        await provider.close()
        await provider.close()
        assert len(server.seen) == 1

    asyncio.run(run())


def test_a_missing_key_is_an_error_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(ProviderMisconfigured, match="OPENAI_API_KEY"):
        OpenAIProvider()


def test_a_named_server_needs_no_key(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert ask(server).text == answer_to("hello")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    OpenAIProvider()


def test_an_explicit_base_url_goes_first(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    ask(server)
    assert len(server.seen) == 1


def test_the_key_goes_to_the_server_without_the_newline_of_its_file(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-abc\n")
    ask(server)
    assert server.seen[0].headers["authorization"] == "Bearer sk-test-abc"


def test_a_call_goes_where_the_sdk_sends_it_with_the_sdks_headers(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-abc")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")

    async def run() -> None:
        provider = OpenAIProvider(server.url)
        try:
            await provider.complete(request())
            await provider.client.chat.completions.create(model="gpt-4o", messages=[])
        finally:
            await provider.close()

    asyncio.run(run())
    ours, sdks = server.seen
    assert (ours.method, ours.path) == (sdks.method, sdks.path)
    of_httpx = {"connection", "content-length", "x-stainless-retry-count", "x-stainless-read-timeout"}
    assert ours.headers.keys() - of_httpx == sdks.headers.keys() - of_httpx
    for name in ("authorization", "openai-organization", "user-agent", "content-type", "accept"):
        assert ours.headers[name] == sdks.headers[name]


@pytest.mark.parametrize("key", ["two words-in-it", "schlüssel-123", "sk-a\nsk-b"])
def test_a_key_that_no_header_can_hold_is_named_but_not_shown(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ProviderMisconfigured, match="OPENAI_API_KEY") as caught:
        OpenAIProvider()
    assert key not in str(caught.value)


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://x/v1", "http://", "/v1"])
def test_a_base_url_that_is_none_is_said_to_be_none(url: str) -> None:
    with pytest.raises(ProviderMisconfigured, match="not an http"):
        OpenAIProvider(url)
