"""coverage.py's own tracer and parser, narrowed to solution.py and to the moments when judged code runs.

Tracing pytest costs more than tracing the solution, so the tracer is off while pytest works. What is recorded and how
lines are counted is coverage.py's: its CTracer collects, its PythonParser says which lines are statements.
"""

from __future__ import annotations

import atexit
import sys
import threading
from typing import Any

import coverage
from coverage.parser import PythonParser


class CoverageScope:
    """Line coverage of one file that does not exist yet when this is built."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.armed = False
        self.running = False
        self._coverage = coverage.Coverage(data_file=None, config_file=False, include=[path])
        self._coverage.set_option("run:core", "ctrace") if sys.version_info >= (3, 12) else None
        self._coverage._warn_no_data = False
        self._coverage.start()
        atexit.unregister(self._coverage._atexit)
        collector: Any = self._coverage._collector
        collector.pause()
        self._collector = collector
        self._tracer = collector.tracers[0]
        self._exclude = self._coverage._exclude_regex("exclude")
        self._narrow()

    def _narrow(self) -> None:
        """Answers "trace this file?" for every other file without asking coverage.py's rules."""
        original = self._collector.should_trace
        elsewhere = original("/nowhere/else.py", sys._getframe())
        path = self.path

        def should_trace(filename: str, frame: Any) -> Any:
            return original(filename, frame) if filename == path else elsewhere

        self._collector.should_trace = should_trace
        self._tracer.should_trace = should_trace
        self._collector.should_trace_cache.clear()

    def coverable(self, path: str) -> list[str]:
        """Statement lines, then `line=first` for lines of multi-line statements. Raises ValueError where it cannot."""
        try:
            parser = PythonParser(filename=path, exclude=self._exclude)
            parser.parse_source()
        except coverage.exceptions.CoverageException as error:
            raise ValueError(str(error)) from error
        lines = [str(line) for line in sorted(parser.statements)]
        known = parser.statements
        several = parser.multiline_map.items()
        return lines + [f"{line}={first}" for line, first in several if line != first and first in known]

    def close(self) -> None:
        """Ends measuring in this process for good."""
        self.stop()
        threading.settrace(None)
        self._coverage.stop()

    def arm(self) -> None:
        """From here on `start` traces; threads that judged code starts are traced as well."""
        self.armed = True
        threading.settrace(self._collector._installation_trace)

    def start(self) -> None:
        if self.armed and not self.running:
            self.running = True
            self._tracer.start()

    def stop(self) -> None:
        if self.running:
            self.running = False
            self._tracer.stop()

    def executed(self) -> list[str]:
        """Raw line numbers that ran, after a word that says whether the file was measured at all."""
        data = self._collector.data.get(self.path)
        if data is None:
            return ["unmeasured"]
        return ["measured", *[str(line) for line in list(data)]]
