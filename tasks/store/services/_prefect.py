"""Prefect's own server as a process on the embedded PostgreSQL, with everything that calls home switched off."""

from __future__ import annotations

import http.client
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tasks.store.services._process import (
    LOOPBACK,
    ProcessIdentity,
    ServiceError,
    alive,
    choose_port,
    holder,
    last_lines,
    lifeline,
    spawn,
    stop,
)

START_S = 300.0  # the first start applies all of Prefect's migrations: 14 s on an idle machine
# Of the caller's environment only what a Python program needs to start: its PREFECT_* are about other servers, and its
# keys are nobody's business.
_INHERITED = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "TMPDIR")
SILENCE = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
}


@dataclass(slots=True)
class Prefect:
    """One server on one database. `port`, `process` and `uses` are what the last start left."""

    home: Path
    log: Path
    lock: Path
    record: Callable[[int, ProcessIdentity], None]
    port: int | None = None
    process: ProcessIdentity | None = None
    wrapper: tuple[str, ...] = ()
    progress: Callable[[str], None] = field(default=lambda _: None)

    @property
    def api_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/api"

    @property
    def ui_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def launch(self, database_url: str, *, anew: bool) -> None:
        """Adopt the running server, or start one and return at once: `wait` tells when it answers.

        `anew` restarts a running one, for its database has moved. `database_url` is for asyncpg.
        """
        if not anew and alive(self.process) and self.port is not None and self.process is not None:
            self.record(self.port, self.process)
            return
        self.stop()
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = choose_port(self.port)
        if self.port is not None and port != self.port:
            self.progress(f"port {self.port} is taken by another program; Prefect moves to {port}")
        self.port = port

        def record(identity: ProcessIdentity) -> None:
            self.process = identity
            self.record(port, identity)

        self.progress("starting the Prefect server")
        with lifeline(self.lock) as held:
            spawn(
                [*self.wrapper, sys.executable, "-m", "prefect", "server", "start"], log=self.log,
                environment=self._environment(database_url), keep_open=held,
                # Prefect reads .env, prefect.toml and pyproject.toml of the folder that it is started in.
                working_directory=self.home, record=record,
            )

    def wait(self) -> bool:
        """Wait until the API answers; False where the server ended: its port was taken, its database away, or it was
        found alive and died just then."""
        began = told = time.monotonic()
        while not self.answers():
            if not alive(self.process):
                return False
            now = time.monotonic()
            if now - began > START_S:
                raise ServiceError(
                    f"The Prefect server does not answer at {self.api_url} after {START_S:.0f} s. `kodcode down` "
                    f"stops it for another try. {last_lines(self.log)}"
                )
            if now - told > 10:
                self.progress(f"the Prefect server is still starting ({now - began:.0f} s)")
                told = now
            time.sleep(0.05)
        return True

    def answers(self) -> bool:
        if self.port is None or not alive(self.process):
            return False
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)
        try:
            connection.request("GET", "/api/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        process = self.process if alive(self.process) else holder(self.lock, self.home, ("prefect", "server"))
        if process is not None and not stop(process, ((signal.SIGTERM, 20), (signal.SIGKILL, 10))):
            raise ServiceError(f"The Prefect server (pid {process.pid}) does not end. {last_lines(self.log)}")
        self.process = None

    def _environment(self, database_url: str) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return inherited | SILENCE | {
            "HOME": str(self.home),
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_DATABASE_CONNECTION_URL": database_url,
            "PREFECT_SERVER_API_HOST": LOOPBACK,
            # By environment, not by option: the addresses that the UI is given follow these.
            "PREFECT_SERVER_API_PORT": str(self.port),
            "PREFECT_API_URL": self.api_url,
            "PREFECT_UI_URL": self.ui_url,
            "PREFECT_SERVER_UI_API_URL": self.api_url,
            "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(self.home / "ui"),  # else among the installed packages
            "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
            "PREFECT_SERVER_EVENTS_RETENTION_PERIOD": "P3D",  #; a task run leaves 14 KB of them
            "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
            "PYTHONUNBUFFERED": "1",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "NO_COLOR": "1",
        }
