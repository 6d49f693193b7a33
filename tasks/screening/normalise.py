"""The form in which two questions are the same question: what exact deduplication, shingles and vectors start from."""

from __future__ import annotations

import hashlib
import re
import unicodedata

# Signs that mean something at the end of a question ("C#", "100%") stay; dots, quotes, brackets and markdown go.
_MEANINGFUL = frozenset("#%&@/\\")

# Scripts that write no spaces: there each character counts as a word, else one sentence would be one word.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\U00020000-\U0003134f"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")


def normalise(text: str) -> str:
    """NFKC, lower case, white space squashed to single spaces, outer punctuation trimmed. Twice is as once."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())
    squashed = " ".join(folded.split())
    start, end = 0, len(squashed)
    while start < end and _trimmed(squashed[start]):
        start += 1
    while end > start and _trimmed(squashed[end - 1]):
        end -= 1
    return squashed[start:end]


def text_hash(text: str) -> str:
    """SHA-256 of the normalised text, hex: equal for texts that differ in case, spacing or outer punctuation only."""
    return hash_normalised(normalise(text))


def hash_normalised(normalised: str) -> str:
    """`text_hash` of a text that is normalised already."""
    return hashlib.sha256(normalised.encode("utf-8", "surrogatepass")).hexdigest()


def words(normalised: str) -> list[str]:
    """Words of a normalised text: letters, digits and underscores; punctuation and markdown make no difference."""
    return _WORD.findall(normalised)


def _trimmed(character: str) -> bool:
    return character == " " or (unicodedata.category(character)[0] == "P" and character not in _MEANINGFUL)
