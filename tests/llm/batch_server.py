"""The batch APIs of OpenAI (files, batches) and Anthropic (message batches), as broken as a test asks."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.llm.fault_server import MESSAGES, FaultServer, Reply, Seen

# What happens to a request in a batch. slow: unfinished until the batch is cancelled; missing: no line at all.
ANSWERED, TRUNCATED, REFUSED, ERROR, EXPIRED, MISSING, EMPTY, SLOW = (
    "answered", "truncated", "refused", "error", "expired", "missing", "empty", "slow",
)  # fmt: skip
PAID = {ANSWERED, TRUNCATED}
MODELS = {"openai": "gpt-4o", "anthropic": "claude-haiku-4-5"}

_ROUTES = (
    ("upload", "POST", r"/v1/files"),
    ("download", "GET", r"/v1/files/(?P<id>[^/]+)/content"),
    ("submit", "POST", r"(?:/v1/batches|/v1/messages/batches)"),
    ("list", "GET", r"(?:/v1/batches|/v1/messages/batches)"),
    ("poll", "GET", r"(?:/v1/batches|/v1/messages/batches)/(?P<id>[^/]+)"),
    ("cancel", "POST", r"(?:/v1/batches|/v1/messages/batches)/(?P<id>[^/]+)/cancel"),
    ("download", "GET", r"/v1/messages/batches/(?P<id>[^/]+)/results"),
)


@dataclass
class Held:
    """A batch at the provider."""

    id: str
    anthropic: bool
    entries: list[dict[str, Any]]
    fates: list[str]
    created_s: float
    status: str  # that it will end with
    file: str = ""
    error: dict[str, Any] | None = None
    polled: int = 0
    cancelled: bool = False


@dataclass
class Fault:
    """What to reply to a step instead. `performed`: the step is taken all the same, only its reply is lost."""

    reply: Reply
    performed: bool = False
    served: threading.Event = field(default_factory=threading.Event)


class BatchServer(FaultServer):
    """A batch ends when it was polled or listed more than `polls` times. `fate(batch, line)` says what happens to a
    request, `status(batch)` how a batch of OpenAI's ends, `mangle` what becomes of the lines of a result file."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Held] = {}
        self.paid: Counter[str] = Counter()  # by prompt
        self.polls = 1
        self.fate: Callable[[int, int], str] = lambda batch, line: ANSWERED
        self.status: Callable[[int], str] = lambda batch: "completed"
        self.error: dict[str, Any] | None = None  # of a batch that fails
        self.mangle: Callable[[list[str]], list[str]] = lambda lines: lines
        self.complete: Callable[[str, dict[str, Any]], Any] = self._completed
        self.steps: Counter[str] = Counter()
        self.supported = True
        self._held_step: tuple[str, threading.Event] | None = None
        self._faults: dict[str, list[Fault]] = defaultdict(list)
        super().__init__()

    def fail(self, step: str, *replies: Reply, performed: bool = False) -> Fault:
        """Reply so to the next requests of this step; the last of them can be waited for."""
        faults = [Fault(reply, performed) for reply in replies]
        self._faults[step].extend(faults)
        return faults[-1]

    def heal(self) -> None:
        """Forget the faults that were not served."""
        self._faults.clear()

    def hold_at(self, step: str) -> threading.Event:
        """Keep back all replies from the first request of this step on, until `release`; set once it has come."""
        self._held_step = (step, threading.Event())
        return self._held_step[1]

    def hang(self, step: str, performed: bool = False) -> threading.Event:
        """The next request of this step gets no reply; set once it has come."""
        return self.fail(step, Reply(hang=True), performed=performed).served

    def _answer(self, seen: Seen) -> Reply:
        path = seen.path.partition("?")[0]
        for step, method, pattern in _ROUTES:
            if method == seen.method and (match := re.fullmatch(pattern, path)):
                return self._routed(step, seen, path.startswith(MESSAGES), match.groupdict().get("id"))
        return super()._answer(seen)

    def _routed(self, step: str, seen: Seen, anthropic: bool, name: str | None) -> Reply:
        if not self.supported:
            return Reply(404, {"error": {"message": "Not Found", "type": "not_found"}})
        self.steps[step] += 1
        if self._held_step is not None and self._held_step[0] == step:
            self.hold()
            self._held_step[1].set()
            self._held_step = None
        fault = self._faults[step].pop(0) if self._faults[step] else None
        if fault is None or fault.performed:
            reply: Reply = getattr(self, f"_{step}")(seen, anthropic, name)
        if fault is None:
            return reply
        fault.served.set()
        return fault.reply

    def _upload(self, seen: Seen, anthropic: bool, name: None) -> Reply:
        assert b'name="purpose"\r\n\r\nbatch\r\n' in seen.raw
        [part] = re.findall(rb'filename="[^"]*"\r\n.*?\r\n\r\n(.*?)\r\n--', seen.raw, re.DOTALL)
        file = f"file-{len(self.files)}"
        self.files[file] = part
        return Reply(body={"id": file, "object": "file", "purpose": "batch", "bytes": len(part)})

    def _submit(self, seen: Seen, anthropic: bool, name: None) -> Reply:
        number = len(self.batches)
        if anthropic:
            entries, file = list(seen.body["requests"]), ""
        else:
            assert seen.body["completion_window"] == "24h"
            file = seen.body["input_file_id"]
            entries = [json.loads(line) for line in self.files[file].splitlines()]
            assert {entry["url"] for entry in entries} == {seen.body["endpoint"]}
        assert len({entry["custom_id"] for entry in entries}) == len(entries)
        assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", entry["custom_id"]) for entry in entries)
        status = self.status(number)
        fates = [self.fate(number, line) for line in range(len(entries))]
        held = Held(f"batch_{number}", anthropic, entries, fates, time.time(), status, file, self.error)
        self.batches[held.id] = held
        if status != "failed":
            for entry, fate in zip(entries, fates, strict=True):
                self.paid[_prompt(entry)] += fate in PAID
        return Reply(body=self._shown(held))

    def _poll(self, seen: Seen, anthropic: bool, name: str) -> Reply:
        if name not in self.batches:
            return Reply(404, {"error": {"message": "No such batch"}})
        self.batches[name].polled += 1
        return Reply(body=self._shown(self.batches[name]))

    def _list(self, seen: Seen, anthropic: bool, name: None) -> Reply:
        """Newest first, two a page."""
        listed = [held for held in reversed(self.batches.values()) if held.anthropic == anthropic]
        for held in listed:
            held.polled += 1
        shown = [self._shown(held) for held in listed]
        after = re.search(r"after(?:_id)?=([^&]+)", seen.path)
        if after:
            shown = shown[[batch["id"] for batch in shown].index(after[1]) + 1 :]
        page = shown[:2]
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {}
        return Reply(body={"object": "list", "data": page, "has_more": len(shown) > 2, **ends})

    def _cancel(self, seen: Seen, anthropic: bool, name: str) -> Reply:
        self.batches[name].cancelled = True
        return Reply(body=self._shown(self.batches[name]))

    def _download(self, seen: Seen, anthropic: bool, name: str) -> Reply:
        held = self.batches[name.partition(".")[0]]
        lines = [
            json.dumps(line, ensure_ascii=False)
            for entry, fate in zip(held.entries, held.fates, strict=True)
            if (line := self._line(held, entry, fate)) is not None
            and (anthropic or name.endswith(".errors") == (fate not in {*PAID, EMPTY}))
        ]
        return Reply(body="\n".join(self.mangle(lines)) + "\n")

    def _line(self, held: Held, entry: dict[str, Any], fate: str) -> dict[str, Any] | None:
        if fate == MISSING:
            return None
        answer: dict[str, Any] = {}
        if fate in (*PAID, EMPTY):
            answer = self.complete(entry.get("url", MESSAGES), entry["params"] if held.anthropic else entry["body"])
        if fate == TRUNCATED:
            answer = _cut(answer)
        if fate == EMPTY:
            answer = {**answer, "choices": [], "content": []}
        return {"custom_id": entry["custom_id"], **(_result if held.anthropic else _response)(fate, answer)}

    def _shown(self, held: Held) -> dict[str, Any]:
        ended = held.cancelled or (held.polled > self.polls and SLOW not in held.fates)
        if held.anthropic:
            counts = dict.fromkeys(("canceled", "errored", "expired", "processing", "succeeded"), 0)
            names = {SLOW: "canceled", EXPIRED: "expired", REFUSED: "errored", ERROR: "errored"}
            for fate in held.fates:
                counts[names.get(fate, "succeeded") if ended else "processing"] += 1
            created_at = datetime.fromtimestamp(held.created_s, UTC).isoformat()
            return {
                "id": held.id,
                "type": "message_batch",
                "processing_status": "ended" if ended else "in_progress",
                "request_counts": counts,
                "created_at": created_at,
                "results_url": "http://elsewhere/results",
            }
        status = ("cancelled" if held.cancelled else held.status) if ended else "in_progress"
        shown: dict[str, Any] = {
            "id": held.id,
            "object": "batch",
            "status": status,
            "input_file_id": held.file,
            "created_at": int(held.created_s),
        }
        if ended and status == "failed":
            return {**shown, "errors": {"object": "list", "data": [held.error]}}
        if ended:
            # A file that would be empty is not there.
            paid = any(fate in {*PAID, EMPTY} for fate in held.fates)
            failed = any(fate not in {*PAID, EMPTY, MISSING} for fate in held.fates)
            shown["output_file_id"] = f"{held.id}.output" if paid else None
            shown["error_file_id"] = f"{held.id}.errors" if failed else None
        return shown

    def _completed(self, path: str, body: dict[str, Any]) -> Any:
        return super()._answer(Seen(path, {}, body)).body


def _prompt(entry: dict[str, Any]) -> str:
    return Seen("", {}, entry.get("params") or entry["body"]).prompt


def _response(fate: str, answer: dict[str, Any]) -> dict[str, Any]:
    """A line of OpenAI's files."""
    if fate in (SLOW, EXPIRED):
        code = "batch_cancelled" if fate == SLOW else "batch_expired"
        return {"response": None, "error": {"code": code, "message": "left out"}}
    if fate in (REFUSED, ERROR):
        answer = {"error": {"message": f"a {fate} request"}}
    status = {REFUSED: 400, ERROR: 500}.get(fate, 200)
    return {"response": {"status_code": status, "request_id": "req-1", "body": answer}, "error": None}


def _result(fate: str, answer: dict[str, Any]) -> dict[str, Any]:
    """A line of Anthropic's results."""
    if fate in (SLOW, EXPIRED):
        return {"result": {"type": "canceled" if fate == SLOW else "expired"}}
    if fate in (REFUSED, ERROR):
        kind = {REFUSED: "invalid_request_error", ERROR: "api_error"}[fate]
        failure = {"type": "error", "error": {"type": kind, "message": f"a {fate} request"}}
        return {"result": {"type": "errored", "error": failure}}
    return {"result": {"type": "succeeded", "message": answer}}


def _cut(answer: dict[str, Any]) -> dict[str, Any]:
    if "choices" in answer:
        return {**answer, "choices": [{**answer["choices"][0], "finish_reason": "length"}]}
    return {**answer, "stop_reason": "max_tokens"}


@contextmanager
def batch_server() -> Iterator[BatchServer]:
    server = BatchServer()
    try:
        yield server
    finally:
        server.close()
