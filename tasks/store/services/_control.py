"""Starts, finds and stops the servers of one data folder: `up`, `down`, `status`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import psycopg

from tasks.store.services import _s3
from tasks.store.services._postgres import Postgres
from tasks.store.services._prefect import SILENCE, Prefect
from tasks.store.services._process import LOOPBACK, ProcessIdentity, ServiceError, alive, last_lines
from tasks.store.services._s3 import S3
from tasks.store.services._state import NAMES, State, exclusive

ServiceState = Literal["running", "starting", "died", "stopped"]
ALL = frozenset(NAMES)
HEARTBEAT_S = 30  # of flow runs; every process has to agree, else live runs are taken for dead
_DATABASE = "kodcode"
_PREFECT_DATABASE = "prefect"
_PREFECT_STARTS = 3


def _silent(_: str) -> None:
    pass


@dataclass(frozen=True)
class Services:
    """Where the servers are. A field is None where its server was not asked for."""

    data_dir: Path
    database_url: str | None = field(default=None, repr=False)
    s3_endpoint_url: str | None = None
    s3_access_key: str | None = field(default=None, repr=False)
    s3_secret_key: str | None = field(default=None, repr=False)
    s3_bucket: str | None = None
    s3_folder: Path | None = None  # where the objects lie as files
    prefect_api_url: str | None = None
    prefect_ui_url: str | None = None
    _progress: Callable[[str], None] = field(default=_silent, repr=False, compare=False)

    def environment(self) -> dict[str, str]:
        """Variables that every process needs which runs flows here, whoever's the Prefect server is."""
        variables = {**SILENCE, "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S), **_past_proxies()}
        if self.prefect_api_url is not None and self.prefect_ui_url is not None:
            variables |= {
                "PREFECT_API_URL": self.prefect_api_url,
                "PREFECT_UI_URL": self.prefect_ui_url,
                "PREFECT_HOME": str(self.data_dir / "prefect"),
                # A lost server has to be an error, never a second, private one.
                "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
            }
        return variables

    def wait(self) -> Services:
        """Wait until the Prefect server answers; the other two do when `up` returns. Returns where everything is then:
        a Prefect that had to be started again may have moved to another port."""
        if self.prefect_api_url is None:
            return self
        prefect = _wait_for_prefect(self.data_dir, self._progress)
        return replace(self, prefect_api_url=prefect.api_url, prefect_ui_url=prefect.ui_url)


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One server of a data folder. `url` holds no password."""

    name: str
    state: ServiceState
    url: str | None
    pid: int | None
    port: int | None
    log: Path
    started_at: str | None = None


def up(
    data_dir: Path, want: Iterable[str] = ALL, progress: Callable[[str], None] = _silent, *, wait: bool = True
) -> Services:
    """Start what is not running of `want` ("postgres", "s3", "prefect") and say where everything is.

    Prefect's database is in the embedded PostgreSQL, which therefore runs too. Without `wait`, Prefect may still be
    starting on return; `Services.wait` waits for it. The servers outlive this process. Two calls at once, in whatever
    processes, give one set of servers.

    Raises ServiceError, with the end of the server's log where it said something.
    """
    wanted = frozenset(want)
    if not wanted <= ALL:
        raise ValueError(f"unknown services {sorted(wanted - ALL)}; there are {sorted(ALL)}")
    data_dir = data_dir.absolute()
    try:
        for folder in (data_dir, data_dir / "run", data_dir / "logs"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive(data_dir, progress) as state:
            services = _up(data_dir, wanted, state, progress)
        if wait:
            services = services.wait()
    except OSError as error:
        raise _unusable(data_dir, error) from error
    return services


def down(data_dir: Path, progress: Callable[[str], None] = _silent) -> list[str]:
    """Stop the servers of `data_dir`; returns the names of those that were running."""
    data_dir = data_dir.absolute()
    stopped: list[str] = []
    if not data_dir.is_dir():
        return stopped
    try:
        with exclusive(data_dir, progress) as state:
            prefect, s3, postgres = _prefect(data_dir, state), _s3_server(data_dir, state), _postgres(data_dir, state)
            for name, server in (("prefect", prefect), ("s3", s3), ("postgres", postgres)):
                was_running = alive(server.process)
                server.stop()
                if was_running:
                    stopped.append(name)
                if state[name].process is not None:
                    state.stopped(name)
    except OSError as error:
        raise _unusable(data_dir, error) from error
    return stopped


def status(data_dir: Path) -> list[ServiceStatus]:
    """How the servers are; changes nothing, needs no lock, and takes a folder that is not there for one at rest."""
    data_dir = data_dir.absolute()
    try:
        state = State(data_dir)
        postgres, s3, prefect = _postgres(data_dir, state), _s3_server(data_dir, state), _prefect(data_dir, state)
        postgres.find()
        found: list[ServiceStatus] = []
        for name, server in (("postgres", postgres), ("s3", s3), ("prefect", prefect)):
            if alive(server.process) and server.process is not None:
                how: ServiceState = "running" if server.answers() else "starting"
                url = {"postgres": _plain_url, "s3": _s3_url, "prefect": _ui_url}[name](server)
                found.append(
                    ServiceStatus(
                        name, how, url, server.process.pid, server.port, server.log, state[name].started_at
                    )
                )
            else:
                how = "stopped" if state[name].process is None else "died"
                found.append(ServiceStatus(name, how, None, None, server.port, server.log))
    except OSError as error:
        raise _unusable(data_dir, error) from error
    return found


def _past_proxies() -> dict[str, str]:
    """NO_PROXY with this machine in it: a company's proxy must not be asked for servers on loopback."""
    listed = [host.strip() for host in os.environ.get("no_proxy", os.environ.get("NO_PROXY", "")).split(",")]
    wanted = ",".join(dict.fromkeys([*filter(None, listed), LOOPBACK, "localhost"]))
    return {"NO_PROXY": wanted, "no_proxy": wanted}


def _plain_url(server: object) -> str:
    assert isinstance(server, Postgres)
    return server.url(_DATABASE, driver="postgresql", with_password=False)


def _s3_url(server: object) -> str:
    assert isinstance(server, S3)
    return server.endpoint_url


def _ui_url(server: object) -> str:
    assert isinstance(server, Prefect)
    return server.ui_url


def _up(data_dir: Path, wanted: frozenset[str], state: State, progress: Callable[[str], None]) -> Services:
    found: dict[str, object] = {}
    if wanted & {"postgres", "prefect"}:
        postgres = _postgres(data_dir, state, progress)
        postgres.ensure()
        try:
            postgres.create_database(_DATABASE)
            # The caller may have PGSSLMODE set for another server; this one has no TLS and needs none on loopback.
            found["database_url"] = postgres.url(_DATABASE, driver="postgresql") + "?sslmode=disable"
            if "prefect" in wanted:
                postgres.create_database(_PREFECT_DATABASE)
                found |= _launch_prefect(data_dir, state, postgres, progress)
        except psycopg.Error as error:
            raise ServiceError(
                f"The embedded PostgreSQL could not make a database: {str(error).strip()}. Check the free space of "
                f"{data_dir}."
            ) from error
    if "s3" in wanted:
        s3 = _s3_server(data_dir, state, progress)
        s3.ensure()
        access, secret = s3.keys()
        found |= {
            "s3_endpoint_url": s3.endpoint_url, "s3_access_key": access, "s3_secret_key": secret,
            "s3_bucket": _s3.BUCKET, "s3_folder": s3.objects,
        }
    return Services(data_dir, _progress=progress, **found)  # type: ignore[arg-type]


def _launch_prefect(
    data_dir: Path, state: State, postgres: Postgres, progress: Callable[[str], None]
) -> dict[str, object]:
    prefect = _prefect(data_dir, state, progress)
    uses = postgres.url(_PREFECT_DATABASE, driver="postgresql", with_password=False)
    prefect.record = partial(state.started, "prefect", uses=uses)
    prefect.launch(
        postgres.url(_PREFECT_DATABASE, driver="postgresql+asyncpg"), anew=state["prefect"].uses not in (None, uses)
    )
    return {"prefect_api_url": prefect.api_url, "prefect_ui_url": prefect.ui_url}


def _wait_for_prefect(data_dir: Path, progress: Callable[[str], None]) -> Prefect:
    """Not under the lock: other commands may use the database while Prefect starts."""
    for start in range(_PREFECT_STARTS):
        if start:
            with exclusive(data_dir, progress) as state:
                if not alive(state["prefect"].process):
                    _launch_prefect(data_dir, state, _postgres(data_dir, state), progress)
        server = _prefect(data_dir, State(data_dir), progress)
        if server.wait():
            return server
    raise ServiceError(
        f"The Prefect server ended {_PREFECT_STARTS} times while it started. What it said is below; where it tells "
        f"nothing, check the free space and the permissions of {server.home}. {last_lines(server.log)}"
    )


def _postgres(data_dir: Path, state: State, progress: Callable[[str], None] = _silent) -> Postgres:
    record = state["postgres"]
    return Postgres(
        data_dir / "postgres", data_dir / "logs" / "postgres.log", data_dir / "run" / "postgres.lock",
        _recorder(state, "postgres"), record.port, record.process, progress=progress,
    )


def _s3_server(data_dir: Path, state: State, progress: Callable[[str], None] = _silent) -> S3:
    record = state["s3"]
    return S3(
        data_dir / "s3", data_dir / "logs" / "s3.log", data_dir / "run" / "s3.lock", _recorder(state, "s3"),
        record.port, record.process, progress=progress,
    )


def _prefect(data_dir: Path, state: State, progress: Callable[[str], None] = _silent) -> Prefect:
    record = state["prefect"]
    return Prefect(
        data_dir / "prefect", data_dir / "logs" / "prefect.log", data_dir / "run" / "prefect.lock",
        _recorder(state, "prefect"), record.port, record.process, progress=progress,
    )


def _recorder(state: State, name: str) -> Callable[[int, ProcessIdentity], None]:
    return partial(state.started, name)


def _unusable(data_dir: Path, error: OSError) -> ServiceError:
    where = f" ({error.filename})" if error.filename else ""
    return ServiceError(
        f"The data folder {data_dir} cannot be used: {error.strerror or error}{where}. Give the folder to the user "
        f"who runs kodcode (now {os.geteuid()}), free some space, or choose another with --data-dir or "
        "KODCODE_DATA_DIR."
    )
