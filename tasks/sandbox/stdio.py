"""Judging a program by what it prints. The comparison happens here, where the program cannot reach it."""

from __future__ import annotations

from .conclude import early_end, printable
from .slot import Run
from .types import VerdictKind

_SHOWN_CHARACTERS = 200


def normalized(text: str) -> list[str]:
    """Lines without trailing white space, and without empty lines at the end."""
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _difference(expected: list[str], got: list[str]) -> str:
    for number, (want, have) in enumerate(zip(expected, got, strict=False), 1):
        if want != have:
            return f"line {number}: expected {want[:_SHOWN_CHARACTERS]!r}, got {have[:_SHOWN_CHARACTERS]!r}"
    return f"expected {len(expected)} lines, got {len(got)}"


def conclude_case(run: Run, expected: str | None, memory_mb: int) -> tuple[VerdictKind, str, str]:
    """Kind, message and the printed text of one case. `expected` None: exit status 0 is enough."""
    output = run.stdout.decode("utf-8", "replace")
    early = early_end(run, memory_mb)
    if early is not None:
        return early.kind, early.message, output
    if run.status != 0:
        said = printable(run.stderr.decode("utf-8", "replace")[-2000:])
        memory = "MemoryError" in said.rpartition("\n")[2]
        kind = VerdictKind.MEMORY_EXCEEDED if memory else VerdictKind.ERROR
        return kind, printable(f"exit status {run.status}\n{said}"), output
    if expected is None:
        return VerdictKind.PASSED, "", output
    want, have = normalized(expected), normalized(output)
    if want != have:
        return VerdictKind.FAILED, printable(_difference(want, have)), output
    return VerdictKind.PASSED, "", output
