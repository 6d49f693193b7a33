"""Programs known to be right must pass, in both forms: HumanEval's canonical solutions and MBPP's."""

from __future__ import annotations

import gzip
import json
import textwrap
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox

BENCHMARKS = Path(__file__).resolve().parents[2].parent / "shared" / "benchmarks"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not BENCHMARKS.is_dir(), reason=f"HumanEval and MBPP are not at {BENCHMARKS}"),
]


def _rows(name: str) -> list[dict]:
    with gzip.open(BENCHMARKS / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _human_eval() -> list[tuple[str, str, str, str]]:
    """Id, solution, definitions of the test, call of the test."""
    found = []
    for row in _rows("HumanEval.jsonl.gz"):
        solution = row["prompt"] + row["canonical_solution"]
        found.append((row["task_id"], solution, row["test"], f"check({row['entry_point']})"))
    return found


def _mbpp() -> list[tuple[str, str, str, str]]:
    return [
        (f"MBPP/{row['task_id']}", row["code"], row["test_setup_code"], "\n".join(row["test_list"]))
        for row in _rows("mbpp.jsonl.gz")
    ]


# What `from solution import *` makes of four of them; so it would in the original pipeline.
_TAKEN_FOR_A_TEST = "the function is named test_..., and pytest takes it for a test that asks for fixtures"
EXCEPTIONS = {
    "MBPP/19": _TAKEN_FOR_A_TEST,
    "MBPP/46": _TAKEN_FOR_A_TEST,
    "MBPP/801": _TAKEN_FOR_A_TEST,
    "MBPP/798": "the function is named _sum, which a star does not import",
}


@pytest.mark.parametrize(("name", "load", "count"), [("HumanEval", _human_eval, 164), ("MBPP", _mbpp, 974)])
@pytest.mark.parametrize("form", ["pytest", "stdio"])
def test_known_good_programs_pass(name: str, load, count: int, form: str) -> None:
    jobs = []
    for identity, solution, definitions, call in load():
        if form == "pytest":
            test = f"{definitions}\n\ndef test_all():\n{textwrap.indent(call, '    ')}\n"
            jobs.append(Job(identity, solution, test=test, coverage=False))
        else:
            program = f"{solution}\n{definitions}\n{call}\nprint('all right')\n"
            jobs.append(Job(identity, program, judge="stdio", stdin=("",), stdout=("all right\n",)))
    assert len(jobs) == count
    with Sandbox(Policy(timeout_s=30)) as sandbox:
        failed = {v.id: f"{v.kind}: {v.message[:200]}" for v in sandbox.run(jobs) if not v.passed}
    explained = EXCEPTIONS.keys() if (name, form) == ("MBPP", "pytest") else set()
    assert {identity: why for identity, why in failed.items() if identity not in explained} == {}
    assert failed.keys() == explained


@pytest.mark.parametrize("load", [_human_eval, _mbpp])
def test_known_good_programs_are_confirmed_and_nearly_all_apart(load) -> None:
    jobs = [
        Job(name, solution, test=f"{definitions}\n\ndef test_all():\n{textwrap.indent(call, '    ')}\n", confirm=True)
        for name, solution, definitions, call in load()
        if name not in EXCEPTIONS
    ]
    with Sandbox(Policy(timeout_s=30)) as sandbox:
        verdicts = list(sandbox.run(jobs))
    assert {verdict.id: verdict.message for verdict in verdicts if not verdict.passed} == {}
    assert sum(verdict.apart for verdict in verdicts) >= 0.95 * len(jobs)
