"""Which process on which machine wrote a row, so that others can tell whether it is gone without waiting for a lease.

A host name and a pid do not say it: containers share host names, and a restarted one gives its processes the numbers
of those before. So a machine is a name with its boot and its process namespace, a process a pid with its start.
"""

from __future__ import annotations

import functools
import os
import socket
import uuid
from pathlib import Path

UNKNOWN = 0.0


@functools.cache
def machine() -> str:
    """NAME/BOOT/NAMESPACE: whoever has the same sees the same processes by the same numbers. Where the system does not
    say, each process is a machine of its own, of which others know by its leases only."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        boot, namespace = str(uuid.uuid4()), 0
    return f"{socket.gethostname()}/{boot}/{namespace}"


def process_start(pid: int) -> float | None:
    """When the process began, in clock ticks since boot; None where there is none, UNKNOWN where the system does not
    say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return None if fields[0] in "ZXx" else float(fields[19])
    except (OSError, ValueError, IndexError):  # another user's may be hidden
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            return UNKNOWN
        return UNKNOWN


def this_start() -> float:
    """The start of this process."""
    return process_start(os.getpid()) or UNKNOWN


def gone(host: str, pid: int, start: float | None) -> bool:
    """Whether a process is known to have ended; of those of other machines that is never known."""
    if host != machine():
        return False
    found = process_start(pid)
    return found is None or (UNKNOWN not in (found, start) and start is not None and found != start)
