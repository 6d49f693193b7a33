"""Runs a program as a script on one standard input. What it printed is compared elsewhere, by the supervisor."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import types
from typing import Any

from . import report
from .report import Emit, Finished


class StdioJudge:
    """Plays the interpreter for `python solution.py` in a process that is already warm."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = folder + "/solution.py"

    def run(self, job: dict[str, Any], emit: Emit) -> None:
        """Leaves by Finished with the program's own exit status."""
        os.close(report.FD)  # nothing more to say: the exit status and the output are the program's own
        source = job["solution"].encode("utf-8", "surrogatepass")
        # The interpreter's own sys.stdin has read nothing yet, so it serves the descriptor that now is number 0. Each
        # library call in here, pathlib's say, would cost the trial a copy of the pages that it touches.
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        written = memoryview(source)
        while written:
            written = written[os.write(file, written) :]
        os.close(file)
        sys.argv[:] = [self.path]
        sys.path.insert(0, self.folder)
        module = types.ModuleType("__main__")
        module.__file__ = self.path
        module.__dict__["__builtins__"] = __builtins__
        sys.modules["__main__"] = module
        status = 0
        try:
            exec(compile(source, self.path, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - this is the sandbox
        except SystemExit as stop:
            status = _exit_status(stop.code)
        except BaseException:  # noqa: BLE001 - as the interpreter does
            _print_own_traceback()
            status = 1
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined]
        with contextlib.suppress(BaseException):
            atexit._run_exitfuncs()
        try:
            sys.stdout.flush()
        except BaseException:  # noqa: BLE001 - as the interpreter does
            status = status or 120
        with contextlib.suppress(BaseException):
            sys.stderr.flush()
        raise Finished(status)


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{code}\n")
    return 1


def _print_own_traceback() -> None:
    """The program's part of the traceback, as the interpreter would have printed it."""
    _, error, trace = sys.exc_info()
    if error is not None and trace is not None:
        with contextlib.suppress(BaseException):
            sys.excepthook(type(error), error.with_traceback(trace.tb_next), trace.tb_next)
