"""What a release leaves out when it is asked to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, Update, func, insert, text, update

from tasks import selection
from tasks.filters import ReleaseFilters
from tasks.formats import FormatError
from tasks.formats.sft import shown_answer
from tasks.licences import TermsTable
from tasks.loading import Lens, load
from tasks.pieces import Piece
from tasks.selection import choose, pick
from tasks.store import ArtifactStore
from tasks.store.schema import BenchmarkItem, Contamination, LlmCall, Question, Response, Seed, Trial, Triplet

TERMS = TermsTable.load()


@contextmanager
def snapshot(database: Engine) -> Iterator[Connection]:
    """The transaction that a release is drawn up in."""
    with database.begin() as connection:
        connection.execute(text("set transaction isolation level repeatable read"))
        yield connection


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
    connection.execute(
        insert(Trial).values(
            question_id=question_id, attempt=0, provider="openai", model="m", solution="s", test="t",
            status="accepted", verdict="passed",
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
    with snapshot(database) as connection:
        (piece,) = choose(database, connection, ["Leetcode"], False, filters, TERMS).pieces
        lens = Lens(TERMS, filters.max_response_tokens, shows=(shown_answer,))
        found = list(load(connection, artifacts, pick(connection, [piece])[piece], lens))
    assert [record.triplet_id[-3:] for loaded in found for record in loaded.batch.records()] == triplets
    answered = [response.text for loaded in found for responses in loaded.batch.responses for response in responses]
    assert answered == answers


def test_a_triplet_whose_chosen_trial_is_not_there_is_not_released(
    database: Engine, artifacts: ArtifactStore
) -> None:
    with snapshot(database) as connection:
        store(connection, artifacts, 1, declared("def f():"))
        connection.execute(update(Trial).values(attempt=1))
        with pytest.raises(FormatError, match="Leetcode_00000001_I has no chosen trial"):
            list(load(connection, artifacts, ["Leetcode_00000001_O", "Leetcode_00000001_I"], Lens(TERMS)))


# The pipeline writes the time of a change; who changes a row by hand does not.
CHANGES = {
    "question": update(Question).values(caution="near", updated_at=func.now()),
    "triplet": update(Triplet).values(solution="s2", updated_at=func.now()),
    "conversion": update(Triplet).where(Triplet.style == "online_judge").values(test="t2", updated_at=func.now()),
    "trial": update(Trial).values(coverage=50, updated_at=func.now()),
    "question by hand": update(Question).values(text="q2"),
    "trial by hand": update(Trial).values(kill_rate=0.5),
    "response by hand": update(Response).values(status="rejected", reason="failed"),
    "new trial": insert(Trial).values(question_id="Leetcode_00000001", attempt=1, provider="openai", model="m"),
    "response": update(Response).values(status="rejected", reason="failed", updated_at=func.now()),
    "licence of a seed": update(Seed).values(licence="MIT"),
    "source of a seed": update(Seed).values(source="another"),
    "finding": insert(Contamination).values(
        question_id="Leetcode_00000001", measure="cosine", benchmark="B", item_id="1", value=0.97, threshold=0.95
    ),
    "second finding": insert(Contamination).values(
        question_id="Leetcode_00000001", measure="words", benchmark="B", item_id="1", value=0.5, threshold=0.4
    ),
    # As another edition of a benchmark has it: the normalised text, and so its hash, is the same.
    "text of a benchmark": update(BenchmarkItem).values(text="T!"),
    "choice": update(Triplet).where(Triplet.style == "online_judge").values(status="rejected", reason="failed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_a_row_is_made_from_changes_the_fingerprint_of_its_piece_and_of_no_other(
    database: Engine, artifacts: ArtifactStore, change: str
) -> None:
    with database.begin() as connection:
        for number in (1, 1001):
            store(connection, artifacts, number, declared("def f():"))
        connection.execute(
            insert(Seed).values(seed_id="s", subset="Leetcode", content_hash="s", text="t", source="s", licence=None)
        )
        connection.execute(insert(BenchmarkItem).values(benchmark="B", item_id="1", text="t", text_hash="h"))
        connection.execute(
            update(Question).where(Question.number == 1).values(seed_ids=["s"], benchmark="B", benchmark_item="1")
        )
        if change == "second finding":
            connection.execute(CHANGES["finding"])

    before = pieces_of(database)
    assert pieces_of(database) == before
    statement = CHANGES[change]
    columns = statement.table.columns
    if isinstance(statement, Update) and "triplet_id" in columns:
        statement = statement.where(columns.triplet_id.startswith("Leetcode_00000001"))
    elif isinstance(statement, Update) and "question_id" in columns:
        statement = statement.where(columns.question_id == "Leetcode_00000001")
    with database.begin() as connection:
        connection.execute(statement)
    after = pieces_of(database)
    assert after[0].fingerprint != before[0].fingerprint
    assert after[1] == before[1]
    assert pieces_of(database, before, chooses_in=["Leetcode_00000"]) == after


def pieces_of(database: Engine, known: Sequence[Piece] = (), chooses_in: list[str] | None = None) -> tuple[Piece, ...]:
    """What is chosen without a filter, where these pieces are known, and in which places it is chosen."""
    with snapshot(database) as connection:
        chosen = choose(database, connection, ["Leetcode"], False, ReleaseFilters(), TERMS, lambda: known)
        places = connection.scalars(text("select distinct place from chosen_triplets order by 1")).all()
        assert places == ([piece.place for piece in chosen.pieces] if chooses_in is None else chooses_in)
    assert tuple(Piece.of(one.subset, one.first_number, one.fingerprint) for one in chosen.pieces) == chosen.pieces
    return chosen.pieces


@pytest.mark.parametrize("few", [50, 0])
def test_nothing_is_chosen_again_where_nothing_changed(
    database: Engine, artifacts: ArtifactStore, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(selection, "_FEW", few)
    with database.begin() as connection:
        for number in (999, 1000, 1999, 2000, 3500):
            store(connection, artifacts, number, declared("def f():"))
    before = pieces_of(database)
    assert [(piece.place[-5:], piece.rows) for piece in before] == [
        ("00000", 2), ("00001", 4), ("00002", 2), ("00003", 2),
    ]  # fmt: skip
    assert pieces_of(database, before, chooses_in=[]) == before
    with database.begin() as connection:
        store(connection, artifacts, 1500, declared("def f():"))  # amid known ones
        store(connection, artifacts, 12_345_000, declared("def f():"))  # where nothing was
        connection.execute(
            update(Triplet).where(Triplet.question_id == "Leetcode_00002000").values(
                status="rejected", reason="failed", updated_at=func.now()
            )
        )  # fmt: skip
        connection.execute(text("delete from kodcode.responses where triplet_id = 'Leetcode_00003500_I'"))
        for table in ("triplets", "trials", "questions"):
            connection.execute(text(f"delete from kodcode.{table} where question_id = 'Leetcode_00003500'"))
    after = pieces_of(database, before, chooses_in=["Leetcode_00001", "Leetcode_12345"])
    assert [(piece.place[-5:], piece.rows) for piece in after] == [("00000", 2), ("00001", 6), ("12345", 2)]
    assert after == pieces_of(database)
