"""The converters' answers before they are told apart: what may be read at all, and the code of a section."""

from __future__ import annotations

from tasks.styles.types import Reason, Rejected
from tasks.trials import TRUNCATED_REASONS, fenced_blocks, storable, strip_reasoning, without_fences


def answer_text(answer: str, finish_reason: str) -> str:
    """The answer without its reasoning; raises Rejected for one that was cut or cannot be stored."""
    _, text = strip_reasoning(answer)
    if finish_reason in TRUNCATED_REASONS:
        raise Rejected(Reason.TRUNCATED, "the answer was cut at the token limit")
    if answer.strip() and not text.strip():
        raise Rejected(Reason.TRUNCATED, "the answer ends inside the reasoning")
    if not storable(text):
        raise Rejected(Reason.UNPARSED, "the answer holds NUL or broken Unicode")
    return text


def single_block(section: str) -> str | None:
    """A section's code: its only Python block, or all of it where it has no fences; None where that leaves a doubt."""
    blocks = fenced_blocks(section)
    if not blocks:
        return without_fences(section)
    python = [block for block in blocks if block.is_python or not block.language]
    if len(python) != 1 or not python[0].closed:
        return None
    return python[0].text.strip("\n").rstrip()


def only_python_block(text: str) -> str | None:
    """The code of an answer without markers."""
    python = [block for block in fenced_blocks(text) if block.is_python]
    return python[0].text.strip("\n").rstrip() if len(python) == 1 and python[0].closed else None
