"""The engine of `kodcode check`: judges the rows of a JSONL file or stream without a database.

A row is `{"id", "solution", "test"}` (pytest) or `{"id", "solution", "stdin": [...], "stdout": [...]}` (a program;
with `"tolerance": 1e-6`, numbers may differ by that much).
Results are written in input order, one JSON object a line, as soon as all rows before them are judged.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

from .conclude import printable
from .pool import Sandbox
from .types import Job, Policy, Verdict, VerdictKind

_ID_CHARACTERS = 500


class BadRowError(Exception):
    """A row that cannot be judged; the message says what is wrong with it."""


@dataclass(slots=True)
class CheckSummary:
    """What became of the rows. `ok` is False where a row was bad or could not be judged: the command's exit status."""

    judged: int = 0
    resumed: int = 0
    bad_rows: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)

    @property
    def ok(self) -> bool:
        return not self.bad_rows and not self.verdicts[VerdictKind.INFRASTRUCTURE.value]


def _text(row: dict[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise BadRowError(f"{name!r} is missing" if value is None else f"{name!r} is not a string")
    return value


def _texts(row: dict[str, Any], name: str) -> tuple[str, ...]:
    value = row.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
        raise BadRowError(f"{name!r} is not a list of strings with at least one")
    return tuple(value)


def _tolerance(row: dict[str, Any]) -> float | None:
    value = row.get("tolerance")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
        raise BadRowError("'tolerance' is not a number from 0 to below 1")
    return float(value)


def parse_row(line: bytes, *, coverage: bool = True, star_import: bool = True, confirm: bool = False) -> Job:
    """The job that a line describes. Raises BadRowError."""
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadRowError(f"not a JSON object in UTF-8 ({printable(str(error), 200)})") from error
    if not isinstance(row, dict):
        raise BadRowError("not a JSON object")
    identity = row.get("id")
    if isinstance(identity, int) and not isinstance(identity, bool):
        identity = str(identity)
    if not isinstance(identity, str) or not 0 < len(identity) <= _ID_CHARACTERS:
        raise BadRowError(f"'id' is not a string of 1 to {_ID_CHARACTERS} characters, nor a number")
    solution = _text(row, "solution")
    if "test" in row:
        test = _text(row, "test")
        return Job(identity, solution, test=test, coverage=coverage, star_import=star_import, confirm=confirm)
    if "stdin" not in row:
        raise BadRowError("neither 'test' nor 'stdin' and 'stdout' are there")
    stdin, stdout = _texts(row, "stdin"), _texts(row, "stdout")
    if len(stdin) != len(stdout):
        raise BadRowError(f"{len(stdin)} entries in 'stdin' but {len(stdout)} in 'stdout'")
    tolerance = _tolerance(row)
    return Job(identity, solution, judge="stdio", stdin=stdin, stdout=stdout, tolerance=tolerance, confirm=confirm)


def result_row(verdict: Verdict) -> dict[str, Any]:
    """A verdict as a line of the results."""
    peak = verdict.peak_memory_mb
    return {
        "id": verdict.id,
        "verdict": verdict.kind.value,
        "passed": verdict.passed,
        "coverage": verdict.coverage,
        "tests": verdict.tests,
        "duration_s": round(verdict.duration_s, 4),
        "peak_memory_mb": None if peak is None else round(peak, 1),
        "level": verdict.level.value,
        "environment": verdict.environment,
        "apart": verdict.apart,
        "message": verdict.message,
    }


def _finished_ids(path: Path) -> set[str]:
    """Ids that an earlier run judged. Rewrites its results without what a kill left half written and without rows
    that the infrastructure failed: those are judged again."""
    kept: set[str] = set()
    if not path.exists():
        return kept
    folder = path.absolute().parent
    with ExitStack() as stack:
        old = stack.enter_context(path.open("rb"))
        handle, name = tempfile.mkstemp(prefix=path.name + ".", dir=folder)
        new = stack.enter_context(os.fdopen(handle, "wb"))
        for line in old:
            try:
                row = json.loads(line)
                identity, verdict = row["id"], row["verdict"]
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
            if verdict != VerdictKind.INFRASTRUCTURE.value and line.endswith(b"\n") and isinstance(identity, str):
                kept.add(identity)
                new.write(line)
        Path(name).chmod(path.stat().st_mode & 0o777)
        Path(name).replace(path)
    return kept


def check_rows(
    lines: Iterable[bytes],
    output: TextIO,
    policy: Policy | None = None,
    *,
    coverage: bool = True,
    star_import: bool = True,
    confirm: bool = False,
    finished: set[str] | None = None,
    complain: Callable[[int, str], None] | None = None,
    progress: Callable[[Verdict], None] | None = None,
) -> CheckSummary:
    """Judges a stream of rows and writes their results to `output` in input order.

    Rows whose id is in `finished` are passed over. `complain` is told line number and reason of each bad row,
    `progress` each verdict. Raises SandboxError where nothing can be judged at all.
    """
    summary = CheckSummary()
    seen: dict[str, int] = {}

    def jobs() -> Iterator[Job]:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                job = parse_row(line, coverage=coverage, star_import=star_import, confirm=confirm)
                if job.id in seen:
                    raise BadRowError(f"the id {printable(job.id, 80)!r} is that of line {seen[job.id]} already")
            except BadRowError as error:
                summary.bad_rows += 1
                if complain is not None:
                    complain(number, str(error))
                continue
            seen[job.id] = number
            if finished is not None and job.id in finished:
                summary.resumed += 1
                continue
            yield job

    with Sandbox(policy) as sandbox:
        for verdict in sandbox.run(jobs(), ordered=True):
            summary.judged += 1
            summary.verdicts[verdict.kind.value] += 1
            output.write(json.dumps(result_row(verdict)) + "\n")
            output.flush()
            if progress is not None:
                progress(verdict)
    return summary


def check(
    source: Path | BinaryIO,
    output: Path | TextIO,
    policy: Policy | None = None,
    *,
    coverage: bool = True,
    star_import: bool = True,
    confirm: bool = False,
    resume: bool = False,
    complain: Callable[[int, str], None] | None = None,
    progress: Callable[[Verdict], None] | None = None,
) -> CheckSummary:
    """`check_rows` from a file or binary stream to a file or text stream.

    An output file is written anew, or with `resume` continued: rows that it holds are not judged again. `resume` with
    a stream has nothing to continue and raises ValueError. OSError where a file cannot be read or written.
    """
    if resume and not isinstance(output, Path):
        raise ValueError("resume needs a results file to continue")
    with ExitStack() as stack:
        lines: BinaryIO = stack.enter_context(source.open("rb")) if isinstance(source, Path) else source
        finished: set[str] | None = None
        if isinstance(output, Path):
            finished = _finished_ids(output) if resume else None
            mode: Literal["a", "w"] = "a" if resume else "w"
            stream: TextIO = stack.enter_context(output.open(mode, encoding="utf-8"))
        else:
            stream = output
        return check_rows(
            lines,
            stream,
            policy,
            coverage=coverage,
            star_import=star_import,
            confirm=confirm,
            finished=finished,
            complain=complain,
            progress=progress,
        )
