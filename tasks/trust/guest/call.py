"""Calling one test as pytest does: with its parameters, its fixtures, and what ends them."""

from __future__ import annotations

import functools
import inspect
import pathlib
import tempfile
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Call = Callable[[], None]


class Unsupported(Exception):
    """The test module uses what this runner does not know."""


def is_fixture(value: object) -> bool:
    return type(value).__name__ == "FixtureFunctionDefinition" and hasattr(value, "_fixture_function_marker")


def function_call(
    function: types.FunctionType,
    arguments: Mapping[str, Any],
    fixtures: Mapping[str, Any],
    autouse: Sequence[str],
    kind: type | None = None,
) -> Call:
    """What runs the test once. `kind` is the class that it is a method of; `fixtures` are those in its reach."""

    def call() -> None:
        endings: list[Callable[[], object]] = []
        made: dict[str, Any] = {}
        instance = kind() if kind is not None else None

        def value_of(name: str) -> Any:
            if name not in made:
                made[name] = _make(name, fixtures, value_of, endings, instance)
            return made[name]

        try:
            for name in autouse:
                value_of(name)
            _set_up(instance, "setup_method", function)
            wanted = _wanted(function)[instance is not None :]
            given = {name: arguments[name] if name in arguments else value_of(name) for name in wanted}
            result = function(instance, **given) if instance is not None else function(**given)
            if inspect.isawaitable(result):
                raise Unsupported("an awaitable test")
        finally:
            _set_up(instance, "teardown_method", function)
            for ending in reversed(endings):
                ending()

    return call


def _wanted(function: types.FunctionType) -> Sequence[str]:
    """The parameters without a default."""
    code = function.__code__
    if hasattr(function, "__wrapped__") or code.co_kwonlyargcount:
        star = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is inspect.Parameter.empty and parameter.kind not in star
        ]
    return code.co_varnames[: code.co_argcount - len(function.__defaults__ or ())]


def _set_up(instance: object, name: str, function: types.FunctionType) -> None:
    method = getattr(instance, name, None)
    if method is not None:
        method(function) if inspect.signature(method).parameters else method()


def _make(
    name: str,
    fixtures: Mapping[str, Any],
    value_of: Callable[[str], Any],
    endings: list[Callable[[], object]],
    instance: object,
) -> Any:
    """The value of a fixture; what ends it goes to `endings`."""
    if name == "tmp_path":
        return pathlib.Path(tempfile.mkdtemp(dir="."))
    if name == "monkeypatch":
        import pytest  # noqa: PLC0415  # dear, and few tests need it

        patch = pytest.MonkeyPatch()
        endings.append(patch.undo)
        return patch
    if name not in fixtures:
        raise Unsupported(f"the fixture {name}")
    fixture = fixtures[name]
    if fixture._fixture_function_marker.params is not None:
        raise Unsupported("a parametrized fixture")
    function = fixture._get_wrapped_function()
    given = {}
    for number, parameter in enumerate(inspect.signature(function).parameters):
        given[parameter] = instance if number == 0 and parameter == "self" else value_of(parameter)
    if inspect.isgeneratorfunction(function):
        generator = function(**given)
        endings.append(functools.partial(next, generator, None))
        return next(generator)
    return function(**given)
