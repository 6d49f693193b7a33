"""Anthropic's messages API."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import anthropic

from tasks.llm.anthropic_batches import AnthropicBatches
from tasks.llm.line import Limits, Line
from tasks.llm.transport import PooledTransport
from tasks.llm.types import (
    Completion,
    ProviderError,
    ProviderMisconfigured,
    Request,
    Usage,
)
from tasks.llm.wire import (
    Endpoint,
    check_base_url,
    check_key,
    encodable,
    excerpt,
    http_client,
    label,
    mapping,
    pause_s,
    tokens,
)

KEY_VARIABLE = "ANTHROPIC_API_KEY"
BASE_URL_VARIABLE = "ANTHROPIC_BASE_URL"
DEFAULT_BASE_URL = "https://api.anthropic.com"
DEFAULT_MAX_TOKENS = 8192

log = logging.getLogger(__name__)


class AnthropicProvider:
    """Asks the messages endpoint; there is no raw completion, and since API version 2026-10-21 no temperature.

    The key comes from ANTHROPIC_API_KEY and nowhere else. `base_url` goes before ANTHROPIC_BASE_URL, which goes before
    Anthropic's own. `timeout_s` is the longest silence, `deadline_s` the longest that one answer may take.
    Raises ProviderMisconfigured where the key is missing or the URL is none.
    """

    name = "anthropic"
    has_completions = False

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout_s: float = 600.0,
        connect_timeout_s: float = 10.0,
        deadline_s: float = 1800.0,
    ) -> None:
        source, url = "The base URL", base_url
        if url is None:
            source, url = BASE_URL_VARIABLE, os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
        key = check_key(os.environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)
        if not key:
            raise ProviderMisconfigured(f"No key for Anthropic: set {KEY_VARIABLE}.")
        self.endpoint = Endpoint(check_base_url(url, source), KEY_VARIABLE, key)
        self._timeout_s = timeout_s
        self._warned = False
        pool = PooledTransport()
        self.client = anthropic.AsyncAnthropic(
            api_key=key,
            base_url=self.endpoint.url,
            max_retries=0,
            http_client=http_client(pool, timeout_s, connect_timeout_s),
        )
        self._line = Line(self.endpoint, self.client, pool, Limits(timeout_s, connect_timeout_s, deadline_s))
        self.batches = AnthropicBatches(self)

    async def complete(self, request: Request) -> Completion:
        """Ask once. Raises RateLimited, BadAnswer, ProviderUnavailable, ProviderRefused or ProviderMisconfigured."""
        reply = await self._line.post("/v1/messages", self.body(request))
        if reply.status >= 300:
            raise self.endpoint.of_status(reply.status, reply.text, request.model, reply.headers)
        found = self.completion(self.endpoint.json_object(reply.content), reply.content)
        request_id = label(reply.headers.get("request-id"), "") or found.provider_request_id
        return replace(found, provider_request_id=request_id, pause_s=pause_s(reply.headers))

    def body(self, request: Request) -> dict[str, Any]:
        """The JSON body of a request. Raises ProviderMisconfigured for a raw prompt."""
        if request.prompt is not None:
            raise ProviderMisconfigured(
                "Anthropic has no raw completions endpoint, so it cannot continue a prompt. Ask with messages instead."
            )
        if not self._warned and (request.sampling.temperature is not None or request.sampling.top_p is not None):
            self._warned = True
            log.warning("Anthropic's API no longer takes temperature and top_p; left out.")
        return _parameters(request)

    def completion(self, body: Mapping[str, Any], content: bytes) -> Completion:
        """What a message says. Raises BadAnswer where it holds no answer."""
        text, reasoning, finish_reason = self._content(body, content)
        return Completion(
            text=text,
            reasoning=reasoning,
            finish_reason=finish_reason,
            usage=_usage(mapping(body.get("usage"))),
            provider_request_id=label(body.get("id"), "") or None,
        )

    async def close(self) -> None:
        await self.client.close()

    def translate(self, error: anthropic.AnthropicError, model: str) -> ProviderError:
        """An error of the SDK in this project's kinds."""
        if isinstance(error, anthropic.APIStatusError):
            return self.endpoint.of_status(error.status_code, error.response.text, model, error.response.headers)
        if isinstance(error, anthropic.APITimeoutError):
            return self.endpoint.timed_out(self._timeout_s)
        return self.endpoint.unreachable(error.__cause__ or error)

    def _content(self, body: Mapping[str, Any], content: bytes) -> tuple[str, str | None, str]:
        """Text, thinking and finish reason."""
        blocks = body.get("content")
        finish_reason = self.endpoint.ending(body.get("stop_reason"), excerpt(content))
        if not isinstance(blocks, list) or (not blocks and finish_reason not in ("length", "content_filter")):
            raise self.endpoint.nonsense("content", excerpt(content))
        text = [block["text"] for block in map(mapping, blocks) if isinstance(block.get("text"), str)]
        thinking = [block["thinking"] for block in map(mapping, blocks) if isinstance(block.get("thinking"), str)]
        if not text and not thinking and finish_reason not in ("length", "content_filter"):
            raise self.endpoint.nonsense("text", excerpt(content))
        return encodable("".join(text)), encodable("".join(thinking)) or None, finish_reason


def _parameters(request: Request) -> dict[str, Any]:
    sampling = request.sampling
    system = "\n\n".join(message.content for message in request.messages if message.role == "system")
    optional: dict[str, Any] = {
        "system": system or None,
        "stop_sequences": list(sampling.stop) or None,
    }
    return {
        "model": request.model,
        "max_tokens": sampling.max_tokens or DEFAULT_MAX_TOKENS,
        "messages": [
            {"role": message.role, "content": message.content}
            for message in request.messages
            if message.role != "system"
        ],
        **{name: value for name, value in optional.items() if value is not None},
    }


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Anthropic counts cached and newly cached input apart from `input_tokens`; here input is all of it."""
    cached = tokens(usage.get("cache_read_input_tokens"))
    return Usage(
        input_tokens=tokens(usage.get("input_tokens")) + cached + tokens(usage.get("cache_creation_input_tokens")),
        cached_input_tokens=cached,
        output_tokens=tokens(usage.get("output_tokens")),
    )
