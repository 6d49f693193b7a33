"""Processor time and memory of this process and of those that it started."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


def cpu_s(root: psutil.Process | None = None) -> float:
    """Processor seconds of a process, or this one, and all its descendants, ended ones included."""
    ours = root or psutil.Process()
    total = 0.0
    for process in (ours, *ours.children(recursive=True)):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def peak_memory_mb() -> Iterator[Callable[[], float]]:
    """Yields what tells the peak of this process's resident memory since then, in MB (10^6 bytes)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets the peak to what is resident now

    def peak() -> float:
        status = Path("/proc/self/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6

    yield peak
