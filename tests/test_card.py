"""What the card of a release says is counted from the rows that were chosen, and from no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update

from tasks.backends import Backends
from tasks.card import measure, piece_facts
from tasks.filters import ReleaseFilters
from tasks.formats import chosen_formats
from tasks.formats.card import Facts, SubsetFacts
from tasks.licences import Author, Origin
from tasks.release import _make_release
from tasks.rendering import RenderedShard
from tasks.run import Run
from tasks.selection import Piece
from tasks.settings import Settings
from tasks.store import ArtifactStore
from tasks.store.schema import BenchmarkItem, Contamination, LlmCall, Question, Trial, Triplet
from tests.formats.verified import store


@pytest.fixture
def run(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> Run:
    return Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))


def measured(run: Run, *triplet_ids: str) -> Facts:
    """The facts of a release of these triplets, a question a shard."""
    author = Author("response", "openai", "r")
    with run.engine.begin() as connection:
        connection.execute(
            text(
                "create temporary table chosen_triplets on commit drop as"
                " select triplet_id, question_id, t.subset, number as place"
                " from kodcode.triplets t join kodcode.questions using (question_id) where triplet_id = any(:ids)"
            ),
            {"ids": list(triplet_ids)},
        )
        places = connection.scalars(text("select place from chosen_triplets order by place")).all()
        pieces = [Piece("Leetcode", place, 1, "") for place in places]
        facts = piece_facts(connection, pieces)
        origins = (Origin(1, (), (author,)),)
        shards = [RenderedShard(str(piece.place), piece, (), origins, {}, facts=facts[piece]) for piece in pieces]
        return measure(shards)


def add(run: Run, table: Any, **values: Any) -> None:
    with run.engine.begin() as connection:
        connection.execute(insert(table).values(**values))


def test_facts_are_those_of_the_chosen_rows(run: Run) -> None:
    for number in (1, 2):
        store(run, number, licences=["MIT"] if number == 1 else [])
    with run.engine.begin() as connection:
        connection.execute(update(LlmCall).values(cost_usd="0.25"))
        connection.execute(
            update(Triplet).values(trust=0.5, kill_rate=0.75, pass_at_k=[0.5, 0.8, 1.0], solution="a\nb\nc\n")
        )
        connection.execute(update(Trial).values(outcomes={"test_add": "passed", "test_more": "passed"}))
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

    both = measured(run, "Leetcode_00000001_I", "Leetcode_00000002_I")
    assert (both.subsets[0].questions, both.subsets[0].cost_usd, both.subsets[0].tests) == (2, 1.0, 2)
    assert both.authors == [("response", "openai", "r", 2)]
    assert (both.subsets[0].question_bytes, both.verdicts) == (4, {"passed": 2})
    with run.engine.begin() as connection:
        seeds = connection.scalar(select(Question.seed_ids).where(Question.number == 1))
        connection.execute(update(Question).where(Question.number == 2).values(seed_ids=seeds))
    add(run, Contamination, question_id="Leetcode_00000002", measure="words", benchmark="B", item_id="1", value=0.9,
        threshold=0.3)  # fmt: skip
    both = measured(run, "Leetcode_00000001_I", "Leetcode_00000002_I")
    assert (both.sources, both.benchmarks) == ([("s", "MIT", 2)], [("B", 1, 0.7, 2)])
    with run.engine.begin() as connection:
        connection.execute(update(LlmCall).where(LlmCall.request_hash == "Leetcode_00000002:0").values(cost_usd=None))
    both = measured(run, "Leetcode_00000001_I", "Leetcode_00000002_I")
    assert both.subsets[0].cost_usd is None, "a price that is not known is not nothing"


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
