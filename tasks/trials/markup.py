"""The layout of a model's answer: reasoning, marked sections, fenced blocks. Nothing here raises on any text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.trials.source import parse_python

PYTHON_LANGUAGES = frozenset({"python", "python3", "py", "py3"})
# Possessive throughout: a hostile line must not cost quadratic time.
_FENCE = re.compile(r"^([ \t]*+)(`{3,}+|~{3,}+)[ \t]*+([^\s`]*+)[^`]*+$")
_UNCLOSED_THINKING = re.compile(r"^[ \t]*<think>", re.MULTILINE | re.IGNORECASE)
_END_OF_THINKING = re.compile(r"</think>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: the language is the first word behind the opening fence, in lower case."""

    language: str
    text: str
    closed: bool

    @property
    def is_python(self) -> bool:
        return self.language in PYTHON_LANGUAGES


@dataclass(frozen=True, slots=True)
class Section:
    """The text behind `<|name Begin|>` and what ended it: its own end marker, another section's marker, or nothing."""

    name: str
    text: str
    ended_by: Literal["end", "next", "nothing"]


def strip_reasoning(text: str) -> tuple[str, str]:
    """(reasoning, answer): all up to the last `</think>` is reasoning.

    Thinking that was begun and never ended was cut off: then there is no answer, only reasoning.
    """
    ends = list(_END_OF_THINKING.finditer(text))
    cut = ends[-1] if ends else None
    answer = text[cut.end() :] if cut else text
    if _UNCLOSED_THINKING.search(answer):
        return _opened(text), ""
    return (_opened(text[: cut.start()]), answer) if cut else ("", text)


def _opened(reasoning: str) -> str:
    stripped = reasoning.strip()
    return stripped[len("<think>") :].strip() if stripped[:7].lower() == "<think>" else stripped


def fenced_blocks(text: str) -> list[Block]:
    """The fenced blocks in order, without their fences and the fence's indentation.

    A fence inside a block closes it only if it is of the same kind, at least as long, bare, and not indented by more
    than three columns against the opening one, so that fences in an indented docstring stay part of the code.
    """
    blocks: list[Block] = []
    opening: re.Match[str] | None = None
    inside: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        fence = _FENCE.match(line)
        if opening is None:
            if fence:
                opening, inside = fence, []
        elif fence and _closes(fence, opening):
            blocks.append(_block(opening, inside, closed=True))
            opening = None
        else:
            inside.append(line)
    if opening is not None:
        blocks.append(_unclosed(opening, inside))
    return blocks


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    return (
        not fence[3]
        and fence[2].startswith(opening[2])
        and len(fence[1].expandtabs(4)) <= len(opening[1].expandtabs(4)) + 3
    )


def _block(opening: re.Match[str], lines: Sequence[str], closed: bool) -> Block:
    indent = opening[1]
    text = "\n".join(line.removeprefix(indent) if indent else line for line in lines)
    return Block(opening[3].lower(), text, closed)


def _unclosed(opening: re.Match[str], lines: Sequence[str]) -> Block:
    """Some models put the closing fence behind the last line of code instead of below it."""
    for number, line in enumerate(lines):
        if line.rstrip().endswith(opening[2]):
            last = line.rstrip()[: -len(opening[2])]
            return _block(opening, [*lines[:number], last], closed=True)
    return _block(opening, lines, closed=False)


def sections(text: str, names: Sequence[str]) -> list[Section]:
    """The marked sections in order; one that is begun anew before its end counts from the new beginning."""
    words = "|".join(re.escape(name) for name in names)
    marker = re.compile(rf"<\|[ \t]{{0,4}}({words})[ _]{{0,2}}(Begin|End)[ \t]{{0,4}}\|>", re.IGNORECASE)
    canonical = {name.lower(): name for name in names}
    found: list[Section] = []
    name: str | None = None
    start = 0
    for match in marker.finditer(text):
        this, begins = canonical[match[1].lower()], match[2].lower() == "begin"
        if name is not None and not (begins and this == name):
            ended = not begins and this == name
            found.append(Section(name, text[start : match.start()], "end" if ended else "next"))
            name = None
        if begins:
            name, start = this, match.end()
    if name is not None:
        found.append(Section(name, text[start:], "nothing"))
    return found


def without_fences(section: str) -> str:
    """A section's code: what remains when the fence lines are taken away.

    Prose inside a section stays and breaks the program, as in the original pipeline: what the model delivered there is
    not the code that it was asked for. Fences inside the code (in a docstring) stay where the code is whole with them.
    """
    lines = section.replace("\r\n", "\n").split("\n")
    fences = [number for number, line in enumerate(lines) if _FENCE.match(line)]
    if len(fences) > 2:
        code = _without_lines(lines, {fences[0], fences[-1]})
        if parse_python(code) is not None:
            return code
    code = _without_lines(lines, set(fences))
    if len(fences) == 1 and code.endswith("```"):
        code = code.rstrip("`").rstrip()
    return code


def _without_lines(lines: Sequence[str], fences: set[int]) -> str:
    """An opening fence goes with its line, a bare one leaves an empty line, outer blank lines go."""
    kept = [
        "" if number in fences else line
        for number, line in enumerate(lines)
        if number not in fences or not line.strip().strip("`~")
    ]
    while kept and not kept[0].strip():
        del kept[0]
    return "\n".join(kept).rstrip()
