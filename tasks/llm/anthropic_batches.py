"""Anthropic's message batches: requests in one call -> a batch -> results as JSON lines."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import anthropic
import httpx2

from tasks.llm.batch import Batch, BatchState, Search, Unanswered
from tasks.llm.batch_wire import CLOCK_SKEW_S, NO_HEADERS, gone, json_line, translated, without_api
from tasks.llm.types import Completion, ProviderError, ProviderMisconfigured, ProviderUnavailable, Request
from tasks.llm.wire import excerpt, label, mapping, tokens

if TYPE_CHECKING:
    from tasks.llm.anthropic_provider import AnthropicProvider

PATH = "/v1/messages/batches"
# The statuses that single requests get with these errors (https://docs.anthropic.com/en/api/errors).
_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "overloaded_error": 529,
}


class AnthropicBatches:
    """Implements `tasks.llm.batch.BatchApi`. Limits: https://docs.anthropic.com/en/docs/build-with-claude/batch-processing.

    A batch bears no mark that a list of batches shows, so one whose id was lost is looked for by time and size among
    those that the ledger does not know, and told by the ids of its requests once it has ended.
    """

    most_requests = 100_000
    most_bytes = 250_000_000

    def __init__(self, provider: AnthropicProvider) -> None:
        self._provider = provider
        self._client = provider.client

    def path(self, request: Request) -> str:
        return "/v1/messages"

    def line(self, request: Request, custom_id: str) -> bytes:
        entry = {"custom_id": custom_id, "params": self._provider.body(request)}
        return json_line(entry)

    async def upload(self, batch: Batch, lines: Sequence[bytes]) -> None:
        """The requests travel with the submission."""

    async def submit(self, batch: Batch, lines: Sequence[bytes]) -> str:
        with self._translated(batch):
            reply = await self._client.post(
                PATH, cast_to=httpx2.Response, body={"requests": [json.loads(line) for line in lines]}
            )
        found = label(self._provider.endpoint.json_object(reply.content).get("id"), "")
        if not found:
            raise self._provider.endpoint.nonsense("an id", excerpt(reply.content))
        return found

    async def find(self, batch: Batch, known: Collection[str]) -> Search:
        certain = True
        async for entry in self._listed(batch):
            name = label(entry.get("id"), "")
            if not name or name in known or _size(entry) != len(batch.hashes):
                continue
            if entry.get("processing_status") != "ended":
                certain = False
            elif self._is(batch, await self.download(batch, name)):
                return Search(name)
        return Search(None, certain)

    async def state(self, batch: Batch) -> BatchState:
        with self._translated(batch, self._gone(batch)):
            reply = await self._client.get(_address(batch.provider_batch_id), cast_to=httpx2.Response)
        body = self._provider.endpoint.json_object(reply.content)
        status = body.get("processing_status")
        if not isinstance(status, str):
            raise self._provider.endpoint.nonsense("a status of the batch", excerpt(reply.content))
        if status != "ended":
            return BatchState(ended=False)
        counts = mapping(body.get("request_counts"))
        cut = tokens(counts.get("expired")) + tokens(counts.get("canceled"))
        return BatchState(True, "expired" if cut else "collected", (batch.provider_batch_id or "",))

    async def cancel(self, batch: Batch) -> None:
        with self._translated(batch, self._gone(batch)):
            await self._client.post(f"{_address(batch.provider_batch_id)}/cancel", cast_to=httpx2.Response)

    async def download(self, batch: Batch, file: str) -> bytes:
        # Not the SDK's `results`: it goes, with the key, wherever the reply's results_url points, and gives up the
        # whole file at a line that is no JSON.
        with self._translated(batch, self._gone(batch)):
            reply = await self._client.get(f"{_address(file)}/results", cast_to=httpx2.Response)
        return reply.content

    def read(self, line: Mapping[str, Any], content: bytes, model: str) -> Completion | ProviderError | Unanswered:
        result = mapping(line.get("result"))
        kind = label(result.get("type"), "no result")
        if kind in ("expired", "canceled"):
            return Unanswered(f"The batch left it out ({kind}).", "expired")
        try:
            if kind == "succeeded":
                return self._provider.completion(mapping(result.get("message")), content)
            error = mapping(result.get("error"))
            cause = mapping(error.get("error")) or error
            status = _STATUSES.get(label(cause.get("type"), ""), 500)
            raise self._provider.endpoint.of_status(status, json.dumps({"error": dict(cause)}), model, NO_HEADERS)
        except ProviderUnavailable as failure:
            return Unanswered(str(failure))
        except ProviderError as failure:
            return failure

    async def _listed(self, batch: Batch) -> AsyncIterator[Mapping[str, Any]]:
        """The provider's batches as far back as this one may be, newest first."""
        oldest = batch.created_at.timestamp() - CLOCK_SKEW_S
        query: dict[str, object] = {"limit": 100}
        while True:
            with self._translated(batch):
                reply = await self._client.get(PATH, cast_to=httpx2.Response, options={"params": query})
            page = self._provider.endpoint.json_object(reply.content)
            for entry in map(mapping, page.get("data") or ()):
                if _created(entry) < oldest:
                    return
                yield entry
            query["after_id"] = label(page.get("last_id"), "")
            if not page.get("has_more") or not query["after_id"]:
                return

    def _is(self, batch: Batch, results: bytes) -> bool:
        """Whether these are the results of this batch."""
        return any(name.encode() in results for name in batch.hashes)

    def _translated(
        self, batch: Batch, missing: ProviderError | None = None
    ) -> contextlib.AbstractContextManager[None]:
        provider = self._provider
        return translated(
            anthropic.AnthropicError,
            lambda error: provider.translate(error, batch.model),
            missing or without_api(provider.endpoint.shown),
        )

    def _gone(self, batch: Batch) -> ProviderMisconfigured:
        return gone(batch, self._provider.endpoint.shown)


def _address(name: str | None) -> str:
    return f"{PATH}/{quote(name or '', safe='')}"


def _size(entry: Mapping[str, Any]) -> int:
    return sum(tokens(count) for count in mapping(entry.get("request_counts")).values())


def _created(entry: Mapping[str, Any]) -> float:
    """Seconds since 1970; what is no time is now, so that it is looked at."""
    try:
        return datetime.fromisoformat(str(entry.get("created_at"))).timestamp()
    except ValueError:
        return float("inf")
