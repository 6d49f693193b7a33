"""Online Judge cases as a pytest module: what they reach of the solution is then measured as it is for its tests."""

from __future__ import annotations

from collections.abc import Sequence

# The adapter runs in the solution's own namespace, as it does below it in one file. Descriptors and not only streams
# are exchanged, so that open(0) and os.write(1, ...) are those of the case. `builtins`, because the names of a
# solution may stand in front of this.
_MODULE = """import builtins
import os
import sys
import tempfile

import solution

ADAPTER = builtins.compile({adapter}, "adapter.py", "exec", dont_inherit=True)
CASES = {cases}


def printed(stdin):
    name, streams = solution.__name__, (sys.stdin, sys.stdout)
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as shown:
        given.write(stdin.encode())
        given.seek(0)
        kept = [(number, os.dup(number)) for number in (0, 1)]
        try:
            os.dup2(given.fileno(), 0)
            os.dup2(shown.fileno(), 1)
            sys.stdin = builtins.open(0, encoding="utf-8", closefd=False)
            sys.stdout = builtins.open(1, "w", encoding="utf-8", closefd=False)
            solution.__name__ = "__main__"
            try:
                builtins.exec(ADAPTER, solution.__dict__)
            except SystemExit as stop:
                assert not stop.code
            sys.stdout.flush()
        finally:
            solution.__name__ = name
            sys.stdin, sys.stdout = streams
            for number, copy in kept:
                os.dup2(copy, number)
                os.close(copy)
        shown.seek(0)
        return shown.read().decode(errors="replace")


def lines(text):
    return [line.rstrip() for line in text.rstrip().split("\\n")]


def check(number):
    stdin, stdout = CASES[number]
    assert lines(printed(stdin)) == lines(stdout)
"""


def cases_test(adapter: str, stdin: Sequence[str], stdout: Sequence[str]) -> str:
    """A module with a test a case, which imports the solution and nothing else that was not known before."""
    cases = ascii(list(zip(stdin, stdout, strict=True)))
    tests = [f"def test_case_{number}():\n    check({number})" for number in range(len(stdin))]
    return "\n\n\n".join([_MODULE.format(adapter=ascii(adapter), cases=cases).rstrip(), *tests]) + "\n"
