"""Finding the completion in a converter's answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.styles import Reason, Rejection, parse_complete


def answer(code: str) -> str:
    return f"<|Completion Begin|>\n```python\n{code}\n```\n<|Completion End|>"


PARSABLE = {
    "as_asked": answer("x = 1"),
    "without_fence": "<|Completion Begin|>\nx = 1\n<|Completion End|>",
    "bare_fence": "<|Completion Begin|>\n```\nx = 1\n```\n<|Completion End|>",
    "prose_in_the_section": "<|Completion Begin|>\nHere:\n```python\nx = 1\n```\n<|Completion End|>",
    "chatter": f"Sure.\n{answer('x = 1')}\nDone.",
    "reasoning": f"<think>{answer('y = 2')}</think>{answer('x = 1')}",
    "corrected": f"{answer('y = 2')}\nBetter:\n{answer('x = 1')}",
    "no_markers": "Here it is:\n```python\nx = 1\n```\nbye",
}
NOT_PARSABLE = {
    "empty": ("", Reason.UNPARSED),
    "refusal": ("I cannot do that.", Reason.UNPARSED),
    "end_marker_missing": (answer("x = 1").replace("<|Completion End|>", ""), Reason.UNPARSED),
    "second_one_cut": (f"{answer('x = 1')}<|Completion Begin|>x =", Reason.UNPARSED),
    "two_blocks": (
        "<|Completion Begin|>\n```python\nx = 1\n```\n```python\ny = 1\n```\n<|Completion End|>",
        Reason.UNPARSED,
    ),
    "no_markers_and_two_blocks": ("```python\nx = 1\n```\n```python\ny = 1\n```", Reason.UNPARSED),
    "nothing_inside": ("<|Completion Begin|>\n<|Completion End|>", Reason.UNPARSED),
    "nul": (answer("x = '\0'"), Reason.UNPARSED),
    "syntax_error": (answer("x ="), Reason.SYNTAX_ERROR),
    "bomb": (answer("-" * 100_000 + "1"), Reason.SYNTAX_ERROR),
    "thinking": (f"<think>{answer('x = 1')}", Reason.TRUNCATED),
}


@pytest.mark.parametrize("text", PARSABLE.values(), ids=PARSABLE.keys())
def test_the_completion_is_found(text: str) -> None:
    assert parse_complete(text) == "x = 1"


@pytest.mark.parametrize(("text", "reason"), NOT_PARSABLE.values(), ids=NOT_PARSABLE.keys())
def test_what_is_no_completion_is_rejected(text: str, reason: Reason) -> None:
    parsed = parse_complete(text)
    assert isinstance(parsed, Rejection)
    assert parsed.reason is reason


def test_an_answer_cut_at_the_token_limit_is_rejected() -> None:
    parsed = parse_complete(PARSABLE["as_asked"], "length")
    assert isinstance(parsed, Rejection)
    assert parsed.reason is Reason.TRUNCATED


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["<|Completion Begin|>", "<|Completion End|>", "```python\n", "```", "x = 1", "\n"]),
            st.text(max_size=6),
        )
    ).map("".join)
)
def test_no_text_makes_the_parser_raise(text: str) -> None:
    assert isinstance(parse_complete(text), str | Rejection)
