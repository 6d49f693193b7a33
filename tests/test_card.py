"""What the card of a release says is counted from the rows that were chosen, and from no others."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine, insert, text, update

from tasks.card import measure
from tasks.formats.card import Facts, SubsetFacts
from tasks.store import ArtifactStore
from tasks.store.schema import (
    IMPORTED,
    BenchmarkItem,
    Contamination,
    Import,
    ImportRow,
    LlmCall,
    Question,
    Seed,
    Trial,
    Triplet,
)
from tests.formats.test_release import store


def measured(engine: Engine, *triplet_ids: str) -> Facts:
    """The facts of a release of these triplets."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "create temporary table chosen_triplets on commit drop as"
                " select triplet_id, question_id, subset from kodcode.triplets where triplet_id = any(:ids)"
            ),
            {"ids": list(triplet_ids)},
        )
        return measure(connection)


def add(engine: Engine, table: Any, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(insert(table).values(**values))


def test_facts_are_those_of_the_chosen_rows(database: Engine, artifacts: ArtifactStore) -> None:
    for number in (1, 2):
        store(database, artifacts, number)
    with database.begin() as connection:
        connection.execute(update(LlmCall).values(cost_usd="0.25"))
        connection.execute(
            update(Triplet).values(trust=0.5, kill_rate=0.75, pass_at_k=[0.5, 0.8, 1.0], solution="a\nb\nc\n")
        )
        connection.execute(
            update(Question)
            .where(Question.number == 1)
            .values(seed_ids=["s"], benchmark="B", benchmark_item="1", benchmark_similarity=0.7, caution="near")
        )
    add(database, Seed, seed_id="s", subset="Leetcode", content_hash="h", text="t", source="a book", licence="MIT")
    outcomes = {"test_add": "passed", "test_more": "passed"}
    add(database, Trial, question_id="Leetcode_00000001", attempt=0, provider="openai", model="m", solution="a",
        test="t", status="accepted", verdict="passed", outcomes=outcomes)  # fmt: skip
    add(database, BenchmarkItem, benchmark="B", item_id="1", text="t", text_hash="h")
    add(database, Contamination, question_id="Leetcode_00000001", measure="words", benchmark="B", item_id="1",
        value=0.9, threshold=0.3)  # fmt: skip

    facts = measured(database, "Leetcode_00000001_I")
    (subset,) = facts.subsets
    assert subset == SubsetFacts(
        subset="Leetcode", questions=1, styles={"instruct": 1, "complete": 0, "online_judge": 0},
        difficulties={"easy": 1, "medium": 0, "hard": 0}, question_chars=4, solution_lines=3, tests=2,
        pass_at={1: 0.5, 3: 1.0}, trust=0.5, kill_rate=0.75, cost_usd=0.5,
    )  # fmt: skip
    assert facts.authors == [
        ("question", "openai", "m", 1), ("solution and test", "openai", "m", 1), ("response", "openai", "r", 2),
    ]  # fmt: skip
    assert facts.sources == [("a book", "MIT", 1)]
    assert facts.benchmarks == [("B", 1, 0.7, 1)]
    assert facts.verdicts == {"passed": 1}

    both = measured(database, "Leetcode_00000001_I", "Leetcode_00000002_I")
    assert (both.subsets[0].questions, both.subsets[0].cost_usd) == (2, 1.0)
    with database.begin() as connection:
        connection.execute(update(LlmCall).where(LlmCall.request_hash == "Leetcode_00000002:0").values(cost_usd=None))
    both = measured(database, "Leetcode_00000001_I", "Leetcode_00000002_I")
    assert both.subsets[0].cost_usd is None, "a price that is not known is not nothing"


def test_an_imported_question_names_its_file_and_licence(database: Engine, artifacts: ArtifactStore) -> None:
    store(database, artifacts, 1)
    with database.begin() as connection:
        connection.execute(update(Question).values(provider=IMPORTED, model="mine.jsonl"))
    add(database, Import, import_id="i", path="/p/mine.jsonl", name="mine.jsonl", layout="plain", licence="MIT")
    add(database, ImportRow, import_id="i", row=1, status="stored", question_id="Leetcode_00000001")
    facts = measured(database, "Leetcode_00000001_I")
    assert facts.sources == [("import of mine.jsonl", "MIT", 1)]
    assert facts.authors[0] == ("question", "imported", "mine.jsonl", 1)
