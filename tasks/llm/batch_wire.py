"""What the batch APIs share: a request as a line, and failures in plain words."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2

from tasks.llm.batch import Batch
from tasks.llm.types import BatchUnsupported, ProviderError, ProviderMisconfigured, ProviderRefused

# A clock may be wrong; a batch that was created so long before ours was built is none of ours.
CLOCK_SKEW_S = 3600.0
NO_HEADERS = httpx2.Headers()
_WITHOUT_API = frozenset({404, 405, 501})


def json_line(entry: Mapping[str, Any]) -> bytes:
    """JSON without line breaks. Raises ProviderRefused where the text cannot be encoded."""
    try:
        return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ProviderRefused("The prompt holds lone surrogates, which no server can be sent.") from None


@contextlib.contextmanager
def translated(
    base: type[Exception], translate: Callable[[Any], ProviderError], missing: ProviderError
) -> Iterator[None]:
    """An SDK's errors (of class `base`) as ours; `missing` is what a 404 means."""
    try:
        yield
    except base as error:
        raise (missing if getattr(error, "status_code", 0) in _WITHOUT_API else translate(error)) from None


def without_api(shown: str) -> BatchUnsupported:
    """The server does not know the addresses of a batch API."""
    return BatchUnsupported(f"{shown} has no batch API. Ask with --mode online, or --mode auto.")


def gone(batch: Batch, shown: str) -> ProviderMisconfigured:
    """A batch that was paid for is not to be seen: with another key, or after the provider's term."""
    return ProviderMisconfigured(
        f"{shown} does not know the batch {batch.provider_batch_id}, or its results; it was submitted before, and may "
        f"be paid for. Set the key that it was submitted with, or give it up: {give_up(batch.batch_id)}"
    )


def give_up(batch_id: str) -> str:
    """The command that frees the requests of a batch which nobody can collect."""
    statement = "update kodcode.llm_batches set status = 'failed'"
    return f"kodcode psql -c \"{statement} where batch_id = '{batch_id}'\""
