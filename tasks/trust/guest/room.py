"""The process between runs: each begins with an empty working folder and the state that the first one found."""

from __future__ import annotations

import builtins
import contextlib
import os
import shutil
import sys
import tempfile
from pathlib import Path


class Room:
    """A context around each run."""

    def __init__(self) -> None:
        self._home = Path.cwd()
        self._folder: str | None = None
        self._limit = sys.getrecursionlimit()
        self._environment = dict(os.environ)
        self._builtins = dict(vars(builtins))
        self._path = list(sys.path)

    def __enter__(self) -> None:
        if self._folder is None:
            self._folder = tempfile.mkdtemp(dir=self._home)
        os.chdir(self._folder)

    def __exit__(self, *error: object) -> None:
        os.chdir(self._home)
        if not self._untouched():
            shutil.rmtree(self._folder or "", ignore_errors=True)
            self._folder = None
        sys.setrecursionlimit(self._limit)
        if dict(os.environ) != self._environment:
            os.environ.clear()
            os.environ.update(self._environment)
        vars(builtins).update(self._builtins)
        sys.path[:] = self._path
        for name in ("solution", "test_solution"):
            sys.modules.pop(name, None)

    def _untouched(self) -> bool:
        with contextlib.suppress(OSError):
            return not os.listdir(self._folder)  # noqa: PTH208  # the cheaper one
        return False
