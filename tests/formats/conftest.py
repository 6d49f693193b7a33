"""A triplet to lay out, and a run that releases."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tasks.backends import Backends
from tasks.formats import FunctionRecord, NearestProblem, TrialRecord, TripletRecord
from tasks.run import Run
from tasks.settings import Settings
from tasks.store import ArtifactStore


@pytest.fixture
def triplet() -> Callable[..., TripletRecord]:
    """A triplet of two passing attempts of three; keywords change it."""

    def triplet(number: int = 12, **changes: Any) -> TripletRecord:
        values: dict[str, Any] = {
            "triplet_id": f"Leetcode_{number:08d}_I",
            "subset": "Leetcode",
            "style": "instruct",
            "question": "Write `add(a, b)`.",
            "solution": "def add(a, b):\n    return a + b\n",
            "test": "def test_add():\n    assert add(1, 2) == 3\n",
            "number": number,
            "difficulty": "easy",
            "pass_sequence": (0, 1, 1),
            "chosen_attempt": 2,
            "trials": (
                TrialRecord(0, "timed_out", "s0", "t0", None, "teacher/aa"),
                TrialRecord(1, "passed", "s1", "t1", 87.0, "teacher/bb"),
                TrialRecord(2, "passed", "s2", "t2", 100.0, "teacher/cc"),
            ),
            "functions": (FunctionRecord("add", "(a, b)", "def add(a, b):", None),),
            "seed_ids": ("Leetcode-1", "Leetcode-2"),
            "nearest": NearestProblem("HumanEval", "HumanEval/53", "def add(x, y): ...", 0.61),
        }
        return TripletRecord(**(values | changes))

    return triplet


@pytest.fixture
def run(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> Run:
    return Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))
