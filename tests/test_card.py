"""What the card of a release says is counted from the rows that were chosen, and from no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update

from tasks import loading
from tasks.backends import Backends
from tasks.card import measure, piece_facts
from tasks.filters import ReleaseFilters
from tasks.formats import chosen_formats
from tasks.formats.card import Facts, SubsetFacts
from tasks.licences import Author, Origin, TermsTable
from tasks.loading import Lens
from tasks.pieces import Piece
from tasks.release import _make_release
from tasks.rendering import rendering
from tasks.run import Run
from tasks.settings import Settings
from tasks.store import ArtifactStore
from tasks.store.schema import BenchmarkItem, Contamination, LlmCall, Question, Trial, Triplet
from tests.formats.verified import store


@pytest.fixture
def run(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> Run:
    return Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))


def measured(run: Run, *triplet_ids: str) -> Facts:
    """The facts of a release of these triplets."""
    author = Author("response", "openai", "r")
    lens, formats = Lens(TermsTable.load()), chosen_formats([])
    with run.engine.begin() as connection, TemporaryDirectory() as folder:
        connection.execute(text("set transaction isolation level repeatable read"))
        connection.execute(
            text(
                "create temporary table chosen_triplets on commit drop as"
                " select triplet_id, question_id, subset, left(question_id, -3) as place"
                " from kodcode.triplets where triplet_id = any(:ids)"
            ),
            {"ids": list(triplet_ids)},
        )
        places = connection.scalars(text("select distinct place from chosen_triplets order by 1")).all()
        pieces = {place: Piece("Leetcode", place, 1, 0, "") for place in places}
        store = run.backends.artifacts
        with rendering(run.engine, connection, store, Path(folder), formats, pieces, lens) as rendered:
            beside = piece_facts(connection, list(pieces.values()))
            shards = [
                replace(shard, origins=(Origin(1, (), (author,)),), facts={**shard.facts, **beside[shard.piece]})
                for shard in rendered().values()
            ]
        return measure(shards)


def add(run: Run, table: Any, **values: Any) -> None:
    with run.engine.begin() as connection:
        connection.execute(insert(table).values(**values))


def test_facts_are_those_of_the_chosen_rows(run: Run) -> None:
    for number in (1, 1002):  # of two shards
        store(run, number, licences=["MIT"] if number == 1 else [])
    with run.engine.begin() as connection:
        connection.execute(update(LlmCall).values(cost_usd="0.25"))
        connection.execute(
            update(Triplet).values(trust=0.5, kill_rate=0.75, pass_at_k=[0.5, 0.8, 1.0], solution="a\nb\nc\n")
        )
        outcomes = {"test_add": "passed", "test_more": "passed"}
        connection.execute(update(Trial).values(outcomes=outcomes, solution="a\nb\nc\n"))
        connection.execute(
            update(Question)
            .where(Question.number == 1)
            .values(benchmark="B", benchmark_item="1", benchmark_similarity=0.7, caution="near")
        )
    add(run, BenchmarkItem, benchmark="B", item_id="1", text="t", text_hash="h")
    add(run, Contamination, question_id="Leetcode_00000001", measure="words", benchmark="B", item_id="1", value=0.9,
        threshold=0.3)  # fmt: skip

    facts = measured(run, "Leetcode_00000001_I")
    (subset,) = facts.subsets
    assert subset == SubsetFacts(
        subset="Leetcode", questions=1, styles={"instruct": 1, "complete": 0, "online_judge": 0},
        difficulties={"easy": 1, "medium": 0, "hard": 0}, question_bytes=4, solution_bytes=6, tests=2,
        pass_at={1: 0.5, 3: 1.0}, trust=0.5, kill_rate=0.75, cost_usd=0.5,
    )  # fmt: skip
    assert facts.authors == [("response", "openai", "r", 1)]
    assert facts.sources == [("s", "MIT", 1)]
    assert facts.benchmarks == [("B", 1, 0.7, 1)]
    assert facts.verdicts == {"passed": 1}

    both = measured(run, "Leetcode_00000001_I", "Leetcode_00001002_I")
    assert (both.subsets[0].questions, both.subsets[0].cost_usd, both.subsets[0].tests) == (2, 1.0, 2)
    assert both.authors == [("response", "openai", "r", 2)]
    assert (both.subsets[0].question_bytes, both.verdicts) == (4, {"passed": 2})
    with run.engine.begin() as connection:
        seeds = connection.scalar(select(Question.seed_ids).where(Question.number == 1))
        connection.execute(update(Question).where(Question.number == 1002).values(seed_ids=seeds))
    add(run, Contamination, question_id="Leetcode_00001002", measure="words", benchmark="B", item_id="1", value=0.9,
        threshold=0.3)  # fmt: skip
    both = measured(run, "Leetcode_00000001_I", "Leetcode_00001002_I")
    assert (both.sources, both.benchmarks) == ([("s", "MIT", 2)], [("B", 1, 0.7, 2)])
    with run.engine.begin() as connection:
        connection.execute(update(LlmCall).where(LlmCall.request_hash == "Leetcode_00001002:0").values(cost_usd=None))
    both = measured(run, "Leetcode_00000001_I", "Leetcode_00001002_I")
    assert both.subsets[0].cost_usd is None, "a price that is not known is not nothing"


def test_a_question_is_counted_once_whatever_its_styles(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    store(run, 1)
    add(run, Trial, question_id="Leetcode_00000001", attempt=1, provider="openai", model="deepseek-r1",
        solution="wrong", test="t", status="rejected", reason="failed", verdict="failed",
        outcomes={"test_add": "failed"})  # fmt: skip
    add(run, Triplet, triplet_id="Leetcode_00000001_C", question_id="Leetcode_00000001", subset="Leetcode",
        style="complete", status="accepted", question="Do add.", solution="a", test="t")  # fmt: skip
    with run.engine.begin() as connection:
        connection.execute(update(Triplet).where(Triplet.style == "instruct").values(trust=0.5, pass_at_k=[0.5]))

    (converted,) = measured(run, "Leetcode_00000001_C").subsets
    assert (converted.questions, converted.styles) == (1, {"instruct": 0, "complete": 1, "online_judge": 0})
    assert (converted.question_bytes, converted.solution_bytes) == (7, 1)
    monkeypatch.setattr(loading, "_BATCH", 1)
    both = measured(run, "Leetcode_00000001_C", "Leetcode_00000001_I")
    (subset,) = both.subsets
    assert (subset.questions, subset.styles["instruct"], subset.styles["complete"]) == (1, 1, 1)
    assert both.verdicts == {"passed": 1, "failed": 1}
    for told in (converted, subset):  # by its instruct triplet and that one's trial
        assert (told.difficulties["easy"], told.trust, told.pass_at, told.tests) == (1, 0.5, {1: 0.5}, None)


def test_a_release_has_its_card_at_its_root_and_the_same_one_again(run: Run) -> None:
    store(run, 1, licences=["MIT"])
    made = [
        _make_release(run, ["Leetcode"], False, ReleaseFilters(), chosen_formats(["verl"]), prove_all=False)
        for _ in range(2)
    ]
    assert [(release.number, release.new) for release in made] == [(1, True), (1, False)]
    card = run.backends.artifacts.get("releases/000001/README.md").decode()
    assert card.startswith('---\nlicense: "mit"\n')
    assert "# Verified coding data, release 1" in card
    assert "All seeds are under MIT" in card
    assert '  - split: "train"\n    path: "verl/train/*.parquet"' in card
