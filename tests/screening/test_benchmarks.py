"""Benchmark files: the published layouts, private ones, and errors that name rows."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl
import pytest

from tasks.screening import DEMO_BENCHMARK, BenchmarkError, Problem, load_benchmark


def write(path: Path, rows: list[object]) -> Path:
    content = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_published_files_of_humaneval_and_mbpp_load(benchmark_files: tuple[Path, Path]) -> None:
    human_eval, mbpp = map(load_benchmark, benchmark_files)
    assert (len(human_eval), human_eval[0].benchmark, human_eval[0].item_id) == (164, "HumanEval", "HumanEval/0")
    assert (len(mbpp), mbpp[0].benchmark, mbpp[0].item_id) == (974, "MBPP", "1")
    assert "def has_close_elements" in human_eval[0].text


def test_bigcodebench_gives_both_of_its_prompts(tmp_path: Path) -> None:
    row = {"task_id": "BigCodeBench/0", "instruct_prompt": "Do it.", "complete_prompt": "def task(): ...", "test": "t"}
    expected = [
        Problem("BigCodeBench", "BigCodeBench/0", "Do it."),
        Problem("BigCodeBench", "BigCodeBench/0#complete_prompt", "def task(): ..."),
    ]
    assert load_benchmark(write(tmp_path / "b.jsonl", [row])) == expected
    pl.DataFrame([row]).write_parquet(tmp_path / "b.parquet")
    assert load_benchmark(tmp_path / "b.parquet") == expected


def test_livecodebench_and_sanitised_mbpp_are_known(tmp_path: Path) -> None:
    live = {"question_id": "abc301_a", "question_content": "Two players ...", "private_test_cases": "x" * 1000}
    assert load_benchmark(write(tmp_path / "l.jsonl.gz", [live])) == [
        Problem("LiveCodeBench", "abc301_a", "Two players ...")
    ]
    mbpp = {"task_id": 2, "prompt": "Find shared elements.", "test_list": [], "test_imports": []}
    assert load_benchmark(write(tmp_path / "m.jsonl", [mbpp])) == [Problem("MBPP", "2", "Find shared elements.")]


def test_a_private_benchmark_is_called_after_its_file_or_as_told(tmp_path: Path) -> None:
    file = write(tmp_path / "ours.v2.jsonl", [{"id": 1, "prompt": "p"}, "", {"id": "x", "prompt": "q", "level": 3}])
    assert load_benchmark(file) == [Problem("ours", "1", "p"), Problem("ours", "x", "q")]
    assert {problem.benchmark for problem in load_benchmark(file, benchmark="Exam")} == {"Exam"}
    odd = write(tmp_path / "odd.jsonl", [{"key": "k", "words": "w"}])
    assert load_benchmark(odd, id_column="key", text_column="words") == [Problem("odd", "k", "w")]


def test_rows_may_name_their_benchmark(tmp_path: Path) -> None:
    rows = [{"benchmark": name, "item_id": "1", "text": name} for name in ("A", "B")]
    assert load_benchmark(write(tmp_path / "all.jsonl", rows)) == [Problem("A", "1", "A"), Problem("B", "1", "B")]


def test_the_demo_benchmark_has_four_items() -> None:
    problems = load_benchmark(DEMO_BENCHMARK)
    assert [problem.item_id for problem in problems] == ["Demo/1", "Demo/2", "Demo/3", "Demo/4"]
    assert {problem.benchmark for problem in problems} == {"Demo_Bench"}
    assert "rotate_matrix_clockwise" in problems[0].text


def test_every_broken_row_is_named(tmp_path: Path) -> None:
    good = {"id": "1", "text": "t"}
    rows = [good, "{", "[1]", {"id": "2"}, {"text": "t"}, {"id": "3", "text": " "}, good, "[" * 200_000]
    with pytest.raises(BenchmarkError) as raised:
        load_benchmark(write(tmp_path / "bad.jsonl", rows))
    message = str(raised.value)
    for expected in (
        "row 2 is not JSON", "row 3 is not a JSON object", "row 4 has no text in column 'text'",
        "row 5 has no id in column 'id'", "row 6 has no text", "row 7 repeats the id '1'", "row 8 is not JSON",
    ):  # fmt: skip
        assert expected in message
    with pytest.raises(BenchmarkError, match="and 40 more"):
        load_benchmark(write(tmp_path / "worse.jsonl", [good, *["x"] * 50]))


def test_files_that_cannot_be_used_say_why(tmp_path: Path) -> None:
    (tmp_path / "torn.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1, "text": "t"}\n' * 1000)[:60])
    (tmp_path / "plain.jsonl.gz").write_bytes(b'{"id": 1, "text": "t"}\n')
    (tmp_path / "no.parquet").write_bytes(b"PAR1 not really")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    write(tmp_path / "empty.jsonl", [])
    write(tmp_path / "unknown.jsonl", [{"a": 1, "b": 2}])
    write(tmp_path / "list.csv", [])
    for name, message in {
        "torn.jsonl.gz": "cannot be read", "plain.jsonl.gz": "cannot be read", "no.parquet": "cannot be read",
        "other.parquet": "'a'", "empty.jsonl": "no rows", "unknown.jsonl": "'a', 'b'", "list.csv": "neither .jsonl",
        "absent.jsonl": "cannot be read", "absent.parquet": "cannot be read",
    }.items():  # fmt: skip
        with pytest.raises(BenchmarkError, match=message):
            load_benchmark(tmp_path / name)
    with pytest.raises(BenchmarkError, match="no column 'k'"):
        load_benchmark(tmp_path / "other.parquet", id_column="k", text_column="a")
    with pytest.raises(BenchmarkError, match="both"):
        load_benchmark(tmp_path / "other.parquet", id_column="k")


def test_what_the_database_cannot_hold_is_taken_out(tmp_path: Path) -> None:
    file = write(tmp_path / "nul.jsonl", ['{"id": "a\\u0000", "text": "x\\u0000y\\ud800z"}'])
    assert load_benchmark(file) == [Problem("nul", "a", "xy?z")]
