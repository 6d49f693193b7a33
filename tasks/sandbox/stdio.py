"""Judging a program by what it prints. The comparison happens here, where the program cannot reach it."""

from __future__ import annotations

import math

from .conclude import early_end, printable
from .slot import Run
from .types import Job, VerdictKind

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


def _close(expected: str, got: str, tolerance: float) -> bool:
    """Whether two lines hold the same words, numbers among them within `tolerance`, absolutely or relatively."""
    want, have = expected.split(), got.split()
    return len(want) == len(have) and all(_same(a, b, tolerance) for a, b in zip(want, have, strict=True))


def _same(expected: str, got: str, tolerance: float) -> bool:
    if expected == got:
        return True
    if "_" in got:  # float() would take 1_0 for ten
        return False
    try:
        want, have = float(expected), float(got)
    except ValueError:
        return False
    return math.isclose(want, have, rel_tol=tolerance, abs_tol=tolerance)


def _compare(expected: str, got: str, tolerance: float | None) -> str:
    """What differs; empty where nothing that counts does."""
    want, have = normalized(expected), normalized(got)
    if want == have:
        return ""
    if tolerance is not None and len(want) == len(have):
        for number, (line, printed) in enumerate(zip(want, have, strict=True), 1):
            if not _close(line, printed, tolerance):
                return _difference(want[:number], [*want[: number - 1], printed])
        return ""
    return _difference(want, have)


def conclude_case(run: Run, job: Job, number: int, memory_mb: int) -> tuple[VerdictKind, str, str]:
    """Kind, message and the printed text of one case. Where nothing is expected, exit status 0 is enough.

    Raises what the job's own checker raises.
    """
    output = run.stdout.decode("utf-8", "replace")
    early = early_end(run, memory_mb)
    if early is not None:
        return early.kind, early.message, output
    if run.status != 0:
        said = printable(run.stderr.decode("utf-8", "replace")[-2000:])
        memory = "MemoryError" in said.rpartition("\n")[2]
        kind = VerdictKind.MEMORY_EXCEEDED if memory else VerdictKind.ERROR
        return kind, printable(f"exit status {run.status}\n{said}"), output
    if job.checker is not None:
        accepted = job.checker(job.stdin[number], job.stdout[number] if job.stdout else "", output)
        return (VerdictKind.PASSED, "", output) if accepted else (VerdictKind.FAILED, "the checker said no", output)
    if job.stdout is None:
        return VerdictKind.PASSED, "", output
    different = _compare(job.stdout[number], output, job.tolerance)
    return (VerdictKind.FAILED, printable(different), output) if different else (VerdictKind.PASSED, "", output)
