"""Requests as a teacher over HTTP understands them: each kind gets its own kind of recorded answer."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tasks.llm.types import Request
from tasks.subsets import (
    SUBSETS,
    complete_request,
    extract_question,
    get_subset,
    load_seeds,
    online_judge_request,
    propose_request,
    respond_request,
    solve_request,
)

SHARED = Path(__file__).resolve().parents[3] / "shared"
SERVER, RECORDED = SHARED / "tools" / "replay_server.py", SHARED / "recorded" / "leetcode"

pytestmark = pytest.mark.skipif(
    not (SERVER.is_file() and RECORDED.is_dir()), reason="the recorded answers are not beside the repository"
)


def _section(text: str, name: str) -> str:
    return text.partition(f"<|{name} Begin|>")[2].partition(f"<|{name} End|>")[0].strip()


@pytest.fixture(scope="module")
def teacher() -> Iterator[httpx.Client]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen([sys.executable, str(SERVER), str(RECORDED), "--port", str(port)])
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False)
    while process.poll() is None:
        try:
            client.get("/stats")
            break
        except httpx.TransportError:
            time.sleep(0.05)  # between tries; the server gives no other sign that it listens
    yield client
    process.terminate()
    process.wait()
    client.close()


def _ask(client: httpx.Client, request: Request) -> tuple[str, dict[str, int]]:
    """The answer, and by how much each of the server's counters rose."""
    before: dict[str, int] = client.get("/stats").json()
    body: dict[str, Any] = {"model": request.model, "max_tokens": request.sampling.max_tokens}
    if request.prompt is not None:
        reply = client.post("/v1/completions", json=body | {"prompt": request.prompt}).json()
        text = reply["choices"][0]["text"]
    else:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        reply = client.post("/v1/chat/completions", json=body | {"messages": messages}).json()
        text = reply["choices"][0]["message"]["content"]
    after: dict[str, int] = client.get("/stats").json()
    return text, {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}


@pytest.fixture(scope="module")
def converted() -> tuple[str, str, str]:
    """Question, solution and test of a recorded trial whose question was also converted."""
    wanted = {json.loads(line)["prompt_id"] for line in (RECORDED / "converts.jsonl").open(encoding="utf-8")}
    for line in (RECORDED / "solves.jsonl").open(encoding="utf-8"):
        row = json.loads(line)
        solution, test = _section(row["response"], "Solution"), _section(row["response"], "Test")
        if row["prompt_id"] in wanted and solution and test:
            fences = ("```python\n", "```")
            for fence in fences:
                solution, test = solution.replace(fence, ""), test.replace(fence, "")
            return row["question"], solution, test
    raise AssertionError("no converted question in the recording")


def test_every_generator_is_taken_for_a_request_for_a_question(teacher: httpx.Client) -> None:
    for spec in SUBSETS.values():
        seeds = load_seeds(spec).seeds[: spec.seeds_per_prompt]
        for has_completions in (True, False):
            request, _ = propose_request(spec, seeds, 0, "openai", "teacher", has_completions)
            answer, served = _ask(teacher, request)
            assert served == {"question": 1}
            if spec.seed_kind == "problem":
                assert extract_question(spec, answer).text


def test_each_later_stage_gets_its_own_answers(teacher: httpx.Client, converted: tuple[str, str, str]) -> None:
    question, solution, test = converted
    answer, served = _ask(teacher, solve_request(question, 0, "openai", "teacher")[0])
    assert served == {"solve": 1}
    assert _section(answer, "Test")
    answer, served = _ask(teacher, complete_request(question, solution, test, 0, "openai", "teacher")[0])
    assert served == {"convert": 1}
    assert _section(answer, "Completion")
    answer, served = _ask(teacher, online_judge_request(question, solution, test, 0, "openai", "teacher")[0])
    assert served == {"refused": 1}  # the recording holds no conversions to this style
    assert extract_question(get_subset("leetcode"), answer).reason == "refused"


def test_recorded_questions_are_answered_with_reasoning(teacher: httpx.Client) -> None:
    with (RECORDED / "reasoning.jsonl").open(encoding="utf-8") as rows:
        question = json.loads(next(rows))["question"]
    for model in ("deepseek-r1", "teacher"):
        answer, served = _ask(teacher, respond_request(question, 0, "openai", model)[0])
        assert served == {"reasoning": 1}
        assert "</think>" in answer


def test_every_recorded_question_is_recognised_in_its_solve_prompt(teacher: httpx.Client) -> None:
    with (RECORDED / "questions.jsonl").open(encoding="utf-8") as rows:
        answers = [json.loads(row)["response"] for row in rows]
    for answer in answers:
        question = extract_question(get_subset("leetcode"), answer).text
        assert question is not None
        _, served = _ask(teacher, solve_request(question, 0, "openai", "teacher")[0])
        assert served == {"solve": 1}
