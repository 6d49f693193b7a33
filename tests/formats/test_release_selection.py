"""What a release takes and leaves out: licences, quotas, styles, bounds of trust; and none where nothing is left."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from typer.testing import CliRunner

from flows.cli.main import app
from tasks.backends import Backends
from tasks.filters import PRESETS, ReleaseFilters, quotas, release_filters
from tasks.run import Run
from tasks.selection import EmptySelection
from tasks.settings import ConfigurationError, Settings
from tasks.store.schema import BenchmarkItem, Question
from tests.formats.releasing import EVERYTHING, count, manifest_of, release, rows_of
from tests.formats.verified import store

PERMISSIVE = ReleaseFilters(licence_policy="permissive")


def test_the_permissive_policy_leaves_out_what_it_minds_and_counts_it(run: Run) -> None:
    store(run, 1, licences=["MIT"])
    store(run, 2, licences=["MIT", "CC-BY-NC-4.0"])
    store(run, 3, licences=[None])
    store(run, 4, model="gpt-4o")
    store(run, 5, solver="gpt-4o", licences=["CC-BY-NC-4.0"])
    store(run, 6, responder="gpt-4o")
    everything = release(run)
    assert everything.rows == 6
    licence = manifest_of(run, 1).licence
    assert licence["licence"] == "LicenseRef-Unknown-Sources AND LicenseRef-OpenAI-Terms"
    assert (licence["hub"], len(licence["reasons"])) == ("other", 3)
    permissive = release(run, ["kodcode-v1-sft"], PERMISSIVE)
    manifest = manifest_of(run, 2)
    assert sorted(rows_of(run, permissive)["question_id"]) == ["Leetcode_00000001_I", "Leetcode_00000006_I"]
    assert manifest.left_out == {
        "model gpt-4o: output may not train competing models": 2,
        "seed licence CC-BY-NC-4.0: non-commercial": 2,
        "seed licence NOASSERTION: not known": 1,
    }
    # The row stays without the answers of a model whose terms are in the way.
    assert manifest.counts["kodcode-v1-sft"]["train"] == 1
    assert (manifest.licence["licence"], manifest.licence["hub"]) == ("MIT", "mit")
    provenance = {row["question_id"]: row for row in rows_of(run, permissive, "provenance").to_dicts()}
    row = provenance["Leetcode_00000001_I"]
    assert (row["licence"], row["seed_licences"]) == ("MIT", ["MIT"])
    assert [(author["part"], author["model"], author["training"]) for author in row["authors"]] == [
        ("question", "deepseek-r1", "yes"),
        ("response", "deepseek-r1", "yes"),
        ("solution", "deepseek-r1", "yes"),
    ]
    assert {author["part"] for author in provenance["Leetcode_00000006_I"]["authors"]} == {"question", "solution"}


def test_a_permissive_release_names_the_nearest_problem_without_its_text(run: Run) -> None:
    store(run, 1, licences=["MIT"])
    with run.engine.begin() as connection:
        connection.execute(insert(BenchmarkItem).values(benchmark="B", item_id="7", text="Not ours.", text_hash="h"))
        connection.execute(update(Question).values(benchmark="B", benchmark_item="7", benchmark_similarity=0.5))
    shown = [
        rows_of(run, release(run, filters=filters), "kodcode-v1").to_dicts()[0] for filters in (EVERYTHING, PERMISSIVE)
    ]
    assert [(row["benchmark_task_id"], row["benchmark_instruction"]) for row in shown] == [
        ("7", "Not ours."), ("7", None)
    ]  # fmt: skip


def test_terms_of_the_user_decide(run: Run, tmp_path: Path) -> None:
    store(run, 1, model="ours")
    with pytest.raises(EmptySelection, match="licence policy left out 1"):
        release(run, filters=PERMISSIVE)
    terms = tmp_path / "terms.toml"
    terms.write_text('[[terms]]\nprovider="openai"\nmodel="ours"\ntraining="yes"\nlicence="MIT"\n')
    settings = Settings(data_dir=tmp_path, model_terms=terms)
    run = Run("run", Backends(settings, run.engine, run.backends.artifacts, None))
    assert release(run, filters=PERMISSIVE).rows == 1


def test_quota_and_sample_take_rows_by_hash_so_that_more_rows_change_little(run: Run) -> None:
    for number in range(1, 31):
        store(run, number, subset="Leetcode" if number % 3 else "Taco")

    def chosen(**filters: Any) -> set[str]:
        return set(rows_of(run, release(run, filters=ReleaseFilters(**filters)))["question_id"])

    sample = chosen(sample=8)
    assert len(sample) == 8 != len(chosen())
    assert chosen(sample=8, seed=1) != sample
    assert sample < chosen(sample=9)
    quota = chosen(quota={"Leetcode": 5})
    assert sorted(re.sub("_.*", "", name) for name in quota) == ["Leetcode"] * 5 + ["Taco"] * 10
    store(run, 31, subset="Leetcode")
    assert len(chosen(sample=8) & sample) >= 7
    assert len(chosen(quota={"Leetcode": 5}) & quota) >= 14


def test_styles_difficulties_dates_and_answers_select(run: Run) -> None:
    store(run, 1, difficulty="hard")
    store(run, 2, answered=False)
    with run.engine.begin() as connection:
        connection.execute(
            text("update kodcode.triplets set created_at = :then where triplet_id = 'Leetcode_00000002_I'"),
            {"then": datetime(2026, 1, 31, 23, 59, tzinfo=UTC)},
        )

    def chosen(**filters: Any) -> list[str]:
        rows = rows_of(run, release(run, filters=release_filters(filters)))
        return sorted(name[-3:] for name in rows["question_id"])

    assert chosen() == ["1_I", "2_I"]
    assert chosen(difficulties=["hard"]) == ["1_I"]
    assert chosen(answered=True) == chosen(since="2026-02-01") == ["1_I"]
    assert chosen(until=date(2026, 1, 31)) == chosen(since="2026-01-31", until="2026-01-31") == ["2_I"]
    assert chosen(styles=["instruct"]) == ["1_I", "2_I"]
    with pytest.raises(EmptySelection, match=r"styles = \['complete'\]"):
        chosen(styles=["complete"])


def test_what_the_last_release_chose_is_what_would_be_chosen_again(run: Run) -> None:
    """Filters that ask about trials, responses and the question, after changes of each."""
    for number in (1, 2, 1001, 2001, 3001):
        store(run, number)
    changes = [
        "update kodcode.responses set status = 'rejected', reason = 'failed', updated_at = now()"
        " where triplet_id = 'Leetcode_00000001_I'",
        "update kodcode.trials set kill_rate = 0.1, updated_at = now() where question_id = 'Leetcode_00001001'",
        "update kodcode.triplets set difficulty = 'hard', updated_at = now() where question_id = 'Leetcode_00002001'",
        "update kodcode.trials set kill_rate = 1, updated_at = now() where question_id = 'Leetcode_00001001'",
    ]
    with run.engine.begin() as connection:
        connection.execute(text("update kodcode.trials set kill_rate = 1, updated_at = now()"))
    filters = ReleaseFilters(answered=True, min_kill_rate=0.5, difficulties=["easy"])
    found = []
    for change in [None, *changes]:
        if change is not None:
            with run.engine.begin() as connection:
                connection.execute(text(change))
        made = release(run, filters=filters)
        found.append(sorted(int(name[-6:-2]) for name in rows_of(run, made)["question_id"]))
        everything = release(run)
        assert rows_of(run, everything).height == 5
        with run.engine.begin() as connection:
            kept = connection.execute(text("select shard_id, fingerprint from kodcode.release_shards")).all()
            connection.execute(text("update kodcode.release_shards set fingerprint = null"))
        anew = release(run, filters=filters)
        assert rows_of(run, anew).equals(rows_of(run, made))
        with run.engine.begin() as connection:
            connection.execute(
                text("update kodcode.release_shards set fingerprint = :fingerprint where shard_id = :shard_id"),
                [row._asdict() for row in kept],
            )
    assert found == [[1, 2, 1001, 2001, 3001], [2, 1001, 2001, 3001], [2, 2001, 3001], [2, 3001], [2, 1001, 3001]]


def test_an_empty_selection_makes_no_release(run: Run) -> None:
    with pytest.raises(EmptySelection, match="no verified row of Leetcode, Taco is there yet"):
        release(run)
    store(run, 1)
    with pytest.raises(EmptySelection, match=r"meets min_trust = 0.9.*No release was made"):
        release(run, filters=ReleaseFilters(min_trust=0.9))
    assert list(run.backends.artifacts.list("releases/")) == []
    assert count(run, "releases") == 0


def test_filters_that_cannot_be_are_told_in_a_sentence() -> None:
    for given, said in (
        ({"min_thrust": 1}, "no filter 'min_thrust' of releases; there are min_trust"),
        ({"min_trust": 2}, "min_trust: Input should be less than or equal to 1"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "nothing was made on or after 2026-02-01"),
        ({"quota": {"Leetcode": 0}}, "quota of Leetcode has to be at least 1"),
        ({"styles": ["poem"]}, "styles: "),
        ({"licence_policy": "strict"}, "'any' or 'permissive'"),
    ):
        with pytest.raises(ConfigurationError, match=re.escape(said)):
            release_filters(given)
    for wrong in ("Leetcode", "Leetcode=", "Leetcode=-1", "Leetcode=0", "Leetcode=x"):
        with pytest.raises(ConfigurationError, match=r"no quota.*Leetcode=100"):
            quotas([wrong])
    assert quotas(["leetcode=3", "Taco=4"]) == {"Leetcode": 3, "Taco": 4}


def test_a_preset_fills_what_was_not_asked() -> None:
    assert ReleaseFilters().on("kodcode-50k") == PRESETS["kodcode-50k"]
    mine = ReleaseFilters(sample=10, min_trust=0.5).on("kodcode-50k")
    assert (mine.sample, mine.min_trust, mine.answered, mine.classes) == (10, 0.5, True, False)
    assert ReleaseFilters(sample=10).on("hard-18k").difficulties == ["hard"]
    assert ReleaseFilters(sample=10).on(None) == ReleaseFilters(sample=10)


def test_a_bound_of_nothing_is_a_bound(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: dict[str, Any] = {}

    def carried_out(*_: Any, filters: ReleaseFilters, **__: Any) -> Any:
        asked.update(filters.model_dump(exclude_unset=True, exclude={"quota"}))
        raise EmptySelection

    monkeypatch.setattr("flows.cli.release.carry_out", carried_out)
    arguments = ["release", "--min-trust", "0", "--min-coverage", "0", "--seed", "0", "--data-dir", str(tmp_path)]
    CliRunner().invoke(app, arguments)
    assert asked.items() >= {"min_trust": 0, "min_coverage": 0, "seed": 0}.items()


def test_rows_whose_trust_is_not_known_meet_no_bound_of_nothing(run: Run) -> None:
    store(run, 1)
    with pytest.raises(EmptySelection, match="min_trust = 0"):
        release(run, filters=ReleaseFilters(min_trust=0))


def test_only_models_whose_words_are_in_the_release_are_its_authors(run: Run) -> None:
    store(run, 1, responder="a-first")
    store(run, 2, responder="a-first")
    with run.engine.begin() as connection:  # another reasoner, whose answers come after those that are shown
        connection.execute(
            text(
                "insert into kodcode.responses"
                " (triplet_id, provider, model, attempt, request_hash, code, status, verdict, reason)"
                " select triplet_id, provider, 'unseen', attempt, request_hash, code, status, verdict, reason"
                " from kodcode.responses"
            )
        )

    def told(number: int) -> str:
        return run.backends.artifacts.get(f"releases/{number:06d}/README.md").decode()

    release(run, ["verl"])
    assert "a-first" not in told(1)
    assert "| question | openai | deepseek-r1 | 2 |" in told(1)
    release(run, ["messages"])
    assert "| response | openai | a-first | 2 |" in told(2)
    assert "unseen" not in told(2) + str(manifest_of(run, 2).licence)
