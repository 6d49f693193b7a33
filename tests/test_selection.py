"""What a release leaves out when it is asked to."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, Engine, insert

from tasks.filters import ReleaseFilters
from tasks.formats.sft import shown_answer
from tasks.licences import TermsTable
from tasks.loading import Lens, load
from tasks.selection import choose, ids_of
from tasks.store import ArtifactStore
from tasks.store.schema import LlmCall, Question, Response, Triplet

TERMS = TermsTable.load()


def declared(first_line: str) -> list[dict[str, Any]]:
    return [{"function_name": "f", "parameter_list": "()", "function_declaration": first_line, "docstring": None}]


def store(connection: Connection, artifacts: ArtifactStore, number: int, info: Any) -> None:
    """A question with its triplets of two styles, the first of which was answered shortly and at length."""
    question_id = f"Leetcode_{number:08d}"
    connection.execute(
        insert(Question).values(
            question_id=question_id, subset="Leetcode", number=number, provider="openai", model="m", seed_ids=[],
            prompt_index=number, text=question_id, text_hash=question_id, status="accepted",
        )
    )  # fmt: skip
    for style, entry_points in (("instruct", info), ("online_judge", [])):
        connection.execute(
            insert(Triplet).values(
                triplet_id=f"{question_id}_{style[0].upper()}", question_id=question_id, subset="Leetcode",
                style=style, status="accepted", question="q", solution="s", test="t", test_info=entry_points,
                difficulty="easy", pass_sequence=[1], chosen_attempt=0,
            )
        )  # fmt: skip
    for attempt, tokens in enumerate((100, 9000)):
        request_hash = f"{question_id}:{attempt}"
        (key,) = artifacts.put_texts(connection, [f"{tokens} tokens"])
        connection.execute(
            insert(LlmCall).values(
                request_hash=request_hash, provider="openai", model="r", stage="respond", subset="Leetcode",
                attempt=attempt, sampling={}, prompt_key=key, answer_key=key, finish_reason="stop", input_tokens=1,
                cached_input_tokens=0, output_tokens=tokens, reasoning_tokens=0, latency_s=1.0, retries=0,
            )
        )  # fmt: skip
        connection.execute(
            insert(Response).values(
                triplet_id=f"{question_id}_I", provider="openai", model="r", attempt=attempt, verdict="passed",
                status="accepted", request_hash=request_hash, code="s",
            )
        )  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "triplets", "answers"),
    [
        (ReleaseFilters(), ["0_I", "0_O", "1_I", "1_O"], ["100 tokens", "9000 tokens"] * 2),
        (ReleaseFilters(classes=False), ["0_I", "0_O"], ["100 tokens", "9000 tokens"]),
        (ReleaseFilters(max_response_tokens=100), ["0_I", "0_O", "1_I", "1_O"], ["100 tokens"] * 2),
        (ReleaseFilters(classes=False, max_response_tokens=99), ["0_I", "0_O"], []),
    ],
)
def test_classes_and_long_answers_are_left_out_on_demand(
    database: Engine, artifacts: ArtifactStore, filters: ReleaseFilters, triplets: list[str], answers: list[str]
) -> None:
    with database.begin() as connection:
        store(connection, artifacts, 0, declared("def f():"))
        store(connection, artifacts, 1, declared("def g():") + declared("class f:"))
        (piece,) = choose(connection, ["Leetcode"], False, filters, TERMS).pieces
        lens = Lens(TERMS, filters.max_response_tokens, shows=(shown_answer,))
        found = list(load(connection, artifacts, ids_of(connection, [piece])[piece], lens))
    assert [record.triplet_id[-3:] for loaded in found for record in loaded.batch.records()] == triplets
    answered = [response.text for loaded in found for responses in loaded.batch.responses for response in responses]
    assert answered == answers
