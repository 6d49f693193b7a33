"""Self-proof: written files are executed through their own reward paths, and what does not hold is named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.formats import FORMATS, FormattedRow, ProofFailed, ResponseRecord, TripletRecord, chosen_formats
from tasks.formats.format import Rewarded
from tasks.formats.proof import prove
from tests.formats.written import write

Make = Callable[..., TripletRecord]

ADDS = "```python\ndef plus(a, b):\n    return a + b\n```"
SUBTRACTS = "```python\ndef add(a, b):\n    return a - b\n```"
PASSING = ResponseRecord(0, True, ADDS, "Sum.", "code")
FAILING = ResponseRecord(1, False, SUBTRACTS, None, "code")
ALL = chosen_formats(list(FORMATS))


def program(triplet: Make) -> TripletRecord:
    cases = {"stdin": ["1\n", "5\n"], "stdout": ["2\n", "10\n"]}
    return triplet(
        13, triplet_id="Leetcode_00000012_O", style="online_judge", solution="print(2 * int(input()))\n",
        test=repr(cases), functions=(),
    )  # fmt: skip


def test_every_format_proves_itself_on_what_it_was_made_from(tmp_path: Path, triplet: Make) -> None:
    records = [triplet(), program(triplet), triplet(14)]
    answers = {record.triplet_id: [PASSING, FAILING] for record in (records[0], records[2])}
    files = write(tmp_path, ALL, records, answers)
    proven = {format.name for format in ALL if format.proof is not None}
    assert proven == FORMATS.keys() - {"kodcode-v1", "provenance"}
    rows = {entry.path: entry.rows for entry in files if entry.format in proven and entry.rows}
    assert prove(tmp_path, ALL, files, None) == rows
    assert prove(tmp_path, ALL, files, 1) == dict.fromkeys([path for path in rows if "/train/" in path], 1)


@pytest.mark.parametrize("name", [format.name for format in ALL if isinstance(format.proof, Rewarded)])
def test_every_reward_finds_a_wrong_solution(tmp_path: Path, triplet: Make, name: str) -> None:
    wrong = replace(program(triplet), solution="print(3 * int(input()))\n")
    formats = chosen_formats([name])
    with pytest.raises(ProofFailed, match=f"{name}.*Leetcode_00000012_O: its own solution scores 0"):
        prove(tmp_path, formats, write(tmp_path, formats, [wrong]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"solution": "def add(a, b):\n    return a - b\n"}, "its own solution scores 0"),
        ({"test": "def test_add():\n    assert add\n"}, "mutants of its solution score as high"),
        ({"solution": "from operator import add\n", "test": "def test_any():\n    pass\n"}, "score as high"),
    ],
)
def test_rows_that_do_not_reward_rightly_are_named(
    tmp_path: Path, triplet: Make, changes: dict[str, str], said: str
) -> None:
    formats = chosen_formats(["verl"])
    files = write(tmp_path, formats, [triplet(1), triplet(2, **changes)])
    with pytest.raises(ProofFailed, match=f"verl.*Leetcode_00000002_I: .*{said}"):
        prove(tmp_path, formats, files)


@pytest.mark.parametrize("name", ["kodcode-v1-sft", "messages", "messages-jsonl", "sharegpt", "dpo"])
def test_an_answer_that_does_not_pass_after_all_is_named(tmp_path: Path, triplet: Make, name: str) -> None:
    formats = chosen_formats([name])
    answers = {triplet().triplet_id: [replace(PASSING, text=SUBTRACTS), FAILING]}
    files = write(tmp_path, formats, [triplet()], answers)
    with pytest.raises(ProofFailed, match=f"{name}.*the code of its answer fails"):
        prove(tmp_path, formats, files)


def test_an_answer_is_judged_by_its_code_though_that_holds_a_fence(tmp_path: Path, triplet: Make) -> None:
    code = 'EXAMPLE = """\n```\nadd(1, 2)\n```\n"""\n\n\ndef add(a, b):\n    return a + b'
    formats = chosen_formats(["messages"])
    answers = {triplet().triplet_id: [replace(PASSING, text=f"````python\n{code}\n````")]}
    assert prove(tmp_path, formats, write(tmp_path, formats, [triplet()], answers)).total() == 1


def test_a_rejected_answer_that_passes_is_named(tmp_path: Path, triplet: Make) -> None:
    formats = chosen_formats(["dpo"])
    files = write(tmp_path, formats, [triplet()], {triplet().triplet_id: [PASSING, replace(FAILING, text=ADDS)]})
    with pytest.raises(ProofFailed, match="rejected answer passes"):
        prove(tmp_path, formats, files)


def test_a_reward_that_is_always_full_is_found_by_its_mutants(tmp_path: Path, triplet: Make) -> None:
    generous = replace(FORMATS["verl"], proof=Rewarded(lambda *_: 1.0))
    formats = (FORMATS["kodcode-v1"], generous)
    files = write(tmp_path, formats, [triplet()])
    with pytest.raises(ProofFailed, match="mutants"):
        prove(tmp_path, formats, files)


def test_a_row_without_a_triplet_is_no_proof(tmp_path: Path, triplet: Make) -> None:
    def invented(record: TripletRecord, responses: object) -> list[FormattedRow]:
        row = next(iter(FORMATS["verl"].rows(record, ())))
        return [
            FormattedRow(row.split, {**row.columns, "extra_info": {**row.columns["extra_info"], "question_id": "X"}})
        ]

    formats = (FORMATS["kodcode-v1"], replace(FORMATS["verl"], rows=invented))
    with pytest.raises(ProofFailed, match="row X"):
        prove(tmp_path, formats, write(tmp_path, formats, [triplet()]))
