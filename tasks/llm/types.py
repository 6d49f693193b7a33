"""What a model is asked and what it answered: the vocabulary of every provider, the ledger and the stages."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Role = Literal["system", "user", "assistant"]
Stage = Literal["propose", "annotate", "solve", "convert", "respond"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling parameters; None leaves the provider's default and stays out of the request."""

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()

    def given(self) -> dict[str, Any]:
        """What is not left to the provider."""
        values = {
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "stop": list(self.stop),
        }
        return {name: value for name, value in values.items() if value not in (None, [])}


@dataclass(frozen=True, slots=True)
class Request:
    """One paid question to a model.

    `messages` go to the chat endpoint; a request with `prompt` instead goes to the raw completions endpoint
    (Prefill, Filter). `attempt` tells independent samples of one prompt apart. `stage` and `subset` are for accounting
    and do not shape the answer, so they are not part of its identity.
    """

    provider: str
    model: str
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    sampling: Sampling = field(default_factory=Sampling)
    attempt: int = 0
    stage: Stage = "solve"
    subset: str = ""

    def __post_init__(self) -> None:
        if bool(self.messages) == (self.prompt is not None):
            raise ValueError("a request has either messages or a raw prompt")

    def identity(self) -> dict[str, Any]:
        """All that shapes the answer, as canonical JSON-able data."""
        return {
            "provider": self.provider,
            "model": self.model,
            "messages": [[m.role, m.content] for m in self.messages],
            "prompt": self.prompt,
            "sampling": self.sampling.given(),
            "attempt": self.attempt,
        }

    @classmethod
    def of_identity(cls, identity: Mapping[str, Any], stage: Stage, subset: str) -> Request:
        """The request whose `identity` this is."""
        sampling = dict(identity["sampling"])
        return cls(
            provider=identity["provider"],
            model=identity["model"],
            messages=tuple(Message(role, content) for role, content in identity["messages"]),
            prompt=identity["prompt"],
            sampling=Sampling(**(sampling | {"stop": tuple(sampling.get("stop", ()))})),
            attempt=identity["attempt"],
            stage=stage,
            subset=subset,
        )

    def canonical(self) -> str:
        """The identity as canonical JSON: what the ledger keeps of a request, and what its hash is made of."""
        return json.dumps(self.identity(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def hash(self) -> str:
        """SHA-256 of the identity: a request whose hash is in the ledger is never paid again."""
        return hash_of(self.canonical())


def hash_of(canonical: str) -> str:
    """The request hash of a canonical form."""
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the provider counted them."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What a provider returned for one request. `pause_s`: how long its headers ask to wait before the next one."""

    text: str
    reasoning: str | None = None
    finish_reason: str = "stop"
    usage: Usage = field(default_factory=Usage)
    provider_request_id: str | None = None
    retries: int = 0
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored completion. `from_ledger` says that nothing was paid for it now."""

    request_hash: str
    text: str
    reasoning: str | None
    finish_reason: str
    usage: Usage
    cost_usd: float | None
    from_ledger: bool

    @property
    def truncated(self) -> bool:
        """Cut at the token limit: never to be parsed as if whole."""
        return self.finish_reason == "length"


class Provider(Protocol):
    """A source of answers. One instance serves one process and is safe for concurrent use on one event loop."""

    name: str
    has_completions: bool

    async def complete(self, request: Request) -> Completion:
        """Ask once; what is worth another try is the gateway's to decide.

        Raises RateLimited, BadAnswer, ProviderUnavailable, ProviderRefused or ProviderMisconfigured.
        """

    async def close(self) -> None: ...


class ProviderError(Exception):
    """A request got no answer."""


class ProviderUnavailable(ProviderError):
    """Unreachable, overloaded or broken: the row stays retryable. `retry_after_s` is what the server asked to wait."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimited(ProviderUnavailable):
    """More was asked than the provider allows now (429): nothing is wrong, the request waits for its turn."""


class BadAnswer(ProviderUnavailable):
    """A reply that holds no answer (no JSON, no choice). It may have been paid for, so it is not repeated often."""


class BatchUnanswered(ProviderUnavailable):
    """The batches that held the request ended without an answer to it: nothing is wrong with the provider."""


class ProviderRefused(ProviderError):
    """This one request is not acceptable to the provider (content filter, too long): other requests may well be."""


class ProviderMisconfigured(ProviderError):
    """Wrong key, unknown model, no credit, unknown price: every request would fail, so the run stops at once."""


class BatchUnsupported(ProviderMisconfigured):
    """The provider, or the server at its base URL, has no batch API."""


class NotRecorded(ProviderMisconfigured):
    """A replay came to a request that the ledger has no answer to."""


class BudgetReached(Exception):
    """A cap on spending is reached: nothing more is asked, what was answered is stored. `cap` names it."""

    def __init__(self, message: str, cap: str) -> None:
        super().__init__(message)
        self.cap = cap
