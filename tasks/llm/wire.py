"""What the HTTP providers share: the client's options, what headers ask for, and failures in plain words."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tasks.llm.transport import PooledTransport
from tasks.llm.types import (
    BadAnswer,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnavailable,
    RateLimited,
)

# A window that ran out is looked at again after so long: some servers name the time until all of it is back.
MAX_WINDOW_PAUSE_S = 1.0
EXCERPT_LENGTH = 200
# Larger than any context window: a server that counts more is wrong, and the ledger's columns have an end.
MAX_TOKENS = 100_000_000

# All of these would hold for every other request too, whatever status the server sends them with.
_NO_CREDIT = re.compile(
    r"insufficient[_ ]quota|exceeded your current quota|credit balance is too low|insufficient[_ ](?:balance|credits?)"
    r"|billing_hard_limit",
    re.IGNORECASE,
)
_WRONG_PARAMETER = re.compile(
    r"unsupported[_ ](?:parameter|value)|unknown parameter|unrecognized request argument"
    r"|extra inputs are not permitted|cannot both be specified|model_not_found|invalid model (?:name|id)\b"
    r"|not supported in the v1/(?:chat/)?completions endpoint|model .{0,200}does not exist",
    re.IGNORECASE,
)
_FLAGGED = re.compile(r"moderation|flagged", re.IGNORECASE)
_KEY_LIKE = re.compile(r"\bsk-[\w*-]{6,}")

# What servers call the same endings of an answer. `length`: cut, never to be parsed as if whole.
_ENDINGS = {
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
# The server gave up in the middle: what came is neither whole nor as long as was asked for.
_BROKEN_ENDINGS = frozenset({"abort", "aborted", "cancelled", "error", "insufficient_system_resource"})


def printable(text: str, limit: int = EXCERPT_LENGTH) -> str:
    """`text` on one line without control characters, cut at `limit`: what a terminal and a log may see."""
    head = "".join(char if char.isprintable() else " " for char in text[: limit * 8])
    return " ".join(head.split())[:limit]


def encodable(text: str) -> str:
    """`text` with lone surrogates (JSON can carry them, UTF-8 cannot) replaced."""
    return text.encode("utf-8", "replace").decode() if _has_surrogates(text) else text


def _has_surrogates(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text)


def label(value: object, default: str) -> str:
    """A short identifier that the server sent (finish reason, request id), safe for a column."""
    return printable(encodable(value), 100) or default if isinstance(value, str) else default


def tokens(value: object) -> int:
    """A token count from outside; what is not a plausible count is zero."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return max(0, min(int(value), MAX_TOKENS))


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks to wait (RFC 9110, 10.2.3, and the millisecond header of OpenAI)."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        try:
            return float(value) * unit
        except ValueError:
            pass
        try:
            when = parsedate_to_datetime(value)
        except ValueError:
            continue
        return (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return None


def pause_s(headers: Mapping[str, str]) -> float:
    """Seconds to wait before the next request because the reply's rate headers say that nothing is left, else 0.

    OpenAI's `x-ratelimit-remaining-requests` with a duration ("1s", "6m0s", "20ms") in `x-ratelimit-reset-requests`;
    Anthropic's `anthropic-ratelimit-requests-remaining` with a time (RFC 3339); both also for tokens.
    """
    longest = 0.0
    for left, reset in _RATE_HEADERS:
        if headers.get(left, "").strip() == "0":
            longest = max(longest, min(_until_s(headers.get(reset, "")), MAX_WINDOW_PAUSE_S))
    return longest


_RATE_HEADERS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|$))+")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|)")
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}


def _until_s(text: str) -> float:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        parts = _PART.findall(text) if _DURATION.fullmatch(text) else []
        return sum(float(number) * _UNITS_S[unit] for number, unit in parts)
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def http_client(pool: PooledTransport, timeout_s: float, connect_timeout_s: float) -> httpx2.AsyncClient:
    """The client that an SDK is given, on the pool of its provider."""
    return httpx2.AsyncClient(
        transport=pool,
        timeout=httpx2.Timeout(timeout_s, connect=connect_timeout_s),
        # An API does not move from one request to the next, and the key must not travel to where a redirect points.
        follow_redirects=False,
    )


def check_base_url(url: str, source: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ProviderMisconfigured(f"{source} is not an http(s) URL. Write it like http://127.0.0.1:8000/v1.")
    return url


def check_key(key: str, variable: str) -> str:
    """The key without the newline that `$(cat file)` leaves; what no http header may hold is an error."""
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ProviderMisconfigured(f"{variable} holds characters that no API key has. Set it again.")
    return key


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Who is asked, and how its failures read. The key is known here only to be struck out of messages."""

    url: str
    key_variable: str
    secret: str = field(repr=False)

    @property
    def shown(self) -> str:
        parts = urlsplit(self.url)
        port = f":{parts.port}" if parts.port else ""
        return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"

    def clean(self, text: str) -> str:
        """What a server said, fit for a message: printable, short, without keys (some servers echo them)."""
        if len(self.secret) >= 8:
            text = text.replace(self.secret, "[key]")
        return _KEY_LIKE.sub("[key]", printable(encodable(text)))

    def of_status(self, status: int, body: str, model: str, headers: Mapping[str, str]) -> ProviderError:
        """The error that an HTTP error status means."""
        words, code = _message(body)
        diagnosis = f"{code} {words[:300]}"  # not more: some servers quote the prompt, which may speak of anything
        kind: type[ProviderError] = ProviderMisconfigured
        if status == 401:
            what, advice = f"{self.shown} does not accept the key in {self.key_variable}", "Set the right key."
        elif status == 402 or (status < 500 and _NO_CREDIT.search(diagnosis)):
            what, advice = f"The account behind {self.key_variable} has no credit left at {self.shown}", "Top it up."
        elif 300 <= status < 400:
            what, advice = f"{self.shown} redirects", "Set the base URL to where the API really is."
        elif status == 403 and not _FLAGGED.search(diagnosis):
            what, advice = f"{self.shown} forbids the model {model!r} to the key in {self.key_variable}", ""
        elif status in (404, 405, 410):
            what = f"{self.shown} has no model {model!r} at this endpoint"
            advice = "Check the model's name and the base URL."
        elif status in (400, 422) and _WRONG_PARAMETER.search(diagnosis):
            what, advice = f"{self.shown} does not take requests of this kind for the model {model!r}", ""
        elif status in (400, 403, 413, 422):
            kind, what, advice = ProviderRefused, f"{self.shown} refused the request", ""
        elif status == 429:
            kind, what, advice = RateLimited, f"{self.shown} limits the rate", ""
        else:
            kind, what, advice = ProviderUnavailable, f"{self.shown} failed", ""
        said = f"It said: {self.clean(words) or 'nothing'}"
        message = f"{what} (status {status}). {said} {advice}".rstrip()
        if issubclass(kind, ProviderUnavailable):
            return kind(message, retry_after_s(headers))
        return kind(message)

    def timed_out(self, limit_s: float) -> ProviderUnavailable:
        return ProviderUnavailable(f"{self.shown} gave no whole answer within {limit_s:g} seconds.")

    def unreachable(self, cause: BaseException | None) -> ProviderUnavailable:
        why = self.clean(str(cause)) if cause is not None else ""
        kind = type(cause).__name__ if cause is not None else "no connection"
        return ProviderUnavailable(
            f"{self.shown} cannot be reached or broke off ({kind}{': ' + why if why else ''}). "
            "Is the server running, and the base URL right?"
        )

    def nonsense(self, what: str, body: str) -> BadAnswer:
        return BadAnswer(f"{self.shown} answered without {what}: {self.clean(body) or '(empty)'}")

    def ending(self, reason: object, body: str) -> str:
        """The finish reason in this project's words; raises ProviderUnavailable where the server broke off."""
        found = label(reason, "stop")
        if found in _BROKEN_ENDINGS:
            raise self.nonsense(f"an end ({found})", body)
        return _ENDINGS.get(found, found)

    def json_object(self, content: bytes) -> Mapping[str, Any]:
        """The body of a successful reply as a JSON object; raises BadAnswer where it is none."""
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise self.nonsense("JSON", excerpt(content)) from None
        if not isinstance(body, dict):
            raise self.nonsense("a JSON object", excerpt(content))
        if body.get("error"):
            raise self.nonsense("an answer", _message(excerpt(content, 20_000))[0])
        return body


def excerpt(content: bytes, limit: int = EXCERPT_LENGTH * 8) -> str:
    """The beginning of a body, for a message."""
    return content[:limit].decode("utf-8", "replace")


def _message(body: str) -> tuple[str, str]:
    """The words and the error code in an error body: every server wraps them differently."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return body, ""
    error = mapping(data).get("error") or data
    words = error
    for name in ("message", "detail"):
        words = mapping(words).get(name) or words
    codes = [str(value) for name in ("code", "type") if isinstance(value := mapping(error).get(name), str)]
    return words if isinstance(words, str) else body, " ".join(codes)
