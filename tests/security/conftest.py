"""A host full of canaries, and the procedure every hostile program goes through."""

from __future__ import annotations

import dataclasses
import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox, Verdict
from tasks.sandbox.probe import SLOT_UID

ADD_TEST = """
def test_one():
    assert add(1, 2) == 3

def test_two():
    assert add(2, 2) == 4

def test_three():
    assert add(-1, 1) == 0
"""
RIGHT = "def add(a, b):\n    return a + b\n"
SECRET = "canary-" + secrets.token_hex(16)
_PLACES = ("/", "/tmp", "/var/tmp", "/dev/shm", "/dev", "/root", "/etc", "/usr/lib", "/home", "/run")
POLICY = Policy(timeout_s=2, memory_mb=256, output_kb=256, disk_mb=16, jobs=1)


@dataclass
class Canaries:
    """What hostile programs would like to read, change, reach or leave behind."""

    folder: Path
    tcp_port: int
    unix_path: str
    abstract_name: str
    knocks: list[str] = field(default_factory=list)

    def values(self) -> dict[str, object]:
        return {
            "SECRET": SECRET,
            "FOLDER": str(self.folder),
            "PORT": self.tcp_port,
            "UNIX": self.unix_path,
            "ABSTRACT": self.abstract_name,
            "PID": os.getpid(),
        }


def _children(parent: int) -> set[int]:
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == parent:
                found.add(int(entry.name))
                found |= _children(int(entry.name))
    return found


def _is_slots(line: str) -> bool:
    """Whether a line of /proc/sysvipc/shm is of a segment that a slot's user owns."""
    return line.split()[7].isdigit() and SLOT_UID <= int(line.split()[7]) < SLOT_UID + 64


def _host_state(canaries: Canaries) -> dict[str, object]:
    """All that must be the same after a trial as before it."""
    folder = canaries.folder
    return {
        "names": sorted(path.name for path in folder.iterdir()),
        "file": ((folder / "file").read_bytes(), (folder / "file").stat().st_mode),
        "escaped": [str(found) for place in _PLACES for found in Path(place).glob("kodcode-escape*")],
        "knocks": list(canaries.knocks),
        "processes": _children(os.getpid()),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "shared memory": [line for line in Path("/proc/sysvipc/shm").read_text().splitlines() if _is_slots(line)],
        "host name": socket.gethostname(),
        "working folder": str(Path.cwd()),
    }


@pytest.fixture(scope="session")
def canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canaries]:
    folder = Path("/tmp") / f"kodcode-canary-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    (folder / "file").write_text(SECRET)
    (folder / "file").chmod(0o666)
    os.environ["KODCODE_CANARY_SECRET"] = SECRET
    tcp = socket.create_server(("127.0.0.1", 0))
    unix_path = str(folder / "socket")
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(unix_path)
    abstract = f"kodcode-canary-{secrets.token_hex(4)}"
    hidden = socket.socket(socket.AF_UNIX)
    hidden.bind("\0" + abstract)
    Path(unix_path).chmod(0o777)
    state = Canaries(folder, tcp.getsockname()[1], unix_path, abstract)
    servers = {"tcp": tcp, "unix": unix, "abstract": hidden}

    def listen(name: str, server: socket.socket) -> None:
        while True:
            try:
                server.accept()[0].close()
            except OSError:
                return
            state.knocks.append(name)

    for name, server in servers.items():
        server.listen()
        threading.Thread(target=listen, args=(name, server), daemon=True).start()
    yield state
    for server in servers.values():
        server.shutdown(socket.SHUT_RDWR)
        server.close()
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    del os.environ["KODCODE_CANARY_SECRET"]


def _right(sandbox: Sandbox) -> None:
    (verdict,) = sandbox.run([Job("right", RIGHT, test=ADD_TEST)])
    assert verdict.passed and verdict.coverage == 100.0, f"the trial after the hostile one: {verdict}"


Attack = Callable[..., Verdict]


@pytest.fixture(scope="session")
def strict(canaries: Canaries) -> Iterator[Sandbox]:
    with Sandbox(POLICY) as sandbox:
        _right(sandbox)
        yield sandbox


@pytest.fixture(scope="session")
def with_processes(canaries: Canaries) -> Iterator[Sandbox]:
    with Sandbox(dataclasses.replace(POLICY, allow_processes=True)) as sandbox:
        _right(sandbox)
        yield sandbox


@pytest.fixture
def attack(strict: Sandbox, with_processes: Sandbox, canaries: Canaries) -> Attack:
    """Judges a hostile program: it must not pass, the host must be unchanged, the next trial must be right."""

    def run(
        solution: str, test: str = ADD_TEST, *, processes: bool = False, timeout_s: float | None = None
    ) -> Verdict:
        sandbox = with_processes if processes else strict
        values = "".join(f"{name} = {value!r}\n" for name, value in canaries.values().items() if name != "SECRET")
        before = _host_state(canaries)
        (verdict,) = sandbox.run([Job("hostile", values + solution, test=test, timeout_s=timeout_s)])
        after = _host_state(canaries)
        assert not verdict.passed, verdict
        assert SECRET not in verdict.message
        assert after == before
        _right(sandbox)
        return verdict

    return run
