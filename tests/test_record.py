"""Which runs are taken for lost: those that are, at once where that can be seen, and no others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine, text

from tasks.record import begin_run, end_run
from tasks.shards import claim, plan
from tasks.store import machine
from tests.conftest import TIED

# Says that its run lives, for an hour, and takes a shard of it.
PROGRAM = """
import sys
from tasks.record import begin_run
from tasks.shards import claim
from tasks.store import connect
engine = connect(sys.argv[1])
begin_run(engine, "other", "verify", {}, None, 3600)
claim(engine, "other", 3600)
print("begun", flush=True)
sys.stdin.read()
"""
APART = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--kill-child", "--")
Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(database: Engine) -> Iterator[Start]:
    """Starts another process's run; returns once it lives."""
    started: list[subprocess.Popen[str]] = []

    def begun(*wrapper: str) -> subprocess.Popen[str]:
        plan(database, "other", "solve", {}, ["Evol_00000001:0"], 1)
        url = database.url.render_as_string(hide_password=False)
        process = subprocess.Popen(
            [*wrapper, sys.executable, "-c", PROGRAM, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        return process

    yield begun
    for process in started:
        process.kill()
        process.communicate()


def status(database: Engine, run_id: str = "other") -> str:
    with database.connect() as connection:
        return str(connection.scalar(text("select status from kodcode.runs where run_id = :id"), {"id": run_id}))


def leases_left(database: Engine) -> int:
    query = "select count(*) from kodcode.shards where status = 'leased' and lease_until > clock_timestamp()"
    with database.connect() as connection:
        return int(connection.scalar(text(query)) or 0)


def changed(database: Engine, assignment: str) -> None:
    with database.begin() as connection:
        connection.execute(text(f"update kodcode.runs set {assignment} where run_id = 'other'"))


def test_a_killed_run_of_this_machine_is_known_at_once_and_so_are_its_leases(database: Engine, start: Start) -> None:
    process = start(*TIED)
    begin_run(database, "a", "verify", {}, None, 60)
    assert status(database) == "running"
    assert leases_left(database) == 1
    process.kill()
    process.wait()
    begin_run(database, "b", "verify", {}, None, 60)
    assert status(database) == "interrupted"
    assert leases_left(database) == 0


def test_a_living_run_in_a_container_of_the_same_host_name_is_not_taken_for_killed(
    database: Engine, start: Start
) -> None:
    if subprocess.run([*APART, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("no process namespaces may be made here")
    start(*TIED, *APART)  # its pid is 1 or 2 there: another process here, or none
    begin_run(database, "a", "verify", {}, None, 60)
    assert status(database) == "running"
    assert leases_left(database) == 1


def test_a_living_run_of_a_machine_with_the_same_name_is_not_taken_for_killed(database: Engine, start: Start) -> None:
    process = start(*TIED)
    name, _, namespace = machine().split("/")
    changed(database, f"host = '{name}/another-boot/{namespace}'")
    process.kill()
    process.wait()
    begin_run(database, "a", "verify", {}, None, 60)
    assert status(database) == "running"  # here is no such process, which says nothing of there


def test_a_killed_run_whose_number_another_process_has_now_does_not_look_alive(database: Engine, start: Start) -> None:
    start(*TIED)
    changed(database, "process_start = process_start - 1")
    begin_run(database, "a", "verify", {}, None, 60)
    assert status(database) == "interrupted"
    assert leases_left(database) == 1  # that is the living one's


def test_a_silent_run_is_lost_wherever_it_was(database: Engine, start: Start) -> None:
    start(*TIED)
    changed(database, "host = 'elsewhere', alive_until = now() - interval '1 second'")
    begin_run(database, "a", "verify", {}, None, 60)
    assert status(database) == "interrupted"


def test_a_run_that_goes_on_after_its_end_was_written_has_none(database: Engine) -> None:
    for _ in range(2):
        begin_run(database, "a", "verify", {}, None, 60)
        with database.connect() as connection:
            found = connection.execute(text("select status, finished_at from kodcode.runs")).one()
        assert tuple(found) == ("running", None)
        end_run(database, "a", "interrupted")
    assert claim(database, "a", 60) is None
