"""Runs solution.py against test_solution.py under pytest, with the session built before the fork.

pytest collects, parametrizes, sets up and tears down as always; what it says about a test is believed only together
with what this module saw for itself when the test function was called.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import linecache
import os
import sys
import types
from pathlib import Path
from typing import Any

import _pytest.config
import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.assertion import rewrite
from _pytest.capture import DontReadFromInput
from _pytest.main import Session

from . import asserts, statics
from .apart import Elsewhere
from .coverage_scope import CoverageScope
from .integrity import Integrity, always_equal
from .report import APART_FD, Emit
from .watcher import ID_CHARACTERS, MESSAGE_CHARACTERS, Watcher, nested_code

TEST_FILE = "test_solution.py"
SOLUTION_FILE = "solution.py"
_ORIGINAL_REWRITE = rewrite._rewrite_test
_PARSER_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError, pytest.UsageError)
# Left out: plugins that print, write reports, keep caches or call the garbage collector after each test. None of them
# changes an outcome.
_WITHOUT = (
    "cacheprovider", "doctest", "faulthandler", "junitxml", "pastebin", "setuponly", "setupplan", "stepwise",
    "terminal", "threadexception", "unraisableexception",
)  # fmt: skip


class PytestJudge:
    """A configured pytest session waiting for its files."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.test_path = f"{folder}/{TEST_FILE}"
        self.solution_path = f"{folder}/{SOLUTION_FILE}"
        self.scope = CoverageScope(self.solution_path)
        setattr(builtins, asserts.EXPLAIN, asserts.explain)
        self.integrity = Integrity()
        self.watcher = Watcher(self.scope, self.integrity)
        arguments = [
            "--rootdir", folder, "--confcutdir", folder, "-c", os.devnull, "--noconftest",
            "--capture=no", "--continue-on-collection-errors", self.test_path,
        ]  # fmt: skip
        for name in _WITHOUT:
            arguments[:0] = ["-p", f"no:{name}"]
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        self.config = _pytest.config._prepareconfig(arguments, [self.watcher])
        ExceptionInfo.getrepr = _brief  # type: ignore[method-assign,assignment]
        self.config._do_configure()
        self.session = Session.from_config(self.config)
        self.config.hook.pytest_sessionstart(session=self.session)
        del os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"]

    def dismantle(self) -> None:
        """Takes back what building and running left in this process; for a judge that has served as a rehearsal."""
        self.config._ensure_unconfigure()
        self.scope.close()
        rewrite._rewrite_test = _ORIGINAL_REWRITE
        for name in (Path(TEST_FILE).stem, Path(SOLUTION_FILE).stem):
            sys.modules.pop(name, None)
        sys.path[:] = [entry for entry in sys.path if entry != self.folder]
        sys.path_importer_cache.pop(self.folder, None)
        linecache.clearcache()

    def run(self, job: dict[str, Any], emit: Emit) -> None:
        """Emits: expected tests, coverable lines, collected tests, one record a test, executed lines, end; where the
        solution is in another process, also why that proves nothing, if so."""
        solution = job.pop("solution").encode("utf-8", "surrogatepass")
        test = job.pop("test").encode("utf-8", "surrogatepass")
        if job["star_import"]:
            test = b"from solution import *\n\n" + test
        Path(self.solution_path).write_bytes(solution)
        compiled = self._compile(test, job["again"], emit)
        # What the tests expect is not for the solution to read. A file that does not compile, pytest shall see itself.
        Path(self.test_path).write_bytes(b"" if compiled else test)
        doubt = "".join(_parsed(statics.suspicious, solution)) if b"mock" in solution else ""
        if job["again"]:
            doubt = doubt or "".join(_parsed(statics.reaching, solution))
        if job["coverage"]:
            emit("coverable", *_parsed(self.scope.coverable, self.solution_path))
            self.scope.arm()
        elsewhere = Elsewhere(APART_FD) if job["apart"] else None
        if elsewhere is not None:
            elsewhere.install(solution, _tree(test), self.solution_path)
            if elsewhere.doubt:
                emit("apart", elsewhere.doubt)
                return
        self.watcher.begin(emit, nested_code(compiled) if compiled else set(), solution, test)
        self.watcher.observed |= job["again"]
        rewrite._rewrite_test = self._rewriting(compiled)
        del solution, test, compiled
        sys.stdin = DontReadFromInput()
        try:
            self.session.perform_collect()
            if job["again"]:
                self.session.items.reverse()
            emit("collected", *[item.nodeid[:ID_CHARACTERS] for item in self.session.items])
            self.watcher.run(self.session.items)
        except (KeyboardInterrupt, SystemExit, pytest.exit.Exception) as stop:
            emit("stopped", f"{type(stop).__name__}: {stop}"[:MESSAGE_CHARACTERS])
        self.scope.stop()
        self.watcher.look()
        liar = always_equal(self.solution_path)
        if liar:
            emit("altered", f"class {liar} of the solution equals everything")
        if doubt:
            emit("altered", f"the solution uses {doubt}")
        if job["coverage"]:
            emit("executed", *self.scope.executed())
        _flush()
        if elsewhere is not None:
            emit("apart", elsewhere.doubt)
        emit("end")

    def _compile(self, test: bytes, again: bool, emit: Emit) -> types.CodeType | None:
        """The test file's code, before any judged code runs; None where it has a fault for pytest to tell. `again`: as
        pytest itself would compile it."""
        try:
            tree = ast.parse(test, self.test_path)
            expected = statics.expected_tests(tree)
            if again:
                rewrite.rewrite_asserts(tree, test, self.test_path, self.config)
                compiled = compile(tree, self.test_path, "exec", dont_inherit=True)
            else:
                compiled = asserts.compile_test(tree, test, self.test_path)
        except _PARSER_ERRORS:
            emit("expected")
            return None
        emit("expected", *expected)
        return compiled

    def _rewriting(self, compiled: types.CodeType | None) -> Any:
        """What pytest's import hook calls to read and compile a test file."""
        path, scope = self.test_path, self.scope

        def rewrite_then_trace(fn: Path, config: Any) -> tuple[os.stat_result, types.CodeType]:
            code = compiled if compiled is not None and str(fn) == path else _ORIGINAL_REWRITE(fn, config)[1]
            scope.start()  # the caller's next step is to execute the module
            return fn.stat(), code

        return rewrite_then_trace


def _tree(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except _PARSER_ERRORS:
        return None


def _parsed(function: Any, argument: Any) -> list[str]:
    """What `function` finds in a source; nothing where the source does not parse (importing it will say so)."""
    try:
        return list(function(argument))
    except _PARSER_ERRORS:
        return []


@dataclasses.dataclass
class _Brief(TerminalRepr):
    """A failure as its message and the last line of judged code that it passed through."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}{self.message}"

    def toterminal(self, tw: TerminalWriter) -> None:
        tw.line(str(self))


def _brief(excinfo: ExceptionInfo[BaseException], *_: object, **__: object) -> _Brief:
    """Stands in for pytest's own rendering, which reads sources and calls repr at twenty times the cost of a test."""
    place, trace = "", excinfo.tb
    while trace is not None:
        name = os.path.basename(trace.tb_frame.f_code.co_filename)
        if name in {TEST_FILE, SOLUTION_FILE}:
            place = f"{name}:{trace.tb_lineno}: "
        trace = trace.tb_next  # type: ignore[assignment]
    return _Brief(place, excinfo.exconly(tryshort=True))


def _flush() -> None:
    for stream in (sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            continue
