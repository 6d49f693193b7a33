"""The canned teacher finds its answers from the text of a request, as a server would."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tasks.llm.offline import Bank, BankError, OfflineProvider, bank_size
from tasks.llm.offline.bank import STYLES, Entry, section, shipped
from tasks.llm.thinking import thinking
from tasks.llm.types import Completion, Message, ProviderMisconfigured, ProviderRefused, Request, Stage

BANK = """
[[question]]
before = '''Sure!
'''
question = '''
Add two   numbers.
Return their sum.'''
after = '''

Good luck!'''
annotation = '''{"quality": "good"}'''
[[question.solve]]
kind = "right"
answer = '''right solution'''
[[question.solve]]
kind = "truncated"
answer = '''half a solu'''
[[question.complete]]
kind = "leaks"
answer = '''
<|Completion Begin|>
def leaked(a, b): return a + b
<|Completion End|>'''
[[question.complete]]
kind = "right"
answer = '''
<|Completion Begin|>
```python
def add(a: int, b: int) -> int:
    \"\"\"Sum of a and b.\"\"\"
```
<|Completion End|>'''
[[question.online_judge]]
kind = "right"
answer = '''
<|Statement Begin|>
# Two numbers
Add two numbers. Return their sum.
Input: two integers
<|Statement End|>'''
[[question.respond]]
style = "instruct"
kind = "right"
answer = '''<think>hm</think> instruct 0'''
[[question.respond]]
style = "complete"
kind = "wrong"
answer = '''complete 0'''
[[question.respond]]
style = "instruct"
kind = "no_code"
answer = '''instruct 1'''
[[question.respond]]
style = "online_judge"
kind = "right"
answer = '''judge 0'''

[[question]]
question = '''Add two numbers. Return their sum. Then double it.'''
[[question.solve]]
kind = "right"
answer = '''doubled'''

[[question]]
before = '''BAD_DOCUMENT'''
question = ''''''
"""


@pytest.fixture
def provider(tmp_path: Path) -> OfflineProvider:
    (tmp_path / "Code_Contests.toml").write_text(BANK)
    (tmp_path / "Prefill.toml").write_text(
        "[[question]]\nquestion = '''Write a Python function that reverses a text.'''\n"
    )
    return OfflineProvider(Bank.load(tmp_path))


def ask(
    provider: OfflineProvider, stage: Stage, text: str, attempt: int = 0, subset: str = "Code_Contests",
    model: str = "offline",
) -> Completion:
    request = Request("offline", model, (Message("user", text),), attempt=attempt, stage=stage, subset=subset)
    return asyncio.run(provider.complete(request))


def test_proposals_come_in_the_order_of_the_bank(provider: OfflineProvider) -> None:
    assert ask(provider, "propose", "anything").text == "Sure!\nAdd two   numbers.\nReturn their sum.\nGood luck!"
    assert ask(provider, "propose", "anything", 2).text == "BAD_DOCUMENT"


@pytest.mark.parametrize("subset", ["Code_Contests", "code-contests"])
def test_a_question_too_many_is_refused_with_the_number_known(provider: OfflineProvider, subset: str) -> None:
    with pytest.raises(ProviderRefused, match="knows 3 questions of"):
        ask(provider, "propose", "anything", 3, subset)


def test_a_raw_completion_goes_on_after_the_opening(provider: OfflineProvider) -> None:
    prompt = "<|user|>\nWrite a Python function that"
    request = Request("offline", "offline", prompt=prompt, stage="propose", subset="Prefill")
    assert asyncio.run(provider.complete(request)).text == " reverses a text."
    assert ask(provider, "propose", "chat", subset="Prefill").text == "Write a Python function that reverses a text."


def test_the_longest_question_in_the_prompt_is_meant_whatever_its_white_space(provider: OfflineProvider) -> None:
    assert ask(provider, "solve", "Solve:\n\nAdd two numbers. Return\ntheir sum.\n\nNow!").text == "right solution"
    assert ask(provider, "solve", "Add two numbers. Return their sum. Then double it.").text == "doubled"


def test_attempts_take_turns_and_a_truncated_answer_says_so(provider: OfflineProvider) -> None:
    question = "Add two numbers. Return their sum."
    found = [ask(provider, "solve", question, attempt) for attempt in range(3)]
    assert [one.text for one in found] == ["right solution", "half a solu", "right solution"]
    assert [one.finish_reason for one in found] == ["stop", "length", "stop"]


def test_annotations_are_found_by_question(provider: OfflineProvider) -> None:
    assert ask(provider, "annotate", "Judge: Add two numbers. Return their sum.").text == '{"quality": "good"}'


def test_the_marker_in_the_prompt_says_which_style_to_convert_to(provider: OfflineProvider) -> None:
    question = "Add two numbers. Return their sum. Use "
    assert "leaked" in ask(provider, "convert", question + "<|Completion Begin|>").text
    assert "def add" in ask(provider, "convert", question + "<|Completion Begin|>", 1).text
    assert "Statement" in ask(provider, "convert", question + "<|Statement Begin|>").text
    with pytest.raises(ProviderRefused, match="names no marker"):
        ask(provider, "convert", question)


@pytest.mark.parametrize(("text", "answer"), [
    ("Add two numbers.\nReturn their sum.", "instruct 0"),
    ('def add(a: int, b: int) -> int:\n    """Sum of a and b."""', "complete 0"),
    ('Complete this:\n```python\ndef add(a: int, b: int) -> int:\n  """Sum of a and b."""\n```', "complete 0"),
    ('def add(a: int, b: int) -> int:\n    """Another text."""', "complete 0"),
    ("# Two numbers\nAdd two numbers. Return their sum.\nInput: two integers", "judge 0"),
    ("# Two numbers\nAdd two numbers. Return their sum.\nInput: changed later", "judge 0"),
])
def test_a_bare_question_is_recognised_in_every_style(provider: OfflineProvider, text: str, answer: str) -> None:
    assert ask(provider, "respond", text).text == answer


def test_reasoning_answers_take_turns_within_their_style(provider: OfflineProvider) -> None:
    found = [ask(provider, "respond", "Add two numbers. Return their sum.", attempt).text for attempt in range(3)]
    assert found == ["instruct 0", "instruct 1", "instruct 0"]
    assert ask(provider, "respond", "Add two numbers. Return their sum.").reasoning == "hm"


def test_an_unknown_question_is_refused(provider: OfflineProvider) -> None:
    for stage in ("annotate", "solve", "convert", "respond"):
        with pytest.raises(ProviderRefused):
            ask(provider, stage, "What is the meaning of life?")  # type: ignore[arg-type]


def test_it_does_not_pretend_to_be_another_model(provider: OfflineProvider) -> None:
    with pytest.raises(ProviderMisconfigured, match="gpt-4o"):
        ask(provider, "propose", "anything", model="gpt-4o")


def test_tokens_are_estimated_from_the_length(provider: OfflineProvider) -> None:
    found = ask(provider, "propose", "x" * 400, 2)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (100, 3)


@pytest.mark.parametrize(("text", "words"), [
    ("not toml", "not TOML"),
    ("answer = 1", "must hold a list"),
    ("[[question]]\nbefore = 'a'", r"question 0 .*question must be a text; it is missing"),
    ("[[question]]\nquestion = 'a'\n[[question]]\nquestion = 3", r"question 1 .*question must be a text"),
    ("[[question]]\nquestion = 'a'\ntitle = 'b'", "unknown fields title"),
    ("[[question]]\nquestion = ''", "all empty"),
    ("[[question]]\nquestion = 'a'\n[[question.solve]]\nkind = 'right'", "solve 0 has the fields kind; it needs"),
    ("[[question]]\nquestion = 'a'\n[[question.solve]]\nkind = 'lucky'\nanswer = 'b'", "'lucky' is none of"),
    ("[[question]]\nquestion = 'a'\n[[question.respond]]\nkind = 'right'\nanswer = 'b'\nstyle = 'x'", "style 'x'"),
])
def test_a_broken_bank_names_file_and_entry(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "Apps.toml"
    file.write_text(text)
    with pytest.raises(BankError, match=words) as caught:
        Bank.load(tmp_path)
    assert str(file) in str(caught.value)


def test_an_empty_folder_is_no_bank(tmp_path: Path) -> None:
    with pytest.raises(BankError, match="holds no bank files"):
        Bank.load(tmp_path)


SHIPPED_ENTRIES = [entry for subset in shipped().subsets for entry in shipped().of(subset)]


def questions_of(entry: Entry, style: str) -> list[str]:
    """The questions in one style that the pipeline can make of an entry."""
    if style == "instruct":
        return [entry.question.strip()]
    marker, conversions = {
        "complete": ("Completion", entry.complete), "online_judge": ("Statement", entry.online_judge)
    }[style]
    return [section(canned.answer, marker) for canned in conversions if canned.kind == "right"]


def responses_of(entry: Entry, style: str) -> list[str]:
    """What is behind the reasoning, which is set apart."""
    return [thinking(canned.answer, canned.finish_reason)[1] for canned in entry.respond if canned.style == style]


@pytest.mark.parametrize("entry", [entry for entry in SHIPPED_ENTRIES if entry.question],
                         ids=lambda entry: f"{entry.subset}-{entry.number}")
def test_every_shipped_answer_is_found_by_the_text_that_the_pipeline_will_send(entry: Entry) -> None:
    provider = OfflineProvider()
    for stage, marker, canned in (
        ("solve", "Solution", entry.solve), ("convert", "Completion", entry.complete),
        ("convert", "Statement", entry.online_judge),
    ):
        text = f"Do this.\n\n{entry.question}\n\nAnswer with <|{marker} Begin|>."
        found = [ask(provider, stage, text, attempt, entry.subset).text for attempt in range(len(canned))]  # type: ignore[arg-type]
        assert found == [one.answer for one in canned]
    for style in STYLES:
        for question in questions_of(entry, style):
            # Near-duplicates may be converted to one and the same text; screening lets only one of them come so far.
            owners = [other for other in SHIPPED_ENTRIES if question in questions_of(other, style)]
            possible = [responses_of(owner, style) for owner in owners]
            count = len(responses_of(entry, style))
            assert [ask(provider, "respond", question, turn, entry.subset).text for turn in range(count)] in possible


def test_the_shipped_bank_counts_its_questions() -> None:
    assert sum(bank_size(subset) for subset in shipped().subsets) == len(SHIPPED_ENTRIES)
    assert bank_size("No_Such_Subset") == 0
