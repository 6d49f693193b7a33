"""Labels follow trust: what an assessment finds out later is on the triplet after the next run."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, insert, select, update

from tasks.assess import unassessed_questions
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


def test_a_question_that_was_labelled_unassessed_is_labelled_anew_after_its_assessment(
    database: Engine, tmp_path: Path
) -> None:
    run = Run("r", Backends(Settings(), database, open_artifacts(tmp_path.as_uri(), None, None), None))
    with database.begin() as connection:
        connection.execute(
            insert(Question).values(
                question_id=QUESTION, subset="Leetcode", number=0, provider="offline", model="canned", prompt_index=0,
                seed_ids=[], text="Return a.", text_hash="h", status="accepted",
            )
        )  # fmt: skip
        connection.execute(insert(Trial), [trial(0, 100.0), trial(1, 90.0)])

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


def chosen(database: Engine) -> tuple[int | None, float | None]:
    with database.connect() as connection:
        row = connection.execute(select(Triplet.chosen_attempt, Triplet.trust)).one()
    return row.chosen_attempt, row.trust
