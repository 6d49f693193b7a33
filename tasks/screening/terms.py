"""How much of what is characteristic of a document another text says too: Jaccard similarity of weighted words.

A word weighs its smoothed inverse document frequency among the documents, ln((1 + n) / (1 + df)) + 1: what many have
in common ("write a function to find") counts little, what one is about ("octagonal") much. The order of the words does
not count, so that a sentence put in other words is found where an n-gram is not; and as the words that the other text
adds count against it, a short document does not occur in every long text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import log


class Terms:
    """Documents, given as their words."""

    def __init__(self, documents: Iterable[Iterable[str]]) -> None:
        sets = [frozenset(document) for document in documents]
        frequency = Counter(word for document in sets for word in document)
        self._owners: dict[str, list[int]] = {}
        for number, document in enumerate(sets):
            for word in document:
                self._owners.setdefault(word, []).append(number)
        self._unknown = log(1 + len(sets)) + 1
        self._weights = {word: self._unknown - log(1 + count) for word, count in frequency.items()}
        self._sizes = [sum(map(self._weights.__getitem__, document)) for document in sets]

    def best(self, words: Iterable[str]) -> tuple[int, float] | None:
        """(document, similarity) of the most similar document, the first of equals; None where no word is known."""
        given = set(words)
        shared: dict[int, float] = {}
        for word in sorted(given & self._owners.keys()):  # sums of floats depend on their order
            for number in self._owners[word]:
                shared[number] = shared.get(number, 0.0) + self._weights[word]
        if not shared:
            return None
        size = sum(self._weights.get(word, self._unknown) for word in sorted(given))
        similarities = {number: both / (size + self._sizes[number] - both) for number, both in shared.items()}
        number = min(similarities, key=lambda key: (-similarities[key], key))
        return number, similarities[number]
