"""Releases in chosen formats: recorded, the same number for the same content, and none where the proof fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import Engine, insert, text

from tasks.backends import Backends
from tasks.formats import ProofFailed, chosen_formats, read_manifest
from tasks.options import ReleaseFilters
from tasks.release import Released, _make_release
from tasks.run import Run
from tasks.settings import Settings
from tasks.store import ArtifactStore
from tasks.store.schema import LlmCall, Question, Response, Triplet

SOLUTION = "def add(a, b):\n    return a + b\n"
TEST = "def test_add():\n    assert add(1, 2) == 3\n"
FORMATS = ["messages", "sharegpt", "dpo", "verl"]


def store(engine: Engine, artifacts: ArtifactStore, number: int, test: str = TEST) -> None:
    """A verified question with a passing and a failing answer."""
    question_id = f"Leetcode_{number:08d}"
    info = {"function_name": "add", "parameter_list": "(a, b)", "function_declaration": "def add(a, b):"}
    wrong = "```python\ndef add(a, b):\n    return 0\n```"
    answers = [(f"```python\n{SOLUTION}```", "accepted", "passed"), (wrong, "rejected", "failed")]
    with engine.begin() as connection:

        def add(table: Any, **values: Any) -> None:
            connection.execute(insert(table).values(**values))

        add(
            Question, question_id=question_id, subset="Leetcode", number=number, provider="openai", model="m",
            seed_ids=[], prompt_index=number, text="Add.", text_hash=question_id, status="accepted",
        )  # fmt: skip
        add(
            Triplet, triplet_id=f"{question_id}_I", question_id=question_id, subset="Leetcode", style="instruct",
            status="accepted", question="Add.", solution=SOLUTION, test=test,
            test_info=[info | {"docstring": None}], difficulty="easy", pass_sequence=[1], chosen_attempt=0,
        )  # fmt: skip
        for attempt, (answer, status, verdict) in enumerate(answers):
            (key,) = artifacts.put_texts(connection, [answer])
            request_hash = f"{question_id}:{attempt}"
            add(
                LlmCall, request_hash=request_hash, provider="openai", model="r", stage="respond", subset="Leetcode",
                attempt=attempt, sampling={}, prompt_key=key, answer_key=key, finish_reason="stop", input_tokens=1,
                cached_input_tokens=0, output_tokens=1, reasoning_tokens=0, latency_s=1.0, retries=0,
            )  # fmt: skip
            add(
                Response, triplet_id=f"{question_id}_I", provider="openai", model="r", attempt=attempt,
                verdict=verdict, status=status, reason=None if verdict == "passed" else verdict,
                request_hash=request_hash, code="code",
            )  # fmt: skip


@pytest.fixture
def run(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> Run:
    return Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))


def release(run: Run, formats: Sequence[str], prove_all: bool = False) -> Released:
    return _make_release(run, ["Leetcode"], False, ReleaseFilters(), chosen_formats(formats), prove_all)


def test_the_same_content_in_the_same_formats_is_the_same_release(run: Run) -> None:
    store(run.engine, run.backends.artifacts, 1)
    plain = release(run, [])
    first = release(run, FORMATS)
    assert (plain.number, first.number, first.new) == (1, 2, True)
    again = release(run, FORMATS[::-1], prove_all=True)
    assert (again.number, again.path, again.new) == (2, first.path, False)
    store(run.engine, run.backends.artifacts, 2)
    assert release(run, FORMATS).number == 3


def test_the_manifest_tells_formats_rows_and_the_files_beside_them(run: Run) -> None:
    artifacts = run.backends.artifacts
    store(run.engine, artifacts, 1)
    release(run, FORMATS)
    manifest = read_manifest(artifacts.get("releases/000001/manifest.json"))
    assert dict(manifest.formats) == {"kodcode-v1": "v1.1"} | dict.fromkeys(FORMATS, "1")
    assert {name: manifest.rows(name) for name in manifest.formats} == dict.fromkeys(manifest.formats, 1)
    files = {entry.path: entry for entry in manifest.files}
    assert {"sharegpt/dataset_info.json", "sharegpt/llama_factory_sft.yaml", "messages/trl_sft.yaml"} <= files.keys()
    for path, entry in files.items():
        assert artifacts.file_problem(f"releases/000001/{path}", entry.sha256) is None
    recipe = yaml.safe_load(artifacts.get("releases/000001/messages/trl_sft.yaml"))
    assert recipe["output_dir"] == "kodcode-release-000001"
    with run.engine.connect() as connection:
        assert set(connection.scalars(text("select format from kodcode.release_items"))) == set(manifest.formats)


def test_a_release_whose_proof_fails_leaves_nothing(run: Run) -> None:
    store(run.engine, run.backends.artifacts, 1)
    store(run.engine, run.backends.artifacts, 2, test="def test_add():\n    assert add\n")
    with pytest.raises(ProofFailed, match="Leetcode_00000002_I"):
        release(run, ["verl"])
    assert list(run.backends.artifacts.list("releases/")) == []
    with run.engine.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.releases")) == 0
        assert connection.scalar(text("select count(*) from kodcode.release_items")) == 0
