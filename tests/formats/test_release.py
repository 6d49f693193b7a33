"""Releases: shards that the next one shares, rights, selections; and none where the proof fails or nothing is left."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from sqlalchemy import Engine, insert, text, update
from typer.testing import CliRunner

from flows.cli.main import app
from tasks import release as stage
from tasks.backends import Backends
from tasks.filters import PRESETS, ReleaseFilters, quotas, release_filters
from tasks.formats import Manifest, ProofFailed, ReleaseExists, chosen_formats, read_manifest
from tasks.release import Released, _make_release
from tasks.run import Run, policy_of
from tasks.sandbox import Job, Policy, Sandbox, SandboxError
from tasks.selection import EmptySelection
from tasks.settings import ConfigurationError, Settings
from tasks.store import ArtifactStore, ArtifactStoreUnavailable, open_artifacts
from tasks.store.schema import BenchmarkItem, Question
from tasks.work import Silent
from tests.conftest import S3Server
from tests.formats.verified import TEST, store

FORMATS = ["messages", "sharegpt", "dpo", "verl"]
EVERYTHING = ReleaseFilters()
PERMISSIVE = ReleaseFilters(licence_policy="permissive")


@pytest.fixture
def run(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> Run:
    return Run("run", Backends(Settings(data_dir=tmp_path), database, artifacts, None))


def release(
    run: Run,
    formats: Sequence[str] = ("provenance",),  # which nothing has to be executed for
    filters: ReleaseFilters = EVERYTHING,
    prove_all: bool = False,
    number: int | None = None,
) -> Released:
    return _make_release(run, ["Leetcode", "Taco"], False, filters, chosen_formats(formats), prove_all, number)


def manifest_of(run: Run, number: int) -> Manifest:
    return read_manifest(run.backends.artifacts.get(f"releases/{number:06d}/manifest.json"))


def shards_of(run: Run, number: int) -> set[str]:
    with run.engine.connect() as connection:
        statement = text("select shard_id from kodcode.release_parts where release_id = :number")
        return set(connection.scalars(statement, {"number": number}))


def rows_of(run: Run, released: Released, format: str = "kodcode-v1") -> pl.DataFrame:
    return pl.read_parquet(Path(released.path).parent / format / "train" / "*.parquet")


def count(run: Run, table: str) -> int:
    with run.engine.connect() as connection:
        return int(connection.scalar(text(f"select count(*) from kodcode.{table}")) or 0)


def test_the_same_content_in_the_same_formats_is_the_same_release(run: Run) -> None:
    store(run, 1)
    plain = release(run)
    first = release(run, FORMATS)
    assert (plain.number, first.number, first.new) == (1, 2, True)
    again = release(run, FORMATS[::-1], prove_all=True)
    assert (again.number, again.path, again.new) == (2, first.path, False)
    store(run, 2)
    assert release(run, FORMATS).number == 3
    assert [manifest_of(run, number).parent for number in (1, 2, 3)] == [None, 1, 2]


def test_the_manifest_tells_formats_rows_and_the_files_beside_them(run: Run) -> None:
    artifacts = run.backends.artifacts
    store(run, 1)
    released = release(run, FORMATS)
    manifest = manifest_of(run, 1)
    versions = {"kodcode-v1": "v1.1"} | dict.fromkeys([*FORMATS, "provenance"], "1") | {"dpo": "2"}
    assert dict(manifest.formats) == versions
    assert {name: manifest.rows(name) for name in manifest.formats} == dict.fromkeys(manifest.formats, 1)
    assert manifest.proven == dict.fromkeys(FORMATS, 1)
    files = {entry.path: entry for entry in manifest.files}
    assert {"sharegpt/dataset_info.json", "sharegpt/llama_factory_sft.yaml", "messages/trl_sft.yaml"} <= files.keys()
    for path, entry in files.items():
        assert artifacts.file_problem(entry.key, entry.sha256) is None
        # The folder of the release shows the files by their names.
        assert (Path(released.path).parent / path).stat().st_size == entry.bytes
    recipe = yaml.safe_load(artifacts.get("releases/000001/messages/trl_sft.yaml"))
    assert recipe["output_dir"] == "kodcode-release-000001"
    with run.engine.connect() as connection:
        assert set(connection.scalars(text("select format from kodcode.release_items"))) == set(manifest.formats)


def test_a_release_whose_proof_fails_leaves_nothing(run: Run) -> None:
    store(run, 1)
    store(run, 2, test="def test_add():\n    assert add\n")
    with pytest.raises(ProofFailed, match="Leetcode_00000002_I"):
        release(run, ["verl"])
    assert list(run.backends.artifacts.list("releases/")) == []
    assert [count(run, table) for table in ("releases", "release_shards", "release_shard_rows", "release_parts")] == [
        0,
        0,
        0,
        0,
    ]


def test_rows_are_proven_in_the_sandbox_that_the_settings_ask_for(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[tuple[Policy, float | None, int | None]] = []
    submit = Sandbox.submit

    def recorded(self: Sandbox, job: Job) -> Any:
        judged.append((self.policy, job.timeout_s, job.memory_mb))
        return submit(self, job)

    def configured(**settings: Any) -> Run:
        backends = Backends(Settings(data_dir=tmp_path, **settings), run.engine, run.backends.artifacts, None)
        return Run("run", backends)

    monkeypatch.setattr(Sandbox, "submit", recorded)
    store(run, 1)
    # One process, three releases. The wider limit counts: that of the trials, or that of the formats.
    patient = configured(trial_timeout_s=45, trial_memory_mb=1024, sandbox_jobs=1, allow_weak_sandbox=True)
    assert release(patient, [*FORMATS, "rlvr", "verifiers"]).new
    assert set(judged) == {(policy_of(patient.settings), 45, 4096)}
    judged.clear()
    roomy = configured(trial_timeout_s=5, trial_memory_mb=5000)
    assert release(roomy, ["verl", "dpo"]).new
    assert set(judged) == {(policy_of(roomy.settings), 30, 5000)}
    broken = configured(sandbox_python="/nowhere/python")
    with pytest.raises(SandboxError, match="/nowhere/python"):
        release(broken, ["sharegpt"])
    assert release(broken).new  # where nothing is executed


def test_only_shards_with_changed_rows_are_made_again(run: Run) -> None:
    for number in (1, 2, 1001, 2001):
        store(run, number)
    store(run, 1, subset="Taco")
    first = release(run, ["messages"])
    assert len(shards_of(run, 1)) == 4
    objects = set(run.backends.artifacts.list("releases/shards"))
    store(run, 2002)
    with run.engine.begin() as connection:
        connection.execute(
            text("update kodcode.responses set code = 'other', updated_at = now() where triplet_id = :one"),
            {"one": "Leetcode_00000002_I"},
        )
    second = release(run, ["messages"])
    assert len(shards_of(run, 1) & shards_of(run, 2)) == 2
    assert rows_of(run, second).height == rows_of(run, first).height + 1 == 6
    # The changed response changes no column of these formats, so its shard has the content that is there already.
    new = set(run.backends.artifacts.list("releases/shards")) - objects
    assert len(new) == 3  # the last shard's rows in kodcode-v1, messages and provenance
    old, now = ({entry.path: entry for entry in manifest_of(run, number).files if entry.rows} for number in (1, 2))
    assert {path for path in now if now[path] != old.get(path)} == {
        f"{name}/train/part-Leetcode-00002.parquet" for name in ("kodcode-v1", "messages", "provenance")
    }


def test_proofs_of_shared_shards_count_and_the_missing_ones_can_be_made_up_for(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage, "SAMPLE", 1)
    store(run, 1)
    store(run, 2)
    store(run, 1001)
    release(run, ["messages"])
    assert manifest_of(run, 1).proven == {"messages": 1}
    store(run, 2001)
    release(run, ["messages"])
    assert manifest_of(run, 2).proven == {"messages": 2}
    assert not release(run, ["messages"], prove_all=True).new
    store(run, 3001)
    release(run, ["messages"])
    assert manifest_of(run, 3).proven == {"messages": 5}


def test_a_shard_that_the_store_lost_is_made_again(run: Run, tmp_path: Path) -> None:
    store(run, 1)
    store(run, 1001)
    release(run)
    entries = [entry for entry in manifest_of(run, 1).files if entry.rows]
    run.backends.artifacts.delete(entries[0].key)
    store(run, 2001)
    release(run)
    # And another store has none of them.
    elsewhere = open_artifacts((tmp_path / "elsewhere").as_uri())
    moved = Run("run", Backends(Settings(data_dir=tmp_path), run.engine, elsewhere, None))
    store(run, 3001)
    release(moved)
    for maker, number in ((run, 2), (moved, 3)):
        for entry in manifest_of(maker, number).files:
            assert maker.backends.artifacts.file_problem(entry.key, entry.sha256) is None


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


def test_a_number_that_is_taken_is_refused_and_never_written_over(run: Run) -> None:
    artifacts = run.backends.artifacts
    store(run, 1)
    artifacts.put_bytes(b"of another database", "releases/000001/manifest.json")
    with pytest.raises(ReleaseExists, match=r"000001/manifest\.json is there already"):
        release(run, number=1)
    assert release(run).number == 2
    store(run, 2)
    with pytest.raises(ReleaseExists, match="number 2 is taken"):
        release(run, number=2)
    assert release(run, number=7).number == 7
    assert artifacts.get("releases/000001/manifest.json") == b"of another database"
    assert release(run, number=7).new is False
    with pytest.raises(ReleaseExists, match="Nothing is new: this is release 7"):
        release(run, number=8)


class Heard(Silent):
    """Lets the other release go when this one says that it waits."""

    def __init__(self, other: Any) -> None:
        self.other, self.said = other, [""]

    def say(self, message: str) -> None:
        self.said.append(message)
        self.other.rollback()


def test_a_release_waits_for_another_that_is_being_published(run: Run) -> None:
    store(run, 1)
    with run.engine.connect() as other:
        other.execute(text("select pg_advisory_xact_lock(hashtext('kodcode release'))"))
        heard = Heard(other)
        waiting = Run("run", run.backends, heard)
        assert release(waiting).number == 1
    assert heard.said[1:] == ["Another release is being published; this one waits for it."]


def test_a_bucket_without_rights_is_named_and_nothing_is_released(run: Run, s3: S3Server, tmp_path: Path) -> None:
    store(run, 1)
    denied = Run("run", Backends(Settings(data_dir=tmp_path), run.engine, s3.store(secret_key="wrong" * 8), None))
    with pytest.raises(ArtifactStoreUnavailable, match="access is denied"):
        release(denied)
    assert count(run, "releases") == count(run, "release_shards") == 0


def test_a_release_in_s3_is_the_files_that_its_manifest_names(run: Run, s3: S3Server, tmp_path: Path) -> None:
    store(run, 1, test=TEST)
    remote = s3.store("a-release")
    released = release(Run("run", Backends(Settings(data_dir=tmp_path), run.engine, remote, None)), ["messages"])
    assert released.path == remote.url("releases/000001/manifest.json")
    for entry in read_manifest(remote.get("releases/000001/manifest.json")).files:
        assert remote.file_problem(entry.key, entry.sha256) is None


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


def test_what_was_proven_meanwhile_is_not_forgotten(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage, "SAMPLE", 1)
    store(run, 1)
    store(run, 2)
    release(run, ["messages"])
    store(run, 1001)
    upload = stage._upload

    def prove_all_before(*arguments: Any) -> None:
        with run.engine.begin() as connection:  # another release proves the first shard wholly, while this one is made
            connection.execute(
                text("update kodcode.release_shards set proven = :all where first_number = 0"),
                {"all": '{"messages": 2}'},
            )
        upload(*arguments)

    monkeypatch.setattr(stage, "_upload", prove_all_before)
    release(run, ["messages"])
    with run.engine.connect() as connection:
        query = text("select proven from kodcode.release_shards order by first_number")
        assert connection.scalars(query).all() == [{"messages": 2}, {"messages": 1}]


def test_a_number_with_files_of_an_older_attempt_is_left_out(run: Run) -> None:
    artifacts = run.backends.artifacts
    store(run, 1)
    # An attempt that was killed before its manifest, and whose rows have changed since.
    stale = "releases/000001/kodcode-v1/train/part-Leetcode-00000.parquet"
    artifacts.put_bytes(b"of an older attempt", stale)
    with pytest.raises(ReleaseExists, match=r"part-Leetcode-00000\.parquet is there already"):
        release(run, number=1)
    released = release(run)
    assert released.number == 2
    assert rows_of(run, released).height == 1
    for entry in manifest_of(run, 2).files:
        assert artifacts.file_problem(f"releases/000002/{entry.path}", entry.sha256) is None
    assert artifacts.get(stale) == b"of an older attempt"


def test_a_path_has_one_writer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    store(run, 1)
    monkeypatch.setattr(stage, "BESIDE", (*stage.BESIDE, lambda *_: lambda number: {"README.md": b"another"}))
    with pytest.raises(ValueError, match=r"README\.md has two writers"):
        release(run)
    assert count(run, "releases") == 0
