"""How much of what is characteristic of a document another text says too: Jaccard similarity of weighted words.

A word weighs its smoothed inverse document frequency among the documents, ln((1 + n) / (1 + df)) + 1: what many have
in common ("write a function to find") counts little, what one is about ("octagonal") much. The order of the words does
not count, so that a sentence put in other words is found where an n-gram is not; and as the words that the other text
adds count against it, a short document does not occur in every long text.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import log

import numpy as np
from numpy.typing import NDArray


class Terms:
    """Documents, given as their words."""

    def __init__(self, documents: Iterable[Iterable[str]]) -> None:
        owners: dict[str, list[int]] = {}
        count = 0
        for number, document in enumerate(documents):
            count += 1
            for word in set(document):
                owners.setdefault(word, []).append(number)
        self._unknown = log(1 + count) + 1
        # Word -> its weight, and the documents that have it.
        self._words: dict[str, tuple[float, NDArray[np.int32]]] = {
            word: (self._unknown - log(1 + len(numbers)), np.array(numbers, dtype=np.int32))
            for word, numbers in owners.items()
        }
        self._sizes = np.zeros(count)
        for word in sorted(owners):  # sums of floats depend on their order
            weight, numbers = self._words[word]
            self._sizes[numbers] += weight

    def best(self, words: Iterable[str]) -> tuple[int, float] | None:
        """(document, similarity) of the most similar document, the first of equals; None where no word is known."""
        both = np.zeros(len(self._sizes))
        size = 0.0
        for word in sorted(set(words)):
            weight, numbers = self._words.get(word, (self._unknown, None))
            size += weight
            if numbers is not None:
                both[numbers] += weight
        if not both.any():
            return None
        similarities = both / (size + self._sizes - both)
        number = int(np.argmax(similarities))
        return number, min(1.0, float(similarities[number]))
