"""A release comes out of S3 into a folder: whole, checked by its manifest, and over nothing of anybody else."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import polars as pl
import pytest
from sqlalchemy import Engine, text

from tasks.backends import Backends
from tasks.fetching import FetchRefused, NoRelease, fetch
from tasks.filters import ReleaseFilters
from tasks.formats import chosen_formats, read_manifest
from tasks.release import _make_release
from tasks.run import Run
from tasks.settings import REPOSITORY, Settings
from tasks.store import ArtifactMissing, ArtifactStore
from tests.conftest import S3Server
from tests.formats.verified import store


@pytest.fixture
def remote(database: Engine, s3: S3Server, tmp_path: Path) -> ArtifactStore:
    """Two releases in S3, the second with a row more."""
    remote = s3.store(tmp_path.name)
    run = Run("run", Backends(Settings(data_dir=tmp_path), database, remote, None))
    for number in (1, 1001):
        store(run, number)
        _make_release(run, ["Leetcode"], False, ReleaseFilters(), chosen_formats(["provenance"]), False)
    return remote


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_a_release_is_fetched_whole_by_the_command(
    database: Engine, remote: ArtifactStore, s3: S3Server, tmp_path: Path
) -> None:
    environment = {
        **s3.environment(), "PATH": os.environ["PATH"], "HOME": str(tmp_path), "COLUMNS": "200",
        "KODCODE_DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        "KODCODE_ARTIFACTS_URL": remote.url().rstrip("/"), "KODCODE_DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flows.cli", "release", "fetch", *arguments]
        return subprocess.run(command, env=environment, text=True, capture_output=True, timeout=120, check=False)

    folder = tmp_path / "a" / "copy"
    done = command("--to", str(folder), "--json")
    assert done.returncode == 0, done.stderr
    manifest = read_manifest((folder / "manifest.json").read_bytes())
    told = {"release": 2, "folder": str(folder), "files": len(manifest.files), "fetched": len(manifest.files)}
    assert json.loads(done.stdout) == told
    assert contents(folder).keys() == {entry.path for entry in manifest.files} | {"manifest.json"}
    assert pl.read_parquet(folder / "kodcode-v1" / "train" / "*.parquet").height == 2
    assert json.loads(command("2", "--to", str(folder), "--json").stdout) == told | {"fetched": 0}
    unknown = command("7", "--to", str(tmp_path / "b"))
    assert (unknown.returncode, "There is no release 7; the newest is 2" in unknown.stderr) == (2, True)
    other = command("1", "--to", str(folder))
    assert (other.returncode, "is not of release 1" in other.stderr) == (1, True)


def test_a_copy_that_broke_off_goes_on_with_what_is_missing(
    database: Engine, remote: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, opened = tmp_path / "copy", []
    original = remote.open

    def broken(key: str) -> IO[bytes]:
        opened.append(key)
        if len(opened) > 3:
            raise ConnectionError("the line is dead")
        return original(key)

    monkeypatch.setattr(remote, "open", broken)
    with pytest.raises(FetchRefused, match="cannot be written"):
        fetch(database, remote, folder)
    assert not (folder / "manifest.json").exists()
    there = contents(folder)
    (folder / "README.md.partial").write_bytes(b"half of it")
    monkeypatch.setattr(remote, "open", original)
    fetched = fetch(database, remote, folder)
    assert fetched.fetched == fetched.files - len(there)
    assert not (folder / "README.md.partial").exists()
    for entry in read_manifest((folder / "manifest.json").read_bytes()).files:
        assert (folder / entry.path).stat().st_size == entry.bytes


def test_a_copy_killed_in_the_midst_of_a_file_is_completed_by_the_next(
    database: Engine, remote: ArtifactStore, s3: S3Server, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    program = """
import os, pathlib, signal, sys
from tasks.fetching import fetch
from tasks.store import connect, open_artifacts
url, store, endpoint, folder = sys.argv[1:]
engine, artifacts = connect(url), open_artifacts(store, endpoint)
original, opened = artifacts.open, []
class Deadly:
    def __init__(self, source): self.source, self.reads = source, 0
    def __enter__(self): return self
    def __exit__(self, *_): self.source.close()
    def read(self, size):
        self.reads += 1
        if self.reads > 1: os.kill(os.getpid(), signal.SIGKILL)
        return self.source.read(size // 1024)
def die_in_the_third(key):
    opened.append(key)
    return Deadly(original(key)) if len(opened) == 3 else original(key)
artifacts.open = die_in_the_third
fetch(engine, artifacts, pathlib.Path(folder))
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, database.url.render_as_string(hide_password=False),
         remote.url().rstrip("/"), s3.endpoint_url, str(folder)],
        cwd=REPOSITORY, env={**s3.environment(), "PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL
    there = contents(folder)
    assert any(name.endswith(".partial") for name in there)
    assert "manifest.json" not in there
    fetch(database, remote, folder)
    found = contents(folder)
    wanted = read_manifest(found.pop("manifest.json")).files
    assert {name: hashlib.sha256(content).hexdigest() for name, content in found.items()} == {
        entry.path: entry.sha256 for entry in wanted
    }


def test_what_lies_in_the_folder_already_is_never_touched(
    database: Engine, remote: ArtifactStore, tmp_path: Path
) -> None:
    for name, content in (("thesis.txt", b"mine"), ("README.md", b"mine"), ("manifest.json", b"{}")):
        folder = tmp_path / f"with {name}"
        folder.mkdir()
        (folder / name).write_bytes(content)
        with pytest.raises(FetchRefused, match=f"{name} is there, and is not of release 2"):
            fetch(database, remote, folder)
        assert contents(folder) == {name: content}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FetchRefused, match="is no folder"):
        fetch(database, remote, tmp_path / "file")


def test_a_stored_file_that_changed_or_is_lost_is_named_and_not_fetched(
    database: Engine, remote: ArtifactStore, tmp_path: Path
) -> None:
    entry = next(entry for entry in read_manifest(remote.get("releases/000001/manifest.json")).files if entry.rows)
    remote.put_bytes(b"changed", entry.key)
    with pytest.raises(FetchRefused, match="the stored file was changed"):
        fetch(database, remote, tmp_path / "copy", release=1)
    assert not (tmp_path / "copy" / entry.path).exists()
    assert not (tmp_path / "copy" / "manifest.json").exists()
    remote.delete(entry.key)
    with pytest.raises(ArtifactMissing):
        fetch(database, remote, tmp_path / "copy", release=1)


def test_no_file_leaves_the_folder_and_no_other_manifest_counts(
    database: Engine, remote: ArtifactStore, tmp_path: Path
) -> None:
    def stated(path: str) -> None:
        with database.begin() as connection:
            connection.execute(
                text(
                    "update kodcode.releases"
                    " set manifest = jsonb_set(manifest, '{files,0,path}', to_jsonb(cast(:p as text)))"
                ),
                {"p": path},
            )

    stated("../outside")
    with pytest.raises(FetchRefused, match="not the manifest of release 2"):
        fetch(database, remote, tmp_path / "copy")
    manifest: dict[str, Any] = json.loads(remote.get("releases/000002/manifest.json"))
    entries = [{**entry} for entry in manifest["files"]]
    entries[0]["path"] = "../outside"
    remote.put_bytes(json.dumps({**manifest, "files": entries}).encode(), "releases/000002/manifest.json")
    with pytest.raises(FetchRefused, match="is not what was stored"):
        fetch(database, remote, tmp_path / "copy")
    assert not (tmp_path / "outside").exists()


def test_without_a_release_nothing_is_fetched(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NoRelease, match="make one with kodcode release"):
        fetch(database, artifacts, tmp_path / "copy")
