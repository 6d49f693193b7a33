"""The formats that trainers read: their schemas, which are a promise, and what becomes of a triplet in each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from tasks.formats import FORMATS, FormatError, ResponseRecord, TripletRecord, UnknownFormat, chosen_formats, recipes
from tasks.formats.reader import read_rows
from tasks.options import FormatName
from tests.formats.written import write

Make = Callable[..., TripletRecord]

TURNS = "list<element: struct<role: string, content: string>>"
ABOUT = {"question_id": "string", "subset": "string", "style": "string", "difficulty": "string"}
SCHEMAS = {
    ("messages", "1"): {"messages": TURNS, **ABOUT},
    ("messages-jsonl", "1"): {"messages": TURNS, **ABOUT},
    ("sharegpt", "1"): {"conversations": "list<element: struct<from: string, value: string>>", **ABOUT},
    ("dpo", "2"): {"prompt": TURNS, "chosen": TURNS, "rejected": TURNS, **ABOUT},
    ("rlvr", "1"): {
        "messages": TURNS, "ground_truth": "string", "dataset": "string", "question_id": "string",
        "difficulty": "string",
    },
    ("nemo-gym", "1"): {
        "responses_create_params": f"struct<input: {TURNS}>",
        "verifier_metadata": "struct<unit_tests: struct<inputs: list<element: string>, "
        "outputs: list<element: string>, fn_name: string>, difficulty: string>",
        "question_id": "string",
    },
    ("provenance", "1"): {
        "question_id": "string", "licence": "string", "seed_licences": "list<element: string>",
        "authors": "list<element: struct<part: string, provider: string, model: string, licence: string, "
        "training: string>>",
    },
    ("verifiers", "1"): {"id": "string", "prompt": "string", "ground_truth": "string", "difficulty": "string"},
    ("verl", "1"): {
        "data_source": "string", "prompt": TURNS, "ability": "string",
        "reward_model": "struct<style: string, ground_truth: string>",
        "extra_info": "struct<split: string, index: int64, question_id: string, subset: string, style: string, "
        "difficulty: string, timeout_s: double, memory_mb: int64>",
    },
}  # fmt: skip

WRONG = ResponseRecord(0, False, "```python\ndef add(a, b):\n    return a\n```", None, "def add(a, b):\n    return a")
RIGHT = ResponseRecord(1, True, "```python\ndef add(a, b):\n    return b + a\n```", "Sum.", "def add...")
NO_CODE = ResponseRecord(2, False, "I cannot.", None, None)
ALSO_WRONG = ResponseRecord(3, False, "```python\nadd = 1\n```", None, "add = 1")


@pytest.mark.parametrize(("name", "version"), SCHEMAS)
def test_a_schema_changes_only_with_its_version(name: str, version: str) -> None:
    format = FORMATS[name]
    assert format.version == version
    found = {field.name: str(field.type).replace("<item:", "<element:") for field in format.schema}
    assert found == SCHEMAS[name, version]
    assert len(format.columns) == len(found)
    assert all(text.endswith(".") for text in format.descriptions.values())


def test_forms_offer_the_formats_of_the_registry() -> None:
    assert get_args(FormatName) == tuple(FORMATS)
    assert {name for name, _ in SCHEMAS} == FORMATS.keys() - {"kodcode-v1", "kodcode-v1-sft"}


def test_every_release_has_kodcode_v1_and_provenance_and_by_default_sft() -> None:
    assert [format.name for format in chosen_formats([])] == ["kodcode-v1", "kodcode-v1-sft", "provenance"]
    assert [format.name for format in chosen_formats(["verl", "messages", "verl"])] == [
        "kodcode-v1",
        "messages",
        "verl",
        "provenance",
    ]
    with pytest.raises(UnknownFormat, match=r"'vrel'.*verl"):
        chosen_formats(["vrel"])


def rows(name: str, record: TripletRecord, *responses: ResponseRecord) -> list[tuple[str, dict[str, Any]]]:
    return [(row.split, dict(row.columns)) for row in FORMATS[name].rows(record, responses)]


@pytest.mark.parametrize("name", ["messages", "messages-jsonl", "sharegpt"])
def test_a_conversation_is_the_question_and_the_first_passing_answer(name: str, triplet: Make) -> None:
    assert rows(name, triplet(), WRONG, NO_CODE) == []
    ((split, row),) = rows(name, triplet(), WRONG, RIGHT)
    turns = row["conversations" if name == "sharegpt" else "messages"]
    assert [list(turn.values()) for turn in turns] == [
        ["human" if name == "sharegpt" else "user", triplet().question],
        ["gpt" if name == "sharegpt" else "assistant", f"<think>\nSum.\n</think>\n\n{RIGHT.text}"],
    ]
    assert (split, row["question_id"]) == ("train", triplet().triplet_id)
    assert rows(name, triplet(filter_reason="why"), RIGHT)[0][0] == "use_with_caution"


def test_pairs_prefer_what_passed_to_what_failed_and_use_an_answer_once(triplet: Make) -> None:
    assert rows("dpo", triplet(), RIGHT, NO_CODE) == []
    ((split, row),) = rows("dpo", triplet(), ALSO_WRONG, NO_CODE, WRONG, RIGHT)
    assert split == "train"
    assert [row[name][0]["content"][-20:] for name in ("prompt", "chosen", "rejected")] == [
        text[-20:] for text in (triplet().question, RIGHT.text, WRONG.text)
    ]


@pytest.mark.parametrize("verdict", ["flaky", "tampered", "timed_out", "memory_exceeded", "infrastructure"])
def test_what_another_execution_may_find_right_is_not_the_rejected_side(triplet: Make, verdict: str) -> None:
    unsure = replace(WRONG, verdict=verdict)
    assert rows("dpo", triplet(), unsure, RIGHT) == []
    ((_, row),) = rows("dpo", triplet(), unsure, RIGHT, replace(ALSO_WRONG, verdict="failed"))
    assert row["rejected"][0]["content"] == ALSO_WRONG.text
    # Nor is it shown, so that its model is no author of the row.
    assert FORMATS["dpo"].shows is not None
    assert FORMATS["dpo"].shows([unsure, RIGHT]) == []


def test_a_policy_is_told_what_the_test_calls(triplet: Make) -> None:
    ((split, row),) = rows("verl", triplet())
    prompt = row["prompt"][0]["content"]
    assert prompt.startswith("Write `add(a, b)`.")
    assert "def add(a, b):" in prompt
    assert (split, row["data_source"], row["ability"]) == ("train", "kodcode/Leetcode", "code")
    assert row["reward_model"] == {"style": "rule", "ground_truth": triplet().test}
    assert row["extra_info"]["question_id"] == triplet().triplet_id


def test_a_programs_ground_truth_is_its_cases_as_json(triplet: Make) -> None:
    cases = {"stdin": ["1\n", "é"], "stdout": ["2\n", "'"]}
    ((_, row),) = rows("verl", triplet(style="online_judge", test=repr(cases)))
    assert json.loads(row["reward_model"]["ground_truth"]) == cases
    for broken in ("def test(): pass", "{'stdin': []}", "{'stdin': ['1'], 'stdout': []}"):
        with pytest.raises(FormatError, match="Leetcode_00000012_I"):
            rows("verl", triplet(style="online_judge", test=broken))


def test_open_instruct_gets_each_test_function_as_a_source_of_its_own(triplet: Make) -> None:
    test = "from solution import add\nimport math\ndef same(a):\n    return a\n"
    test += "def test_a():\n    assert same(add(1, 2)) == 3\ndef test_b():\n    assert add(0, 0) == math.floor(0.5)\n"
    ((_, row),) = rows("rlvr", triplet(test=test))
    sources = json.loads(row["ground_truth"])
    assert (row["dataset"], len(sources)) == ("code", 2)
    for source in sources:
        exec(source, {"add": lambda a, b: a + b})
        with pytest.raises(AssertionError):
            exec(source, {"add": lambda a, b: a + b + 1})


@pytest.mark.parametrize(
    "changes",
    [
        {"test": "import pytest\ndef test_a():\n    with pytest.raises(TypeError):\n        add()\n"},
        {"test": "def test_a(tmp_path):\n    assert add(1, 2) == 3\n"},
        {"test": "class TestAdd:\n    def test_a(self):\n        assert add(1, 2) == 3\n"},
        {"test": "import solution\ndef test_a():\n    assert solution.add(1, 2) == 3\n"},
        {"test": "import solution as s\ndef test_a():\n    assert s.add(1, 2) == 3\n"},
        {"test": "from solution import add as plus\ndef test_a():\n    assert plus(1, 2) == 3\n"},
        {"test": "def test_a():\n    from solution import add as plus\n    assert plus(1, 2) == 3\n"},
        {"solution": "import os\ndef add(a, b):\n    return a + b\n"},
        {"test": "def test_a(:"},
    ],
)
def test_open_instruct_does_not_get_what_it_cannot_run(triplet: Make, changes: dict[str, str]) -> None:
    assert rows("rlvr", triplet(**changes)) == []


def test_programs_come_as_input_and_output_to_open_instruct_and_nemo_gym(triplet: Make) -> None:
    record = triplet(style="online_judge", test=repr({"stdin": ["1"], "stdout": ["2"]}))
    ((_, rlvr),) = rows("rlvr", record)
    assert (rlvr["dataset"], json.loads(rlvr["ground_truth"])) == ("code_stdio", [{"input": "1", "output": "2"}])
    ((_, nemo),) = rows("nemo-gym", record)
    assert nemo["verifier_metadata"]["unit_tests"] == {"inputs": ["1"], "outputs": ["2"], "fn_name": None}
    assert nemo["responses_create_params"]["input"] == rlvr["messages"]
    assert rows("nemo-gym", triplet()) == []


def test_json_lines_hold_what_parquet_holds(tmp_path: Path, triplet: Make) -> None:
    hostile = 'a\x00\u2028"\\N\r\n\U0001f4a9\ud83d'
    record = triplet(question=hostile)
    files = write(tmp_path, [FORMATS["messages"], FORMATS["messages-jsonl"]], [record], {record.triplet_id: [RIGHT]})
    found = [list(read_rows(tmp_path / entry.path)) for entry in files if entry.rows]
    assert found[0] == found[1]
    assert found[0][0]["messages"][0]["content"] == hostile.replace("\ud83d", "\ufffd")
    assert [entry.path for entry in files][2:] == [
        "messages-jsonl/train/part-00000.jsonl",
        "messages-jsonl/use_with_caution/part-00000.jsonl",
    ]


def test_llama_factory_finds_every_split_with_rows_in_dataset_info(tmp_path: Path, triplet: Make) -> None:
    format = FORMATS["sharegpt"]
    caution = triplet(13, filter_reason="why")
    answers = {one.triplet_id: [RIGHT] for one in (triplet(), caution)}
    files = write(tmp_path, [format], [triplet(), caution], answers)
    assert format.companions is not None
    assert list(json.loads(format.companions(7, files[:1])["dataset_info.json"])) == ["kodcode_train"]
    info = json.loads(format.companions(7, files)["dataset_info.json"])
    assert {entry["file_name"] for entry in info.values()} == set(format.splits)
    for entry in info.values():
        assert (tmp_path / "sharegpt" / entry["file_name"]).is_dir()
        assert entry["columns"]["messages"] in format.schema.names
        (turn,) = {type(row[entry["columns"]["messages"]][0]) for row in read_rows(tmp_path / files[0].path)}
        assert turn is dict


@pytest.mark.parametrize(("rows", "epochs"), [(20_000, 3), (20_001, 2)])
def test_recipes_have_the_papers_hyper_parameters_and_name_the_release(rows: int, epochs: int) -> None:
    for document in (recipes.llama_factory(7, "kodcode_train", rows), recipes.trl(7, "train", rows)):
        options = yaml.safe_load(document)
        assert options["learning_rate"] == pytest.approx(1e-5)
        assert (options["lr_scheduler_type"], options["warmup_steps"]) == ("cosine", 100)
        assert options.get("cutoff_len", options.get("max_length")) == 16384
        assert options["per_device_train_batch_size"] * options["gradient_accumulation_steps"] * 8 == 128
        assert options["num_train_epochs"] == epochs
        assert options["output_dir"] == "kodcode-release-000007"
