"""Reject sampling as a stage: real answers over HTTP, judged in the sandbox, stored apart from their reasoning."""

from __future__ import annotations

import ast
import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text

from flows import respond as flow
from tasks import drain
from tasks.backends import Backends
from tasks.llm import stored_answers
from tasks.options import Teacher
from tasks.respond import plan_responses
from tasks.run import Run, _current
from tasks.sandbox import Policy, Sandbox
from tasks.settings import Settings
from tasks.store import ArtifactStore
from tasks.store.schema import Question, Response, Trial, Triplet
from tasks.trials import extract_response_code, parse_python
from tests.llm.fault_server import FaultServer, Reply, Seen, chat

RECORDED = Path(__file__).resolve().parents[2] / "shared" / "recorded" / "leetcode" / "reasoning.jsonl"
STYLES = ["instruct", "online_judge"]
TEST = "\n".join(f"def test_{n}():\n    assert double({n}) == {2 * n}\n" for n in range(4))
INFO = [
    {
        "function_name": "double",
        "parameter_list": "(x)",
        "function_declaration": "def double(x):",
        "docstring": None,
    }
]
RIGHT = "def double(x):\n    return 2 * x"
HALF_RIGHT = "def double(x):\n    return x if x > 1 else 2 * x"


def fenced(code: str) -> str:
    return f"```python\n{code}\n```"


@dataclass(frozen=True)
class Stage:
    """The stage with a database, an artifact store and a server that answers what `answers` holds for a question."""

    run: Run
    teacher: Teacher
    server: FaultServer
    answers: dict[str, list[Reply]]

    def respond(self, responses: int, stop_early: bool = False, teacher: Teacher | None = None) -> int:
        """The flow, without Prefect; returns how many responses were asked."""

        async def respond() -> int:
            try:
                return await flow.respond.fn(["Leetcode"], STYLES, responses, stop_early, teacher or self.teacher)
            finally:
                while self.run._gateways:
                    await self.run._gateways.popitem()[1].close()

        token = _current.set(self.run)
        try:
            return asyncio.run(respond())
        finally:
            _current.reset(token)

    def rows(self, query: str) -> Sequence[Any]:
        with self.run.engine.connect() as connection:
            return connection.execute(text(query)).all()

    def triplet(self, number: int, question: str, test: str, info: Any, style: str = "instruct") -> None:
        question_id = f"Leetcode_{number:08d}"
        with self.run.engine.begin() as connection:
            connection.execute(
                insert(Question).values(
                    question_id=question_id, subset="Leetcode", number=number, provider="openai", model="m",
                    prompt_index=number, seed_ids=[], text=question, text_hash=question_id, status="accepted",
                )
            )  # fmt: skip
            connection.execute(
                insert(Trial).values(
                    question_id=question_id, attempt=0, status="accepted", verdict="passed",
                    outcomes={f"test_solution.py::test_{n}": "passed" for n in range(4)},
                )
            )  # fmt: skip
            # Of an online_judge triplet only what the stage and its view read.
            for kind in dict.fromkeys(["instruct", style]):
                connection.execute(
                    insert(Triplet).values(
                        triplet_id=f"{question_id}_{kind[0].upper()}", question_id=question_id, subset="Leetcode",
                        style=kind, status="accepted" if kind == style else "rejected", solution="",
                        reason=None if kind == style else "unused", question=question, test=test,
                        test_info=info, chosen_attempt=0,
                    )
                )  # fmt: skip


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Policy(timeout_s=10, jobs=2)) as running:
        yield running


@pytest.fixture
def stage(
    database: Engine, artifacts: ArtifactStore, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    server = FaultServer()
    answers: dict[str, list[Reply]] = defaultdict(list)

    def decide(seen: Seen) -> Reply | None:
        left = answers[seen.prompt.strip()]
        return left.pop(0) if left else None

    server.decide = decide
    teacher = Teacher(
        provider="openai", model="m", base_url=server.url, reasoner="m", max_concurrency=4, prices=["m=0:0", "n=0:0"]
    )

    async def unpublished(flow: str, subsets: Sequence[str]) -> None:
        """The table is for Prefect's server."""

    monkeypatch.setattr(drain, "shard_task", drain.shard_task.fn)
    monkeypatch.setattr(flow, "publish_funnel", unpublished)
    run = Run("r", Backends(Settings(), database, artifacts, None))
    run._sandbox = sandbox
    yield Stage(run, teacher, server, answers)
    server.close()


def test_reasoning_is_stored_apart_from_the_answer_whether_tagged_or_apart_already(
    stage: Stage, artifacts: ArtifactStore
) -> None:
    shown, thought = f"So:\n{fenced(RIGHT)}", f"First\n{fenced('def double(x):' + chr(10) + '    return 0')}"
    stage.answers["tagged"] = [chat(f"<think>\n{thought}\n</think>\n{shown}")]
    stage.answers["opened by the template"] = [chat(f"{thought}\n</think>\n{shown}")]
    stage.answers["apart"] = [chat(shown, reasoning_content=thought)]
    stage.answers["none"] = [chat(shown)]
    for number, question in enumerate(list(stage.answers)):
        stage.triplet(number, question, TEST, INFO)
    assert stage.respond(1) == 4
    rows = stage.rows("select * from kodcode.v_responses order by triplet_id")
    assert [(row.kept, row.code) for row in rows] == [(True, RIGHT)] * 4
    with stage.run.engine.connect() as connection:
        kept = [
            tuple(key and artifacts.get_text(connection, key) for key in (row.answer_key, row.reasoning_key))
            for row in rows
        ]
    assert kept == [*[(shown, thought)] * 3, (shown, None)]


def test_every_response_keeps_the_outcome_of_every_test_so_that_thresholds_are_sql(stage: Stage) -> None:
    stage.triplet(0, "one", TEST, INFO)
    ends = "import os\n\n\ndef double(x):\n    os._exit(0) if x == 2 else None\n    return 2 * x"
    cheats = f"{fenced(RIGHT)}\nNo, better:\n{fenced('def double(x):' + chr(10) + '    return x')}"
    stage.answers["one"] = [
        chat(fenced(RIGHT)),
        chat(fenced(HALF_RIGHT)),
        chat(cheats),
        chat("no"),
        chat(fenced(ends)),
    ]
    cases = {"stdin": ["1\n", "2\n", "3\n"], "stdout": ["2\n", "4\n", "6\n"]}
    stage.triplet(1, "judge", repr(cases), [], "online_judge")
    stage.answers["judge"] = [chat(fenced("n = int(input())\nprint(2 if n == 1 else 6)"))]
    assert stage.respond(5) == 10
    rows = stage.rows("select * from kodcode.v_responses order by triplet_id, pass_share desc nulls last")
    shares = [(row.verdict, row.tests_passed, row.tests) for row in rows if row.style == "instruct"]
    assert sorted(shares, key=str) == sorted(
        [("passed", 4, 4), ("failed", 2, 4), ("failed", 1, 4), ("no_code", None, None), ("crashed", 2, 4)], key=str
    )
    judged = next(row for row in rows if row.style == "online_judge" and row.tests)
    assert judged.outcomes == {"0": "passed", "1": "failed", "2": "passed"}
    assert (judged.kept, judged.tests_passed, judged.tests) == (False, 2, 3)
    assert len(stage.rows("select from kodcode.v_responses where pass_share >= 0.5")) == 4


def test_a_reasoner_that_stops_early_is_asked_again_only_where_nothing_was_kept(stage: Stage) -> None:
    stage.triplet(0, "easy", TEST, INFO)
    stage.triplet(1, "hard", TEST, INFO)
    stage.answers["easy"] = [chat(fenced(RIGHT))]
    stage.answers["hard"] = [chat(fenced(HALF_RIGHT)), chat(fenced(RIGHT))]
    assert [stage.respond(3, stop_early=True) for _ in range(2)] == [3, 0]
    statuses = stage.rows("select triplet_id, attempt, status from kodcode.responses order by 1, 2")
    assert [tuple(row) for row in statuses] == [
        ("Leetcode_00000000_I", 0, "accepted"),
        ("Leetcode_00000001_I", 0, "rejected"),
        ("Leetcode_00000001_I", 1, "accepted"),
    ]
    # Another reasoner's kept response is not this one's; without stopping the rest is asked.
    for question in ("easy", "hard"):
        stage.answers[question] = [chat(fenced(RIGHT))]
    assert stage.respond(3, stop_early=True, teacher=stage.teacher.model_copy(update={"reasoner": "n"})) == 2
    assert stage.respond(3) == 3


def test_a_reasoner_that_stops_early_is_asked_one_at_a_time_though_more_were_planned(stage: Stage) -> None:
    stage.triplet(0, "one", TEST, INFO)
    plan_responses(stage.run.engine, ["Leetcode"], STYLES, stage.teacher.resolved(stage.run.settings), 4)
    stage.answers["one"] = [chat(fenced(HALF_RIGHT)), chat(fenced(RIGHT))]
    assert stage.respond(4, stop_early=True) == len(stage.server.seen) == 2
    statuses = stage.rows("select attempt, status from kodcode.responses order by 1")
    assert [tuple(row) for row in statuses] == [(0, "rejected"), (1, "accepted"), (2, "pending"), (3, "pending")]


def not_renamed_then(row: dict[str, Any]) -> bool:
    """Whether the original left a wrong name, because the function had others nested in it, and failed for that."""
    code = extract_response_code(row["response"]) or ""
    functions = [node.name for node in ast.walk(ast.parse(code)) if isinstance(node, ast.FunctionDef)]
    wanted = {entry["function_name"] for entry in row["test_info"] or ()}
    return len(functions) > 1 and bool(wanted - set(functions)) and len(parse_python(code).body) == 1  # type: ignore[union-attr]


@pytest.mark.skipif(not RECORDED.exists(), reason=f"no recorded answers beside the repository, in {RECORDED}")
def test_every_recorded_response_comes_out_with_its_recorded_verdict_and_coverage(
    stage: Stage, artifacts: ArtifactStore
) -> None:
    recorded = [json.loads(line) for line in RECORDED.read_text("utf-8").splitlines()]
    for number, row in enumerate(recorded):
        if row["trial"] == 0:
            stage.triplet(number, row["question"], row["test_code"], row["test_info"])
        stage.answers[row["question"].strip()].append(chat(row["response"]))
    assert stage.respond(3) == len(recorded) == 87
    with stage.run.engine.connect() as connection:
        rows = connection.execute(select(Response.__table__)).all()
        answers = stored_answers(connection, artifacts, [row.request_hash for row in rows])
    by_answer = {row["response"].rpartition("</think>")[2].strip(): row for row in recorded}
    wrong, helped = [], 0
    for row in rows:
        told = by_answer[answers[row.request_hash].text.strip()]
        expected = told["recorded"]
        if expected is None:
            agrees = (row.reason, row.verdict) == ("no_code", None)
        elif expected["result"] == "Pass":
            agrees = (row.verdict, row.coverage) == ("passed", expected["coverage"])
        elif not_renamed_then(told):
            helped += 1
            agrees = row.verdict == "passed"
        else:
            agrees = row.verdict in {"failed", "error", "no_tests"}
        if not agrees:
            wrong.append((row.triplet_id, row.attempt, row.verdict, row.reason, row.coverage, expected))
    assert wrong == []
    assert helped == 2
