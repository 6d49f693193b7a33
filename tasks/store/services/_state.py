"""What `up` leaves for later commands: ports, pids and start times of the servers of one data folder."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tasks.store.services._process import ProcessIdentity, ServiceError

NAMES = ("postgres", "s3", "prefect")


@dataclass(frozen=True, slots=True)
class Record:
    """One server. `process` is None after an orderly stop; the port stays, so that addresses stay the same."""

    port: int | None = None
    process: ProcessIdentity | None = None
    started_at: str | None = None
    uses: str | None = None  # what else it was started with and would have to be restarted for


class State:
    """services.json of a data folder. It may be lost or stale: servers are found without it, only slower."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "services.json"
        self.records = dict.fromkeys(NAMES, Record()) | _load(self.path)

    def __getitem__(self, name: str) -> Record:
        return self.records[name]

    def started(self, name: str, port: int, process: ProcessIdentity, uses: str | None = None) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        before = self.records[name]
        same = before.process == process and before.started_at is not None
        self.records[name] = Record(port, process, before.started_at if same else now, uses)
        self._save()

    def stopped(self, name: str) -> None:
        self.records[name] = replace(self.records[name], process=None, started_at=None)
        self._save()

    def _save(self) -> None:
        content = {"services": {name: asdict(record) for name, record in self.records.items()}}
        fresh = self.path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self.path)


def _load(path: Path) -> dict[str, Record]:
    try:
        services = json.loads(path.read_bytes())["services"]
        return {name: _record(services[name]) for name in NAMES if name in services}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):  # cut or edited
        return {}


def _record(raw: dict[str, object]) -> Record:
    process = raw.get("process")
    identity = None
    if isinstance(process, dict):
        identity = ProcessIdentity(int(process["pid"]), int(process["started_ticks"]), str(process["boot_id"]))
    port, started_at, uses = raw.get("port"), raw.get("started_at"), raw.get("uses")
    return Record(
        port if isinstance(port, int) and 0 < port < 65_536 else None, identity,
        started_at if isinstance(started_at, str) else None, uses if isinstance(uses, str) else None,
    )


@contextmanager
def exclusive(data_dir: Path, progress: Callable[[str], None]) -> Iterator[State]:
    """The state, while no other process starts or stops the servers of this folder."""
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(f"waiting for another process that starts or stops the servers of {data_dir}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise ServiceError(
                f"The file system of {data_dir} has no file locks ({error.strerror}), which the servers need. Choose "
                "a --data-dir on a local disk."
            ) from error
        yield State(data_dir)
    finally:
        os.close(descriptor)
