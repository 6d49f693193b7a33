"""Stores verified questions as the pipeline leaves them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert

from tasks.run import Run
from tasks.store.schema import LlmCall, Question, Response, Seed, Trial, Triplet

SOLUTION = "def add(a, b):\n    return a + b\n"
TEST = "def test_add():\n    assert add(1, 2) == 3\n"
_WRONG = "```python\ndef add(a, b):\n    return 0\n```"


def store(
    run: Run,
    number: int,
    *,
    subset: str = "Leetcode",
    test: str = TEST,
    difficulty: str = "easy",
    model: str = "deepseek-r1",
    solver: str | None = None,
    responder: str = "deepseek-r1",
    licences: Sequence[str | None] = (),
    answered: bool = True,
) -> None:
    """A verified question with a trial, and a passing and a failing answer; `solver` is `model` where None."""
    question_id = f"{subset}_{number:08d}"
    info = {"function_name": "add", "parameter_list": "(a, b)", "function_declaration": "def add(a, b):"}
    answers = [(f"```python\n{SOLUTION}```", "accepted", "passed"), (_WRONG, "rejected", "failed")]
    with run.engine.begin() as connection:

        def add(table: Any, **values: Any) -> None:
            connection.execute(insert(table).values(**values))

        seeds = [f"{question_id}-{place}" for place in range(len(licences))]
        for seed, licence in zip(seeds, licences, strict=True):
            add(Seed, seed_id=seed, subset=subset, content_hash=seed, text="t", source="s", licence=licence)
        add(
            Question, question_id=question_id, subset=subset, number=number, provider="openai", model=model,
            seed_ids=seeds, prompt_index=number, text="Add.", text_hash=question_id, status="accepted",
        )  # fmt: skip
        add(
            Trial, question_id=question_id, attempt=0, provider="openai", model=solver or model, solution=SOLUTION,
            test=test, status="accepted", verdict="passed",
        )  # fmt: skip
        add(
            Triplet, triplet_id=f"{question_id}_I", question_id=question_id, subset=subset, style="instruct",
            status="accepted", question="Add.", solution=SOLUTION, test=test,
            test_info=[info | {"docstring": None}], difficulty=difficulty, pass_sequence=[1], chosen_attempt=0,
        )  # fmt: skip
        for attempt, (answer, status, verdict) in enumerate(answers if answered else ()):
            (key,) = run.backends.artifacts.put_texts(connection, [answer])
            request_hash = f"{question_id}:{attempt}"
            add(
                LlmCall, request_hash=request_hash, provider="openai", model=responder, stage="respond",
                subset=subset, attempt=attempt, sampling={}, prompt_key=key, answer_key=key, finish_reason="stop",
                input_tokens=1, cached_input_tokens=0, output_tokens=1, reasoning_tokens=0, latency_s=1.0, retries=0,
            )  # fmt: skip
            add(
                Response, triplet_id=f"{question_id}_I", provider="openai", model=responder, attempt=attempt,
                verdict=verdict, status=status, reason=None if verdict == "passed" else verdict,
                request_hash=request_hash, code="code",
            )  # fmt: skip
