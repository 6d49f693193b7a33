"""OpenAI's batch API: a file of requests -> a batch -> a file of answers and one of errors."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

import openai

from tasks.llm.batch import Batch, BatchState, Search, Unanswered
from tasks.llm.batch_wire import CLOCK_SKEW_S, NO_HEADERS, gone, json_line, translated, without_api
from tasks.llm.types import (
    Completion,
    ProviderError,
    ProviderMisconfigured,
    ProviderUnavailable,
    Request,
)
from tasks.llm.wire import excerpt, label, mapping

if TYPE_CHECKING:
    from tasks.llm.openai_provider import OpenAIProvider

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})

BatchedPath = Literal["/v1/chat/completions", "/v1/completions"]


class OpenAIBatches:
    """Implements `tasks.llm.batch.BatchApi` for OpenAI and the servers that have its batch API too.

    Limits: https://platform.openai.com/docs/guides/batch. A batch is known again by the id of its input file, which
    belongs to it alone.
    """

    most_requests = 50_000
    most_bytes = 200_000_000

    def __init__(self, provider: OpenAIProvider) -> None:
        self._provider = provider
        self._client = provider.client

    def path(self, request: Request) -> str:
        return f"/v1{self._provider.call(request)[0]}"

    def line(self, request: Request, custom_id: str) -> bytes:
        path, body = self._provider.call(request)
        entry = {"custom_id": custom_id, "method": "POST", "url": f"/v1{path}", "body": body}
        return json_line(entry)

    async def upload(self, batch: Batch, lines: Sequence[bytes]) -> str:
        with self._translated(batch):
            reply = await self._client.files.with_raw_response.create(
                file=(f"{batch.batch_id}.jsonl", b"\n".join(lines) + b"\n", "application/jsonl"), purpose="batch"
            )
        return self._id(reply.content)

    async def submit(self, batch: Batch, lines: Sequence[bytes]) -> str:
        with self._translated(batch):
            reply = await self._client.batches.with_raw_response.create(
                completion_window="24h",
                endpoint=cast(BatchedPath, batch.path),
                input_file_id=batch.input_file_id or "",
                metadata={"kodcode_batch": batch.batch_id},
            )
        return self._id(reply.content)

    async def find(self, batch: Batch, known: Collection[str]) -> Search:
        oldest = batch.created_at.timestamp() - CLOCK_SKEW_S
        after: str | openai.Omit = openai.omit
        while True:
            with self._translated(batch):
                reply = await self._client.batches.with_raw_response.list(limit=100, after=after)
            page = self._provider.endpoint.json_object(reply.content)
            entries = [mapping(entry) for entry in page.get("data") or ()]
            for entry in entries:
                if entry.get("input_file_id") == batch.input_file_id:
                    return Search(label(entry.get("id"), "") or None)
            # Newest first.
            last = entries[-1] if entries else {}
            created_at, after = last.get("created_at"), label(last.get("id"), "")
            past = isinstance(created_at, int | float) and created_at < oldest
            if past or not after or not page.get("has_more"):
                return Search(None)

    async def state(self, batch: Batch) -> BatchState:
        with self._translated(batch, self._gone(batch)):
            reply = await self._client.batches.with_raw_response.retrieve(batch.provider_batch_id or "")
        body = self._provider.endpoint.json_object(reply.content)
        status = body.get("status")
        if not isinstance(status, str):
            raise self._provider.endpoint.nonsense("a status of the batch", excerpt(reply.content))
        if status not in _ENDED:
            return BatchState(ended=False)
        names = ("output_file_id", "error_file_id")
        files = tuple(name for field in names if (name := label(body.get(field), "")))
        if status == "failed":
            return self._failed(batch, mapping(body.get("errors")).get("data"), files)
        return BatchState(True, "collected" if status == "completed" else "expired", files)

    async def cancel(self, batch: Batch) -> None:
        with self._translated(batch, self._gone(batch)):
            await self._client.batches.with_raw_response.cancel(batch.provider_batch_id or "")

    async def download(self, batch: Batch, file: str) -> bytes:
        with self._translated(batch, self._gone(batch)):
            reply = await self._client.files.with_raw_response.content(file)
        return reply.content

    def read(self, line: Mapping[str, Any], content: bytes, model: str) -> Completion | ProviderError | Unanswered:
        response, failure = mapping(line.get("response")), mapping(line.get("error"))
        status = response.get("status_code")
        if failure or not isinstance(status, int):
            code = label(failure.get("code"), "no response")
            said = self._provider.endpoint.clean(f"{code}: {failure.get('message') or ''}")
            gone = code in ("batch_expired", "batch_cancelled")
            return Unanswered(f"The batch left it out ({said}).", "expired" if gone else "failed")
        body = mapping(response.get("body"))
        try:
            if status >= 300:
                raise self._provider.endpoint.of_status(status, json.dumps(body), model, NO_HEADERS)
            if body.get("error"):
                raise self._provider.endpoint.nonsense("an answer", excerpt(content))
            return self._provider.completion(body, content)
        except ProviderUnavailable as error:
            return Unanswered(str(error))
        except ProviderError as error:
            return error

    def _id(self, content: bytes) -> str:
        found = label(self._provider.endpoint.json_object(content).get("id"), "")
        if not found:
            raise self._provider.endpoint.nonsense("an id", excerpt(content))
        return found

    def _failed(self, batch: Batch, errors: object, files: tuple[str, ...]) -> BatchState:
        """A batch that did not begin: its file was found wrong, or the queue had no room."""
        first = mapping(errors[0]) if isinstance(errors, list) and errors else {}
        code = label(first.get("code"), "")
        # As a reply to one request would be read: an unknown model and missing credit hold for all.
        error = self._provider.endpoint.of_status(400, json.dumps({"error": dict(first)}), batch.model, NO_HEADERS)
        lasting = error if isinstance(error, ProviderMisconfigured) else None
        return BatchState(True, "failed", files, str(error), lasting, queue_full=code == "token_limit_exceeded")

    def _translated(
        self, batch: Batch, missing: ProviderError | None = None
    ) -> contextlib.AbstractContextManager[None]:
        provider = self._provider
        return translated(
            openai.OpenAIError,
            lambda error: provider.translate(error, batch.model),
            missing or without_api(provider.endpoint.shown),
        )

    def _gone(self, batch: Batch) -> ProviderMisconfigured:
        return gone(batch, self._provider.endpoint.shown)
