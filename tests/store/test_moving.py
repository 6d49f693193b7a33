"""Everything moves to other servers, and is there what it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from flows.cli import main
from tasks.history import audit
from tasks.store import ArtifactStore, MoveFailed, MoveRefused, connect, migrate, move, open_artifacts
from tests.conftest import PostgresServer, S3Server
from tests.history.conftest import tell

TEXTS = [f"text {number} \u2713\x01" * 50 for number in range(300)]


@pytest.fixture
def source(database: Engine, artifacts: ArtifactStore) -> Engine:
    """A small history: texts packed and not, a run, a release with a file."""
    with database.begin() as connection:
        artifacts.put_texts(connection, TEXTS[:200])
    artifacts.pack(database, minimum_bytes=1)
    with database.begin() as connection:
        artifacts.put_texts(connection, TEXTS[200:])
        connection.execute(
            text(
                "insert into kodcode.runs (run_id, flow, parameters, code_version, status, host, pid, started_at)"
                " values ('r', 'release', '{\"x\": [1.5, null]}', 'v', 'completed', 'h', 1, '2026-01-02 03:04:05+02')"
            )
        )
        artifacts.put_bytes(b"rows", "releases/000001/kodcode-v1/train.parquet")
        connection.execute(
            text(
                "insert into kodcode.releases (release_id, content_hash, path, manifest, rows, run_id)"
                " values (1, 'c', :path, '{}', 1, 'r'), (2, 'd', :path, '{}', 1, 'r')"
            ),
            {"path": str(artifacts.local_path("releases/000001/kodcode-v1"))},
        )
        connection.execute(
            text(
                "insert into kodcode.shards (stage, work, rows, wanted_by, status)"
                " select 'solve', '{}', '{}', '{r}', 'done' from generate_series(1, 3)"
            )
        )
    return database


@pytest.fixture
def target(postgres: PostgresServer) -> Iterator[Engine]:
    engine = connect(postgres.create("moved"))
    yield engine
    engine.dispose()
    postgres.drop("moved")


def rows(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(query)))


def test_rows_and_objects_arrive_unchanged_and_a_second_move_copies_nothing(
    source: Engine, target: Engine, artifacts: ArtifactStore, s3: S3Server
) -> None:
    there = s3.store("moved")
    moved = move(source, target, artifacts, there)
    assert moved.objects == moved.objects_copied == len(list(artifacts.list())) > 1
    assert moved.tables["artifacts"] == 300
    with target.connect() as connection:
        for table in ("runs", "artifacts", "shards"):
            query = f"select * from kodcode.{table} order by 1"
            assert [tuple(row) for row in connection.execute(text(query))] == [
                tuple(row) for row in rows(source, query)
            ]
        keys = list(connection.execute(text("select key from kodcode.artifacts")).scalars())
        found = {value for _, value in there.get_texts(connection, keys)}
    assert found == set(TEXTS)
    # A release is addressed where it lies now; the file is there.
    path = rows(target, "select path from kodcode.releases where release_id = 1")[0][0]
    assert path.endswith("moved/releases/000001/kodcode-v1")
    assert there.get("releases/000001/kodcode-v1/train.parquet") == b"rows"
    # The next row gets a number of its own.
    with target.begin() as connection:
        connection.execute(text("insert into kodcode.shards (stage, work, rows, wanted_by, status)"
                                " values ('solve', '{}', '{}', '{r}', 'done')"))  # fmt: skip
        connection.execute(text("delete from kodcode.shards where shard_id > 3"))
    again = move(source, target, artifacts, there)
    assert (again.objects_copied, again.tables_copied) == (0, 0)
    assert again.tables == moved.tables


def test_sums_over_the_history_are_those_of_the_rows_that_arrived(
    database: Engine, target: Engine, artifacts: ArtifactStore
) -> None:
    tell(database)
    known = rows(database, "select * from kodcode.v_funnel")
    moved = move(database, target, artifacts, artifacts)
    assert moved.tables["trials"] == len(rows(database, "select from kodcode.trials")) > 0
    assert rows(target, "select * from kodcode.v_funnel") == known
    assert "rollup" not in {offender.law for offender in audit(target, artifacts).offenders}
    # Stopped before they were counted, and again: neither less nor twice as much.
    with target.begin() as connection:
        connection.execute(text("delete from kodcode.rollup_rows"))
    for _ in range(2):
        assert move(database, target, artifacts, artifacts).tables_copied == 0
        assert rows(target, "select * from kodcode.v_funnel") == known
    # What is written there from now on is counted.
    with target.begin() as connection:
        connection.execute(text("update kodcode.trials set status = 'failed', reason = 'infrastructure'"))
    assert "rollup" not in {offender.law for offender in audit(target, artifacts).offenders}


def test_a_move_that_was_stopped_goes_on(
    source: Engine, target: Engine, artifacts: ArtifactStore, s3: S3Server
) -> None:
    there = s3.store("stopped")
    first = next(artifacts.list())
    there.put_bytes(artifacts.get(first), first)
    move(source, target, artifacts, there)
    with target.begin() as connection:
        connection.execute(text("delete from kodcode.shards"))
    again = move(source, target, artifacts, there)
    assert (again.objects_copied, again.tables_copied) == (0, 1)
    assert rows(target, "select count(*) from kodcode.shards") == [(3,)]


def test_only_the_artifacts_move(source: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    there = open_artifacts((tmp_path / "there").as_uri())
    moved = move(source, source, artifacts, there)
    assert moved.objects_copied > 1
    assert rows(source, "select path from kodcode.releases where release_id = 1") == [
        (str(tmp_path / "there" / "releases/000001/kodcode-v1"),)
    ]


@pytest.mark.parametrize("folder", ["100% \"of\" {it}'s", "releases/2026"])
def test_a_release_is_addressed_in_a_folder_of_any_name(
    source: Engine, target: Engine, artifacts: ArtifactStore, tmp_path: Path, folder: str
) -> None:
    there, further = (open_artifacts((tmp_path / name / folder).as_uri()) for name in ("there", "further"))
    move(source, target, artifacts, there)
    move(target, target, there, further)
    assert rows(target, "select path from kodcode.releases where release_id = 1") == [
        (str(tmp_path / "further" / folder / "releases/000001/kodcode-v1"),)
    ]


def test_a_target_with_other_rows_is_refused(source: Engine, target: Engine, artifacts: ArtifactStore) -> None:
    migrate(target)
    with target.begin() as connection:
        connection.execute(
            text("insert into kodcode.runs (run_id, flow, parameters, code_version, host, pid)"
                 " values ('other', 'f', '{}', 'v', 'h', 1)")
        )  # fmt: skip
    with pytest.raises(MoveRefused, match="table runs of the target holds 1 rows"):
        move(source, target, artifacts, artifacts)
    assert rows(target, "select run_id from kodcode.runs") == [("other",)]


def test_nothing_is_left_behind_by_a_run_under_way(source: Engine, target: Engine, artifacts: ArtifactStore) -> None:
    with source.begin() as connection:
        connection.execute(
            text("update kodcode.runs set status = 'running', alive_until = now() + interval '1 minute'")
        )
    with pytest.raises(MoveRefused, match="1 runs are under way"):
        move(source, target, artifacts, artifacts)


def test_an_object_that_arrives_changed_is_noticed(source: Engine, artifacts: ArtifactStore, tmp_path: Path) -> None:
    there = open_artifacts((tmp_path / "there").as_uri())
    key = next(artifacts.list())
    there.put_bytes(b"x" * len(artifacts.get(key)), key)
    with pytest.raises(MoveFailed, match=key.rsplit("/", 1)[-1]):
        move(source, source, artifacts, there)


def test_a_database_is_not_moved_to_itself(source: Engine, artifacts: ArtifactStore) -> None:
    other_name = connect(source.url.set(query={"application_name": "other"}).render_as_string(hide_password=False))
    with pytest.raises(MoveRefused, match="same database"):
        move(source, other_name, artifacts, artifacts)
    other_name.dispose()


@pytest.mark.parametrize("inside", ["", "copy"])
def test_objects_are_not_moved_to_where_they_are(source: Engine, s3: S3Server, inside: str) -> None:
    """By the server, and by the folder that it serves."""
    ours = s3.store("itself", folder=s3.folder)
    ours.put_bytes(b"x", "a")
    for same in (s3.store(f"itself/{inside}"), open_artifacts((s3.folder / "itself" / inside).as_uri())):
        with pytest.raises(MoveRefused, match="appears in s3://"):
            move(source, source, ours, same)
        assert list(ours.list()) == ["a"]


def test_stores_of_one_name_on_two_servers_are_two(source: Engine, target: Engine, tmp_path: Path) -> None:
    class Elsewhere(ArtifactStore):
        def url(self, key: str = "") -> str:
            return f"s3://kodcode/{key}"

    ours, theirs = (Elsewhere(open_artifacts((tmp_path / name).as_uri()).blobs) for name in ("ours", "theirs"))
    ours.put_bytes(b"x", "a")
    assert move(source, target, ours, theirs).objects_copied == 1


def test_what_postgresql_refuses_half_way_is_told(source: Engine, target: Engine, artifacts: ArtifactStore) -> None:
    migrate(target)
    with target.begin() as connection:
        connection.execute(text("alter table kodcode.shards add check (shard_id < 3)"))
    with pytest.raises(MoveFailed, match="shards_shard_id_check"):
        move(source, target, artifacts, artifacts)
    assert rows(target, "select count(*) from kodcode.artifacts") == [(300,)]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("KODCODE_TO_DATABASE_URL", "mysql://there/kodcode", "needs PostgreSQL"),
        ("KODCODE_TO_ARTIFACTS_URL", "ftp://there", "s3://BUCKET"),
    ],
)
def test_a_target_that_cannot_be_read_starts_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str,
    said: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("KODCODE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.argv", ["kodcode", "migrate-data"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
