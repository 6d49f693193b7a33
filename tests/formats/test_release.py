"""Releases: shards that the next one shares, numbers, stores; and none where the proof fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy import text

from tasks import release as stage
from tasks.backends import Backends
from tasks.formats import ProofFailed, ReleaseExists, read_manifest
from tasks.run import Run, policy_of
from tasks.sandbox import Job, Policy, Sandbox, SandboxError
from tasks.settings import Settings
from tasks.store import ArtifactStoreUnavailable, open_artifacts
from tasks.work import Silent
from tests.conftest import S3Server
from tests.formats.releasing import count, manifest_of, release, rows_of, shards_of
from tests.formats.verified import TEST, store

FORMATS = ["messages", "sharegpt", "dpo", "verl"]


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
