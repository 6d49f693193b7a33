"""Prompt i of a run is the same on every machine and after every stop; which models are asked for it and judge it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tasks.settings import REPOSITORY
from tests.llm.fault_server import COMPLETIONS, Reply, Seen, chat, error
from tests.subsets.conftest import Bench
from tests.subsets.first_requests import hashes


def test_another_process_with_another_hash_seed_makes_the_same_requests() -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "77"}
    other = subprocess.run(
        [sys.executable, "-m", "tests.subsets.first_requests"],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(other.stdout) == hashes()


def asked(bench: Bench) -> list[tuple[int, str, tuple[str, ...], str]]:
    return [(row.prompt_index, row.model, tuple(row.seed_ids), row.request_hash) for row in bench.rows()]


def reversed_seeds(source: str) -> str:
    head, *lines = Path(source).read_text().splitlines()
    file = Path(source).with_name("reversed.csv")
    file.write_text("\n".join([head, *reversed(lines)]) + "\n")
    return str(file)


def test_a_run_that_grew_was_stopped_and_got_more_seeds_asks_what_one_in_a_go_asks(
    bench: Bench, other_database: Engine, sources: Callable[[str], str]
) -> None:
    source = sources("Leetcode")
    bench.generate("Leetcode", 2, source)
    bench.generate("Leetcode", 6, source, stop_after=1)
    # What is planned keeps its seeds, whatever is stored now.
    more = Path(source).with_name("more.csv")
    more.write_text("text\nAnother task: return the median.\n")
    bench.generate("Leetcode", 6, str(more))
    at_once = bench.on(other_database)
    at_once.generate("Leetcode", 6, reversed_seeds(source))
    assert asked(bench) == asked(at_once)


def test_several_base_models_take_turns_by_the_index_of_the_prompt(bench: Bench, other_database: Engine) -> None:
    models = {"base_model": "qwen, llama=llama3, qwen"}
    bench.generate("Prefill", 2, **models)
    bench.generate("Prefill", 7, stop_after=2, **models)
    bench.generate("Prefill", 7, **models)
    assert [row.model for row in bench.rows()] == ["qwen", "llama", "qwen", "qwen", "llama", "qwen", "qwen"]
    for seen in bench.server.seen:
        assert seen.path == COMPLETIONS
        assert ("<|start_header_id|>" in seen.prompt) == (seen.body["model"] == "llama")
    at_once = bench.on(other_database)
    at_once.generate("Prefill", 7, **models)
    assert asked(bench) == asked(at_once)
    # Nothing is asked twice, and another list of models plans only what it does not share.
    count = len(bench.server.seen)
    bench.generate("Prefill", 7, **models)
    assert len(bench.server.seen) == count
    bench.generate("Prefill", 4, base_model="qwen")
    assert [(row.model, row.prompt_index) for row in bench.rows()[7:]] == [("qwen", 1)]


def test_an_annotator_that_refuses_rejects_the_question_and_loses_nothing(
    bench: Bench, sources: Callable[[str], str]
) -> None:
    question = "Write `count_rows(table: list[dict]) -> int`, which returns the number of distinct rows of a table."

    def decide(seen: Seen) -> Reply:
        return error(400, "content policy") if seen.body["model"] == "judge" else chat(question)

    bench.server.decide = decide
    bench.generate("Evol", 1, sources("Evol"), annotator="judge")
    (row,) = bench.rows()
    assert (row.status, row.reason, row.text) == ("rejected", "annotator", question)
    assert row.request_hash is not None
    assert "the annotator refused" in row.detail


@pytest.mark.parametrize("quality", ["good", "bad"])
def test_a_named_annotator_judges_the_questions_of_any_subset(
    bench: Bench, sources: Callable[[str], str], quality: str
) -> None:
    verdict = {"category": "data query", "difficulty": "hard", "clarity": 4, "quality": quality, "reason": "so"}
    question = "Write `count_rows(table: list[dict]) -> int`, which returns the number of distinct rows of a table."

    def decide(seen: Seen) -> Reply:
        return chat(json.dumps(verdict) if seen.body["model"] == "judge" else question)

    bench.server.decide = decide
    bench.generate("Evol", 1, sources("Evol"), annotator="judge")
    (row,) = bench.rows()
    assert (row.annotated_category, row.annotated_difficulty, row.annotated_clarity) == ("Data Query", "hard", 4)
    assert row.annotation_hash is not None
    assert (row.status, row.reason) == (("accepted", None) if quality == "good" else ("rejected", "annotator"))
    assert [seen.body["model"] for seen in bench.server.seen] == ["teacher", "judge"]
