"""What all formats for reinforcement learning share: how a task is put to a policy, and what its answer is held to."""

from __future__ import annotations

import json
from typing import Any

from tasks import syntax
from tasks.formats.errors import FormatError
from tasks.formats.records import TripletRecord

PROGRAM_STYLE = "online_judge"
# The limits under which pairs are verified by default; a reward with tighter ones would punish slow right answers.
TIMEOUT_S = 30.0
MEMORY_MB = 4096
LIMITS = {"timeout_s": TIMEOUT_S, "memory_mb": MEMORY_MB}

_FENCE = "Put your code in one ```python block."
_PROGRAM = f"Write a program that reads standard input and writes standard output. {_FENCE}"


def prompt_of(record: TripletRecord) -> str:
    """The question, and what an answer needs to be judged: the declarations that the test calls, and the fence.

    Without them a policy would be punished for a name that it cannot know.
    """
    if record.style == PROGRAM_STYLE:
        return f"{record.question.rstrip()}\n\n{_PROGRAM}"
    declared = "\n".join(function.function_declaration for function in record.functions)
    stated = f"Your code is called by these declarations:\n```python\n{declared}\n```\n" if declared else ""
    return f"{record.question.rstrip()}\n\n{stated}{_FENCE}"


def cases_of(record: TripletRecord) -> dict[str, list[str]]:
    """The cases of a program's test: `stdin` and `stdout`, equally long. Raises FormatError where it has none."""
    try:
        cases: Any = syntax.literal(record.test)
        found = {name: [str(text) for text in cases[name]] for name in ("stdin", "stdout")}
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise FormatError(f"The test of {record.triplet_id} holds no cases of stdin and stdout: {error}.") from error
    if len(found["stdin"]) != len(found["stdout"]):
        raise FormatError(
            f"The test of {record.triplet_id} has {len(found['stdin'])} inputs but {len(found['stdout'])} outputs."
        )
    return found


def ground_truth(record: TripletRecord) -> str:
    """The test as `tasks.sandbox.reward` takes it: pytest source, or a program's cases as JSON."""
    if record.style == PROGRAM_STYLE:
        return json.dumps(cases_of(record), ensure_ascii=False)
    return record.test
