"""The way of a paid call: JSON to its SDK's address with its SDK's headers, over the pool that both share.

Called through the SDK, options, request and reply are built as models at every call, which takes more CPU than sending
and reading them (tests/benchmarks/README.md). Files and batches, which are few, go the SDK's way.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2
from yarl import URL

from tasks.llm.transport import PooledTransport
from tasks.llm.types import ProviderRefused
from tasks.llm.wire import Endpoint

if TYPE_CHECKING:  # a second of imports each, of which a run needs one
    import anthropic
    import openai


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: the longest silence of a server, until it is connected, and that one answer may take in all."""

    silence_s: float
    connect_s: float
    answer_s: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server sent, whichever status it has; `headers` are found by their names in any case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")


class Line:
    """To one endpoint. Whoever opens the SDK's client closes it, and with it the pool."""

    def __init__(
        self,
        endpoint: Endpoint,
        client: openai.AsyncOpenAI | anthropic.AsyncAnthropic,
        pool: PooledTransport,
        limits: Limits,
    ) -> None:
        self._endpoint, self._pool, self._limits = endpoint, pool, limits
        self._address = str(client.base_url).rstrip("/")
        headers = {**client.default_headers, **client.auth_headers}
        self._headers = {name: value for name, value in headers.items() if isinstance(value, str)}

    async def post(self, path: str, body: Mapping[str, Any]) -> Reply:
        """The reply to `body`. Raises ProviderUnavailable where none comes, ProviderRefused for what is no text."""
        try:
            content = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
        except UnicodeEncodeError:
            raise ProviderRefused("The prompt holds lone surrogates, which no server can be sent.") from None
        limits = self._limits
        try:
            async with asyncio.timeout(limits.answer_s):
                reply, answer = await self._pool.exchange(
                    "POST", URL(self._address + path), self._headers, content, limits.connect_s, limits.silence_s
                )
        except TimeoutError:
            raise self._endpoint.timed_out(limits.answer_s) from None
        except httpx2.TimeoutException:
            raise self._endpoint.timed_out(limits.silence_s) from None
        except httpx2.TransportError as error:
            raise self._endpoint.unreachable(error) from None
        return Reply(reply.status, reply.headers, answer)
