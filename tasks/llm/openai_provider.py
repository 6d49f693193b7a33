"""OpenAI, and every server that speaks its protocol: vLLM, SGLang, Ollama, Together, DeepSeek, OpenRouter ..."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import openai

from tasks.llm.line import Limits, Line
from tasks.llm.openai_batches import OpenAIBatches
from tasks.llm.thinking import thinking
from tasks.llm.transport import PooledTransport
from tasks.llm.types import Completion, ProviderError, ProviderMisconfigured, Request, Usage
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

KEY_VARIABLE = "OPENAI_API_KEY"
BASE_URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_BASE_URL = "https://api.openai.com/v1"
# Local servers need no key, but the SDK and the header do.
NO_KEY = "none"

# o1, o3-mini, o4-mini, gpt-5, openai/gpt-5.1 ...: they think before they answer.
_REASONING_MODEL = re.compile(r"(?:^|/)(?:o[1-9]|gpt-(?:[5-9]|[1-9]\d))(?:[-.:]|$)")
_CHAT_VARIANT = re.compile(r"-chat\b")

TokenParameter = Literal["max_tokens", "max_completion_tokens"]

log = logging.getLogger(__name__)


class OpenAIProvider:
    """Asks the chat endpoint, or for a request with a raw prompt the completions endpoint.

    The key comes from OPENAI_API_KEY and nowhere else; with a base URL it may be missing. `base_url` goes before
    OPENAI_BASE_URL, which goes before OpenAI's own. `timeout_s` is the longest silence, `deadline_s` the longest that
    one answer may take. `token_parameter` says how the server calls the token limit where its model's name does not.
    Raises ProviderMisconfigured where the key is missing or the URL is none.
    """

    name = "openai"
    has_completions = True

    def __init__(
        self,
        base_url: str | None = None,
        *,
        timeout_s: float = 600.0,
        connect_timeout_s: float = 10.0,
        deadline_s: float = 1800.0,
        token_parameter: TokenParameter | None = None,
    ) -> None:
        source, url = "The base URL", base_url
        if url is None:
            source, url = BASE_URL_VARIABLE, os.environ.get(BASE_URL_VARIABLE) or None
        key = check_key(os.environ.get(KEY_VARIABLE, ""), KEY_VARIABLE)
        if not key and url is None:
            raise ProviderMisconfigured(
                f"No key for OpenAI: set {KEY_VARIABLE}, or name a server that needs none with --base-url."
            )
        self.endpoint = Endpoint(check_base_url(url or DEFAULT_BASE_URL, source), KEY_VARIABLE, key)
        self._timeout_s = timeout_s
        self._token_parameter = token_parameter
        self._warned: set[str] = set()
        pool = PooledTransport()
        self.client = openai.AsyncOpenAI(
            api_key=key or NO_KEY,
            base_url=self.endpoint.url,
            max_retries=0,
            http_client=http_client(pool, timeout_s, connect_timeout_s),
        )
        self._line = Line(self.endpoint, self.client, pool, Limits(timeout_s, connect_timeout_s, deadline_s))
        self.batches = OpenAIBatches(self)

    async def complete(self, request: Request) -> Completion:
        """Ask once. Raises RateLimited, BadAnswer, ProviderUnavailable, ProviderRefused or ProviderMisconfigured."""
        path, body = self.call(request)
        reply = await self._line.post(path, body)
        if reply.status >= 300:
            raise self._failure(reply.status, reply.text, request.model, reply.headers, request.prompt is not None)
        found = self.completion(self.endpoint.json_object(reply.content), reply.content)
        request_id = label(reply.headers.get("x-request-id"), "") or found.provider_request_id
        return replace(found, provider_request_id=request_id, pause_s=pause_s(reply.headers))

    def call(self, request: Request) -> tuple[str, dict[str, Any]]:
        """The path below /v1 and the JSON body of a request."""
        if request.prompt is not None:
            return "/completions", {"model": request.model, "prompt": request.prompt, **self._parameters(request)}
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        return "/chat/completions", {"model": request.model, "messages": messages, **self._parameters(request)}

    def completion(self, body: Mapping[str, Any], content: bytes) -> Completion:
        """What a successful reply says. Raises BadAnswer where it holds no answer."""
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

    def _parameters(self, request: Request) -> dict[str, Any]:
        sampling = request.sampling
        parameters: dict[str, Any] = {
            name: value
            for name, value in (
                ("temperature", sampling.temperature),
                ("top_p", sampling.top_p),
                ("stop", list(sampling.stop) or None),
            )
            if value is not None
        }
        reasons = request.prompt is None and _REASONING_MODEL.search(request.model) is not None
        if reasons and parameters and not _CHAT_VARIANT.search(request.model):
            if request.model not in self._warned:
                self._warned.add(request.model)
                log.warning("The model %s does not take %s; left out.", request.model, ", ".join(sorted(parameters)))
            parameters = {}
        if sampling.max_tokens is not None:
            by_name: TokenParameter = "max_completion_tokens" if reasons else "max_tokens"
            chosen = self._token_parameter if request.prompt is None else None
            parameters[chosen or by_name] = sampling.max_tokens
        return parameters

    def translate(self, error: openai.OpenAIError, model: str) -> ProviderError:
        """An error of the SDK in this project's kinds."""
        if isinstance(error, openai.APIStatusError):
            reply = error.response
            return self._failure(error.status_code, reply.text, model, reply.headers)
        if isinstance(error, openai.APITimeoutError):
            return self.endpoint.timed_out(self._timeout_s)
        return self.endpoint.unreachable(error.__cause__ or error)

    def _failure(
        self, status: int, text: str, model: str, headers: Mapping[str, str], raw: bool = False
    ) -> ProviderError:
        """What an error status means; `raw` says that the completions endpoint was asked."""
        failure = self.endpoint.of_status(status, text, model, headers)
        if raw and isinstance(failure, ProviderMisconfigured) and status != 401:
            return ProviderMisconfigured(
                f"{failure} This request went to the raw completions endpoint, which most chat models do not have."
            )
        return failure

    def _content(self, body: Mapping[str, Any], content: bytes) -> tuple[str, str | None, str]:
        """Text, reasoning and finish reason of the first choice."""
        choices = body.get("choices")
        if not isinstance(choices, list) or not choices:
            raise self.endpoint.nonsense("a choice", excerpt(content))
        choice = mapping(choices[0])
        finish_reason = self.endpoint.ending(choice.get("finish_reason"), excerpt(content))
        if "text" in choice:
            if not isinstance(choice["text"], str):
                raise self.endpoint.nonsense("text", excerpt(content))
            return encodable(choice["text"]), None, finish_reason
        message = mapping(choice.get("message"))
        reasoning = _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
        text = _text(message.get("content"))
        refusal = _text(message.get("refusal"))
        if not text and refusal:
            return refusal, reasoning, "content_filter"
        if text is None:
            # A model may spend its whole allowance on thinking; that was paid for and is an answer, cut short.
            if reasoning is None and finish_reason not in ("length", "content_filter"):
                raise self.endpoint.nonsense("content", excerpt(content))
            text = ""
        if not reasoning:
            reasoning, text = thinking(text, finish_reason)
        return text, reasoning or None, finish_reason


def _text(content: object) -> str | None:
    """The text of a message field: a string, or the list of parts that some servers send."""
    if isinstance(content, str):
        return encodable(content)
    if isinstance(content, list):
        parts = [part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)]
        return encodable("".join(parts)) if parts else None
    return None


def _usage(usage: Mapping[str, Any]) -> Usage:
    prompt, completion = mapping(usage.get("prompt_tokens_details")), mapping(usage.get("completion_tokens_details"))
    input_tokens = tokens(usage.get("prompt_tokens"))
    # The second name is DeepSeek's.
    cached = tokens(prompt.get("cached_tokens")) or tokens(usage.get("prompt_cache_hit_tokens"))
    return Usage(
        input_tokens=input_tokens,
        cached_input_tokens=min(cached, input_tokens),
        output_tokens=tokens(usage.get("completion_tokens")),
        reasoning_tokens=tokens(completion.get("reasoning_tokens")),
    )
