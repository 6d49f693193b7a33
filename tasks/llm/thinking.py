"""Reasoning that comes in the answer's own text."""

from __future__ import annotations


def thinking(text: str, finish_reason: str) -> tuple[str | None, str]:
    """Reasoning and answer where a server sends both in one text, as `<think>...</think>`.

    Chat templates that open the tag themselves leave it out of the answer.
    """
    opened = text.lstrip()
    reasoning, closed, answer = opened.removeprefix("<think>").partition("</think>")
    if not opened.startswith("<think>") and ("<think>" in reasoning or not answer.strip()):
        return None, text
    if closed:
        return reasoning.strip(), answer.lstrip()
    # Cut while it thought: there is no answer. Ended otherwise, the tag was part of the answer.
    return (reasoning.strip(), "") if finish_reason == "length" else (None, text)
