"""Pushing a release to a Hub that speaks the client's protocol: one commit, resumable, and refusals in a sentence."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants
from sqlalchemy import Engine, insert

from tasks.formats import FileEntry, Manifest
from tasks.hub import HubError, Pushed, push
from tasks.store import open_artifacts
from tasks.store.schema import Release
from tests.hub.fake_hub import TOKEN, Hub, Repo, fake_hub

CARD = b"---\nlicense: mit\n---\n# Card\n"
SHARDS = {f"kodcode-v1/train/part-{number:05d}.parquet": bytes([number]) * 5000 for number in range(4)}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with fake_hub() as hub:
        yield hub


@pytest.fixture
def environment(hub: Hub, database: Engine, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "HOME": str(tmp_path), "HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1", "COLUMNS": "200",
        "KODCODE_DATABASE_URL": database.url.set(drivername="postgresql").render_as_string(hide_password=False),
        "KODCODE_ARTIFACTS_URL": (tmp_path / "store").as_uri(), "KODCODE_DATA_DIR": str(tmp_path / "data"),
    }  # fmt: skip


def start(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "flows.cli", "release", "push", *arguments]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


@pytest.fixture
def pushed(hub: Hub, database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Pushed]:
    """Pushes in this process, as one that has HF_TOKEN and HF_ENDPOINT set."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    return partial(push, database, open_artifacts((tmp_path / "store").as_uri(), None, None))


def release(engine: Engine, tmp_path: Path, number: int, contents: dict[str, bytes]) -> dict[str, bytes]:
    """Store a release of these files; returns what the Hub has to show of it."""
    artifacts = open_artifacts((tmp_path / "store").as_uri(), None, None)
    prefix = f"releases/{number:06d}"
    entries = []
    for path, content in contents.items():
        artifacts.put_bytes(content, f"{prefix}/{path}")
        format, split, *_ = [*path.split("/"), ""]
        entries.append(FileEntry(path, format, split, 1, len(content), hashlib.sha256(content).hexdigest()))
    manifest = Manifest({"kodcode-v1": "v1.1"}, tuple(entries))
    artifacts.put_bytes(manifest.document(), f"{prefix}/manifest.json")
    files: list[dict[str, Any]] = [
        {"path": entry.path, "sha256": entry.sha256, "key": f"{prefix}/{entry.path}"} for entry in entries
    ]
    with engine.begin() as connection:
        connection.execute(
            insert(Release).values(
                release_id=number, content_hash=manifest.content_hash, path="p", rows=1, manifest={"files": files}
            )
        )
    return contents | {"manifest.json": manifest.document()}


def test_a_release_is_shown_by_one_commit_and_the_next_sends_only_what_is_new(
    hub: Hub, pushed: Callable[..., Pushed], database: Engine, tmp_path: Path
) -> None:
    first = release(database, tmp_path, 1, SHARDS | {"README.md": CARD})
    told = pushed("lab/data")
    repo = hub.repos["lab/data"]
    assert repo.files == first
    assert [summary for _, summary in repo.commits] == ["initial commit", "Release 1"]
    assert (told.release, told.url, told.commit) == (1, f"{hub.url}/datasets/lab/data", repo.head)
    assert told.changed == tuple(sorted(first))
    assert not repo.private

    # A second time there is nothing to do.
    again = pushed("lab/data")
    assert (again.commit, again.changed, again.removed) == (repo.head, (), ())
    assert (len(repo.commits), len(hub.uploads)) == (2, 4)

    # The next release: one shard is new, one is gone, and the user's own files stay.
    repo.files["plots/loss.png"] = b"theirs"
    new = {path: content for path, content in SHARDS.items() if not path.endswith("3.parquet")}
    second = release(database, tmp_path, 2, new | {"verl/train/part-00000.parquet": b"v", "README.md": CARD + b"2"})
    assert pushed("lab/data").removed == ("kodcode-v1/train/part-00003.parquet",)
    assert repo.files == second | {"plots/loss.png": b"theirs"}
    assert hub.uploads[4:] == [hashlib.sha256(b"v").hexdigest()]
    assert [summary for _, summary in repo.commits[2:]] == ["Release 2"]

    # And back again: all is known to the Hub.
    pushed("lab/data", release=1)
    assert repo.files == first | {"plots/loss.png": b"theirs"}
    assert len(hub.uploads) == 5


def test_a_killed_push_shows_nothing_and_the_next_sends_the_rest(
    hub: Hub, environment: dict[str, str], database: Engine, tmp_path: Path
) -> None:
    files = release(database, tmp_path, 1, SHARDS | {"README.md": CARD})
    hub.hang_after = 2
    killed = start(environment, "--repo", "lab/data", "--private")
    assert hub.hung.wait(120)
    killed.kill()
    killed.communicate()
    assert hub.repos["lab/data"].files == {}
    sent = list(hub.uploads)
    hub.hang_after = None
    again = start(environment, "--repo", "lab/data", "--private", "--json")
    out, err = again.communicate(timeout=120)
    assert again.returncode == 0, err
    assert json.loads(out)["changed"] == sorted(files)
    assert TOKEN not in out + err
    assert hub.repos["lab/data"].files == files
    assert hub.repos["lab/data"].private
    assert sorted(hub.uploads) == sorted(hashlib.sha256(content).hexdigest() for content in SHARDS.values())
    assert hub.uploads[: len(sent)] == sent


@pytest.mark.parametrize(
    ("repo", "options", "said"),
    [
        ("lab/data", {"release": 7}, "There is no release 7; the newest is 1."),
        ("lab", {}, "names no repository"),
        ("lab/-x-", {}, "names no repository"),
        ("others/data", {}, "status 403"),
        ("lab/open", {"private": True}, "is public"),
    ],
)
def test_what_cannot_be_pushed_says_why(
    hub: Hub, pushed: Callable[..., Pushed], database: Engine, tmp_path: Path,
    repo: str, options: dict[str, Any], said: str,
) -> None:  # fmt: skip
    hub.repos["lab/open"] = Repo()
    release(database, tmp_path, 1, {"README.md": CARD})
    with pytest.raises(HubError, match=said):
        pushed(repo, **options)
    assert not any("commit" in request for request in hub.requests)


def test_a_missing_or_wrong_token_and_an_absent_hub_say_so(
    hub: Hub, pushed: Callable[..., Pushed], database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HubError, match="There is no release yet"):
        pushed("lab/data")
    release(database, tmp_path, 1, {"README.md": CARD})
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError, match="Set HF_TOKEN"):
        pushed("lab/data")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HubError, match="status 401") as refused:
        pushed("lab/data")
    assert "hf_wrong" not in str(refused.value)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubError, match="cannot be reached"):
        pushed("lab/data")
    assert hub.repos == {}


def test_files_that_the_repository_ignores_are_named_and_nothing_is_published(
    hub: Hub, pushed: Callable[..., Pushed], database: Engine, tmp_path: Path
) -> None:
    files = release(database, tmp_path, 1, SHARDS | {"README.md": CARD})
    hub.repos["lab/data"] = repo = Repo(files={".gitignore": b"*-00001.parquet\n*.md\n"})
    with pytest.raises(HubError, match=r"\.gitignore of lab/data .*: README\.md, kodcode-v1/.*-00001\.parquet\."):
        pushed("lab/data")
    assert (list(repo.files), len(repo.commits)) == ([".gitignore"], 1)
    repo.files[".gitignore"] = b"*.pyc\n"
    pushed("lab/data")
    assert repo.files == files | {".gitignore": b"*.pyc\n"}


def test_what_the_hub_or_the_store_refuses_is_not_published(
    hub: Hub, pushed: Callable[..., Pushed], database: Engine, tmp_path: Path
) -> None:
    release(database, tmp_path, 1, SHARDS | {"README.md": CARD})
    hub.refuse_commit = 412
    with pytest.raises(HubError, match="changed at the same time"):
        pushed("lab/data")
    hub.refuse_commit = None
    release(database, tmp_path, 2, {"README.md": b"---\n: [\n---\n"})
    with pytest.raises(HubError, match="Invalid metadata"):
        pushed("lab/data")
    changed = tmp_path / "store" / "releases" / "000001" / "kodcode-v1" / "train" / "part-00002.parquet"
    changed.write_bytes(b"changed")
    with pytest.raises(HubError, match="the stored file was changed"):
        pushed("lab/data", release=1)
    assert hub.repos["lab/data"].files == {}
