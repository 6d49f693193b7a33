"""Two-process judging: the solution runs in a process that its tests are not in, and answers calls with plain data.

What tests expect is then nowhere that the solution could look. The side with the tests believes nothing of the other:
each message is checked, and whatever does not fit makes the run inconclusive, which is no pass and no fault.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import socket
import struct
import sys
import types
from typing import Any

from . import separable
from .plain import Exchanged, NotPlainError, Packer, Unpacker

_LENGTH = struct.Struct(">I")
_LARGEST = 64 << 20  # bytes of a message
_CONSTANTS = (type(None), bool, int, float, complex, str, bytes)


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode()
    if len(data) > _LARGEST:
        raise NotPlainError("a value too large to pass")
    channel.sendall(_LENGTH.pack(len(data)) + data)


def _receive(channel: socket.socket) -> dict[str, Any]:
    """Raises NotPlainError, or OSError where the other side is gone."""
    length = _LENGTH.unpack(_exactly(channel, _LENGTH.size))[0]
    if length > _LARGEST:
        raise NotPlainError("a message too large")
    try:
        message = json.loads(_exactly(channel, length))
    except (ValueError, RecursionError) as error:
        raise NotPlainError("a message that is no JSON") from error
    if not isinstance(message, dict):
        raise NotPlainError("a message of the wrong form")
    return message


def _exactly(channel: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = channel.recv(min(size - len(data), 1 << 20))
        if not chunk:
            raise OSError("the solution's process is gone")
        data += chunk
    return bytes(data)


def serve(fd: int, path: str) -> None:
    """The solution's side: loads the source it is sent as `path`, then answers calls until nobody asks."""
    channel = socket.socket(fileno=fd)
    module = types.ModuleType("solution")
    module.__file__ = path
    sys.modules["solution"] = module
    try:
        exec(compile(_receive(channel)["load"], path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - this is the sandbox
    except BaseException as error:  # noqa: BLE001 - whatever it was is the answer
        _send(channel, {"odd": f"the solution did not load: {type(error).__name__}"})
        return
    _send(channel, _described(module))
    exchanged = Exchanged()
    while True:
        try:
            request = _receive(channel)
        except OSError:
            return
        _send(channel, _answer(module, request, exchanged))


def _described(module: types.ModuleType) -> dict[str, Any]:
    """What the solution's names stand for: functions, constants, parts of the standard library, others."""
    found: dict[str, Any] = {"functions": [], "constants": {}, "libraries": {}, "others": []}
    for name, value in list(vars(module).items()):
        if name.startswith("__"):
            continue
        origin = str(getattr(value, "__module__", None))
        if type(value) in _CONSTANTS:
            found["constants"][name] = Packer().value(value)
        elif isinstance(value, types.ModuleType):
            found["libraries"][name] = [value.__name__, ""]
        elif origin != "solution" and getattr(sys.modules.get(origin), name, None) is value:
            found["libraries"][name] = [origin, name]
        else:
            found["functions" if callable(value) and not isinstance(value, type) else "others"].append(name)
    public = getattr(module, "__all__", None)
    listed = isinstance(public, list | tuple) and all(type(name) is str for name in public)
    found["all"] = public if listed else None
    return found


def _answer(module: types.ModuleType, request: dict[str, Any], exchanged: Exchanged) -> dict[str, Any]:
    arguments = Unpacker(request["table"])
    positional = [arguments.value(item) for item in request["args"]]
    named = {name: arguments.value(item) for name, item in request["kwargs"].items()}
    packer = Packer(arguments.objects)
    try:
        try:
            answer = {"returned": packer.value(vars(module)[request["call"]](*positional, **named))}
        except NotPlainError:
            raise
        except BaseException as error:  # noqa: BLE001 - the test may expect any
            kind = type(error)
            if getattr(builtins, kind.__name__, None) is not kind or vars(error):
                return {"odd": f"the solution raised {kind.__name__}"}
            if str(kind(*error.args)) != str(error):
                return {"odd": f"the solution raised {kind.__name__} with more than its arguments"}
            said = [packer.value(item) for item in error.args]
            answer = {"raised": kind.__name__, "args": said}
        answer["table"] = packer.table()
        if exchanged.changed([]):
            return {"odd": "the solution changed what it had passed or been passed before"}
        exchanged.add(packer.objects)
    except NotPlainError as error:
        return {"odd": f"the solution passed {error}"}
    return answer


class Elsewhere:
    """The tests' side: a module `solution` whose functions are called in the other process.

    `doubt` says why the run proves nothing, as soon as it is known; empty if it does.
    """

    def __init__(self, fd: int) -> None:
        self.channel = socket.socket(fileno=fd)
        self.exchanged = Exchanged()
        self.doubt = ""

    def install(self, solution: bytes, test: ast.Module | None, path: str) -> None:
        """Has the solution loaded over there, and puts the module in its place here, if the test allows it."""
        try:
            _send(self.channel, {"load": solution.decode("utf-8", "surrogatepass")})
            self._install(_receive(self.channel), test, path)
        except (NotPlainError, OSError, LookupError, TypeError, ValueError, AttributeError) as error:
            self._doubt(str(error))

    def _doubt(self, reason: str) -> None:
        self.doubt = self.doubt or reason[:300] or "the solution's process said nothing that makes sense"

    def _install(self, described: dict[str, Any], test: ast.Module | None, path: str) -> None:
        if "odd" in described or test is None:
            self._doubt(str(described.get("odd", "the test does not compile")))
            return
        functions, others = set(map(str, described["functions"])), set(map(str, described["others"]))
        module = types.ModuleType("solution")
        module.__file__ = path
        for name, value in described["constants"].items():
            setattr(module, name, Unpacker([]).value(value))
        for name, (library, attribute) in described["libraries"].items():
            # Never `solution`: this process must not load it, whatever the other claims.
            if library not in separable.LIBRARIES - {"solution"}:
                others.add(name)
            else:
                found = importlib.import_module(library)
                setattr(module, name, getattr(found, attribute) if attribute else found)
        for name in functions:
            setattr(module, name, self._stub(name))
        if described["all"] is not None:
            module.__dict__["__all__"] = [str(name) for name in described["all"]]
        self.doubt = separable.why_not(test, functions, others)
        sys.modules["solution"] = module

    def _stub(self, name: str) -> Any:
        def call(*positional: Any, **named: Any) -> Any:
            return self._call(name, positional, named)

        call.__name__ = call.__qualname__ = name
        return call

    def _call(self, name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if self.doubt:
            raise RuntimeError(self.doubt)
        try:
            packer = Packer()
            args = [packer.value(item) for item in positional]
            kwargs = {key: packer.value(item) for key, item in named.items()}
            table = packer.table()
            if self.exchanged.changed(packer.objects):
                raise NotPlainError("a value that was passed before and changed since")
            _send(self.channel, {"call": name, "args": args, "kwargs": kwargs, "table": table})
            answer = _receive(self.channel)
            if "odd" in answer:
                raise NotPlainError(str(answer["odd"]))
            objects = Unpacker(answer["table"], packer.objects)
            self.exchanged.add(objects.objects)
            if "raised" not in answer:
                return objects.value(answer["returned"])
            kind = getattr(builtins, str(answer["raised"]), None)
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise NotPlainError("a message with no exception")
            error = kind(*[objects.value(item) for item in answer["args"]])
        except (NotPlainError, OSError, LookupError, TypeError, ValueError) as odd:
            self._doubt(str(odd))
            raise RuntimeError(self.doubt) from odd
        raise error


def split(path: str, prepare: Any) -> int:
    """Forks the solution's process off; returns the descriptor that leads to it. `prepare(fd)` confines the child and
    returns where the descriptor is then. The caller must not know the tests yet."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork() == 0:
        try:
            here.close()
            serve(prepare(there.detach()), path)
        finally:
            os._exit(0)  # whatever happened: the other side sees that this one is gone
    there.close()
    return here.detach()
