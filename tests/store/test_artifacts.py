"""Texts: stored with the row that needs them, whatever they hold, and still there after packing and kills."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text

from tasks.store import ArtifactCorrupt, ArtifactMissing, ArtifactStore, ArtifactStoreUnavailable, text_key
from tasks.store.artifacts import INLINE_BYTES
from tasks.store.schema import Artifact
from tests.pipeline.conftest import wait_until

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    """The same tests on a folder and on a real S3 server."""
    if request.param == "file":
        return request.getfixturevalue("artifacts")
    return request.getfixturevalue("s3").store(prefix=f"{tmp_path.parent.name}/{tmp_path.name}")


def noise(size: int, seed: int = 0) -> str:
    """Text that compression cannot shrink away."""
    blocks = (hashlib.sha256(f"{seed} {n}".encode()).hexdigest() for n in range(size // 64 + 1))
    return "".join(blocks)[:size]


AWKWARD = [
    "", "a", "naïve – 漢字 🜚", "tab\tquote'\"back\\slash\r\n", "nul \x00 inside", "lone \ud800 surrogate", "\udcff"
]


@pytest.mark.parametrize("packed", [False, True])
def test_any_text_comes_back_as_it_was(database: Engine, store: ArtifactStore, packed: bool) -> None:
    texts = [*AWKWARD, noise(5000)]
    with database.begin() as connection:
        keys = store.put_texts(connection, texts)
    assert keys == [text_key(one) for one in texts]
    assert keys[2] == hashlib.sha256(texts[2].encode()).hexdigest()
    if packed:
        assert store.pack(database, minimum_bytes=0).texts == len(texts)
    assert [store.get_text(database, key) for key in keys] == texts
    with database.connect() as connection:
        assert dict(store.get_texts(connection, [*keys, *keys])) == dict(zip(keys, texts, strict=True))
        assert [store.get_text(connection, key) for key in keys] == texts


def test_a_text_becomes_true_with_its_transaction(database: Engine, artifacts: ArtifactStore) -> None:
    with database.connect() as connection:
        [key] = artifacts.put_texts(connection, ["undone"])
        assert artifacts.get_text(connection, key) == "undone"
        connection.rollback()
    with pytest.raises(ArtifactMissing, match=key):
        artifacts.get_text(database, key)


def test_storing_a_text_again_changes_nothing(database: Engine, artifacts: ArtifactStore) -> None:
    with database.begin() as connection:
        assert len(set(artifacts.put_texts(connection, ["same", "same"]))) == 1
    artifacts.pack(database, minimum_bytes=0)
    with database.begin() as connection:
        before = connection.execute(select(Artifact.__table__)).all()
        artifacts.put_texts(connection, ["same"])
        assert connection.execute(select(Artifact.__table__)).all() == before


def test_transactions_with_the_same_texts_in_other_orders_both_end(database: Engine, artifacts: ArtifactStore) -> None:
    texts = [f"text {n}" for n in range(200)]
    errors: list[Exception] = []
    barrier = threading.Barrier(4)

    def run(turn: int) -> None:
        try:
            barrier.wait()
            with database.begin() as connection:
                artifacts.put_texts(connection, texts if turn % 2 else texts[::-1])
        except Exception as error:  # noqa: BLE001 (handed to the test)
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with database.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(Artifact)) == len(texts)


def test_a_large_text_is_an_object_before_its_row_is_there(database: Engine, store: ArtifactStore) -> None:
    large = noise(INLINE_BYTES + 1)
    with database.connect() as connection:
        [key] = store.put_texts(connection, [large])
        row = connection.execute(select(Artifact.__table__)).one()
        assert row.data is None
        assert store.exists(row.object_key)
        connection.commit()
    assert store.get_text(database, key) == large
    assert store.pack(database, minimum_bytes=0).texts == 0


def test_few_texts_wait_in_the_database_for_more(database: Engine, artifacts: ArtifactStore) -> None:
    with database.begin() as connection:
        artifacts.put_texts(connection, [noise(1000)])
    assert artifacts.pack(database).packs == 0
    assert list(artifacts.list()) == []


def test_damage_is_named_not_returned(database: Engine, artifacts: ArtifactStore) -> None:
    with database.begin() as connection:
        keys = artifacts.put_texts(connection, [noise(3000, seed) for seed in range(3)])
    artifacts.pack(database, minimum_bytes=0)
    [pack] = artifacts.list()
    path = artifacts.local_path(pack)
    assert path is not None
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with database.connect() as connection:
        outcomes = dict(artifacts.get_texts(connection, keys))
    assert sum(isinstance(outcome, ArtifactCorrupt) for outcome in outcomes.values()) == 1
    path.unlink()
    for key in keys:
        with pytest.raises(ArtifactMissing, match=pack):
            artifacts.get_text(database, key)


def test_packers_at_once_share_the_texts(database: Engine, artifacts: ArtifactStore) -> None:
    texts = [noise(30_000, seed) for seed in range(300)]
    with database.begin() as connection:
        keys = artifacts.put_texts(connection, texts)
    reports = []
    barrier = threading.Barrier(3)

    def run() -> None:
        barrier.wait()
        reports.append(artifacts.pack(database, minimum_bytes=0))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.texts for report in reports) == len(texts)
    with database.connect() as connection:
        assert connection.scalar(select(func.count()).where(Artifact.data.is_not(None))) == 0
        assert dict(artifacts.get_texts(connection, keys)) == dict(zip(keys, texts, strict=True))


def test_a_ledger_row_does_not_wait_for_a_packer(database: Engine, artifacts: ArtifactStore) -> None:
    """A row that refers to a text can be written while a packer holds that text."""
    with database.begin() as connection:
        [key] = artifacts.put_texts(connection, [noise(1000)])
    inner = artifacts.blobs.put

    def put(name: str, data: bytes) -> None:
        with database.begin() as connection:
            connection.execute(text("set local lock_timeout = '5s'"))
            connection.execute(
                text(
                    "insert into kodcode.llm_calls (request_hash, provider, model, stage, subset, attempt, sampling,"
                    " prompt_key, answer_key, finish_reason, input_tokens, cached_input_tokens, output_tokens,"
                    " reasoning_tokens, latency_s, retries)"
                    " values ('h', 'p', 'm', 'solve', 's', 0, '{}', :key, :key, 'stop', 0, 0, 0, 0, 0, 0)"
                ),
                {"key": key},
            )
        inner(name, data)

    artifacts.blobs.put = put  # type: ignore[method-assign]
    assert artifacts.pack(database, minimum_bytes=0).texts == 1


def _in_transaction(database: Engine) -> int:
    """How many other connections to the database are in a transaction."""
    others = text(
        "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() "
        "and xact_start is not null"
    )
    with database.connect() as connection:
        return int(connection.scalar(others) or 0)


@pytest.mark.parametrize("moment", ["before the object", "after the object", "before the commit"])
def test_a_packer_killed_at_any_moment_loses_nothing(
    database: Engine, artifacts: ArtifactStore, tmp_path: Path, moment: str
) -> None:
    texts = [noise(2000, seed) for seed in range(50)]
    with database.begin() as connection:
        keys = artifacts.put_texts(connection, texts)
    program = """
import os, signal, sys
from sqlalchemy import event
from tasks.store import connect, open_artifacts
url, store, moment = sys.argv[1:]
engine, artifacts = connect(url), open_artifacts(store)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
inner = artifacts.blobs.put
def put(key, data):
    if moment == "before the object": die()
    inner(key, data)
    if moment == "after the object": die()
artifacts.blobs.put = put
if moment == "before the commit": event.listen(engine, "commit", die)
artifacts.pack(engine, minimum_bytes=0)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program, database.url.render_as_string(hide_password=False),
         (tmp_path / "artifacts").as_uri(), moment],
        cwd=REPOSITORY, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}, check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    wait_until(lambda: not _in_transaction(database), "the server to notice")  # until then it keeps the rows locked
    with database.connect() as connection:
        assert dict(artifacts.get_texts(connection, keys)) == dict(zip(keys, texts, strict=True))
    artifacts.pack(database, minimum_bytes=0)
    with database.connect() as connection:
        assert connection.scalar(select(func.count()).where(Artifact.data.is_not(None))) == 0
        assert dict(artifacts.get_texts(connection, keys)) == dict(zip(keys, texts, strict=True))


def test_texts_stay_inline_while_the_store_is_away(database: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    with database.begin() as connection:
        [key] = artifacts.put_texts(connection, [noise(1000)])
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    with pytest.raises(ArtifactStoreUnavailable, match="KODCODE_ARTIFACTS_URL"):
        artifacts.pack(database, minimum_bytes=0)
    assert artifacts.get_text(database, key) == noise(1000)
