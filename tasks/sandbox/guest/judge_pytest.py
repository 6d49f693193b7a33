"""Runs solution.py against test_solution.py under pytest, with the session built before the fork.

pytest collects, parametrizes, sets up and tears down as always; what it says about a test is believed only together
with what this module saw for itself when the test function was called.
"""

# Plain os calls: little is imported, and /tmp in here is not the host's.
# ruff: noqa: PTH119

from __future__ import annotations

import dataclasses
import inspect
import linecache
import os
import sys
import types
from collections.abc import Generator
from pathlib import Path
from typing import Any

import _pytest.config
import pytest
from _pytest._code.code import ExceptionInfo, TerminalRepr
from _pytest._io import TerminalWriter
from _pytest.assertion import rewrite
from _pytest.capture import DontReadFromInput
from _pytest.main import Session

from . import statics
from .coverage_scope import CoverageScope
from .integrity import Integrity, always_equal
from .report import Emit

TEST_FILE = "test_solution.py"
SOLUTION_FILE = "solution.py"
_ORIGINAL_REWRITE = rewrite._rewrite_test
_MESSAGE_CHARACTERS = 2000
_ID_CHARACTERS = 500
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
        """Emits: expected tests, coverable lines, collected tests, one record a test, executed lines, end."""
        solution = job.pop("solution").encode("utf-8", "surrogatepass")
        test = job.pop("test").encode("utf-8", "surrogatepass")
        if job["star_import"]:
            test = b"from solution import *\n\n" + test
        Path(self.solution_path).write_bytes(solution)
        Path(self.test_path).write_bytes(test)
        emit("expected", *_parsed(statics.expected_tests, test))
        doubt = "".join(_parsed(statics.suspicious, solution)) if b"mock" in solution else ""
        del solution, test
        if job["coverage"]:
            emit("coverable", *_parsed(self.scope.coverable, self.solution_path))
            self.scope.arm()
        self.watcher.begin(emit)
        sys.stdin = DontReadFromInput()
        try:
            self.session.perform_collect()
            emit("collected", *[item.nodeid[:_ID_CHARACTERS] for item in self.session.items])
            items = self.session.items
            for index, item in enumerate(items):
                following = items[index + 1] if index + 1 < len(items) else None
                self.watcher.index = index
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        except (KeyboardInterrupt, SystemExit, pytest.exit.Exception) as stop:
            emit("stopped", f"{type(stop).__name__}: {stop}"[:_MESSAGE_CHARACTERS])
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
        emit("end")


def _parsed(function: Any, argument: Any) -> list[str]:
    """What `function` finds in a source; nothing where the source does not parse (importing it will say so)."""
    try:
        return list(function(argument))
    except (SyntaxError, ValueError, RecursionError, MemoryError, pytest.UsageError):
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


def _functions_of(module: types.CodeType) -> list[types.CodeType]:
    """Code of the functions at a module's top level, in its classes, and nested in either."""
    found: list[types.CodeType] = []
    waiting = [module]
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, types.CodeType):
                found.append(constant)
                waiting.append(constant)
    return found


class Watcher:
    """pytest plugin: reports each test, and keeps evidence of its own that the test function was really called."""

    def __init__(self, scope: CoverageScope, integrity: Integrity) -> None:
        self.scope = scope
        self.integrity = integrity
        self.own_code: set[types.CodeType] = set()
        self.altered = False
        self.index = 0
        self.emit: Emit | None = None
        self.outcome = ""
        self.message = ""
        self.duration = 0.0
        self.seen = ""

    def begin(self, emit: Emit) -> None:
        self.emit = emit

        def rewrite_then_trace(fn: Path, config: Any) -> tuple[Any, types.CodeType]:
            result = _ORIGINAL_REWRITE(fn, config)
            if fn.name == TEST_FILE:
                self.own_code.update(_functions_of(result[1]))
                os.truncate(fn, 0)  # what the tests expect is not for the solution to read
            self.scope.start()  # the caller's next step is to execute the module
            return result

        rewrite._rewrite_test = rewrite_then_trace

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, Any]:
        try:
            return (yield)
        finally:
            self.scope.stop()

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and self.emit is not None:
            text = str(report.longrepr)[-_MESSAGE_CHARACTERS:]
            self.emit("uncollectable", report.nodeid[:_ID_CHARACTERS], text)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        self.scope.start()
        try:
            return (yield)
        finally:
            self.scope.stop()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: Any) -> Generator[None, Any, Any]:
        self.scope.start()
        try:
            return (yield)
        finally:
            self.scope.stop()

    def look(self) -> None:
        """Between tests, when what tests patch for themselves is undone again."""
        if not self.altered and self.emit is not None:
            changed = self.integrity.changed()
            if changed:
                self.altered = True
                self.emit("altered", changed)

    def _whose(self, function: Any) -> str:
        """Whether the function is the file's own code, as compiled before anything judged ran."""
        code = getattr(getattr(function, "__func__", function), "__code__", None)
        return "returned" if isinstance(code, types.CodeType) and code in self.own_code else "returned, other code"

    @pytest.hookimpl(tryfirst=True)
    def pytest_pyfunc_call(self, pyfuncitem: Any) -> object:
        """Calls the test in pytest's place, so that nothing stands between the call and its witness."""
        function = pyfuncitem.obj
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            return None  # pytest's own implementation fails it
        arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
        whose = self._whose(function)
        self.seen = "raised"
        self.scope.start()
        try:
            result = function(**arguments)
        finally:
            self.scope.stop()
        if inspect.isawaitable(result) or inspect.isasyncgen(result):
            pytest.fail("the test returned something to be awaited, which nothing awaits")
        self.seen = whose
        return True

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self, item: Any) -> Generator[None, Any, Any]:
        if not isinstance(item, pytest.Function) or not hasattr(item, "_testcase"):
            return (yield)
        # unittest's own runner catches what a test raises; it is left on the item.
        whose = self._whose(item.obj)
        self.scope.start()
        try:
            result = yield
        finally:
            self.scope.stop()
        self.seen = "raised" if getattr(item, "_excinfo", None) else whose
        return result

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        self.outcome = self.message = self.seen = ""
        self.duration = 0.0
        self.look()

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.duration += report.duration
        if report.outcome != "passed" and self.outcome not in {"failed", "error"}:
            if report.outcome == "skipped":
                self.outcome = "skipped"
            else:
                self.outcome = "failed" if report.when == "call" else "error"
            self.message = _describe(report)
        elif report.when == "call" and not self.outcome:
            self.outcome = "passed"
        if report.when == "teardown" and self.emit is not None:
            outcome = self.outcome or "error"
            self.emit("test", str(self.index), outcome, self.seen, f"{self.duration:.6f}", self.message)


def _describe(report: Any) -> str:
    """File, line and message of a failure, or the reason of a skip."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    return str(text)[:_MESSAGE_CHARACTERS]

