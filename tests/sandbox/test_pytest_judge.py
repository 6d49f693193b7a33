"""How (solution, test) pairs are judged: outcomes, coverage, output, limits."""

from __future__ import annotations

import os
import subprocess
import textwrap
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox, Verdict, VerdictKind, launch

ADD = "def add(a, b):\n    return a + b\n"


def judge(sandbox: Sandbox, solution: str, test: str, **options: object) -> Verdict:
    job = Job("one", textwrap.dedent(solution), test=textwrap.dedent(test), **options)  # type: ignore[arg-type]
    (verdict,) = sandbox.run([job])
    return verdict


def test_a_right_pair_passes_with_every_test_named(sandbox: Sandbox) -> None:
    test = "def test_a():\n    assert add(1, 2) == 3\n\ndef test_b():\n    assert add(0, 0) == 0\n"
    verdict = judge(sandbox, ADD, test)
    assert verdict.kind is VerdictKind.PASSED and verdict.passed
    assert verdict.tests == {"test_solution.py::test_a": "passed", "test_solution.py::test_b": "passed"}
    assert verdict.coverage == 100.0
    assert verdict.level is sandbox.level and verdict.environment == sandbox.environment
    assert verdict.duration_s > 0 and verdict.peak_memory_mb


def test_a_failing_assertion_is_quoted(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, ADD, "def test_a():\n    assert add(1, 2) == 4\n")
    assert verdict.kind is VerdictKind.FAILED
    assert "assert 3 == 4" in verdict.message and "test_solution.py:4" in verdict.message
    assert verdict.tests == {"test_solution.py::test_a": "failed"}


@pytest.mark.parametrize(
    ("solution", "test", "kind"),
    [
        ("def add(a, b:\n", "def test_a():\n    assert add(1, 2) == 3\n", VerdictKind.ERROR),
        (ADD, "def test_a(:\n    pass\n", VerdictKind.ERROR),
        (ADD, "import nowhere_to_be_found\ndef test_a():\n    pass\n", VerdictKind.ERROR),
        ("raise ValueError('at import')\n", "def test_a():\n    pass\n", VerdictKind.ERROR),
        (ADD, "x = 1\n", VerdictKind.NO_TESTS),
        (ADD, "", VerdictKind.NO_TESTS),
        ("", "def test_a():\n    assert 1\n", VerdictKind.PASSED),
        ("x = '\0'\n", "def test_a():\n    pass\n", VerdictKind.ERROR),
        ("x = '\ud800'\n", "def test_a():\n    pass\n", VerdictKind.ERROR),
        (ADD, "import pytest\n@pytest.mark.skip\ndef test_a():\n    pass\n", VerdictKind.FAILED),
        (ADD, "import pytest\n@pytest.mark.xfail\ndef test_a():\n    assert 0\n", VerdictKind.FAILED),
        (ADD, "async def test_a():\n    pass\n", VerdictKind.FAILED),
        (ADD, "def test_a(unknown_fixture):\n    pass\n", VerdictKind.FAILED),
        (ADD, "import pytest\n@pytest.mark.parametrize('x', [])\ndef test_a(x):\n    pass\n", VerdictKind.FAILED),
        ("import sys\nsys.exit(0)\n", "def test_a():\n    pass\n", VerdictKind.ERROR),
        (ADD, "def test_a():\n    raise KeyboardInterrupt\n", VerdictKind.FAILED),
        ("def f():\n    return f()\n", "def test_a():\n    f()\n", VerdictKind.FAILED),
        ("x = " + "(" * 5000 + ")" * 5000, "def test_a():\n    pass\n", VerdictKind.ERROR),
        ("import os\nos.kill(os.getpid(), 15)\n", "def test_a():\n    pass\n", VerdictKind.CRASHED),
        ("import ctypes\nctypes.string_at(0)\n", "def test_a():\n    pass\n", VerdictKind.CRASHED),
        ("x = [0] * 10**10\n", "def test_a():\n    pass\n", VerdictKind.MEMORY_EXCEEDED),
        ("while True:\n    print('x' * 1000)\n", "def test_a():\n    pass\n", VerdictKind.OUTPUT_EXCEEDED),
    ],
)  # fmt: skip
def test_what_is_no_pass_is_named_for_what_it_is(
    sandbox: Sandbox, solution: str, test: str, kind: VerdictKind
) -> None:
    verdict = judge(sandbox, solution, test)
    assert verdict.kind is kind, verdict
    assert verdict.message or verdict.passed


def test_pytest_features_that_generated_tests_use(sandbox: Sandbox) -> None:
    test = """
        import unittest
        from unittest.mock import patch
        import pytest

        @pytest.fixture
        def two():
            yield 2

        @pytest.fixture(autouse=True)
        def around():
            yield

        class TestGroup:
            def setup_method(self):
                self.base = 1

            def test_method(self, two):
                assert add(self.base, two) == 3

        class Case(unittest.TestCase):
            def setUp(self):
                self.x = 1

            def test_unit(self):
                self.assertEqual(add(self.x, 1), 2)
                with self.subTest("sub"):
                    self.assertTrue(True)

        @pytest.mark.parametrize("a,b,expected", [(1, 2, 3), (2, 2, 4)])
        def test_many(a, b, expected):
            assert add(a, b) == expected

        def test_raises():
            with pytest.raises(TypeError, match="unsupported"):
                add(1, "a")

        def test_approx():
            assert add(0.1, 0.2) == pytest.approx(0.3)

        def test_capture(capsys):
            print("hello")
            assert capsys.readouterr().out == "hello\\n"

        def test_monkeypatch(monkeypatch):
            monkeypatch.setattr("builtins.input", lambda *_: "7")
            assert input() == "7"

        @patch("builtins.print")
        def test_patched(fake):
            print("x")
            fake.assert_called_once_with("x")

        def test_tmp_path(tmp_path):
            (tmp_path / "a").write_text("b")
            assert (tmp_path / "a").read_text() == "b"

        def test_caplog(caplog):
            import logging
            logging.warning("note")
            assert "note" in caplog.text

        def test_slash_tmp():
            with open("/tmp/somewhere.txt", "w") as file:
                file.write("x")

        def test_threads():
            from concurrent.futures import ThreadPoolExecutor
            with ThreadPoolExecutor(4) as pool:
                assert sum(pool.map(add, [1, 2], [3, 4])) == 10

        def test_asyncio():
            import asyncio
            async def run():
                await asyncio.sleep(0)
                return add(1, 1)
            assert asyncio.run(run()) == 2

        def test_sqlite():
            import sqlite3
            with sqlite3.connect("/tmp/x.db") as db:
                db.execute("create table t (a)")

        if __name__ == "__main__":
            def test_never():
                assert False
            pytest.main()
    """
    verdict = judge(sandbox, ADD, test)
    assert verdict.kind is VerdictKind.PASSED, verdict
    assert len(verdict.tests) == 15
    assert "test_solution.py::test_many[1-2-3]" in verdict.tests


def test_unittest_failures_are_failures(sandbox: Sandbox) -> None:
    test = """
        import unittest
        class Case(unittest.TestCase):
            def test_wrong(self):
                self.assertEqual(add(1, 1), 3)
    """
    verdict = judge(sandbox, ADD, test)
    assert verdict.kind is VerdictKind.FAILED
    assert verdict.tests == {"test_solution.py::Case::test_wrong": "failed"}


def test_reading_standard_input_fails_as_under_capture(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, "value = input()\n", "def test_a():\n    pass\n")
    assert verdict.kind is VerdictKind.ERROR
    assert "OSError" in verdict.message


def test_star_import_is_a_choice(sandbox: Sandbox) -> None:
    test = "def test_a():\n    assert add(1, 2) == 3\n"
    assert not judge(sandbox, ADD, test, star_import=False).passed
    assert judge(sandbox, ADD, "from solution import add\n" + test, star_import=False).passed


def test_coverage_is_none_where_the_solution_never_ran(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, ADD, "def test_a():\n    pass\n", star_import=False)
    assert verdict.passed and verdict.coverage is None
    assert judge(sandbox, ADD, "def test_a():\n    pass\n", coverage=False).coverage is None


COVERED = {
    "branches": (
        """
        def f(x):
            if x:
                return 1
            return 2


        def g():
            total = 0
            for i in range(3):
                total += (
                    i
                    + 1
                )
            return total
        """,
        "def test_a():\n    assert f(1) == 1\n    assert g() == 6\n",
    ),
    "docstrings, decorators, multi-line statements, exclusions": (
        '''
        """Module."""
        import functools
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            import os

        TABLE = {
            "a": 1,
            "b": [
                2,
            ],
        }

        @functools.lru_cache(
            maxsize=None,
        )
        def f(x):
            """Doc."""
            if x == 5:  # pragma: no cover
                return 0
            try:
                return TABLE[
                    x
                ]
            except KeyError:
                return None
            finally:
                x = 0

        class A:
            """Doc."""
            size: int = 3
            def never(self):
                ...
            def also_never(self):
                match self:
                    case A():
                        return 1
                return 2

        if __name__ == "__main__":
            print(f("a"))
        ''',
        "def test_a():\n    assert f('a') == 1\n",
    ),
    "threads, generators, lambdas, comprehensions, fixtures": (
        """
        import threading

        def in_thread(out):
            out.append(1)

        def run():
            out = []
            t = threading.Thread(target=in_thread, args=(out,))
            t.start()
            t.join()
            return out

        def gen(n):
            for i in range(n):
                yield i
            unreached = 1

        square = lambda x: (
            x * x
        )

        def used_by_fixture():
            return [
                y
                for y in range(3)
            ]

        def used_by_teardown():
            return 1

        async def co():
            return 1
        """,
        """
        import pytest
        @pytest.fixture
        def data():
            yield used_by_fixture()
            used_by_teardown()
        def test_a(data):
            assert run() == [1]
            assert next(gen(2)) == 0
            assert data == [0, 1, 2]
        """,
    ),
    "long enough for the rounding rule": (
        "def f(x):\n    if x:\n        return 1\n" + "".join(f"y{i} = {i}\n" for i in range(400)),
        "def test_a():\n    f(0)\n",
    ),
    "nothing but comments": ("# nothing\n", "def test_a():\n    pass\n"),
}


@pytest.mark.parametrize("name", COVERED)
def test_coverage_is_what_coverage_py_reports(sandbox: Sandbox, name: str, tmp_path: Path) -> None:
    """Compared with a fresh `coverage run -m pytest` under the same interpreter."""
    solution, test = (textwrap.dedent(text) for text in COVERED[name])
    verdict = judge(sandbox, solution, test)
    assert verdict.passed, verdict
    (tmp_path / "solution.py").write_text(solution)
    (tmp_path / "test_solution.py").write_text("from solution import *\n\n" + test)
    python = launch.interpreter(Policy())
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    for arguments in (
        ["run", "--source=solution", "-m", "pytest", "-q", "--rootdir=.", "-p", "no:cacheprovider"],
        ["report", "--format=total"],
    ):
        done = subprocess.run(
            [python, "-m", "coverage", *arguments],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert verdict.coverage == float(done.stdout)


def test_an_endless_loop_and_a_sleeper_end_in_time(sandbox: Sandbox) -> None:
    for body in ("while True: pass", "import time; time.sleep(1000)"):
        verdict = judge(sandbox, ADD, f"def test_a():\n    {body}\n", timeout_s=0.5)
        assert verdict.kind is VerdictKind.TIMED_OUT
        assert verdict.duration_s >= 0.5


def test_tests_before_the_one_that_hangs_are_still_reported(sandbox: Sandbox) -> None:
    test = "def test_a():\n    assert add(1, 2) == 3\ndef test_b():\n    while True: pass\n"
    verdict = judge(sandbox, ADD, test, timeout_s=1)
    assert verdict.kind is VerdictKind.TIMED_OUT
    assert verdict.tests == {"test_solution.py::test_a": "passed"}


def test_memory_is_limited_a_job(sandbox: Sandbox) -> None:
    test = "def test_a():\n    assert len(bytearray(200 << 20)) == 200 << 20\n"
    assert judge(sandbox, ADD, test, memory_mb=400).passed
    assert judge(sandbox, ADD, test, memory_mb=100).kind is VerdictKind.MEMORY_EXCEEDED


def test_numeric_packages_are_there_and_the_pipeline_is_not(sandbox: Sandbox) -> None:
    test = """
        import importlib.util
        def test_numpy():
            import numpy as np
            assert np.arange(3).sum() == 3
        def test_pipeline():
            for name in ("prefect", "sqlalchemy", "tasks", "flows", "openai"):
                assert importlib.util.find_spec(name) is None
    """
    verdict = judge(sandbox, ADD, test)
    assert verdict.passed, verdict


def test_messages_carry_no_control_characters(sandbox: Sandbox) -> None:
    verdict = judge(sandbox, ADD, "def test_a():\n    assert False, '\\x1b[2J\\x07 red'\n")
    assert "red" in verdict.message and "\x1b" not in verdict.message and "\x07" not in verdict.message


def test_trials_share_nothing(sandbox: Sandbox) -> None:
    leave = "import builtins, os\nbuiltins.left = 1\nopen('/tmp/left', 'w').close()\nos.environ['LEFT'] = '1'\n"
    look = """
        import builtins, os, sys
        def test_a():
            assert not hasattr(builtins, "left")
            assert not os.path.exists("/tmp/left")
            assert "LEFT" not in os.environ
            assert sorted(os.listdir(".")) == ["solution.py", "test_solution.py"]
    """
    for _ in range(4):
        judge(sandbox, leave, "def test_a():\n    pass\n")
        assert judge(sandbox, ADD, look).passed
