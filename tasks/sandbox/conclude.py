"""From what was seen of a pytest trial to its verdict. Nothing the judged program says can make it `passed` alone:
every expected test must be there, called, returned and reported, and the report must run without a gap to its end."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field

from .slot import DONE, Run
from .types import VerdictKind

_MESSAGE_CHARACTERS = 2000
_SAID_CHARACTERS = 1500
_MEMORY_WORDS = ("MemoryError", "std::bad_alloc", "Cannot allocate memory", "Unable to allocate")


@dataclass(slots=True)
class Conclusion:
    kind: VerdictKind
    message: str = ""
    tests: dict[str, str] = field(default_factory=dict)
    coverage: float | None = None
    apart: bool = False


@dataclass(slots=True)
class _Transcript:
    """The records of a pytest trial, sorted by what they say; `fault` names the first that has no business there."""

    expected: list[str] = field(default_factory=list)
    coverable: list[str] = field(default_factory=list)
    collected: list[str] | None = None
    errors: list[str] = field(default_factory=list)
    outcomes: list[tuple[str, str, str]] = field(default_factory=list)  # outcome, seen, message
    executed: list[str] | None = None
    stopped: str | None = None
    altered: str = ""
    apart: bool = False
    ended: bool = False
    fault: str = ""


def printable(text: str, limit: int = _MESSAGE_CHARACTERS) -> str:
    """Without control characters, which a terminal would obey; at most `limit` characters."""
    cleaned = "".join(c if c.isprintable() or c == "\n" else " " if c == "\t" else "\ufffd" for c in text[: 2 * limit])
    return cleaned.strip()[:limit]


def _read(records: list[list[str]]) -> _Transcript:  # noqa: PLR0912 - one branch a kind of record
    seen = _Transcript()
    for position, (what, *rest) in enumerate(records):
        if seen.ended:
            seen.fault = "the report goes on after its end"
        elif what == "ready" and position == 0:
            continue
        elif what == "expected" and position == 1:
            seen.expected = rest
        elif what == "coverable" and position == 2:
            seen.coverable = rest
        elif what == "uncollectable" and len(rest) == 2:
            seen.errors.append(rest[1])
        elif what == "collected" and seen.collected is None:
            seen.collected = rest
        elif what == "test" and len(rest) == 5 and seen.collected is not None and rest[0] == str(len(seen.outcomes)):
            seen.outcomes.append((rest[1], rest[2], rest[4]))
        elif what == "stopped" and seen.stopped is None:
            seen.stopped = rest[0] if rest else ""
        elif what == "altered" and len(rest) == 1:
            seen.altered = seen.altered or rest[0]
        elif what == "apart" and len(rest) == 1 and not seen.apart:
            seen.apart = not rest[0]
        elif what == "executed" and seen.executed is None:
            seen.executed = rest
        elif what == "end" and not rest:
            seen.ended = True
        else:
            seen.fault = f"the report holds a record out of place ({what[:40]!r})"
        if seen.fault:
            break
    return seen


def coverage_percent(coverable: list[str], executed: list[str] | None) -> float | None:
    """Whole percent as coverage.py's terminal report prints it: 0 and 100 only when exact. None if never measured."""
    if not executed or executed[0] != "measured":
        return None
    statements: set[int] = set()
    first_line: dict[int, int] = {}
    for entry in coverable:
        line, equals, first = entry.partition("=")
        if equals:
            first_line[int(line)] = int(first)
        else:
            statements.add(int(line))
    if not statements:
        return 100.0
    ran = {int(line) for line in executed[1:] if line.isascii() and line.isdigit()}
    covered = len({first_line.get(line, line) for line in ran} & statements)
    percent = 100.0 * covered / len(statements)
    if 0 < percent < 1:
        return 1.0
    if 99 < percent < 100:
        return 99.0
    return float(round(percent))


def _name(nodeid: str) -> str:
    """`test_solution.py::TestA::test_b[1]` -> `TestA::test_b`."""
    return nodeid.partition("::")[2].partition("[")[0]


def early_end(run: Run, memory_mb: int) -> Conclusion | None:  # noqa: PLR0911 - one a way to end
    """The verdict on a process that was stopped or died before it was done; None if it got to its end."""
    said = printable(run.stderr.decode("utf-8", "replace")[-_SAID_CHARACTERS:])
    if run.output_exceeded:
        return Conclusion(VerdictKind.OUTPUT_EXCEEDED, "the program wrote more than the output limit allows")
    if run.ended == "timeout":
        return Conclusion(VerdictKind.TIMED_OUT, "the program did not end in time")
    if run.ended == "disk":
        return Conclusion(VerdictKind.OUTPUT_EXCEEDED, "the program wrote more files than the disk limit allows")
    if run.ended != "exit":
        return Conclusion(VerdictKind.INFRASTRUCTURE, f"the trial was ended from outside ({run.ended})")
    if run.status < 0:
        number = -run.status
        name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
        if number == signal.SIGXCPU:
            return Conclusion(VerdictKind.TIMED_OUT, "the program used up its processor time")
        starved = _starved(run, memory_mb) or any(word in said for word in _MEMORY_WORDS)
        if number in {signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS} and starved:
            return Conclusion(VerdictKind.MEMORY_EXCEEDED, f"the program was ended by {name} at its memory limit")
        return Conclusion(VerdictKind.CRASHED, printable(f"the program was ended by {name}\n{said}"))
    return None


def killed_from_outside(run: Run, memory_mb: int) -> bool:
    """Whether it may have been: a program that is within its limits seldom kills itself, but a host that runs out of
    memory kills whatever is there, which says nothing about the program."""
    return run.ended == "exit" and run.status == -signal.SIGKILL and not _starved(run, memory_mb)


def _starved(run: Run, memory_mb: int) -> bool:
    return run.peak_memory_mb > 0.9 * memory_mb


def conclude_pytest(run: Run, memory_mb: int) -> Conclusion:
    """The verdict on one pytest trial."""
    seen = _read(run.records)
    tests = _outcomes(seen)
    conclusion = early_end(run, memory_mb) or _judge(run, seen)
    conclusion.tests = tests
    if seen.ended and not seen.fault:
        conclusion.coverage = coverage_percent(seen.coverable, seen.executed)
        conclusion.apart = seen.apart and not run.violation
    if conclusion.kind in {VerdictKind.FAILED, VerdictKind.ERROR} and any(
        word in conclusion.message for word in _MEMORY_WORDS
    ):
        conclusion.kind = VerdictKind.MEMORY_EXCEEDED
    return conclusion


def _outcomes(seen: _Transcript) -> dict[str, str]:
    names = seen.collected or []
    tests: dict[str, str] = {}
    for name, (outcome, _, _) in zip(names, seen.outcomes, strict=False):
        known = outcome if outcome in {"passed", "failed", "skipped"} else "error"
        key = printable(name, 500)
        # One name twice (a class collected under two names): the worse outcome stays.
        tests[key] = known if tests.get(key, "passed") == "passed" else tests[key]
    return tests


def _judge(run: Run, seen: _Transcript) -> Conclusion:  # noqa: PLR0911 - one a rule
    """The process got to an end of its own: does its report hold?"""
    if run.violation or seen.fault:
        return Conclusion(VerdictKind.TAMPERED, run.violation or seen.fault)
    if not seen.ended or run.status != DONE:
        if run.status == DONE:
            return Conclusion(VerdictKind.TAMPERED, "the program left with the runner's own exit status")
        said = printable(run.stderr.decode("utf-8", "replace")[-_SAID_CHARACTERS:])
        text = f"the program ended the process before the tests were over (exit status {run.status})"
        if any(word in said for word in _MEMORY_WORDS):
            return Conclusion(VerdictKind.MEMORY_EXCEEDED, printable(f"{text}\n{said}"))
        return Conclusion(VerdictKind.CRASHED, printable(f"{text}\n{said}"))
    if seen.errors:
        return Conclusion(VerdictKind.ERROR, printable(seen.errors[0]))
    if seen.stopped is not None:
        kind = VerdictKind.ERROR if seen.collected is None else VerdictKind.FAILED
        return Conclusion(kind, printable(f"the run was stopped by {seen.stopped}"))
    return _judge_tests(seen)


def _judge_tests(seen: _Transcript) -> Conclusion:  # noqa: PLR0911 - one a rule
    collected = seen.collected or []
    bad = [(name, o) for name, o in zip(collected, seen.outcomes, strict=False) if o[0] != "passed"]
    for name, (outcome, _, message) in bad:
        if outcome != "skipped":
            return Conclusion(VerdictKind.FAILED, printable(f"{name.partition('::')[2]}: {message}"))
    if len(seen.outcomes) != len(collected):
        return Conclusion(VerdictKind.TAMPERED, "a collected test was not reported")
    missing = {entry[1:] for entry in seen.expected} - {_name(nodeid) for nodeid in collected}
    if missing:
        return Conclusion(VerdictKind.TAMPERED, printable(f"{min(missing)} is defined but was not collected"))
    if not collected:
        return Conclusion(VerdictKind.NO_TESTS, "the file defines no test")
    if bad:
        name, (_, _, message) = bad[0]
        return Conclusion(VerdictKind.FAILED, printable(f"{name.partition('::')[2]} was skipped: {message}"))
    if seen.altered:
        return Conclusion(VerdictKind.TAMPERED, printable(f"what tests rest on was altered ({seen.altered})"))
    own_code = {entry[1:] for entry in seen.expected if entry.startswith("=")}
    for name, (_, called, _) in zip(collected, seen.outcomes, strict=True):
        if not called.startswith("returned"):
            return Conclusion(VerdictKind.TAMPERED, printable(f"{name} is reported as passed but did not return"))
        if called != "returned" and _name(name) in own_code:
            return Conclusion(VerdictKind.TAMPERED, printable(f"{name} was replaced before it was called"))
    return Conclusion(VerdictKind.PASSED)
