"""A small run of which something is killed at a random moment, again and again: each time it ends as if nothing was.

What a supervisor looks after comes back while the run goes on: a worker always, Prefect's server too, for which a run
waits minutes, PostgreSQL and the S3 server every other time; else the next command finds them down.
KODCODE_KILL_POINTS says how often (20), KODCODE_KILL_SEED repeats a series that failed.

200 points (67 of seed 3101, 67 of 3102, 66 of 3103, side by side on two cores) took 1 h 46 min, none failed: it was
the flow 52 times, the zygote 37, a worker 33, PostgreSQL 31, the S3 server 27, Prefect's 20.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from sqlalchemy import text

from tasks.store import connect, services
from tests.pipeline.conftest import Workplace, kill, wait_until
from tests.recovery.system import FINAL, Api, command, parameters, worker
from tests.recovery.teacher import Teacher, teacher

QUESTIONS = 3
POINTS = int(os.environ.get("KODCODE_KILL_POINTS", "20"))
SEED = int(os.environ.get("KODCODE_KILL_SEED", str(random.randrange(10**6))))
VICTIMS = ("flow", "flow", "zygote", "worker", "postgres", "s3", "prefect")
SERVERS = frozenset({"postgres", "s3", "prefect"})


@pytest.fixture(scope="module")
def answering() -> Iterator[Teacher]:
    with teacher(0) as started:
        yield started


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """Servers of their own, which every command brings up again where they are down."""
    folder = tmp_path_factory.mktemp("system")
    started = services.up(folder / "data", SERVERS)
    engine = connect(started.database_url)
    environment = {key: os.environ[key] for key in ("PATH", "LANG", "PYTHONPATH") if key in os.environ} | {
        "HOME": str(folder), "KODCODE_DATA_DIR": str(folder / "data"), "OPENAI_API_KEY": "any",
        "KODCODE_SHARD_SIZE": "2", "COLUMNS": "200",
    }  # fmt: skip
    place = Workplace(environment, engine, folder)
    place.kodcode("bootstrap")
    yield place
    engine.dispose()
    services.down(folder / "data")


def emptied(place: Workplace) -> None:
    with place.engine.begin() as connection:
        connection.execute(text("drop schema if exists kodcode cascade"))


def pid_of(place: Workplace, run: subprocess.Popen[str], victim: str) -> int | None:
    """The process to kill; None where there is none at this moment."""
    if victim == "flow":
        return run.pid
    if victim != "zygote":
        return next(found.pid for found in services.status(place.folder / "data") if found.name == victim)
    try:
        children = psutil.Process(run.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return None
    for child in children:
        try:
            if any(part.endswith("sandbox/guest/start.py") for part in child.cmdline()):
                return child.pid
        except psutil.Error:
            continue
    return None


def disturbed(
    place: Workplace, asked: list[str], moment_s: float, victim: str, comes_back: bool
) -> tuple[bool, str]:
    """Run the command and kill the victim so many seconds after its start: whether it ended well, what it said."""
    run = place.start(*asked)
    try:
        run.wait(moment_s)
    except subprocess.TimeoutExpired:
        pid = pid_of(place, run, victim)
        if pid is not None:
            with suppress(psutil.NoSuchProcess):
                found = psutil.Process(pid)
                found.kill()
                if pid != run.pid:  # whose end is asked below
                    found.wait(60)
        if comes_back:
            services.up(place.folder / "data", SERVERS)
    try:
        _, said = run.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        kill(run)
        return False, "it did not end"
    return run.returncode == 0, said


def bereft(place: Workplace, answering: Teacher, moment_s: float) -> tuple[bool, str]:
    """The same as a deployment, whose worker is killed so many seconds after it took the run. Another worker takes its
    place, and the run, if it did not survive, when its heartbeats are missed."""
    environment = services.up(place.folder / "data", SERVERS).environment()
    apart = Workplace(place.environment | environment, place.engine, place.folder)
    api = Api(apart)
    flow_run = api.start("nightly/nightly", parameters(answering, QUESTIONS))
    with worker(apart, "kodcode", {}) as lost:
        wait_until(lambda: api.state(flow_run) == "RUNNING", "the worker to take the run", 120)
        try:
            wait_until(lambda: api.state(flow_run) in FINAL, "the moment", moment_s)
        except TimeoutError:
            psutil.Process(lost.pid).kill()
        with worker(apart, "kodcode", {}):
            wait_until(lambda: api.state(flow_run) in FINAL - {"CRASHED"}, "the end of the run", 300)
    return api.state(flow_run) == "COMPLETED", f"the run is {api.state(flow_run)}"


@pytest.mark.slow
def test_whatever_is_killed_whenever_the_run_ends_as_an_undisturbed_one(
    place: Workplace, answering: Teacher, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = command(answering, QUESTIONS)
    emptied(place)
    began = time.monotonic()
    place.kodcode(*asked)
    lasted_s = time.monotonic() - began
    wanted = place.tables()
    chance = random.Random(SEED)
    for number in range(POINTS):
        victim, moment_s = chance.choice(VICTIMS), chance.uniform(0, lasted_s)
        comes_back = victim == "prefect" or (victim in SERVERS and chance.random() < 0.5)
        point = f"seed {SEED}, point {number}: {victim} after {moment_s:.1f} s{', back at once' * comes_back}"
        with capsys.disabled():
            print(f"\n{point}", end="", flush=True)
        emptied(place)
        if victim == "worker":
            ended_well, said = bereft(place, answering, moment_s)
        else:
            ended_well, said = disturbed(place, asked, moment_s, victim, comes_back)
        place.engine.dispose()  # connections to a server that is gone
        if not ended_well:
            again = place.kodcode(*asked, status=None)
            assert again.returncode == 0, f"{point}\n{said[-2000:]}\n{again.stderr[-3000:]}"
        place.kodcode("audit")
        found = place.tables()
        for table, rows in wanted.items():
            assert set(found[table]) ^ set(rows) == set(), f"{point}: {table}"
        assert {row.status for row in place.rows("select status from kodcode.shards")} <= {"done"}, point
        assert place.rows("select count(*) from kodcode.llm_leases") == [(0,)], point
