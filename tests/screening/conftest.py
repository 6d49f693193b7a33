"""Questions in a real database, and the material beside the repository where it is there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, Row, func, select
from sqlalchemy.orm import Session

from tasks.store.schema import Question

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture(scope="session")
def benchmark_files() -> tuple[Path, Path]:
    """The published HumanEval and MBPP files."""
    files = SHARED / "benchmarks" / "HumanEval.jsonl.gz", SHARED / "benchmarks" / "mbpp.jsonl.gz"
    if not all(file.exists() for file in files):
        pytest.skip(f"no published benchmark files in {SHARED / 'benchmarks'}")
    return files


@pytest.fixture(scope="session")
def recorded_questions() -> list[str]:
    """100 questions that a model really proposed, in the order of their prompts."""
    file = SHARED / "recorded" / "leetcode" / "solves.jsonl"
    if not file.exists():
        pytest.skip(f"no recorded model output in {file.parent}")
    with file.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return list({row["prompt_id"]: row["question"] for row in rows}.values())


@pytest.fixture
def propose(database: Engine) -> Callable[..., list[str]]:
    """Store texts as pending questions behind those that are there (or from `first`); returns their ids."""

    def propose(texts: Sequence[str | None], subset: str = "Leetcode", first: int | None = None) -> list[str]:
        with Session(database) as session, session.begin():
            start = first
            if start is None:
                start = session.scalar(
                    select(func.coalesce(func.max(Question.number) + 1, 0)).where(Question.subset == subset)
                )
            questions = [
                Question(
                    question_id=f"{subset}_{number:08d}", subset=subset, number=number, provider="offline",
                    model="canned", prompt_index=number, prompt_version="1", seed_ids=[], text=text,
                )
                for number, text in enumerate(texts, start=start or 0)
            ]
            session.add_all(questions)
            return [question.question_id for question in questions]

    return propose


@pytest.fixture
def rows(database: Engine) -> Callable[[], list[Row[object]]]:
    """All questions as rows, by subset and number."""

    def rows() -> list[Row[object]]:
        columns = [column for column in Question.__table__.c if column.name not in ("created_at", "updated_at")]
        with database.connect() as connection:
            return list(connection.execute(select(*columns).order_by(Question.subset, Question.number)))

    return rows
