"""The vocabulary of the batch lane: when requests go in batches, what a provider's batch API does, what comes back."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from tasks.llm.types import Completion, ProviderError, Request

Mode = Literal["online", "batch", "auto"]
BatchStatus = Literal["built", "uploaded", "submitted", "collected", "expired", "failed"]
MemberStatus = Literal["answered", "refused", "failed", "expired", "missing"]


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """When requests go in batches, and how long a batch is waited for.

    `batch`: every request goes in a batch; one that `tries` batches left unanswered stays retryable. `auto`: `least`
    or more requests that are ready together go in a batch; fewer, those that `tries` batches left unanswered, and
    those of a batch that took longer than `wait_s` (it is cancelled then), are asked online.

    Requests gather until none has come for `gather_s`, at most `longest_gather_s`, or the provider's limit is reached.
    """

    mode: Mode = "online"
    least: int = 100
    tries: int = 2
    wait_s: float = 6 * 3600.0
    gather_s: float = 10.0
    longest_gather_s: float = 300.0
    first_poll_s: float = 10.0
    longest_poll_s: float = 300.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 60.0
    patience_s: float = 3600.0  # of failures in a row, before the batch is left for the next run
    look_s: float = 30.0  # between two looks at what other processes left or hold
    settle_s: float = 10.0  # a submission that got no reply is looked for no sooner: it may be on its way


@dataclass(frozen=True, slots=True)
class Batch:
    """A row of `llm_batches` that this process follows. `age_s`: how old its last step was when it was taken over."""

    batch_id: str
    path: str
    model: str
    run_id: str | None
    status: BatchStatus
    fence: int
    hashes: tuple[str, ...]
    created_at: datetime
    age_s: float = 0.0
    input_file_id: str | None = None
    provider_batch_id: str | None = None


@dataclass(frozen=True, slots=True)
class BatchState:
    """What a provider says of a batch. `files` hold the results once it has `ended`; `status` is how it did."""

    ended: bool
    status: Literal["collected", "expired", "failed"] = "collected"
    files: tuple[str, ...] = ()
    problem: str | None = None
    error: ProviderError | None = None  # would fail every other batch too
    queue_full: bool = False  # nothing is wrong with it, but the provider's queue had no room


@dataclass(frozen=True, slots=True)
class Search:
    """Whether a provider has a batch: its id, or None. Not `certain`: that shows only when others have ended."""

    found: str | None
    certain: bool = True


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A request whose batch is over and did not answer it. `counts`: it had its chance; `online`: no more batches."""

    why: str
    status: MemberStatus = "failed"
    counts: bool = True
    online: bool = False


class BatchApi(Protocol):
    """A provider's batch API. All methods raise what `Provider.complete` does, and BatchUnsupported where there is
    none; what is worth another try is the lane's to decide."""

    most_requests: int
    most_bytes: int

    def path(self, request: Request) -> str:
        """What requests of one batch have in common besides the model."""

    def line(self, request: Request, custom_id: str) -> bytes:
        """One request as JSON without a line break."""

    async def upload(self, batch: Batch, lines: Sequence[bytes]) -> str | None:
        """Bring the requests to the provider, where that is a step of its own; the id of the file."""

    async def submit(self, batch: Batch, lines: Sequence[bytes]) -> str:
        """Start the batch; its id. After an error other than RateLimited and ProviderRefused it may have started."""

    async def find(self, batch: Batch, known: Collection[str]) -> Search:
        """Look for a batch that may have been submitted; `known` are ids of others."""

    async def state(self, batch: Batch) -> BatchState: ...

    async def cancel(self, batch: Batch) -> None:
        """Ask for an early end; what is answered by then is still collected."""

    async def download(self, batch: Batch, file: str) -> bytes:
        """Results as JSON lines, in any order."""

    def read(self, line: Mapping[str, Any], content: bytes, model: str) -> Completion | ProviderError | Unanswered:
        """What one line of results says; `content` are its bytes."""


@dataclass(slots=True)
class Findings:
    """What was in the results: each request once, an answer before anything else; `strange` counts other lines."""

    completions: dict[str, Completion] = field(default_factory=dict)
    problems: dict[str, ProviderError | Unanswered] = field(default_factory=dict)
    strange: Counter[str] = field(default_factory=Counter)

    @property
    def report(self) -> str | None:
        """The strange lines in words; None where there were none."""
        return ", ".join(f"{count} {kind}" for kind, count in sorted(self.strange.items())) or None


def is_results(content: bytes) -> bool:
    """Whether a file is empty or has a line that is a JSON object; an error page under status 200 is no results."""
    return not content.strip() or any(_object(line) is not None for line in io.BytesIO(content))


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


Read = Callable[[Mapping[str, Any], bytes], Completion | ProviderError | Unanswered]


def read_results(contents: Iterable[bytes], members: Collection[str], read: Read) -> Findings:
    """Sort the lines of result files by request. A line that is no JSON object, or names no member, is only counted;
    whose answer is nowhere else is missing."""
    found = Findings()
    for content in contents:
        for line in io.BytesIO(content):
            if not line.strip():
                continue
            entry = _object(line)
            if entry is None:
                found.strange["malformed lines"] += 1
                continue
            name = entry.get("custom_id")
            if not isinstance(name, str) or name not in members:
                found.strange["lines for requests of no such batch"] += 1
            elif name in found.completions:
                found.strange["repeated lines"] += 1
            elif isinstance(result := read(entry, line), Completion):
                found.completions[name] = result
                found.problems.pop(name, None)
            else:
                found.problems[name] = result
    for name in members:
        if name not in found.completions and name not in found.problems:
            found.problems[name] = Unanswered("The results of the batch have no usable line for it.", "missing")
    return found
