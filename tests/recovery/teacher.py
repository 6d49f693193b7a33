"""A teacher over HTTP that answers every stage of the pipeline for subset Leetcode, and breaks every tenth request.

An answer depends on nothing but the request, so that two runs end with the same tables whatever happened on the way.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.benchmarks.questions import sentences
from tests.llm.fault_server import FaultServer, Reply, Seen, chat, error

_FAULTS = (error(500, "broken"), error(429, "too many"), Reply(cut_after=20), error(503, "overloaded"))


class Teacher:
    """`served` counts whole answers by request; `gate` is closed to hold all answers back."""

    def __init__(self, server: FaultServer, fault_every: int) -> None:
        self.url = server.url
        self.served: Counter[str] = Counter()
        self._server = server
        self._fault_every = fault_every
        self._requests = 0
        self._lock = threading.Lock()
        server.decide = self._decide

    def hold(self) -> None:
        self._server.hold()

    def release(self) -> None:
        self._server.release()

    def total(self) -> int:
        return self.served.total()

    def _decide(self, seen: Seen) -> Reply:
        with self._lock:
            self._requests += 1
            number = self._requests
            if self._fault_every and number % self._fault_every == 0:
                return _FAULTS[number // self._fault_every % len(_FAULTS)]
            self.served[hashlib.sha256(seen.raw).hexdigest()] += 1
        usage = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}
        return chat(answer_to(seen.prompt), usage=usage)


def answer_to(prompt: str) -> str:
    """What the teacher says to a prompt of any stage; fixed by the prompt."""
    if "<|Question Begin|>" in prompt:
        number = int(hashlib.sha256(prompt.encode()).hexdigest()[:6], 16)
        text = " ".join(sentences(number))
        name = f"shift_{number}"
        return f"<|Question Begin|>\n{text} Write `{name}(value: int) -> int`; it adds {number}.\n<|Question End|>"
    named = re.search(r"shift_(\d+)", prompt)
    if named is None or "<|Completion Begin|>" in prompt or "<|Statement Begin|>" in prompt:
        return "I have no answer to that."
    number = int(named[1])
    solution = f"def shift_{number}(value: int) -> int:\n    return value + {number}\n"
    if "<|Solution Begin|>" not in prompt:
        return f"<think>It adds.</think>\n```python\n{solution}```"
    # A third of the questions have a test that no solution passes.
    off = 1 if number % 3 == 0 else 0
    cases = "\n".join(
        f"def test_{value}():\n    assert shift_{number}({value}) == {value + number + off}\n" for value in range(3)
    )
    test = f"from solution import shift_{number}\n\n\n{cases}"
    return (
        f"<|Solution Begin|>\n```python\n{solution}```\n<|Solution End|>\n"
        f"<|Test Begin|>\n```python\n{test}```\n<|Test End|>"
    )


@contextmanager
def teacher(fault_every: int = 10) -> Iterator[Teacher]:
    server = FaultServer()
    try:
        yield Teacher(server, fault_every)
    finally:
        server.close()
