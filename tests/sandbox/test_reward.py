"""Test execution as a reward, called as verl and TRL call it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.sandbox import Policy, SandboxError, reward

TEST = "def test_a():\n    assert add(1, 2) == 3\ndef test_b():\n    assert add(2, 2) == 4\n"
RIGHT = "<think>```python\ndef add(a, b): return 0\n```</think>\n```python\ndef add(a, b):\n    return a + b\n```\n"
WRONG = "```python\ndef add(a, b):\n    return 3\n```"
CASES = {"stdin": ["1\n", "2\n"], "stdout": ["2\n", "4\n"]}
DOUBLE = "```python\nprint(2 * int(input()))\n```"


def test_verl_calls_it_with_keywords() -> None:
    call = {"data_source": "kodcode", "ground_truth": TEST, "extra_info": {"index": 1, "timeout_s": 5}}
    assert reward.compute_score(solution_str=RIGHT, **call) == 1.0
    assert reward.compute_score(solution_str=WRONG, **call) == 0.0
    assert reward.compute_score(solution_str=WRONG, partial=True, **call) == 0.5
    assert reward.compute_score(solution_str="no code at all", **call) == 0.0


def test_verl_loads_it_by_its_path() -> None:
    spec = importlib.util.spec_from_file_location("custom_module", reward.__file__)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.code_of(WRONG) == "def add(a, b):\n    return 3\n"


@pytest.mark.parametrize(
    ("completion", "code"),
    [
        ("```python\nfirst\n```\nBetter:\n```python\nlast\n```", "last\n"),
        ("```python\nx = 1\n```\nIt prints:\n```\n1\n```", "x = 1\n"),
        ("Run:\n```bash\nls\n```\n```py\nx = 1\n```", "x = 1\n"),
        ('```python\ndef f():\n    """\n    ```python\n    f()\n    ```\n    """\n```', None),
        ("```\r\nx = 1\r\n```", "x = 1\n"),
        ("x = 1", "x = 1"),
    ],
)
def test_the_program_is_the_last_whole_block_in_python(completion: str, code: str | None) -> None:
    assert reward.code_of(completion) == (code or completion.removeprefix("```python\n").removesuffix("```"))


def test_an_answer_that_repeats_a_fence_for_ever_is_read_in_no_time() -> None:
    answer = "```python\n" * 100_000
    begun = time.process_time()
    assert reward.code_of(answer) == answer
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("truth", [CASES, json.dumps(CASES), repr(CASES)])
def test_programs_are_judged_by_their_cases(truth: object) -> None:
    assert reward.compute_score(DOUBLE, truth) == 1.0  # type: ignore[arg-type]
    assert reward.compute_score("```python\nprint(2)\n```", truth) == 0.0  # type: ignore[arg-type]


def test_trl_calls_it_with_lists() -> None:
    chat = [{"role": "assistant", "content": RIGHT}]
    scores = reward.execution_reward(
        prompts=["p"] * 3, completions=[RIGHT, WRONG, chat], ground_truth=[TEST] * 3, completion_ids=[[1]] * 3
    )
    assert scores == [1.0, 0.0, 1.0]


def test_what_cannot_be_a_reward_is_an_error_not_a_zero() -> None:
    with pytest.raises(ValueError, match="stdin"):
        reward.compute_score(RIGHT, {"inputs": []})
    with pytest.raises(ValueError, match="2 completions but 1"):
        reward.execution_reward([RIGHT, WRONG], [TEST])
    reward.compute_score(RIGHT, TEST)
    with pytest.raises(SandboxError, match="before the first reward"):
        reward.configure(Policy())


def test_an_unusable_sandbox_is_an_error_and_a_process_ends_without_leftovers(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path\nfrom tasks.sandbox import Policy, SandboxError, reward\n"
        "reward.configure(Policy(python=Path('/nowhere/python')))\n"
        "try:\n    reward.compute_score('x = 1', 'def test_a(): pass')\n"
        "except SandboxError as error:\n    print(error)\n"
    )
    root = Path(__file__).resolve().parents[2]
    run = [sys.executable, "-c", script]
    done = subprocess.run(run, cwd=root, capture_output=True, text=True, timeout=120, check=True)
    assert "/nowhere/python" in done.stdout
    test = "def test_a():\n    assert x == 1\n"
    script = f"from tasks.sandbox import reward\nprint(reward.compute_score('x = 1', {test!r}))\n"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout == "1.0\n" and done.stderr == ""
