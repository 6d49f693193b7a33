"""A failing assertion tells its values, and telling changes nothing: not what is evaluated, nor what is kept alive."""

from __future__ import annotations

import textwrap

import pytest

from tasks.sandbox import Job, Sandbox, VerdictKind

SOLUTION = """
CALLS = []

def seen(value):
    CALLS.append(value)
    return value

class Node:
    pass
"""


def _judge(sandbox: Sandbox, test: str):
    (verdict,) = sandbox.run([Job("one", SOLUTION, test=textwrap.dedent(test))])
    return verdict


@pytest.mark.parametrize(
    ("assertion", "told"),
    [
        ("assert seen(3) == 4", "assert 3 == 4"),
        ("assert seen('a') in ['b']", "assert 'a' in ['b']"),
        ("assert seen(None) is not None", "assert None is not None"),
        ("assert seen(0)", "assert 0"),
        ("assert not seen(5)", "assert False"),
        ("assert 1 < seen(2) < 2", "assert False"),
        ("assert seen(1) == 2, 'said ' + str(seen(7))", "assert 1 == 2: said 7"),
        ("assert seen(1) == 1 and seen(2) == 3", "assert False"),
    ],
)
def test_a_failed_assertion_tells_its_values_and_its_line(sandbox: Sandbox, assertion: str, told: str) -> None:
    verdict = _judge(sandbox, f"def test_a():\n    {assertion}\n")
    assert verdict.kind is VerdictKind.FAILED
    assert told in verdict.message and assertion in verdict.message and "test_solution.py:4" in verdict.message


def test_what_is_evaluated_and_kept_is_what_python_would(sandbox: Sandbox) -> None:
    verdict = _judge(
        sandbox,
        """
        import gc, sys, weakref

        def boom():
            raise ZeroDivisionError

        def test_once_and_in_order():
            CALLS.clear()
            assert seen(1) < seen(2) <= seen(2), boom()
            assert seen(3) == seen(3), boom()
            assert (seen(0) or seen(4)) and not seen(0)
            assert CALLS == [1, 2, 2, 3, 3, 0, 4, 0]

        def test_nothing_is_kept_alive():
            node = Node()
            there = weakref.ref(node)
            assert there() is node
            assert there()
            del node
            assert there() is None

        def test_in_every_kind_of_block():
            for value in [1, 2]:
                with open("/dev/null") as file:
                    assert value in (1, 2)
                    try:
                        assert file.read() == ""
                    except OSError:
                        assert False
                    else:
                        assert value
                    finally:
                        assert value > 0
            match seen(3):
                case 3:
                    assert True
            while True:
                assert 1
                break

        class TestClass:
            assert 1 == 1
            kinds = ["a"]

            def test_method(self):
                assert self.kinds == ["a"]
                assert not [name for name in vars(type(self)) if "@" in name]

            class TestInner:
                def test_deep(self):
                    assert [x for x in (1, 2) if (y := x)] == [1, 2]
        """,
    )
    assert verdict.passed, verdict
    assert len(verdict.tests) == 5


def test_tests_with_marks_fixtures_and_watched_output_go_the_long_way_and_agree(sandbox: Sandbox) -> None:
    quick = _judge(sandbox, "def test_a():\n    assert seen(1) == 2\n")
    for extra in ("import logging", "import warnings"):
        assert _judge(sandbox, f"{extra}\ndef test_a():\n    assert seen(1) == 2\n").tests == quick.tests
    plain = """
        import pytest, unittest

        def test_skips():
            raise unittest.SkipTest("later")

        @pytest.fixture
        def broken():
            raise ValueError("set-up")

        def test_set_up(broken):
            pass

        @pytest.fixture
        def closing():
            yield 1
            raise ValueError("teardown")

        def test_teardown(closing):
            assert closing == 1
    """
    watched = """
        import warnings

        def test_warns():
            with pytest.warns(UserWarning):
                warnings.warn("x")

        @pytest.mark.xfail
        def test_marked():
            assert seen(1) == 2
    """
    outcomes = ["skipped", "error", "error"]
    assert [*_judge(sandbox, plain).tests.values()] == outcomes
    both = textwrap.dedent(plain) + textwrap.dedent(watched)
    assert [*_judge(sandbox, both).tests.values()] == [*outcomes, "passed", "skipped"]
