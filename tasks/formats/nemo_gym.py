"""NeMo Gym's JSON Lines for its resources server `code_gen`, which runs programs against standard input and output.

Only triplets of style online_judge are in it: the server knows no pytest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from tasks.formats import layout, rl
from tasks.formats.format import Format, Rewarded, Row
from tasks.formats.layout import MESSAGES, QUESTION_ID, Column
from tasks.formats.records import FormattedRow, ResponseRecord, TripletRecord
from tasks.sandbox import Sandbox
from tasks.sandbox.reward import code_score

NAME = "nemo-gym"
VERSION = "1"

_UNIT_TESTS = pa.struct(
    [("inputs", pa.list_(pa.string())), ("outputs", pa.list_(pa.string())), ("fn_name", pa.string())]
)
_COLUMNS: tuple[Column, ...] = (
    (
        "responses_create_params",
        pa.struct([("input", MESSAGES)]),
        "The request to the policy, as OpenAI's Responses API takes it: one user message.",
    ),
    (
        "verifier_metadata",
        pa.struct([("unit_tests", _UNIT_TESTS), ("difficulty", pa.string())]),
        "What the server verifies with: inputs and expected outputs; fn_name is null, the program is run as a whole.",
    ),
    QUESTION_ID,
)


def rows(record: TripletRecord, responses: Sequence[ResponseRecord]) -> Iterator[FormattedRow]:
    """One row a program."""
    if record.style != rl.PROGRAM_STYLE:
        return
    cases = rl.cases_of(record)
    tests = {"inputs": cases["stdin"], "outputs": cases["stdout"], "fn_name": None}
    yield FormattedRow(
        layout.split_of(record),
        {
            "responses_create_params": {"input": [{"role": "user", "content": rl.prompt_of(record)}]},
            "verifier_metadata": {"unit_tests": tests, "difficulty": record.difficulty},
            "question_id": record.triplet_id,
        },
    )


def score(row: Row, answer: str, sandbox: Sandbox) -> float:
    """1.0 where all cases pass: the server's rule, with its way to find the program, but in our sandbox."""
    lines = answer.split("\n")
    fences = [number for number, line in enumerate(lines) if "```" in line]
    if len(fences) < 2:
        return 0.0
    code = "\n".join(lines[fences[-2] + 1 : fences[-1]])
    tests = row["verifier_metadata"]["unit_tests"]
    cases = {"stdin": tests["inputs"], "stdout": tests["outputs"]}
    return code_score(code, cases, rl.LIMITS, sandbox=sandbox)


FORMAT = Format(
    name=NAME,
    version=VERSION,
    splits=layout.SPLITS,
    columns=_COLUMNS,
    rows=rows,
    file_type="jsonl",
    proof=Rewarded(score),
)
