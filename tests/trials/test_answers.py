"""Parsing of solve and respond answers."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.trials import SolveAnswer, Unparsed, extract_response_code, fenced_blocks, parse_solve, strip_reasoning

SOLUTION = "def double(x):\n    return 2 * x"
TEST = "def test_double():\n    assert double(2) == 4"
DOCUMENTED = 'def f():\n    """\n    ```\n    f()\n    ```\n    """'
WANTED = SolveAnswer(SOLUTION, TEST)


def fenced(code: str, language: str = "python") -> str:
    return f"```{language}\n{code}\n```"


def section(name: str, body: str) -> str:
    return f"<|{name} Begin|>\n{body}\n<|{name} End|>"


GOOD = f"{section('Solution', fenced(SOLUTION))}\n\n{section('Test', fenced(TEST))}"

PARSABLE = {
    "as_asked": GOOD,
    "chatter_around": f"Sure!\n\n{GOOD}\n\nHope this helps.",
    "without_fences": f"{section('Solution', SOLUTION)}\n{section('Test', TEST)}",
    "language_py": GOOD.replace("```python", "```py"),
    "bare_fences": GOOD.replace("```python", "```"),
    "crlf": GOOD.replace("\n", "\r\n"),
    "markers_on_the_code_line": GOOD.replace("Begin|>\n", "Begin|>").replace("\n<|", "<|"),
    "lower_case_markers": GOOD.replace("Begin", "begin").replace("End", "end"),
    "test_first": f"{section('Test', fenced(TEST))}\n{section('Solution', fenced(SOLUTION))}",
    "doubled_begin_marker": GOOD.replace("<|Solution Begin|>", "<|Solution Begin|>\n<|Solution Begin|>"),
    "doubled_end_marker": GOOD.replace("<|Test End|>", "<|Test End|>\n<|Test End|>"),
    "all_told_twice": f"{GOOD}\nOnce more:\n{GOOD}",
    "corrected_pair_comes_last": f"{section('Solution', 'x = 1')}{section('Test', 'y = 1')}\nNo, better:\n{GOOD}",
    "solution_end_forgotten": GOOD.replace("<|Solution End|>", ""),
    "reasoning_with_a_draft": f"<think>\n{section('Solution', 'draft = 1')}\n</think>\n{GOOD}",
    "reasoning_without_its_opening": f"hm, {section('Solution', 'draft = 1')}\n</think>\n{GOOD}",
    "fence_behind_the_last_line": GOOD.replace("2 * x\n```", "2 * x```"),
    "no_markers_two_blocks": f"The solution:\n{fenced(SOLUTION)}\nand the tests:\n{fenced(TEST)}\n",
    "no_markers_test_first": f"{fenced(TEST)}\n{fenced(SOLUTION)}\n",
}

NOT_PARSABLE = {
    "empty": "",
    "refusal": "I cannot help with that.",
    "test_end_missing": GOOD.replace("<|Test End|>", ""),
    "test_missing": section("Solution", fenced(SOLUTION)),
    "solution_missing": section("Test", fenced(TEST)),
    "cut_inside_the_test": GOOD[: GOOD.index("assert")],
    "cut_inside_the_solution": GOOD[: GOOD.index("return")],
    "solution_end_forgotten_and_not_fenced": f"<|Solution Begin|>\n{SOLUTION}\n{section('Test', TEST)}",
    "empty_solution": f"{section('Solution', fenced(''))}{section('Test', fenced(TEST))}",
    "empty_test": f"{section('Solution', fenced(SOLUTION))}{section('Test', '')}",
    "second_pair_cut": f"{GOOD}\nBetter:\n<|Solution Begin|>\ndef double(x):",
    "second_solution_without_test": f"{GOOD}\nBetter:\n{section('Solution', 'double = int')}",
    "no_markers_one_block": fenced(SOLUTION),
    "no_markers_three_blocks": f"{fenced(SOLUTION)}\n{fenced('x = 1')}\n{fenced(TEST)}",
    "no_markers_last_block_open": f"{fenced(SOLUTION)}\n```python\n{TEST}\n",
    "nul": GOOD.replace("2 * x", "'\0'"),
    "lone_surrogate": GOOD.replace("2 * x", "'\ud800'"),
    "enormous": GOOD.replace("2 * x", "2 * x" + " + x" * 60_000),
}


@pytest.mark.parametrize("text", PARSABLE.values(), ids=PARSABLE.keys())
def test_a_whole_answer_gives_solution_and_test(text: str) -> None:
    assert parse_solve(text, "stop") == WANTED


@pytest.mark.parametrize("text", NOT_PARSABLE.values(), ids=NOT_PARSABLE.keys())
def test_an_answer_that_is_not_whole_is_unparsed(text: str) -> None:
    parsed = parse_solve(text, "stop")
    assert isinstance(parsed, Unparsed)
    assert parsed.reason == "unparsed"
    assert parsed.detail


@pytest.mark.parametrize("text", PARSABLE.values(), ids=PARSABLE.keys())
def test_an_answer_cut_at_the_token_limit_is_never_parsed(text: str) -> None:
    assert parse_solve(text, "length") == Unparsed("truncated", "the answer was cut at the token limit")


def test_an_answer_that_ends_while_thinking_is_truncated() -> None:
    parsed = parse_solve(f"<think>\nLet me see. {GOOD}", "stop")
    assert isinstance(parsed, Unparsed)
    assert parsed.reason == "truncated"


def test_fences_in_a_docstring_stay_where_the_code_is_whole_with_them() -> None:
    code = 'def f():\n    """Use:\n\n    ```\n    f()\n    ```\n    """'
    parsed = parse_solve(f"{section('Solution', fenced(code))}{section('Test', fenced(TEST))}")
    assert isinstance(parsed, SolveAnswer)
    assert parsed.solution == code


def test_two_blocks_in_one_section_are_joined() -> None:
    parsed = parse_solve(f"{section('Solution', fenced('a = 1') + chr(10) + fenced('b = 2'))}{section('Test', TEST)}")
    assert isinstance(parsed, SolveAnswer)
    assert parsed.solution.split() == ["a", "=", "1", "b", "=", "2"]


def test_prose_in_a_section_stays_in_the_program() -> None:
    parsed = parse_solve(f"{section('Solution', 'Here it is.' + chr(10) + fenced(SOLUTION))}{section('Test', TEST)}")
    assert isinstance(parsed, SolveAnswer)
    assert parsed.solution.startswith("Here it is.")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<think>\na\n</think>\nb", ("a", "\nb")),
        ("a</think>b", ("a", "b")),
        ("<think>a</think>b</think>c", ("a</think>b", "c")),
        ("<think>never ends", ("never ends", "")),
        ("<think>a</think>\n<think>again, never ends", ("a</think>\n<think>again, never ends", "")),
        ("no reasoning", ("", "no reasoning")),
        ("<THINK>a</THINK>b", ("a", "b")),
        ("", ("", "")),
    ],
)
def test_all_up_to_the_last_end_of_thinking_is_reasoning(text: str, wanted: tuple[str, str]) -> None:
    assert strip_reasoning(text) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("<think>```python\ndraft\n```</think>\n```python\nx = 1\n```", "x = 1"),
        ("```python\nx = 1\n```\nor\n```python\ny = 1\n```", "y = 1"),
        ("```python\nx = 1\n```\nNo, wait:\n```python\ny = 1\n```\nIt prints:\n```\n1\n```", "y = 1"),
        ("```python\nx = 1\n```\nIn Java:\n```java\nint x;\n```", "x = 1"),
        ("```python\nx = 1\n```\n```python\ncut", "x = 1"),
        ("<think>```python\nx = 1\n```</think>\nNothing to do.", None),
        ("<think>```python\nx = 1</think>\n```\n```python\ny = 1\n```", None),
        ("```java\nint x;\n```\n```py\nx = 1\n```", "x = 1"),
        ("```Python\nx = 1\n```", "x = 1"),
        ("``` python3\nx = 1\n```", "x = 1"),
        ('```python title="a.py"\nx = 1\n```', "x = 1"),
        ("1. Do:\n   ```python\n   if x:\n       y\n   ```", "if x:\n    y"),
        ('```python\ndef f():\n    """\n    ```\n    f()\n    ```\n    """\n```', DOCUMENTED),
        ("~~~python\nx = 1\n~~~", "x = 1"),
        ("````python\na = '''\n```\n'''\n````", "a = '''\n```\n'''"),
        ("```python\nx = 1```", "x = 1"),
        ("```python\nx = 1", None),
        ("```\nx = 1\n```", None),
        ("```python\n\n```", None),
        ("<think>```python\nx = 1\n```", None),
        ("```java\nint x;\n```", None),
        ("no code", None),
    ],
)
def test_the_last_closed_python_block_behind_the_reasoning_is_the_code(text: str, wanted: str | None) -> None:
    assert extract_response_code(text) == wanted


def test_a_tag_in_the_code_ends_no_reasoning_where_that_is_apart() -> None:
    code = "END = '</think>'"
    assert extract_response_code(f"Here:\n{fenced(code)}", reasoning_apart=True) == code
    assert extract_response_code(f"<think>Hm.</think>{fenced('x = 1')}") == "x = 1"


FRAGMENTS = st.sampled_from(
    [
        *("<|Solution Begin|>", "<|Solution End|>", "<|Test Begin|>", "<|Test End|>", "```", "```python\n", "~~~"),
        *("\n", "<think>", "</think>", "def test_x(): pass", "x = 1", "(", '"""', "\\", "\t", "\x00", "    "),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(st.one_of(FRAGMENTS, st.text(max_size=5))).map("".join)))
def test_no_text_makes_a_parser_raise(text: str) -> None:
    parsed = parse_solve(text)
    assert isinstance(parsed, SolveAnswer | Unparsed)
    assert isinstance(parse_solve(text, "length"), Unparsed)
    reasoning, answer = strip_reasoning(text)
    assert len(reasoning) + len(answer) <= len(text)
    code = extract_response_code(text)
    assert code is None or code.strip()
    fenced_blocks(text)


HOSTILE = ["```" + "a" * 300_000 + "`", "```" + " " * 300_000 + "`", "`" * 300_000, "```\n" * 100_000]
HOSTILE += ["<|Solution Begin|>" * 20_000, "</think>" * 50_000, " " * 300_000 + "<think", "<|" + " " * 300_000]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_long_lines_and_many_markers_are_read_in_linear_time(text: str) -> None:
    assert isinstance(parse_solve(text), Unparsed)
    assert extract_response_code(text) is None
