"""Old rows against benchmarks that came later: found, marked or rejected, and what they had displaced comes back."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from tasks.screening import HashedEmbedder, Problem, decontaminate, screen_subset, store_benchmark
from tasks.screening.embedding import Vectors
from tasks.store.schema import Contamination, MinhashBand, Trial, Triplet, VectorHead

Propose = Callable[..., list[str]]
Rows = Callable[[], list]

FIRST = "Count the lighthouses that a ship sees on its way along a coast of given heights, from left to right."
SOLUTION = (
    "def seen(heights):\n    best = 0\n    found = []\n    for place, height in enumerate(heights):\n"
    "        if height > best:\n            found.append(place)\n            best = max(best, height)\n"
    "    return sorted(found, key=lambda place: (heights[place], -place))\n"
)


def test_a_later_benchmark_marks_old_questions_and_asks_for_its_own_vectors_only(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    class Counting(HashedEmbedder):
        asked = 0

        def embed(self, texts: list[str]) -> Vectors:  # type: ignore[override]
            self.asked += len(texts)
            return super().embed(texts)

    propose([FIRST, "Something else."])
    screen_subset(database, "Leetcode", HashedEmbedder())
    store_benchmark(database, [Problem("New", "7", FIRST), Problem("New", "8", "Quite another problem.")])
    embedder = Counting()
    report = decontaminate(database, ["Leetcode"], embedder)
    assert (report.checked, report.contaminated, embedder.asked) == (2, 1, 1)
    first, second = rows()
    assert (first.status, first.benchmark_item) == ("accepted", "7")
    assert first.benchmark_similarity == pytest.approx(1)
    assert "cosine 1.000 with 7 of New" in first.caution
    assert (second.status, second.caution, second.benchmark) == ("accepted", None, "New")
    again = rows()
    assert decontaminate(database, ["Leetcode"], embedder).contaminated == 1
    assert rows() == again


def test_rejecting_gives_way_to_what_was_displaced(database: Engine, propose: Propose, rows: Rows) -> None:
    propose([FIRST, FIRST, "Something else."])
    screen_subset(database, "Leetcode", HashedEmbedder())
    store_benchmark(database, [Problem("New", "7", FIRST)])
    decontaminate(database, ["Leetcode"], HashedEmbedder(), policy="reject")
    assert [(row.status, row.reason) for row in rows()] == [
        ("rejected", "contaminated"), ("pending", None), ("accepted", None),
    ]  # fmt: skip
    with database.connect() as connection:
        assert set(connection.scalars(select(MinhashBand.question_id))) == {"Leetcode_00000002"}
        assert list(connection.scalars(select(VectorHead.number))) == [2]
    screen_subset(database, "Leetcode", HashedEmbedder())
    assert [row.reason for row in rows()] == ["contaminated", "contaminated", None]


def test_a_solution_that_holds_a_reference_is_found_and_paid_trials_are_kept(
    database: Engine, propose: Propose, rows: Rows
) -> None:
    (question_id,) = propose(["Tell which posts along a river rise above all before them."])
    screen_subset(database, "Leetcode", HashedEmbedder())
    with Session(database) as session, session.begin():
        session.add(Trial(question_id=question_id, attempt=0))
        session.add(
            Triplet(
                triplet_id=f"{question_id}_I", question_id=question_id, subset="Leetcode", style="instruct",
                status="accepted", question="q", solution=SOLUTION.replace("heights", "posts"), test="t",
            )
        )  # fmt: skip
    store_benchmark(database, [Problem("New", "7", "Quite another wording of the task.", SOLUTION)])
    report = decontaminate(database, ["Leetcode"], HashedEmbedder(), policy="reject")
    assert report.found == {"solution": 1}
    (row,) = rows()
    assert row.status == "accepted"
    assert "100% of the reference solution's 13-grams of 7 of New" in row.caution
    with database.connect() as connection:
        assert connection.execute(select(Contamination.measure, Contamination.value)).all() == [("solution", 1.0)]
        assert connection.scalar(select(Triplet.benchmark_similarity)) == row.benchmark_similarity
