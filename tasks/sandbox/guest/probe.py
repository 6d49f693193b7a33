"""Tries each primitive of isolation in a throwaway child and says what happened; also identifies the environment."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import socket
import sys
from collections.abc import Callable
from typing import Any

from . import confine, kernel, room

_OK = "ok"


def _in_child(action: Callable[[], object]) -> str:
    """Runs `action` in a forked child; "ok" or why not."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read_end)
            action()
            os.write(write_end, _OK.encode())
            status = 0
        except BaseException as error:  # noqa: BLE001 - whatever it was is the answer
            os.write(write_end, f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace"))
        finally:
            os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        said = pipe.read().decode("utf-8", "replace")
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return said or f"ended with status {status}"


def _user_namespace(flag: int) -> Callable[[], object]:
    return lambda: kernel.unshare(kernel.CLONE_NEWUSER | flag)


def _seccomp(config: dict[str, Any]) -> Callable[[], object]:
    def action() -> None:
        confine.slot_filter(config)
        try:
            socket.socket()
        except PermissionError:
            return
        raise RuntimeError("the filter was accepted but does not filter")

    return action


def _landlock() -> None:
    kernel.no_new_privileges()
    kernel.landlock_restrict(kernel.landlock_ruleset(["/usr"], [], kernel.landlock_abi()))
    try:
        os.listdir("/")
    except PermissionError:
        return
    raise RuntimeError("the rules were accepted but do not bind")


def _whole(config: dict[str, Any], uid: int | None) -> Callable[[], object]:
    """The whole way of a trial: room, namespaces, limits, locks."""

    def action() -> None:
        has_proc = room.enter({**config, "uid": uid})
        # Before the import: its modules must be readable for the user whom the room runs as.
        import pytest  # noqa: F401, PLC0415

        trial = _in_child(lambda: _confine(config, has_proc))
        if trial != _OK:
            raise RuntimeError(f"trial: {trial}")
        if not has_proc:
            raise RuntimeError("the kernel refuses a fresh /proc")

    return action


def _confine(config: dict[str, Any], has_proc: bool) -> None:
    ruleset = confine.ruleset(config, [])
    confine.common_limits(config)
    confine.slot_filter(config)
    confine.namespaces(config, has_proc)
    confine.limits(1024, 60, 1 << 32)
    confine.lock(config, ruleset)


def environment() -> str:
    """Short name of the interpreter and a hash over it and every installed distribution's version."""
    installed = sorted(
        {f"{dist.metadata['Name']}=={dist.version}".lower() for dist in importlib.metadata.distributions()}
    )
    version = platform.python_version()
    text = "\n".join([sys.version, platform.machine(), *installed])
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return f"{sys.implementation.name}-{version}-{platform.machine()}-{digest}"


def main(fd: int) -> None:
    """Reads the configuration of a trial, answers {"tried": {...}, "environment", "landlock_abi", "modules"}."""
    control = socket.socket(fileno=fd)
    config: dict[str, Any] = json.loads(control.recv(1 << 17))
    tried: dict[str, str] = {}
    for name, flag in (
        ("user namespace", 0),
        ("mount namespace", kernel.CLONE_NEWNS),
        ("pid namespace", kernel.CLONE_NEWPID),
        ("network namespace", kernel.CLONE_NEWNET),
        ("ipc namespace", kernel.CLONE_NEWIPC),
        ("uts namespace", kernel.CLONE_NEWUTS),
    ):
        tried[name] = _in_child(_user_namespace(flag))
    tried["landlock"] = _in_child(_landlock)
    tried["seccomp"] = _in_child(_seccomp(config)) if config["seccomp"] else config["seccomp_missing"]
    abi = kernel.landlock_abi() if tried["landlock"] == _OK else 0
    config["landlock_abi"] = abi
    tried["private root"] = _in_child(_whole(config, None))
    if config["uid"] is None:
        tried["own user id"] = "only root can give a slot a user id of its own"
    else:
        tried["own user id"] = _in_child(_whole(config, config["uid"]))
    modules = {}
    for name in ("pytest", "coverage"):
        try:
            modules[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            modules[name] = ""
    answer = {"tried": tried, "landlock_abi": abi, "environment": environment(), "modules": modules}
    control.send(json.dumps(answer).encode())
