"""Benchmark problems in other words, by fixed rules: the same on every run."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

_OPENINGS = {
    "write a python function to": "Implement a routine in Python that will",
    "write a function to": "Create a function which can",
}
_TWO_WORDS = {"given": "supplied", "find": "determine"}
_WORDS = {
    **_OPENINGS, **_TWO_WORDS, "check": "test", "list": "sequence", "number": "value", "return": "give back",
    "string": "text", "array": "sequence", "returns": "gives back", "numbers": "values", "elements": "items",
    "function": "routine",
}  # fmt: skip
_FRAME = (
    "You are helping a colleague with a small library. {} Mind the edge cases, and explain nothing. Your function "
    "should be efficient and handle empty input gracefully."
)


def _replaced(table: Mapping[str, str]) -> Callable[[str], str]:
    def replaced(text: str) -> str:
        for old, new in table.items():
            text = re.sub(rf"\b{old}\b", new, text, flags=re.IGNORECASE)
        return text

    return replaced


def _renamed(text: str) -> str:
    for number, name in enumerate(re.findall(r"def (\w+)\(", text)):
        text = re.sub(rf"\b{name}\b", f"task_{number}", text)
    return text


# What is done to a problem -> how.
PARAPHRASES: Mapping[str, Callable[[str], str]] = {
    "nothing": lambda text: text,
    "set into a longer request": _FRAME.format,
    "its functions renamed": _renamed,
    "another opening": _replaced(_OPENINGS),
    "two words replaced": _replaced(_TWO_WORDS),
    "twelve words replaced": _replaced(_WORDS),
}
