"""Labels follow trust: what an assessment finds out later is on the triplet after the next run."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, update

from tasks.assess import _load, unassessed_questions
from tasks.backends import Backends
from tasks.label import label_questions, unlabelled_questions
from tasks.options import Models
from tasks.run import Run
from tasks.settings import Settings
from tasks.store import open_artifacts
from tasks.store.schema import Question, Trial, Triplet

MODELS = Models(
    provider="offline", teacher="canned", base_url=None, base_model=None, reasoner="canned", max_concurrency=1
)
SCOPE = (["Leetcode"], MODELS)
QUESTION = "Leetcode_00000000"


def trial(attempt: int, coverage: float) -> dict[str, object]:
    return {
        "question_id": QUESTION, "attempt": attempt, "status": "accepted", "verdict": "passed", "coverage": coverage,
        "solution": "def f(a):\n    return a\n", "test": "def test_f():\n    assert f(1) == 1\n",
    }  # fmt: skip


@pytest.fixture
def run(database: Engine, tmp_path: Path) -> Run:
    """With a question that two attempts passed."""
    with database.begin() as connection:
        connection.execute(
            insert(Question).values(
                question_id=QUESTION, subset="Leetcode", number=0, provider="offline", model="canned", prompt_index=0,
                seed_ids=[], text="Return a.", text_hash="h", status="accepted",
            )
        )  # fmt: skip
        connection.execute(insert(Trial), [trial(0, 100.0), trial(1, 90.0)])
    return Run("r", Backends(Settings(), database, open_artifacts(tmp_path.as_uri(), None, None), None))


def test_an_attempt_that_is_planned_meanwhile_is_assessed_and_counted_when_it_has_ended(
    database: Engine, run: Run
) -> None:
    ids = unlabelled_questions(database, *SCOPE)
    with database.begin() as connection:
        connection.execute(insert(Trial).values(question_id=QUESTION, attempt=2, status="pending"))
    assert [row.attempt for row in _load(database, QUESTION)] == [0, 1]
    label_questions(run, ids)
    with database.begin() as connection:
        assert connection.execute(select(Triplet.triplet_id)).all() == []
        connection.execute(update(Trial).where(Trial.attempt == 2).values(trial(2, 80.0)))
    assert [row.attempt for row in _load(database, QUESTION)] == [0, 1, 2]
    assert unlabelled_questions(database, *SCOPE) == [QUESTION]
    label_questions(run, ids)
    assert counted(database) == (3, 3)


def test_a_label_that_counts_other_passes_than_there_are_is_made_anew(database: Engine, run: Run) -> None:
    label_questions(run, [QUESTION])
    assert unlabelled_questions(database, *SCOPE) == []
    with database.begin() as connection:
        connection.execute(update(Triplet).values(pass_count=1, pass_sequence=[0, 1]))
    assert unlabelled_questions(database, *SCOPE) == [QUESTION]
    label_questions(run, [QUESTION])
    assert counted(database) == (2, 2)


def test_a_question_that_was_labelled_unassessed_is_labelled_anew_after_its_assessment(
    database: Engine, run: Run
) -> None:
    # The sandbox failed the assessment: the label is made without trust, and the assessment is still to be done.
    label_questions(run, unlabelled_questions(database, *SCOPE))
    assert chosen(database) == (0, None)
    assert unlabelled_questions(database, *SCOPE) == []
    assert unassessed_questions(database, *SCOPE) == [QUESTION]

    with database.begin() as connection:
        for attempt, trust in ((0, 0.2), (1, 0.7)):
            connection.execute(update(Trial).where(Trial.attempt == attempt).values(trust=trust, assessed_with=2))
    assert unassessed_questions(database, *SCOPE) == []
    assert unlabelled_questions(database, *SCOPE) == [QUESTION]
    label_questions(run, [QUESTION])
    assert chosen(database) == (1, 0.7)
    assert unlabelled_questions(database, *SCOPE) == []


def counted(database: Engine) -> tuple[int | None, int | None]:
    with database.connect() as connection:
        row = connection.execute(select(Triplet.pass_count, Triplet.trial_count)).one()
    return row.pass_count, row.trial_count


def chosen(database: Engine) -> tuple[int | None, float | None]:
    with database.connect() as connection:
        row = connection.execute(select(Triplet.chosen_attempt, Triplet.trust)).one()
    return row.chosen_attempt, row.trust
