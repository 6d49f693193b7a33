"""The warm process of one slot: imports once, then forks one confined child a trial, watches and reaps it.

It runs no judged code itself and parses nothing that judged code wrote. One message of the supervisor is one trial:
JSON on a seqpacket socket, with the job, the report pipe and the output pipes as descriptors.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from . import confine, kernel, report, room
from .judge_stdio import StdioJudge

DONE = 77  # exit status of a trial that ran to its end
_MESSAGE_BYTES = 1 << 17
_PAGE = os.sysconf("SC_PAGE_SIZE")


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    control.send(json.dumps(message).encode())


def _receive(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    descriptors = array.array("i")
    data, ancillary, _, _ = control.recvmsg(_MESSAGE_BYTES, socket.CMSG_SPACE(8 * descriptors.itemsize))
    for kind_level, kind, payload in ancillary:
        if kind_level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(payload[: len(payload) - len(payload) % descriptors.itemsize])
    return (json.loads(data) if data else None), list(descriptors)


class Zygote:
    """State of the slot between trials; built once, inherited by every trial's process."""

    def __init__(self, control: socket.socket, config: dict[str, Any], has_proc: bool) -> None:
        self.control = control
        self.config = config
        self.has_proc = has_proc
        self.full = config["level"] == "full"
        self.work: str = config["work"]
        self.own_pid_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY) if self.full and has_proc else -1
        self.with_init = self.full and self.own_pid_namespace >= 0 and bool(kernel.tiny_init())
        self.null = os.open(os.devnull, os.O_RDONLY)
        for name in config["preload"]:
            __import__(name)
        self.judge = self._judge(config["judge"])
        confine.common_limits(config)
        self.visible = [] if self.full else room.visible_paths(config["processes"])
        self.ruleset = confine.ruleset(config, self.visible)
        confine.slot_filter(config)
        confine.decoded(config["seccomp"].get("trial", ""))
        # Listed here: to look through sys.modules would cost every trial a copy of half its pages.
        self.own_modules = [name for name in sys.modules if name.startswith(__package__)]
        gc.collect()
        gc.freeze()
        self.mapped = int(_words("/proc/self/statm")[0]) * _PAGE if has_proc else 1 << 30

    def _judge(self, kind: str) -> Any:
        """The judge that this zygote is for, warm. pytest is imported only where it is needed: a program's trial is
        the cheaper the less there is to fork."""
        folder = self.work + "/w"
        if kind == "stdio":
            return StdioJudge(folder)
        from . import judge_pytest, rehearsal  # noqa: PLC0415

        self._rehearse(rehearsal.rehearse)
        os.chdir(folder)
        return judge_pytest.PytestJudge(folder)

    def _rehearse(self, rehearse: Callable[[str], None]) -> None:
        """Once through the motions, on a writable folder that is gone before the first trial."""
        if self.full:
            kernel.mount("tmpfs", self.work, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m")
            os.mkdir(self.work + "/w")
            os.mkdir(self.work + "/tmp")
            room.link_hidden(self.work + "/tmp")
        os.chdir(self.work + "/w")
        rehearse(self.work + "/w")
        if self.full:
            os.chdir("/")
            kernel.unmount(self.work, kernel.MNT_DETACH)

    def serve(self) -> None:
        while True:
            message, descriptors = _receive(self.control)
            if message is None:
                os._exit(0)  # the supervisor is gone; as process 1 of the room this ends everything in it
            if "run" not in message:
                continue  # an order to kill a trial that had just ended by itself
            try:
                outcome = self._run(message["run"], descriptors)
            finally:
                for fd in descriptors:
                    with contextlib.suppress(OSError):
                        os.close(fd)
            _send(self.control, {"done": outcome})

    def _run(self, trial: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        init = self._start_init() if self.with_init else 0
        if self.full and not init:
            kernel.unshare(kernel.CLONE_NEWPID) if self.own_pid_namespace < 0 else self._enter_pid_namespace()
        started = time.monotonic()
        pid = os.fork()
        if pid == 0:
            self._become_trial(trial, descriptors)
        handle = os.pidfd_open(pid)
        try:
            ended = self._watch(pid, handle, trial, started)
        finally:
            os.close(handle)
            # Nothing inside can end the namespace's process 1. If it is gone, someone outside did this to the trial.
            lost = bool(init) and os.waitpid(init, os.WNOHANG)[0] == init
            self._kill(pid, 0 if lost else init)
        _, status, usage = os.wait4(pid, 0)
        if init and not lost:
            os.waitpid(init, 0)  # returns when the kernel has killed and reaped everything in the namespace
        duration = time.monotonic() - started
        if not self.full:
            self._sweep()
        return {
            "ended": "lost" if lost else ended,
            "status": os.waitstatus_to_exitcode(status),
            "duration_s": duration,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "peak_kb": usage.ru_maxrss,
        }

    def _enter_pid_namespace(self) -> None:
        kernel.setns(self.own_pid_namespace, kernel.CLONE_NEWPID)
        kernel.unshare(kernel.CLONE_NEWPID)

    def _start_init(self) -> int:
        """Opens a pid namespace whose process 1 is the sleeper, for the next fork to be process 2 of."""
        self._enter_pid_namespace()
        # Ignored, and inherited so, SIGCHLD makes the kernel reap the orphans that process 1 is given.
        previous = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            return os.posix_spawn(room.INIT, ["init"], {})
        finally:
            signal.signal(signal.SIGCHLD, previous)

    def _become_trial(self, trial: dict[str, Any], descriptors: list[int]) -> None:
        """In the forked child: confine, say so, judge, leave. Never returns."""
        status = 1
        try:
            job_fd, report_fd, out_fd, err_fd = descriptors[:4]
            os.setsid()
            if not self.full:
                kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.dup2(descriptors[4] if len(descriptors) > 4 else self.null, 0)
            os.dup2(out_fd, 1)
            os.dup2(err_fd, 2)
            os.dup2(report_fd, report.FD)
            if self.full:
                confine.namespaces(self.config, self.has_proc)
            apart = self._split(trial, job_fd) if trial["apart"] else -1
            text = os.pread(job_fd, os.fstat(job_fd).st_size, 0)
            first = report.FD + 1
            if apart >= 0:
                os.dup2(apart, report.APART_FD)
                first = report.APART_FD + 1
            os.closerange(first, self.ruleset)
            os.closerange(max(self.ruleset + 1, first), 1 << 20)
            # What a judged program would find by walking up the stack or through sys.modules: no nonce, no test.
            emit = report.emitter(report.FD, trial.pop("nonce"))
            job = json.loads(text)
            del text
            for name in self.own_modules:
                sys.modules.pop(name, None)
            os.chdir(self.work + "/w")
            confine.limits(trial["memory_mb"], trial["cpu_s"], self.mapped)
            confine.lock(self.config, self.ruleset)
            emit("ready")
            self.judge.run(job, emit)
            status = DONE
        except report.Finished as finished:
            status = finished.status
        except BaseException:  # noqa: BLE001 - judged code may raise anything; the process must end here
            with contextlib.suppress(BaseException):
                import traceback  # noqa: PLC0415 - more to fork; needed only here

                os.write(2, traceback.format_exc().encode("utf-8", "replace")[-4000:])
        finally:
            os._exit(status)

    def _split(self, trial: dict[str, Any], job_fd: int) -> int:
        """Forks the solution's process off, before this one has read the tests; the descriptor that leads to it. Two
        Landlock domains, and this one's memory closed to its own user, keep them out of each other."""
        from . import apart  # noqa: PLC0415 - loaded with pytest's judge

        def confined(channel: int) -> int:
            os.close(job_fd)
            memory_mb, cpu_s = trial["memory_mb"], trial["cpu_s"]
            trial.clear()
            os.dup2(channel, report.FD)  # in the report's place
            os.closerange(report.FD + 1, 1 << 20)
            kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
            os.chdir(self.work + "/tmp")  # not the folder that the tests import from
            for name in self.own_modules:
                sys.modules.pop(name, None)
            confine.limits(memory_mb, cpu_s, self.mapped)
            confine.lock(self.config, confine.ruleset(self.config, self.visible, self.work + "/tmp"))
            return report.FD

        channel = apart.split(self.work + "/w/solution.py", confined)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        return channel

    def _watch(self, pid: int, handle: int, trial: dict[str, Any], started: float) -> str:
        """Waits for the trial's end: "exit", or why it has to be killed.

        The limit counts wall time less the time that the trial's main thread stood in the kernel's run queue: a busy
        host slows a trial down without timing it out, and a sleeper still ends on time.
        """
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        poller.register(self.control, select.POLLIN)
        limit, hard_limit = trial["timeout_s"], trial["hard_timeout_s"]
        disk_at = started + 0.5
        while True:
            now = time.monotonic()
            elapsed = now - started
            if elapsed >= hard_limit:
                return "timeout"
            counted = elapsed - self._queued_s(pid, elapsed) if elapsed > limit / 2 else elapsed
            if counted >= limit:
                return "timeout"
            pause = min(limit - counted if elapsed > limit / 2 else limit / 2 + 0.001, hard_limit - elapsed)
            if not self.full:
                pause = min(pause, 0.5)
            for fd, _ in poller.poll(max(1.0, pause * 1000 + 1)):
                if fd == handle:
                    return "exit"
                message, extra = _receive(self.control)
                for stray in extra:
                    os.close(stray)
                if message is None:
                    os.kill(pid, signal.SIGKILL)
                    self._sweep()
                    os._exit(0)
                return str(message.get("kill", "killed"))
            if not self.full and time.monotonic() > disk_at:
                disk_at = time.monotonic() + 0.5
                if _tree_bytes(self.work) > self.config["disk_mb"] << 20:
                    return "disk"

    def _queued_s(self, pid: int, elapsed: float) -> float:
        """Seconds that the main thread was ready to run and was not let; 0 where the kernel does not say."""
        try:
            return min(float(_words(f"/proc/{pid}/schedstat")[1]) / 1e9, elapsed)
        except (OSError, IndexError, ValueError):
            return 0.0

    def _kill(self, pid: int, init: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if init:
            os.kill(init, signal.SIGKILL)

    def _sweep(self) -> None:
        """Without a pid namespace: ends what the trial left behind, then empties its folder."""
        if self.full:
            return
        me = os.getpid()
        for _ in range(1000):
            left = _descendants(me)
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.001)
        os.chdir("/")
        import shutil  # noqa: PLC0415 - more to fork; needed only where the folder is not a mount of the trial's own

        for name in ("w", "tmp"):
            shutil.rmtree(f"{self.work}/{name}", ignore_errors=True)
            os.makedirs(f"{self.work}/{name}", exist_ok=True)
        os.chdir(self.work + "/w")


def _words(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().split()


def _descendants(ancestor: int) -> list[int]:
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, IndexError, ValueError):
                after_name = " ".join(_words(f"/proc/{entry}/stat")).rpartition(")")[2]
                parents[int(entry)] = int(after_name.split()[1])
    found: list[int] = []
    for pid in parents:
        walker = pid
        while walker in parents and walker != ancestor:
            walker = parents[walker]
        if walker == ancestor and pid != ancestor:
            found.append(pid)
    return found


def _tree_bytes(folder: str) -> int:
    total = 0
    for path, folders, files in os.walk(folder, followlinks=False):
        for name in (*folders, *files):
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
    return total


def main(fd: int) -> None:
    """Serves the supervisor at the other end of `fd` until it hangs up."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    control = socket.socket(fileno=fd)
    config, _ = _receive(control)
    if config is None:
        return
    try:
        if config["judge"] == "pytest":
            # Before the room is closed: the folder of this package is not visible in it.
            from . import apart, judge_pytest, rehearsal  # noqa: F401, PLC0415
        if config["level"] == "full":
            has_proc = room.enter(config)
        else:
            has_proc = os.path.isdir("/proc/self")
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
            for name in ("w", "tmp"):
                os.makedirs(f"{config['work']}/{name}", exist_ok=True)
        os.environ.update(HOME=config["work"] + "/w", TMPDIR=config["work"] + "/tmp")
        zygote = Zygote(control, config, has_proc)
    except Exception as error:  # noqa: BLE001 - whatever it was is the answer
        import traceback  # noqa: PLC0415 - more to fork; needed only here

        traceback.print_exc(file=sys.stderr)
        _send(control, {"error": f"{type(error).__name__}: {error}"[:2000]})
        return
    for stream in (sys.stdin, sys.stdout):
        stream.reconfigure(errors="strict")  # type: ignore[union-attr]
    _send(control, {"ready": True})
    zygote.serve()
