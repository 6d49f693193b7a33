"""One slot: a zygote a judge and the conversation with it. Sends a trial, reads what comes back, decides nothing."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from . import cgroups, launch
from .probe import MAX_TASKS, Probe, base_config, filters
from .types import Level, Policy, SandboxError

DONE = 77
_REPORT_BYTES = 8 << 20
_ERRORS_BYTES = 64 << 10
_GRACE_S = 30.0  # beyond the hard limit before a silent zygote is given up
_START_TIMEOUT_S = 120.0
_OTHER_HASH_SEED = 1913


JudgeKind = Literal["pytest", "stdio"]


class ZygoteError(Exception):
    """The machinery failed, not the judged program; a fresh zygote may do better."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One process to run: a judge, its input, its limits."""

    judge: JudgeKind
    job: dict[str, Any]
    timeout_s: float
    memory_mb: int
    output_bytes: int
    stdin: str | None = None
    again: bool = False  # in the zygote that confirms: another process, with another hash seed
    apart: bool = False  # the solution in a process of its own


@dataclass(slots=True)
class Run:
    """What was seen of one process. `records` are its report's lines in order; `violation` says what broke them."""

    ended: str
    status: int
    duration_s: float
    cpu_s: float
    peak_memory_mb: float
    stdout: bytes
    stderr: bytes
    output_exceeded: bool
    records: list[list[str]] = field(default_factory=list)
    violation: str = ""


def _memory_file(content: bytes) -> int:
    fd = os.memfd_create("kodcode", os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _socket_pair() -> tuple[int, int]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return ours.detach(), theirs.detach()


def hard_timeout_s(timeout_s: float, processes: bool) -> float:
    """Wall clock after which a trial ends even if the host gave it no time to run. Where it may start processes of its
    own it can itself be what keeps its main thread waiting, so it gets less."""
    return 2 * timeout_s + 2 if processes else 5 * timeout_s + 10


class Slot:
    """Not shared between threads: the zygote dies with the thread that started it."""

    def __init__(self, policy: Policy, probe: Probe, number: int) -> None:
        self.policy = policy
        self.probe = probe
        self.number = number
        self._guests: dict[tuple[JudgeKind, bool], launch.Guest] = {}
        self._folder: str | None = None
        self._group: cgroups.SlotGroup | None = None

    def _config(self, judge: JudgeKind, again: bool) -> dict[str, Any]:
        config = {**base_config(self.policy), "judge": judge}
        config["landlock_abi"] = self.probe.landlock_abi
        if self.probe.level is Level.FULL:
            config["uid"] = config["uid"] + self.number if self.probe.own_user_id else None
            return config
        if self._folder is None:
            self._folder = tempfile.mkdtemp(prefix="kodcode-slot-")
        seccomp = filters(self.policy.allow_processes, "container") if self.probe.tried["seccomp"] == "ok" else {}
        # Tasks are counted for the user as a whole here, so a limit would hit the user's other processes.
        work = f"{self._folder}/{judge}{'-again' if again else ''}"
        return {**config, "level": self.probe.level.value, "work": work, "seccomp": seccomp, "max_tasks": 0}

    def start(self, judge: JudgeKind = "pytest", again: bool = False) -> launch.Guest:
        """The running zygote of a judge, started where there is none.

        Raises ZygoteError.
        """
        if (judge, again) in self._guests:
            return self._guests[judge, again]
        guest = launch.start(self.probe.python, "zygote", _OTHER_HASH_SEED if again else 0)
        try:
            self._enrol(guest)
            guest.control.settimeout(_START_TIMEOUT_S)
            guest.control.send(json.dumps(self._config(judge, again)).encode())
            data = guest.control.recv(launch.MESSAGE_BYTES)
            answer = json.loads(data) if data else {}
            if not answer.get("ready"):
                reason = answer.get("error") or guest.log().strip()[-1000:] or "it ended without a word"
                raise ZygoteError(f"the sandbox's zygote did not start: {reason}")
            guest.control.settimeout(None)
        except OSError as error:
            guest.end()
            raise ZygoteError(f"the sandbox's zygote did not start: {error}") from error
        except ZygoteError:
            guest.end()
            raise
        self._guests[judge, again] = guest
        return guest

    def _enrol(self, guest: launch.Guest) -> None:
        """Puts a zygote that has not forked yet under the slot's limits, where there are any."""
        if self.probe.cgroup is None:
            return
        if self._group is None:
            limits = (self.policy.memory_mb, 4 * MAX_TASKS)
            self._group = cgroups.SlotGroup(self.probe.cgroup, self.number, *limits)
        self._group.add(guest.process.pid)

    def stop(self) -> None:
        """Ends the zygotes and everything in their rooms."""
        while self._guests:
            self._guests.popitem()[1].end()

    def close(self) -> None:
        self.stop()
        if self._group is not None:
            self._group.remove()
            self._group = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def run(self, trial: Trial) -> Run:
        """Runs one process to its end.

        Raises ZygoteError; the zygote is gone then, and the next call starts another.
        """
        guest = self.start(trial.judge, trial.again)
        nonce = secrets.token_hex(8)
        hard = hard_timeout_s(trial.timeout_s, self.policy.allow_processes)
        order = {
            "run": {
                "nonce": nonce,
                "timeout_s": trial.timeout_s,
                "hard_timeout_s": hard,
                "memory_mb": trial.memory_mb,
                "cpu_s": int(hard) + 1,
                "apart": trial.apart,
            }
        }
        ours: list[int] = []
        theirs: list[int] = [_memory_file(json.dumps(trial.job).encode())]
        try:
            # The report goes through a socket: a pipe could be opened again for reading through /proc/self/fd.
            for read_end, write_end in (_socket_pair(), os.pipe(), os.pipe()):
                ours.append(read_end)
                theirs.append(write_end)
            if trial.stdin is not None:
                theirs.append(_memory_file(trial.stdin.encode("utf-8", "surrogatepass")))
            try:
                socket.send_fds(guest.control, [json.dumps(order).encode()], theirs)
            finally:
                while theirs:
                    os.close(theirs.pop())
            return self._attend(guest, ours, nonce, trial, hard)
        except (OSError, ValueError, KeyError) as error:
            self.stop()
            raise ZygoteError(f"the zygote failed: {error}") from error
        except ZygoteError:
            self.stop()
            raise
        finally:
            for fd in (*ours, *theirs):
                os.close(fd)

    def _attend(self, guest: launch.Guest, ours: list[int], nonce: str, trial: Trial, hard: float) -> Run:
        """Reads report, output and the zygote's word until the trial is over and its pipes are empty."""
        report_fd, out_fd, err_fd = ours
        caps = {report_fd: _REPORT_BYTES, out_fd: trial.output_bytes, err_fd: trial.output_bytes}
        buffers = {fd: bytearray() for fd in ours}
        open_fds = set(ours)
        control = guest.control.fileno()
        poller = select.poll()
        for fd in (control, *ours):
            poller.register(fd, select.POLLIN)
        outcome: dict[str, Any] | None = None
        over: set[int] = set()
        deadline = time.monotonic() + hard + _GRACE_S
        while outcome is None or open_fds:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ZygoteError("the zygote did not answer in time")
            for fd, _ in poller.poll(left * 1000 + 1):
                if fd == control:
                    data = guest.control.recv(launch.MESSAGE_BYTES)
                    if not data:
                        raise ZygoteError(f"the zygote died: {guest.log().strip()[-300:]}")
                    outcome = json.loads(data)["done"]
                    continue
                chunk = os.read(fd, 1 << 16)
                if not chunk:
                    poller.unregister(fd)
                    open_fds.discard(fd)
                    continue
                room = caps[fd] - len(buffers[fd])
                buffers[fd] += chunk[: max(0, room)]
                if len(chunk) > room and fd not in over:
                    over.add(fd)
                    if outcome is None:
                        with contextlib.suppress(OSError):
                            guest.control.send(b'{"kill": "output"}')
        if outcome["ended"] == "lost":
            raise ZygoteError("the trial's namespace was ended from outside")
        run = Run(
            ended=outcome["ended"],
            status=outcome["status"],
            duration_s=outcome["duration_s"],
            cpu_s=outcome["cpu_s"],
            peak_memory_mb=outcome["peak_kb"] / 1024,
            stdout=bytes(buffers[out_fd]),
            stderr=bytes(buffers[err_fd]),
            output_exceeded=bool(over),
        )
        run.records, run.violation = _parse(bytes(buffers[report_fd]), nonce)
        if not run.records or run.records[0] != ["ready"]:
            said = run.stderr.decode("utf-8", "replace").strip()[-500:]
            raise ZygoteError(f"the trial could not be confined (status {run.status}): {said}")
        return run


def _parse(data: bytes, nonce: str) -> tuple[list[list[str]], str]:
    """Lines of the report in order, up to the first that is not what the trial's own reporter writes."""
    records: list[list[str]] = []
    if not data:
        return records, ""
    whole, _, rest = data.rpartition(b"\n")
    for line in whole.split(b"\n"):
        prefix = f"{nonce} {len(records)} ".encode()
        if not line.startswith(prefix):
            return records, "the report was written to by someone else"
        try:
            fields = json.loads(line[len(prefix) :])
        except (ValueError, RecursionError):
            return records, "the report holds a broken record"
        if not isinstance(fields, list) or not fields or not all(isinstance(item, str) for item in fields):
            return records, "the report holds a record of the wrong form"
        records.append(fields)
    return records, "the report's last record is cut off" if rest else ""


def check_starts(slot: Slot) -> None:
    """Raises SandboxError with the reason where a first zygote cannot be started."""
    try:
        slot.start()
    except ZygoteError as error:
        raise SandboxError(f"{error}. `kodcode doctor` shows what this machine allows.") from error
