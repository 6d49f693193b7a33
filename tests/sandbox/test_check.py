"""`check`: rows in, results out, in order, through bad rows and interruptions."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from tasks.sandbox import Policy
from tasks.sandbox.check import check

ADD = "def add(a, b):\n    return a + b\n"
TEST = "def test_a():\n    assert add(1, 2) == 3\n"
GOOD = [
    {"id": "pair", "solution": ADD, "test": TEST},
    {"id": 7, "solution": "def add(a, b):\n    return a - b\n", "test": TEST},
    {"id": "program", "solution": "print(int(input()) + 1)", "stdin": ["1", "2"], "stdout": ["2", "3"]},
]
LUCKY = "def test_a():\n    SEEN.append(1)\ndef test_b():\n    assert SEEN\n"
POLICY = Policy(timeout_s=5, jobs=2)


def lines(rows: list[object]) -> bytes:
    return b"".join(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n" for row in rows)


def test_results_come_in_input_order_with_all_that_is_known() -> None:
    out = io.StringIO()
    summary = check(io.BytesIO(lines(GOOD)), out, POLICY)
    results = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["id"] for row in results] == ["pair", "7", "program"]
    assert [row["verdict"] for row in results] == ["passed", "failed", "passed"]
    assert [row["passed"] for row in results] == [True, False, True]
    assert results[0]["coverage"] == 100.0 and results[0]["tests"] == {"test_solution.py::test_a": "passed"}
    assert results[0].keys() == {
        "id", "verdict", "passed", "coverage", "tests", "duration_s", "peak_memory_mb", "level", "environment", "apart",
        "message",
    }  # fmt: skip
    assert summary.ok and summary.judged == 3 and summary.verdicts == {"passed": 2, "failed": 1}


def test_bad_rows_are_named_by_line_and_passed_over() -> None:
    bad: list[object] = [
        b"{not json\n",
        GOOD[0],
        b"[1]\n",
        {"solution": ADD, "test": TEST},
        {"id": "a", "test": TEST},
        {"id": "b", "solution": ADD},
        {"id": "c", "solution": 5, "test": TEST},
        {"id": "d", "solution": ADD, "stdin": ["1"], "stdout": []},
        {"id": "e", "solution": ADD, "stdin": ["1"], "stdout": ["1", "2"]},
        b"\n",
        b'{"id": "\xff"}\n',
        GOOD[0],
        b"[" * 100_000 + b"\n",
        {"id": True, "solution": ADD, "test": TEST},
        GOOD[1],
    ]
    complaints: list[tuple[int, str]] = []
    out = io.StringIO()
    summary = check(io.BytesIO(lines(bad)), out, POLICY, complain=lambda number, why: complaints.append((number, why)))
    assert [number for number, _ in complaints] == [1, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14]
    assert "line 2" in dict(complaints)[12]
    assert [json.loads(line)["id"] for line in out.getvalue().splitlines()] == ["pair", "7"]
    assert not summary.ok and summary.bad_rows == 12


def test_an_interrupted_run_is_continued(tmp_path: Path) -> None:
    source, results = tmp_path / "pairs.jsonl", tmp_path / "results.jsonl"
    source.write_bytes(lines(GOOD))
    first = {"id": "pair", "verdict": "passed", "message": "of the first run"}
    unfinished = {"id": "7", "verdict": "infrastructure"}
    results.write_text(json.dumps(first) + "\n" + json.dumps(unfinished) + "\n" + '{"id": "program", "verd')
    summary = check(source, results, POLICY, resume=True)
    rows = [json.loads(line) for line in results.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["pair", "7", "program"]
    assert rows[0]["message"] == "of the first run"
    assert summary.resumed == 1 and summary.judged == 2
    again = check(source, results, POLICY, resume=True)
    assert again.judged == 0 and again.resumed == 3
    check(source, results, POLICY)
    assert json.loads(results.read_text().splitlines()[0])["message"] == ""


def test_resuming_needs_a_file() -> None:
    with pytest.raises(ValueError, match="resume"):
        check(io.BytesIO(b""), io.StringIO(), POLICY, resume=True)


def test_coverage_can_be_left_out() -> None:
    out = io.StringIO()
    check(io.BytesIO(lines(GOOD[:1])), out, POLICY, coverage=False)
    assert json.loads(out.getvalue())["coverage"] is None


def test_passes_are_confirmed_and_numbers_compared_with_tolerance_where_asked_for() -> None:
    rows: list[object] = [
        {"id": "luck", "solution": "SEEN = []\n", "test": LUCKY},
        {"id": "near", "solution": "print(0.1 + 0.2)", "stdin": [""], "stdout": ["0.3"], "tolerance": 1e-9},
        {"id": "far", "solution": "print(0.1 + 0.2)", "stdin": [""], "stdout": ["0.3"]},
        {"id": "bad", "solution": "print(1)", "stdin": [""], "stdout": ["1"], "tolerance": "much"},
    ]
    out = io.StringIO()
    summary = check(io.BytesIO(lines(rows)), out, POLICY, confirm=True)
    verdicts = {row["id"]: row["verdict"] for row in map(json.loads, out.getvalue().splitlines())}
    assert verdicts == {"luck": "flaky", "near": "passed", "far": "failed"}
    assert summary.bad_rows == 1
