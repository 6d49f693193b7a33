"""The statement of a stdin/stdout problem: its parts, its examples, and one added where it has none."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LABEL = re.compile(
    r"^[ \t#>*_-]{0,12}(?:(?:sample|example)[ \t]+)?(input|output)(?:[ \t]+(?:sample|example))?(?:[ \t]*#?\d{1,3})?"
    r"[ \t*_]{0,6}(:?)[ \t*_]{0,6}(.*)$",
    re.IGNORECASE,
)
_EXAMPLE_HEADING = re.compile(r"^[ \t#>*_-]{0,12}(?:sample|example)s?\b", re.IGNORECASE)
_HEADING = re.compile(r"^(?:#{1,6}[ \t]|\*\*[^*]++\*\*[ \t]*+:?+[ \t]*+$)")
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Example:
    """One stated input with the output that is claimed for it."""

    stdin: str
    stdout: str


@dataclass(slots=True)
class _Labelled:
    kind: str
    text: str


def examples(statement: str) -> list[Example]:
    """The examples: "Input" and "Output" with a fenced block each.

    Below an "Example" heading, text on the label's own line or on the lines below it counts as well: elsewhere such
    lines describe the format.
    """
    found: list[Example] = []
    waiting: str | None = None
    for part in _labelled(statement):
        if part.kind == "input":
            waiting = part.text
        elif waiting is not None:
            found.append(Example(_as_stdin(waiting), part.text))
            waiting = None
    return found


def _as_stdin(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _labelled(statement: str, in_block: bool = False) -> list[_Labelled]:
    lines = statement.replace("\r\n", "\n").split("\n")
    found: list[_Labelled] = []
    in_example, number = in_block, 0
    while number < len(lines):
        line = lines[number]
        number += 1
        label = _LABEL.match(line)
        bare = label is not None and not label[3].strip()
        if label is None or not (bare or label[2]):
            if _HEADING.match(line) or _EXAMPLE_HEADING.match(line):
                in_example = bool(_EXAMPLE_HEADING.match(line))
            elif _FENCE.match(line) and not in_block:  # a block that no label announced may hold labels and all
                text, number = _fenced(lines, number - 1)
                found += _labelled(text, in_block=True)
            continue
        below = number
        while bare and below < len(lines) and not lines[below].strip():
            below += 1
        if bare and not in_block and below < len(lines) and _FENCE.match(lines[below]):
            text, number = _fenced(lines, below)
            found.append(_Labelled(label[1].lower(), text))
        elif in_example or "ample" in line[: label.start(3)].lower():
            text, number = _plain(lines, below) if bare else (label[3].strip().strip("`"), number)
            found.append(_Labelled(label[1].lower(), text))
    return found


def _fenced(lines: list[str], opening: int) -> tuple[str, int]:
    """The content of the block that opens in this line, and the number of the line behind it."""
    fence = _FENCE.match(lines[opening])
    mark = fence[1] if fence else "```"
    for number in range(opening + 1, len(lines)):
        if lines[number].strip().startswith(mark) and not lines[number].strip().strip(mark[0]):
            return "\n".join(lines[opening + 1 : number]), number + 1
    return "\n".join(lines[opening + 1 :]), len(lines)


def _plain(lines: list[str], start: int) -> tuple[str, int]:
    number = start
    while number < len(lines) and lines[number].strip() and not _LABEL.match(lines[number]):
        number += 1
    return "\n".join(lines[start:number]), number


def same_output(one: str, other: str) -> bool:
    """Equal but for blanks at line ends and empty lines at the end, as judges compare."""
    return _normalised(one) == _normalised(other)


def _normalised(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def with_example(statement: str, example: Example) -> str:
    """The statement with an executed example below it."""
    longest = max((len(run) for run in re.findall(r"`+", example.stdin + example.stdout)), default=0)
    fence = "`" * max(3, longest + 1)
    blocks = [
        f"{name}:\n{fence}\n{text.rstrip()}\n{fence}"
        for name, text in (("Input", example.stdin), ("Output", example.stdout))
    ]
    return "\n\n".join([statement.rstrip(), "### Example", *blocks])


def describes_input_and_output(statement: str) -> bool:
    words = {word.lower() for word in re.findall(r"[A-Za-z]+", statement)}
    reads = words & {"input", "inputs", "stdin", "read", "reads"}
    writes = words & {"output", "outputs", "stdout", "print", "prints"}
    return bool(reads and writes) and len(words) >= 12
