"""An HTTP server that speaks the OpenAI and Anthropic protocols and breaks them on request."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

CHAT, COMPLETIONS, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/messages"
# Lets the SDKs retry without their usual half second.
AT_ONCE = {"retry-after-ms": "1"}


@dataclass(frozen=True)
class Reply:
    """What to send: `body` as JSON unless it is text. `cut_after`: reset the connection after so many bytes. `drip_s`:
    so long between one byte of the body and the next."""

    status: int = 200
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut_after: int | None = None
    hang: bool = False
    drip_s: float | None = None


@dataclass(frozen=True)
class Seen:
    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    method: str = "POST"
    raw: bytes = b""

    @property
    def prompt(self) -> str:
        if "prompt" in self.body:
            return str(self.body["prompt"])
        return "\n".join(message["content"] for message in self.body.get("messages", ()))  # none in a batch's requests


def chat(text: str | None, finish_reason: str = "stop", usage: Any = None, **message: Any) -> Reply:
    usage = usage or {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    choice = {"index": 0, "finish_reason": finish_reason, "message": {"role": "assistant", "content": text, **message}}
    return Reply(body={"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage})


def completion(text: str, finish_reason: str = "stop") -> Reply:
    choice = {"index": 0, "finish_reason": finish_reason, "text": text, "logprobs": None}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    return Reply(body={"id": "cmpl-1", "object": "text_completion", "choices": [choice], "usage": usage})


def message(*blocks: Mapping[str, Any], stop_reason: str = "end_turn", usage: Any = None) -> Reply:
    return Reply(body={"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(blocks),
                       "stop_reason": stop_reason, "stop_sequence": None,
                       "usage": usage or {"input_tokens": 7, "output_tokens": 3}})


def error(status: int, text: str, code: str | None = None, headers: Mapping[str, str] = AT_ONCE) -> Reply:
    return Reply(status, {"error": {"message": text, "type": "error", "code": code}}, headers)


def answer_to(prompt: str) -> str:
    """What the server says where nothing else is scripted."""
    return f"answer to {hashlib.sha256(prompt.encode()).hexdigest()[:12]}: {prompt}"


class FaultServer:
    """Serves the scripted replies in order, then well-formed answers; remembers every request."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.on_request: Callable[[int], None] = lambda count: None  # called in the server's thread with the count
        self.decide: Callable[[Seen], Reply | None] = lambda seen: None  # in the server's thread; None: as ever
        self._script: list[Reply] = []
        self._always: Reply | None = None
        self._loop = asyncio.new_event_loop()
        self._held: str | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.wait()

    def script(self, *replies: Reply) -> None:
        self._script.extend(replies)

    def always(self, reply: Reply) -> None:
        """What to send once the script has run out."""
        self._always = reply

    @property
    def counts(self) -> Counter[str]:
        """Requests by prompt."""
        return Counter(seen.prompt for seen in list(self.seen))

    def hold(self, prompt: str | None = None) -> None:
        """Keep back answers from now on, all or those to `prompt`; call it in `on_request` or before the first."""
        self._held = prompt
        self._open.clear()

    def release(self) -> None:
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self.url = self.origin + "/v1"
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while (seen := await self._read(reader)) is not None:
                self.seen.append(seen)
                reply = self.decide(seen) or (self._script.pop(0) if self._script else self._always)
                reply = reply or self._answer(seen)
                self.on_request(len(self.seen))
                if self._held in (None, seen.prompt):
                    await self._open.wait()
                if reply.hang:
                    await asyncio.Event().wait()
                if not await self._send(writer, reply):
                    return
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # the last at close: a cancelled task would be reported as an error
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader) -> Seen | None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        except asyncio.IncompleteReadError:
            return None
        fields = (line.partition(":") for line in head[1:] if line)
        headers = {name.lower(): value.strip() for name, _, value in fields}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path = head[0].split(" ")[:2]
        multipart = headers.get("content-type", "").startswith("multipart/")
        return Seen(path, headers, {} if multipart else json.loads(body or b"{}"), method, body)

    def _answer(self, seen: Seen) -> Reply:
        text = answer_to(seen.prompt)
        if seen.path == CHAT:
            return chat(text)
        if seen.path == COMPLETIONS:
            return completion(text)
        if seen.path == MESSAGES:
            return message({"type": "text", "text": text})
        return Reply(404, "no such page")

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        body = (reply.body if isinstance(reply.body, str) else json.dumps(reply.body)).encode("utf-8", "surrogatepass")
        kind = "text/html" if isinstance(reply.body, str) else "application/json"
        headers = {"content-type": kind, "content-length": str(len(body)), "x-request-id": "req-1", **reply.headers}
        head = f"HTTP/1.1 {reply.status} Status\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
        if reply.drip_s is not None:
            writer.write(head.encode())
            for byte in body:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(reply.drip_s)
            return True
        writer.write(head.encode() + body[: reply.cut_after])
        await writer.drain()
        if reply.cut_after is None:
            return True
        # Zero linger: the client sees a reset, not an orderly end.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False


@contextmanager
def fault_server() -> Iterator[FaultServer]:
    server = FaultServer()
    try:
        yield server
    finally:
        server.close()
