"""Releases of what can be believed: each bound keeps the questions whose chosen trial meets it, with their styles."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, insert, select

from tasks.filters import ReleaseFilters
from tasks.selection import releasable
from tasks.store.schema import Question, Trial, Triplet

# Attempt 1 is the chosen one; attempt 0 would meet every bound.
CHOSEN: dict[str, dict[str, Any]] = {
    "believed": {
        "trust": 0.9, "consensus": 0.95, "kill_rate": 0.9, "coverage": 100.0, "stub_rejected": True, "stable": True,
        "apart": True,
        "evidence": {"assertions": {"test_a": 3, "test_b": 2}},
    },
    "doubted": {
        "trust": 0.3, "consensus": 0.4, "kill_rate": 0.5, "coverage": 80.0, "stub_rejected": False, "stable": False,
        "apart": False,
        "evidence": {"assertions": {"test_a": 1}},
    },
    "unknown": {"trust": None},
}  # fmt: skip


@pytest.fixture
def stored(database: Engine) -> Engine:
    whole = {"question": "Return a.", "solution": "def f(a):\n    return a\n", "test": "def test_a(): ..."}
    with database.begin() as connection:
        for number, (key, signals) in enumerate(CHOSEN.items()):
            connection.execute(insert(Question).values(
                question_id=key, subset="Leetcode", number=number, provider="openai", model="m", prompt_index=number,
                seed_ids=[], text=key, text_hash=key, status="accepted",
            ))  # fmt: skip
            for attempt, values in ((0, CHOSEN["believed"]), (1, signals)):
                trial = {"question_id": key, "attempt": attempt, "status": "accepted", "verdict": "passed"}
                connection.execute(insert(Trial).values(**trial, **values))
            for style in ("instruct", "complete"):
                chosen = 1 if style == "instruct" else None
                connection.execute(insert(Triplet).values(
                    triplet_id=f"{key} {style}", question_id=key, subset="Leetcode", style=style, status="accepted",
                    chosen_attempt=chosen, **whole,
                ))  # fmt: skip
    return database


def released(engine: Engine, **bounds: Any) -> list[str]:
    statement = select(Triplet.triplet_id).join(Question, Question.question_id == Triplet.question_id)
    with engine.connect() as connection:
        return sorted(
            connection.scalars(statement.where(releasable(["Leetcode"], False, ReleaseFilters.model_validate(bounds))))
        )


CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [  # met by both that are known, met by one
    ({"min_trust": 0.3}, {"min_trust": 0.31}),
    ({"min_consensus": 0.4}, {"min_consensus": 0.5}),
    ({"min_kill_rate": 0.5}, {"min_kill_rate": 0.9}),
    ({"min_coverage": 80}, {"min_coverage": 81}),
    ({"min_assertions": 1}, {"min_assertions": 5}),
    ({"min_trust": 0.0}, {"stub_rejected": True}),
    ({"min_coverage": 0}, {"stable": True}),
    ({"min_trust": 0.1}, {"apart": True}),
    ({"min_consensus": 0.0}, {"min_trust": 0.2, "min_assertions": 5, "stable": True}),
]


def test_a_bound_keeps_the_triplets_of_the_questions_that_meet_it(stored: Engine) -> None:
    believed = ["believed complete", "believed instruct"]
    for met_by_both, met_by_one in CASES:
        assert released(stored, **met_by_one) == believed, met_by_one
        # What was not found out meets no bound, however low.
        assert released(stored, **met_by_both) == [*believed, "doubted complete", "doubted instruct"], met_by_both
    assert len(released(stored)) == 6
    assert released(stored, min_assertions=6) == []


@pytest.mark.parametrize("wrong", [{"min_trust": 1.1}, {"min_coverage": -1}, {"min_assertions": 0}, {"trust": 0.5}])
def test_bounds_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReleaseFilters.model_validate(wrong)


def test_the_manifest_names_only_the_bounds_that_were_set() -> None:
    assert ReleaseFilters(min_trust=0.8, stable=True).asked() == {"min_trust": 0.8, "stable": True}
    assert ReleaseFilters().asked() == {}
