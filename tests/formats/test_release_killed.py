"""kill -9 of a release at every step: nothing half-published, and the rerun completes it without leaving anything."""

from __future__ import annotations

import multiprocessing
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tasks import release as stage
from tasks.backends import Backends
from tasks.filters import ReleaseFilters
from tasks.formats import chosen_formats, read_manifest
from tasks.run import Run
from tasks.settings import Settings
from tasks.store import ArtifactStore, connect, open_artifacts
from tests.formats.verified import store

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["__main__", "tests.formats.test_release_killed"])
# Where a release is held: before the proof, before and amid the upload, before the number, after the files that carry
# it, and when the manifest is there and the rows are written but not committed. With a format that needs no proof, the
# upload goes on while shards are made.
STEPS: dict[str, tuple[Any, str, int, str]] = {
    "drawn up": (stage, "_proven", 0, "messages"),
    "proven": (stage, "_upload", 0, "messages"),
    "uploading": (ArtifactStore, "put_file", 2, "messages"),
    "uploading early": (ArtifactStore, "put_file", 2, "provenance"),
    "uploaded": (stage, "_publish", 0, "provenance"),
    "numbered": (ArtifactStore, "link", 1, "provenance"),
    "manifest there": (stage, "_store_shards", 0, "provenance"),
}


def release(run: Run, step: str) -> stage.Released:
    formats = chosen_formats([STEPS[step][3]])
    return stage._make_release(run, ["Leetcode"], False, ReleaseFilters(), formats, False)


def run_on(engine: Engine, folder: Path) -> Run:
    settings = Settings(data_dir=folder)
    return Run("run", Backends(settings, engine, open_artifacts((folder / "artifacts").as_uri()), None))


def released_until(url: str, folder: Path, step: str, reached: Event) -> None:
    """A release that is held at a step for ever."""
    tempfile.tempdir = str(folder)
    owner, name, calls, _ = STEPS[step]
    original: Callable[..., Any] = getattr(owner, name)
    left = threading.Semaphore(calls)

    def hold(*arguments: Any) -> Any:
        if left.acquire(blocking=False):
            return original(*arguments)
        reached.set()
        return threading.Event().wait()

    setattr(owner, name, hold)
    release(run_on(connect(url), folder), step)


@pytest.mark.parametrize("step", STEPS)
def test_a_killed_release_is_none_and_the_next_is_whole(database: Engine, tmp_path: Path, step: str) -> None:
    run = run_on(database, tmp_path)
    for number in (1, 1001, 2001):
        store(run, number)
    reached = _FORKS.Event()
    url = database.url.render_as_string(hide_password=False)
    process = _FORKS.Process(target=released_until, args=(url, tmp_path, step, reached))
    process.start()
    assert reached.wait(120)
    process.kill()
    process.join()
    artifacts = run.backends.artifacts
    with database.connect() as connection:
        assert connection.scalar(text("select count(*) from kodcode.releases")) == 0
        assert connection.scalar(text("select count(*) from kodcode.release_shards")) == 0
    manifests = [key for key in artifacts.list("releases/0") if key.endswith("/manifest.json")]
    assert bool(manifests) == (step == "manifest there")
    for key in manifests:  # the manifest is last, so all that it names is there
        for entry in read_manifest(artifacts.get(key)).files:
            assert artifacts.file_problem(entry.key, entry.sha256) is None

    again = release(run, step)
    assert (again.number, again.rows, again.new) == (1, 3, True)
    manifest = read_manifest(artifacts.get("releases/000001/manifest.json"))
    for entry in manifest.files:
        assert artifacts.file_problem(entry.key, entry.sha256) is None
    named = {entry.key for entry in manifest.files} | {f"releases/000001/{entry.path}" for entry in manifest.files}
    assert set(artifacts.list("releases/")) == named | {"releases/000001/manifest.json"}
    assert not release(run, step).new
