"""Starts guest processes: which interpreter, with which environment, on which socket."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .types import Policy, SandboxError

_START = Path(__file__).parent / "guest" / "start.py"
_REPOSITORY = Path(__file__).resolve().parents[2]
_ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    # One trial has one core: numeric libraries must not start a thread for each core of the host.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "COVERAGE_CORE": "ctrace",
}
MESSAGE_BYTES = 1 << 17
GuestKind = Literal["zygote", "probe"]


def interpreter(policy: Policy) -> Path:
    """The policy's interpreter; else the one that set-up prepared for judged programs; else our own.

    Raises SandboxError where the named one cannot be executed.
    """
    if policy.python is not None:
        if not os.access(policy.python, os.X_OK):
            raise SandboxError(f"{policy.python} is not an executable Python: name another as the sandbox's python.")
        return policy.python
    prepared = _REPOSITORY / ".kodcode" / "sandbox" / "bin" / "python"
    return prepared if os.access(prepared, os.X_OK) else Path(sys.executable)


@dataclass
class Guest:
    """A running guest process and our end of its socket."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    log_fd: int

    def log(self) -> str:
        """The last that it wrote to standard error."""
        size = os.fstat(self.log_fd).st_size
        return os.pread(self.log_fd, 4000, max(0, size - 4000)).decode("utf-8", "replace")

    def end(self) -> None:
        """Kills it and everything in its room, and returns when nothing of it is left."""
        self.process.kill()
        self.process.wait()
        self.control.settimeout(10)
        # The socket reports its end when the last process that holds the other side is gone.
        with contextlib.suppress(OSError):
            while self.control.recv(MESSAGE_BYTES):
                pass
        self.control.close()
        os.close(self.log_fd)


def start(python: Path, kind: GuestKind, hash_seed: int = 0) -> Guest:
    """Executes the guest with a clean environment and no descriptor but its socket."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    log_fd = os.memfd_create("guest-log", os.MFD_CLOEXEC)
    try:
        process = subprocess.Popen(
            [str(python), str(_START), kind, str(theirs.fileno())],
            env={**_ENVIRONMENT, "PYTHONHASHSEED": str(hash_seed)},
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log_fd,
            cwd="/",
        )
    except OSError as error:
        ours.close()
        os.close(log_fd)
        raise SandboxError(f"{python} cannot be started: {error}. Name another as the sandbox's python.") from error
    finally:
        theirs.close()
    return Guest(process, ours, log_fd)
