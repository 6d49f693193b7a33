"""What language models really wrote, and what the original runner said to it: verdicts and coverage must agree."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path

import pytest

from tasks.sandbox import Job, Policy, Sandbox, Verdict, VerdictKind

RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "recorded" / "leetcode"

pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason=f"the recorded answers are not at {RECORDED}")


def _without_fences(text: str) -> str:
    return text.replace("```python\n", "").replace("```", "").strip()


def _between(text: str, opening: str, closing: str) -> str:
    return text.partition(opening)[2].partition(closing)[0]


def _rows(name: str) -> list[dict]:
    with (RECORDED / name).open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _solve_jobs() -> tuple[list[Job], dict[str, dict]]:
    jobs, recorded = [], {}
    for row in _rows("solves.jsonl"):
        if row["recorded"] is None:
            continue
        identity = f"{row['prompt_id']}/{row['trial']}"
        solution = _without_fences(_between(row["response"], "<|Solution Begin|>", "<|Solution End|>"))
        test = _without_fences(_between(row["response"], "<|Test Begin|>", "<|Test End|>"))
        jobs.append(Job(identity, solution, test=test))
        recorded[identity] = row["recorded"]
    return jobs, recorded


def _reasoning_code(row: dict) -> str | None:
    found = re.search(r"```python\n(.*?)```", row["response"].rpartition("</think>")[2], re.DOTALL)
    if found is None:
        return None
    code = found.group(1)
    wanted = [info["function_name"] for info in row["test_info"] or []]
    try:
        functions = [node.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    except SyntaxError:
        return code
    if len(wanted) == 1 and len(functions) == 1 and functions[0] != wanted[0]:
        code = code.replace(f"def {functions[0]}(", f"def {wanted[0]}(", 1)
    return code


def _reasoning_jobs() -> tuple[list[Job], dict[str, dict]]:
    jobs, recorded = [], {}
    for row in _rows("reasoning.jsonl"):
        code = _reasoning_code(row)
        if row["recorded"] is None or code is None:
            continue
        identity = f"{row['question_id']}/{row['trial']}"
        jobs.append(Job(identity, code, test=row["test_code"]))
        recorded[identity] = row["recorded"]
    return jobs, recorded


def _result(verdict: Verdict) -> str:
    if verdict.passed:
        return "Pass"
    return "Fail - Timed Out" if verdict.kind is VerdictKind.TIMED_OUT else "Fail"


def _disagreements(verdicts: list[Verdict], recorded: dict[str, dict]) -> list[str]:
    found = []
    for verdict in verdicts:
        expected = recorded[verdict.id]
        if _result(verdict) != expected["result"]:
            found.append(f"{verdict.id}: recorded {expected['result']}, now {verdict.kind}: {verdict.message[:300]}")
        elif verdict.passed and verdict.coverage != expected["coverage"]:
            found.append(f"{verdict.id}: recorded coverage {expected['coverage']}, now {verdict.coverage}")
    return found


def _judge_all(jobs: list[Job]) -> list[Verdict]:
    """The endless ones first and side by side: more slots than cores, since a loop that a loaded host starves is not
    timed out early. The
    original runner had no memory limit; one answer fills a gigabyte before its time is up."""
    with Sandbox(Policy(timeout_s=10, memory_mb=4096, jobs=3)) as sandbox:
        return list(sandbox.run(jobs))


def test_every_recorded_solve_gets_its_recorded_verdict_and_coverage() -> None:
    jobs, recorded = _solve_jobs()
    jobs.sort(key=lambda job: recorded[job.id]["result"] != "Fail - Timed Out")
    verdicts = _judge_all(jobs)
    assert len(verdicts) == len(recorded) == 299
    assert _disagreements(verdicts, recorded) == []


def test_every_recorded_reasoning_answer_gets_its_recorded_verdict_and_coverage() -> None:
    jobs, recorded = _reasoning_jobs()
    verdicts = _judge_all(jobs)
    assert len(verdicts) == len(recorded)
    assert _disagreements(verdicts, recorded) == []


def test_verdicts_do_not_depend_on_coverage_being_measured(sandbox: Sandbox) -> None:
    jobs, recorded = _solve_jobs()
    chosen = [job for job in jobs if recorded[job.id]["result"] == "Pass"]
    verdicts = list(sandbox.run(dataclasses.replace(job, coverage=False) for job in chosen))
    assert all(verdict.passed and verdict.coverage is None for verdict in verdicts)
