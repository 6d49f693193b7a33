"""The witness: runs each test, reports it, and keeps evidence of its own that the test function was really called."""

from __future__ import annotations

import inspect
import time
import types
import unittest
from collections.abc import Generator
from typing import Any

import pytest
from _pytest._code.code import ExceptionInfo

from .coverage_scope import CoverageScope
from .integrity import Integrity
from .report import Emit

ID_CHARACTERS = 500
MESSAGE_CHARACTERS = 2000
# What pytest's plugins for logging, warnings and capture could make a difference to.
_OBSERVED = (b"logging", b"warn", b"caplog", b"capsys", b"capfd")
_CONTROL = (KeyboardInterrupt, pytest.exit.Exception)
_SKIPS = (pytest.skip.Exception, pytest.xfail.Exception, unittest.SkipTest)


def nested_code(module: types.CodeType) -> set[types.CodeType]:
    """Code of the functions at a module's top level, in its classes, and nested in either."""
    found: set[types.CodeType] = set()
    waiting = [module]
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, types.CodeType):
                found.add(constant)
                waiting.append(constant)
    return found


def _is_of_a_plugin(module: str) -> bool:
    """Whether a fixture's module is a plugin of pytest. Parameters and xunit-style set-up are fixtures of its core."""
    return module.startswith("_pytest.") and module != "_pytest.python"


class Watcher:
    """pytest plugin, and the loop over the collected tests."""

    def __init__(self, scope: CoverageScope, integrity: Integrity) -> None:
        self.scope = scope
        self.integrity = integrity
        self.own_code: set[types.CodeType] = set()
        self.altered = False
        self.observed = True
        self.index = 0
        self.emit: Emit | None = None
        self.outcome = ""
        self.message = ""
        self.duration = 0.0
        self.seen = ""

    def begin(self, emit: Emit, own_code: set[types.CodeType], *sources: bytes) -> None:
        """Reports to `emit` from here on; `own_code` is that of the test file's functions."""
        self.emit = emit
        self.own_code = own_code
        self.observed = any(word in source for source in sources for word in _OBSERVED)

    def run(self, items: list[pytest.Item]) -> None:
        """Runs the tests in order. Raises what stops a pytest session."""
        for index, item in enumerate(items):
            following = items[index + 1] if index + 1 < len(items) else None
            self.index = index
            if isinstance(item, pytest.Function) and self._is_plain(item):
                self._run_plain(item, following)
            else:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)

    def _is_plain(self, item: pytest.Function) -> bool:
        """Whether none of pytest's plugins has anything to do with this test: a function without marks (but for its
        parameters) and without pytest's own fixtures, beside sources that neither warn, log nor look at output."""
        return (
            type(item) is pytest.Function
            and not self.observed
            and all(mark.name == "parametrize" for mark in item.iter_markers())
            and not any(
                _is_of_a_plugin(definition.func.__module__)
                for definitions in item._fixtureinfo.name2fixturedefs.values()
                for definition in definitions
            )
            and not inspect.iscoroutinefunction(item.obj)
            and not inspect.isasyncgenfunction(item.obj)
        )

    def _run_plain(self, item: pytest.Function, following: pytest.Item | None) -> None:
        """Set-up, call and teardown as pytest's runner does them, without the hooks that no plugin would use."""
        self.pytest_runtest_logstart(item.nodeid, None)
        started = time.perf_counter()
        state = item.session._setupstate
        self.outcome = "passed"
        if self._step(item, "error", lambda: state.setup(item)):
            self._step(item, "failed", lambda: self.pytest_pyfunc_call(item))
        self.scope.start()
        self._step(item, "error", lambda: state.teardown_exact(following))
        self.scope.stop()
        item._request = False  # type: ignore[assignment]
        item.funcargs = None  # type: ignore[assignment]
        self.duration = time.perf_counter() - started
        self._report()

    def _step(self, item: pytest.Function, failing: str, action: Any) -> bool:
        try:
            action()
        except _CONTROL:
            raise
        except BaseException as error:  # noqa: BLE001 - judged code may raise anything; so does pytest's runner
            if self.outcome == "passed":
                excinfo = ExceptionInfo.from_exception(error)
                skipped = isinstance(error, _SKIPS)
                self.outcome = "skipped" if skipped else failing
                self.message = str(error if skipped else item.repr_failure(excinfo))[:MESSAGE_CHARACTERS]
            return False
        return True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, Any]:
        try:
            return (yield)
        finally:
            self.scope.stop()

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed and self.emit is not None:
            text = str(report.longrepr)[-MESSAGE_CHARACTERS:]
            self.emit("uncollectable", report.nodeid[:ID_CHARACTERS], text)

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
        if report.when == "teardown":
            self._report()

    def _report(self) -> None:
        if self.emit is not None:
            outcome = self.outcome or "error"
            self.emit("test", str(self.index), outcome, self.seen, f"{self.duration:.6f}", self.message)


def _describe(report: Any) -> str:
    """File, line and message of a failure, or the reason of a skip."""
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    return str(text)[:MESSAGE_CHARACTERS]
