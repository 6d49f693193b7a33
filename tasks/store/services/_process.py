"""Server processes that outlive the command that started them, told apart from strangers that reused their pid."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
_LOG_LIMIT = 16 * 1024 * 1024
# Below the kernel's range for outgoing connections, so that a remembered port stays free while its server is down.
_PORTS = range(20_000, 32_000)
_children: dict[int, subprocess.Popen[bytes]] = {}  # reaped by `alive`, so that no zombie is left to this process


class ServiceError(Exception):
    """An embedded service cannot run; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process for all time: a pid alone is reused, a pid with its start time since boot is not."""

    pid: int
    started_ticks: int
    boot_id: str


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


def identify(pid: int) -> ProcessIdentity | None:
    """Identity of the running process `pid`; None where it is gone or a zombie."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return None
    # The name of the program stands in parentheses and may itself hold parentheses and blanks.
    fields = stat.rpartition(")")[2].split()
    if fields[0] in "ZXx":
        return None
    return ProcessIdentity(pid, int(fields[19]), boot_id())


def alive(identity: ProcessIdentity | None) -> bool:
    return identity is not None and identify(identity.pid) == identity


def command_line(pid: int) -> list[str]:
    """Arguments of a process, empty where it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(part) for part in raw.split(b"\0")]


def stop(identity: ProcessIdentity, signals: Sequence[tuple[signal.Signals, float]]) -> bool:
    """Send each signal and wait its seconds for the end; True once the process is gone."""
    for number, patience_s in signals:
        if not alive(identity):
            return True
        try:
            os.kill(identity.pid, number)
        except ProcessLookupError:
            return True
        deadline = time.monotonic() + patience_s
        while alive(identity) and time.monotonic() < deadline:
            time.sleep(0.01)
    return not alive(identity)


def port_is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Like the servers themselves: a port whose last connections are in TIME_WAIT may be taken again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def choose_port(remembered: int | None = None) -> int:
    """The remembered port where it is free, else another free one."""
    if remembered is not None and port_is_free(remembered):
        return remembered
    for port in random.sample(_PORTS, 200):
        if port_is_free(port):
            return port
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def holder(lock: Path, home: Path, words: tuple[str, ...]) -> ProcessIdentity | None:
    """A live server without a record, by what it holds: the lock that it inherited, or, where the whole folder was
    deleted under it, the name of that folder. `words` are of its command line. None where there is none to be seen."""
    try:
        wanted = lock.stat()
    except OSError:
        wanted = None
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        pid = int(entry.name)
        if not set(words) <= set(command_line(pid)):
            continue
        try:
            if str(Path(f"/proc/{pid}/cwd").readlink()) == f"{home} (deleted)":
                return identify(pid)
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                if wanted is not None and os.path.samestat(descriptor.stat(), wanted):
                    return identify(pid)
        except OSError:  # gone, or another user's
            continue
    return None


@contextmanager
def lifeline(path: Path) -> Iterator[int]:
    """A lock that the started server inherits and keeps to its end, so that no second one uses its files.

    It also covers what a pid cannot: a server in another container on the same folder, and the children that a killed
    server leaves for a moment.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + 3
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ServiceError(
                        f"The files beside {path} are in use by a server that is not known here: one that runs in "
                        "another container or that lost its state file. Stop that server, or choose another "
                        "--data-dir."
                    ) from None
                time.sleep(0.02)
            except OSError as error:
                if error.errno in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise ServiceError(
                        f"The file system of {path.parent} has no file locks, which the servers need. Choose a "
                        "--data-dir on a local disk."
                    ) from error
                raise
        yield descriptor
    finally:
        os.close(descriptor)


def spawn(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str], keep_open: int, working_directory: Path,
    record: Callable[[ProcessIdentity], None],
) -> ProcessIdentity:
    """Start a server in a session of its own, with its output appended to `log`.

    The server runs only after `record` has returned: were this process killed in between, nothing unrecorded would
    be left running, for the waiting shell ends with the pipe.
    """
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        child = subprocess.Popen(
            ["/bin/sh", "-c", 'IFS= read -r go && exec "$@" </dev/null', "sh", *command],
            stdin=subprocess.PIPE, stdout=output, stderr=output, env=dict(environment), cwd=working_directory,
            pass_fds=(keep_open,), start_new_session=True, umask=0o077,
        )
    finally:
        os.close(output)
    _children[child.pid] = child
    assert child.stdin is not None
    with child.stdin as gate:
        identity = identify(child.pid)
        if identity is None:
            raise ServiceError(f"{command[0]} could not be started. {last_lines(log)}")
        record(identity)
        gate.write(b"go\n")
    return identity


def last_lines(log: Path, count: int = 12) -> str:
    """The end of a log, for an error's message."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - 16_384))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return f"There is no log at {log}."
    printable = "".join(c for c in text if c in "\n\t" or c.isprintable())
    lines = [line for line in printable.splitlines() if line.strip()][-count:]
    return f"The end of {log}:\n" + "\n".join(lines) if lines else f"The log {log} is empty."
