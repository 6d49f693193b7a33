"""Which tests a loaded module holds, in pytest's order: functions, classes, parametrized forms, unittest cases."""

from __future__ import annotations

import inspect
import itertools
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .call import Call, Unsupported, function_call, is_fixture
from .clock import Late

_HOOKS = ("setup_module", "teardown_module", "setUpModule", "tearDownModule", "pytest_generate_tests", "load_tests")
_CLASS_HOOKS = ("setup_class", "teardown_class", "setup", "teardown")
Test = tuple[str, Call]


def collect(module: types.ModuleType) -> list[Test]:
    """(name, call) of every test. Raises Unsupported where some would be missing or others than pytest's."""
    space = dict(vars(module))
    for name in _HOOKS:
        if name in space:
            raise Unsupported(name)
    if space.get("pytestmark"):
        raise Unsupported("pytestmark")
    fixtures = {name: value for name, value in space.items() if is_fixture(value)}
    autouse = [name for name, value in fixtures.items() if value._fixture_function_marker.autouse]
    found: list[Test] = []
    for name, value in space.items():
        if isinstance(value, type):
            if _is_testcase(value):
                found += [(f"{name}.{method}", _unittest_call(value, method)) for method in _testcase_names(value)]
            elif name.startswith("Test") and "__init__" not in vars(value) and getattr(value, "__test__", True):
                found += _class_tests(name, value, fixtures, autouse)
        elif name.startswith("test") and isinstance(value, types.FunctionType) and getattr(value, "__test__", True):
            for label, arguments in _cases(name, value):
                found.append((label, function_call(value, arguments, fixtures, autouse)))
        elif name.startswith("test") and callable(value) and not is_fixture(value):
            raise Unsupported(f"{name} is a {type(value).__name__}")
    return found


def _is_testcase(kind: type) -> bool:
    unittest = sys.modules.get("unittest")
    return unittest is not None and issubclass(kind, unittest.TestCase) and kind is not unittest.TestCase


def _testcase_names(kind: type) -> Sequence[str]:
    names: Sequence[str] = sys.modules["unittest"].TestLoader().getTestCaseNames(kind)
    return names


def _unittest_call(kind: type, method: str) -> Call:
    unittest: Any = sys.modules["unittest"]

    def call() -> None:
        if inspect.iscoroutinefunction(getattr(kind, method)):
            raise Unsupported("an asynchronous test")
        result = unittest.TestResult()
        unittest.TestSuite([kind(method)]).run(result)
        for _, text in result.errors + result.failures:
            if "Late" in text.rpartition("\n")[0].splitlines()[-1]:
                raise Late()
        if result.skipped or result.expectedFailures or result.unexpectedSuccesses:
            raise Unsupported("skips and expected failures")
        if not result.wasSuccessful() or result.testsRun != 1:
            raise AssertionError("the TestCase failed")

    return call


def _class_tests(name: str, kind: type, fixtures: Mapping[str, Any], autouse: Sequence[str]) -> Iterator[Test]:
    members: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        members.update(vars(base))
    for other in _CLASS_HOOKS:
        if other in members:
            raise Unsupported(other)
    if members.get("pytestmark"):
        raise Unsupported("pytestmark")
    own = {attribute: value for attribute, value in members.items() if is_fixture(value)}
    automatic = [*autouse, *(attribute for attribute, value in own.items() if value._fixture_function_marker.autouse)]
    for attribute, value in members.items():
        if not attribute.startswith("test"):
            continue
        if isinstance(value, staticmethod | classmethod):
            raise Unsupported("static and class methods as tests")
        if isinstance(value, types.FunctionType):
            for label, arguments in _cases(f"{name}.{attribute}", value):
                yield label, function_call(value, arguments, {**fixtures, **own}, automatic, kind)


def _cases(name: str, function: types.FunctionType) -> list[tuple[str, dict[str, Any]]]:
    """The parametrized forms of a test: (name, arguments)."""
    if function.__code__.co_flags & (inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR):
        raise Unsupported("an asynchronous or generator test")
    sets = []
    for mark in reversed(getattr(function, "pytestmark", [])):
        if mark.name != "parametrize":
            if mark.name in ("skip", "skipif", "xfail", "usefixtures"):
                raise Unsupported(f"the mark {mark.name}")
            continue
        if mark.kwargs.get("indirect"):
            raise Unsupported("indirect parameters")
        names = mark.args[0] if mark.args else mark.kwargs["argnames"]
        values = mark.args[1] if len(mark.args) > 1 else mark.kwargs["argvalues"]
        names = [part.strip() for part in names.split(",") if part.strip()] if isinstance(names, str) else list(names)
        sets.append([dict(zip(names, _parameters(value, len(names)), strict=True)) for value in values])
    if not sets:
        return [(name, {})]
    joined = []
    for number, combination in enumerate(itertools.product(*sets)):
        arguments: dict[str, Any] = {}
        for part in combination:
            arguments.update(part)
        joined.append((f"{name}[{number}]", arguments))
    return joined


def _parameters(value: Any, count: int) -> Sequence[Any]:
    """One set of values as a sequence of `count`."""
    if type(value).__name__ == "ParameterSet":
        if value.marks:
            raise Unsupported("marks on parameters")
        return value.values  # type: ignore[no-any-return]
    return (value,) if count == 1 else value
