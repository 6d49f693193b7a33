"""Generated questions that look like real ones where it matters: a few words are everywhere, phrases recur."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache

_CONSONANTS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "st", "tr", "pl")
_SYLLABLES = [first + vowel for first in _CONSONANTS for vowel in "aeiou"]
_VOCABULARY = 30_000

# What many questions have in common word for word.
_OPENINGS = [
    "Write a function that takes a list of",
    "You are given an array of integers that describes",
    "Implement a class for",
    "Given two strings, decide whether",
    "Design a data structure that supports",
    "You have a matrix of size n by m with",
    "A company wants to keep track of",
    "Consider a directed graph whose nodes are",
]
_CLOSINGS = [
    "Return the result as a list of integers in ascending order.", "Return -1 if there is no such value.",
    "Raise a ValueError if the input is empty.", "You may assume that the input is always valid.",
    "The solution should run in O(n log n) time.", "Return True if it is possible and False otherwise.",
]


@cache
def _words() -> tuple[list[str], list[float]]:
    generator = random.Random(0)
    words = sorted({"".join(generator.choices(_SYLLABLES, k=generator.randrange(2, 5))) for _ in range(_VOCABULARY)})
    generator.shuffle(words)
    cumulative, total = [], 0.0
    for rank in range(len(words)):  # Zipf's law, as in any language
        total += 1 / (rank + 10)
        cumulative.append(total)
    return words, cumulative


def phrase(generator: random.Random, size: int) -> str:
    words, cumulative = _words()
    return " ".join(generator.choices(words, cum_weights=cumulative, k=size))


def sentences(number: int) -> list[str]:
    """Question `number`, always the same: 60 to 130 words in sentences."""
    generator = random.Random(number)
    opening = f"{generator.choice(_OPENINGS)} {phrase(generator, generator.randrange(6, 14))}."
    sizes = [generator.randrange(8, 16) for _ in range(generator.randrange(5, 8))]
    middle = [phrase(generator, size).capitalize() + "." for size in sizes]
    return [opening, *middle, generator.choice(_CLOSINGS)]


def question(number: int) -> str:
    return " ".join(sentences(number))


def edited(text: str, generator: random.Random, edits: int) -> str:
    """`edits` words replaced, dropped or added."""
    words = text.split()
    for _ in range(edits):
        place = generator.randrange(len(words))
        taken, put = generator.choice([(1, 1), (1, 0), (0, 1)])
        words[place : place + taken] = [phrase(generator, 1)] * put
    return " ".join(words)


def reordered(parts: Sequence[str], generator: random.Random) -> str:
    """Two of the middle sentences change places."""
    moved = list(parts)
    first, second = generator.sample(range(1, len(parts) - 1), 2)
    moved[first], moved[second] = moved[second], moved[first]
    return " ".join(moved)


def renamed(text: str, generator: random.Random, entities: int) -> str:
    """The rarest words of the text, as the names of things are, replaced by others wherever they occur."""
    rank = {word: place for place, word in enumerate(_words()[0])}
    words = text.split()
    rare = sorted({word for word in words if word in rank}, key=lambda word: -rank[word])[:entities]
    names = {word: phrase(generator, 1) for word in rare}
    return " ".join(names.get(word, word) for word in words)


def related(parts: Sequence[str], generator: random.Random) -> str:
    """Another question that has half of its sentences from this one: no duplicate."""
    kept = list(parts)
    for place in generator.sample(range(len(parts)), (len(parts) + 1) // 2):
        kept[place] = phrase(generator, len(parts[place].split())).capitalize() + "."
    return " ".join(kept)
