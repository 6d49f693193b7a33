"""Files that people have, through the command line: verified here, again for nothing, and what is bad told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy.exc import ProgrammingError

from tasks.formats import TrialRecord, TripletRecord, kodcode_v1
from tasks.styles._execution import join_modules, without_main_guard
from tests.pipeline.conftest import Workplace, kill, wait_until
from tests.styles.online_judge_corpus import ADAPTER, CASES, EXAMPLE, GAPS, STATEMENT

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


GAPS_TEST = (
    "def test_gap():\n    assert largest_gap([1, 5, 2]) == 3\n\ndef test_none():\n    assert largest_gap([]) == 0\n"
)
GAPS_COMPLETE = '''from typing import List


def largest_gap(numbers: List[int]) -> int:
    """Find how far apart two neighbours can be once the numbers are in order; 0 for fewer than two numbers.

    >>> largest_gap([1, 5, 2])
    3
    """
'''


def kodcode_file(path: Path) -> Path:
    """A question with a passing and two other trials in three styles, whose source claims that all of it passes."""
    trials = (
        TrialRecord(0, "passed", GAPS.replace("right - left", "left"), GAPS_TEST, 90.0),
        TrialRecord(1, "passed", GAPS, GAPS_TEST, 100.0, f"gpt-4o {'0' * 64}"),
        TrialRecord(2, "passed", None, None, None, "gpt-4o lost"),
    )
    common: dict[str, Any] = {
        "subset": "Algorithm", "number": 41, "difficulty": "easy", "pass_sequence": (1, 1, 1), "chosen_attempt": 1,
        "trials": trials, "solution": GAPS, "test": GAPS_TEST,
    }  # fmt: skip
    question = "Write `largest_gap(numbers)`: the largest difference of neighbours in sorted order."
    program = join_modules(without_main_guard(GAPS), ADAPTER)
    # Every expected output is a lie; what counts is what the verified solution prints.
    cases = repr({"stdin": CASES, "stdout": ["1"] * len(CASES)})
    records = [
        TripletRecord("Algorithm_00000041_C", style="complete", question=GAPS_COMPLETE, original_question=question,
                      **common),
        TripletRecord("Algorithm_00000041_I", style="instruct", question=question, **common),
        TripletRecord("Algorithm_00000041_O", style="online_judge", question=STATEMENT + EXAMPLE,
                      original_question=question, **common | {"solution": program, "test": cases}),
    ]  # fmt: skip
    rows = [kodcode_v1.v1_columns(record, "v1.0") for record in records]
    pq.write_table(pa.Table.from_pylist(rows, schema=kodcode_v1.schema("v1.0")), path)
    return path


@pytest.mark.slow
def test_files_become_verified_questions_trials_and_conversions_once(workplace: Workplace) -> None:
    rows = [ADD, "no json", LONGEST, ADD | {"test": 7}, WRONG, ADD, LONGEST | {"question": "  "}]
    plain = write_lines(workplace.folder / "mine.jsonl", rows)
    kodcode = kodcode_file(workplace.folder / "train.parquet")
    command = ("import", str(kodcode), "--subset", "leetcode", "--licence", "MIT")
    told = json.loads(workplace.kodcode(*command, str(plain), "--json", status=1).stdout)
    first, second = told["files"]
    counts = {"rows": 3, "stored": 3, "bad": 0, "questions": 1, "trials": 3, "passed": 1, "verified": 1}
    assert {name: first[name] for name in counts} == counts
    assert (first["layout"], first["claimed_passes"], first["status"]) == ("kodcode", 3, "completed")
    counts = {"rows": 7, "stored": 4, "bad": 3, "questions": 2, "trials": 3, "passed": 2, "verified": 2}
    assert {name: second[name] for name in counts} == counts
    assert (second["layout"], second["claimed_passes"], second["status"]) == ("plain", None, "completed")
    assert [(row["row"], row["reason"]) for row in told["bad_rows"]] == [
        (2, "not_json"),
        (4, "not_text"),
        (7, "empty"),
    ]
    assert (told["subsets"]["Leetcode"]["verified"], told["subsets"]["Leetcode"]["cost_usd"]) == (2, 0)

    # The way of every other row: verdicts of this sandbox, provenance, trust, a difficulty from the trials there are.
    assert workplace.rows(
        "select question_id, attempt, status, reason, provider, model, request_hash, trust is not null"
        " from kodcode.trials order by question_id, attempt"
    ) == [
        ("Algorithm_00000041", 0, "rejected", "failed", "imported", "train.parquet", None, False),
        ("Algorithm_00000041", 1, "accepted", None, "imported", "gpt-4o", None, True),
        ("Algorithm_00000041", 2, "rejected", "unparsed", "imported", "train.parquet", None, False),
        ("Leetcode_00000000", 0, "accepted", None, "imported", "mine.jsonl", None, True),
        ("Leetcode_00000001", 0, "accepted", None, "imported", "mine.jsonl", None, True),
        ("Leetcode_00000001", 1, "rejected", "failed", "imported", "mine.jsonl", None, False),
    ]
    assert workplace.rows("select triplet_id, status, difficulty, model from kodcode.triplets order by 1") == [
        ("Algorithm_00000041_C", "accepted", None, "train.parquet"),
        ("Algorithm_00000041_I", "accepted", "medium", None),
        ("Algorithm_00000041_O", "accepted", None, "train.parquet"),
        ("Leetcode_00000000_I", "accepted", "easy", None),
        ("Leetcode_00000001_I", "accepted", "medium", None),
    ]
    ((cases,),) = workplace.rows("select test from kodcode.triplets where style = 'online_judge'")
    assert r"'3\n'" in cases
    workplace.kodcode("audit")

    before, stamps = workplace.tables(), workplace.rows("select max(updated_at) from kodcode.trials")
    moved = plain.rename(workplace.folder / "renamed.jsonl")
    workplace.kodcode(*command, str(moved), status=1)
    assert workplace.tables() == before
    assert workplace.rows("select max(updated_at) from kodcode.trials") == stamps


def verdicts(workplace: Workplace) -> list[Any]:
    """Every triplet and trial as it was judged."""
    return [
        *workplace.rows(
            "select triplet_id, style, status, question, solution, test, difficulty, pass_sequence, chosen_attempt,"
            " coverage, trust, kill_rate from kodcode.triplets order by triplet_id"
        ),
        *workplace.rows(
            "select question_id, attempt, status, reason, verdict, outcomes, solution, test, trust, apart"
            " from kodcode.trials order by question_id, attempt"
        ),
    ]


@pytest.mark.slow
def test_a_killed_import_goes_on_and_comes_through_a_release_as_it_is(new_workplace: Callable[[], Workplace]) -> None:
    first, second = new_workplace(), new_workplace()
    file = kodcode_file(first.folder / "train.parquet")
    killed = first.start("import", str(file))
    wait_until(lambda: trials_judged(first), "a first verdict", 120)
    kill(killed)
    (told,) = json.loads(first.kodcode("import", str(file), "--json").stdout)["files"]
    assert (told["rows"], told["trials"], told["passed"], told["status"]) == (3, 3, 1, "completed")
    first.kodcode("audit")

    released = json.loads(first.kodcode("release", "--json").stdout)
    assert released["rows"] == 3
    second.kodcode("import", released["path"])
    assert verdicts(second) == verdicts(first)
    second.kodcode("audit")


def trials_judged(workplace: Workplace) -> bool:
    try:
        return bool(workplace.rows("select from kodcode.trials where verdict is not null"))
    except ProgrammingError:  # the schema is not there yet
        return False
