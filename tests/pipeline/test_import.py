"""Files that people have, through the command line: verified here, the same again for nothing, and what is bad told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.pipeline.conftest import Workplace

ADD = {
    "question": "Write a function `add(a, b)` that returns the sum of two integers, however large they are.",
    "solution": "def add(a, b):\n    return a + b\n",
    "test": "from solution import add\n\ndef test_sum():\n    assert add(1, 2) == 3\n\n"
    "def test_negative():\n    assert add(-5, 2) == -3\n",
}
LONGEST = {
    "question": "Given a list of words, return the longest one; of several, the first. An empty list gives None.",
    "solution": "def longest(words):\n    return max(words, key=len, default=None)\n",
    "test": "from solution import longest\n\ndef test_longest():\n    assert longest(['a', 'bcd', 'xyz']) == 'bcd'\n\n"
    "def test_empty():\n    assert longest([]) is None\n",
}
WRONG = LONGEST | {"solution": "def longest(words):\n    return min(words, key=len, default=None)\n"}


def write_lines(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_a_plain_file_becomes_verified_questions_once(workplace: Workplace) -> None:
    rows = [ADD, "no json", LONGEST, ADD | {"test": 7}, WRONG, ADD, LONGEST | {"question": "  "}]
    file = write_lines(workplace.folder / "mine.jsonl", rows)
    done = workplace.kodcode("import", str(file), "--subset", "leetcode", "--licence", "MIT", "--json", status=1)
    told = json.loads(done.stdout)
    (imported,) = told["files"]
    counts = {"rows": 7, "stored": 4, "bad": 3, "questions": 2, "trials": 3, "passed": 2, "verified": 2}
    assert {name: imported[name] for name in counts} == counts
    assert imported["status"] == "completed"
    assert imported["claimed_passes"] is None
    assert [(row["row"], row["reason"]) for row in told["bad_rows"]] == [
        (2, "not_json"),
        (4, "not_text"),
        (7, "empty"),
    ]
    assert told["subsets"]["Leetcode"]["verified"] == 2
    assert told["subsets"]["Leetcode"]["cost_usd"] == 0

    # The way of every other row: provenance, trust, and a difficulty from the trials that there are.
    trials = workplace.rows("select * from kodcode.trials order by question_id, attempt")
    assert [(row.provider, row.model, row.status, row.request_hash) for row in trials] == [
        ("imported", "mine.jsonl", "accepted", None),
        ("imported", "mine.jsonl", "accepted", None),
        ("imported", "mine.jsonl", "rejected", None),
    ]
    assert all(row.trust is not None and row.kill_rate is not None for row in trials[:2])
    triplets = workplace.rows("select * from kodcode.triplets order by triplet_id")
    assert [(row.triplet_id, row.difficulty, row.pass_count, row.trial_count) for row in triplets] == [
        ("Leetcode_00000000_I", "easy", 1, 1),
        ("Leetcode_00000001_I", "medium", 1, 2),
    ]
    workplace.kodcode("audit")

    before, stamp = workplace.tables(), workplace.rows("select max(updated_at) from kodcode.trials")
    moved = file.rename(workplace.folder / "renamed.jsonl")
    workplace.kodcode("import", str(moved), "--subset", "leetcode", status=1)
    assert workplace.tables() == before
    assert workplace.rows("select max(updated_at) from kodcode.trials") == stamp

    released = json.loads(workplace.kodcode("release", "--subset", "leetcode", "--json").stdout)
    assert released["rows"] == 2
    workplace.kodcode("audit")
