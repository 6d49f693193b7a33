"""Unit vectors of texts: a built-in lexical embedder, and any OpenAI-compatible embeddings endpoint."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import log
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.screening.errors import EmbedderMisconfigured, EmbedderUnavailable
from tasks.screening.normalise import normalise, words

Vectors = NDArray[np.float32]

_FEATURE_BLOCK = 8_192  # bounds memory for a text of megabytes


class Embedder(Protocol):
    """Maps texts to unit vectors. They are stored under `name`: an embedder that changes takes another name."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(len(texts), dimension) float32, rows of length 1. Raises EmbedderUnavailable or EmbedderMisconfigured."""


class HashedEmbedder:
    """Lexical vectors without a model: texts are near where they share words and word pairs, whatever these mean.

    Each word and each pair of neighbouring words is a direction, the 384 signs in its BLAKE2b digest; a text is the
    sum of its directions, weighted 1 + ln(count). Nothing is learned, so a vector never depends on other texts, and
    the sum runs over whole numbers, so it is the same to the last bit on every machine. A text without words gets the
    direction of the empty word. It finds edited and reordered copies; it cannot know that "largest" and "maximum"
    mean the same.
    """

    name = "hashed-384-v1"
    dimension = 384
    _scale = 16  # weights in sixteenths: whole numbers whose sums float32 holds exactly

    def embed(self, texts: Sequence[str]) -> Vectors:
        result = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            found = words(normalise(text))
            counts = Counter(found)
            counts.update(map(" ".join, pairwise(found)))
            if not counts:
                counts[""] = 1
            total = self._sum_of_directions(counts)
            length = np.sqrt((total * total).sum())
            if length == 0.0:  # two opposite directions: no text of words, but a vector must have a length
                total[0] = length = 1.0
            result[row] = total / length
        return result

    def _sum_of_directions(self, counts: Counter[str]) -> NDArray[np.float64]:
        features = list(counts)
        weights = np.array([round(self._scale * (1 + log(count))) for count in counts.values()], dtype=np.float32)
        total = np.full(self.dimension, -float(weights.sum(dtype=np.float64)))
        for start in range(0, len(features), _FEATURE_BLOCK):
            block = features[start : start + _FEATURE_BLOCK]
            bits = np.frombuffer(b"".join(map(_signs, block)), dtype=np.uint8).reshape(len(block), -1)
            # With bits in {0, 1} instead of signs in {-1, 1}: sum of w * sign = 2 * sum of w * bit - sum of w.
            total += 2.0 * (weights[start : start + _FEATURE_BLOCK] @ np.unpackbits(bits, axis=1).astype(np.float32))
        return total


@lru_cache(maxsize=262_144)
def _signs(feature: str) -> bytes:
    return hashlib.blake2b(feature.encode("utf-8", "surrogatepass"), digest_size=48, person=b"kodcode.hashed").digest()


class OpenAIEmbedder:
    """Vectors from an OpenAI-compatible embeddings endpoint, in batches. Texts are cut at `max_characters`.

    `dimension` asks the model for shortened vectors where it can; by default it is what the model gives, learned from
    its first answer.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        dimension: int | None = None,
        batch_size: int = 128,
        max_characters: int = 24_000,
        timeout_s: float = 60.0,
        retries: int = 5,
    ) -> None:
        self.name = model if dimension is None else f"{model}@{dimension}"
        self._model = model
        self._asked_dimension = dimension
        self._dimension: int | None = dimension
        self._batch_size = batch_size
        self._max_characters = max_characters
        import openai  # noqa: PLC0415 (slow to import, and the default embedder does without)

        try:
            self._client = openai.OpenAI(base_url=base_url, api_key=api_key, timeout=timeout_s, max_retries=retries)
        except openai.OpenAIError as error:
            raise EmbedderMisconfigured(
                f"The embeddings model {model!r} needs a key: set OPENAI_API_KEY (any text for a server without keys)."
            ) from error

    @property
    def dimension(self) -> int:
        if self._dimension is None:
            self._dimension = self._request(["dimension"]).shape[1]
        return self._dimension

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        # An empty input is refused by the endpoints; a blank question is all alike to a space.
        prepared = [text[: self._max_characters] or " " for text in texts]
        starts = range(0, len(prepared), self._batch_size)
        return np.concatenate([self._request(prepared[start : start + self._batch_size]) for start in starts])

    def _request(self, texts: list[str]) -> Vectors:
        import openai  # noqa: PLC0415

        try:
            answer = self._client.embeddings.create(
                model=self._model,
                input=texts,
                encoding_format="float",  # the SDK's own default, base64, is not understood by every server
                dimensions=openai.omit if self._asked_dimension is None else self._asked_dimension,
            )
        except (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError) as error:
            raise EmbedderMisconfigured(
                f"The embeddings endpoint refused model {self._model!r} with status {error.status_code}. "
                "Check the key, the model's name and the base URL."
            ) from error
        except openai.BadRequestError as error:
            raise EmbedderMisconfigured(
                f"The embeddings endpoint does not accept the request for model {self._model!r}: {error.message}"
            ) from error
        except openai.OpenAIError as error:
            raise EmbedderUnavailable(
                f"The embeddings endpoint for model {self._model!r} gave no answer ({type(error).__name__}: {error})."
            ) from error
        except ValueError as error:  # an answer that is no JSON
            raise self._nonsense("an answer that is not JSON") from error
        return self._checked(answer, len(texts))

    def _checked(self, answer: object, expected: int) -> Vectors:
        data = getattr(answer, "data", None)
        if not isinstance(data, list) or len(data) != expected:
            count = len(data) if isinstance(data, list) else "no"
            raise self._nonsense(f"{count} vectors for {expected} texts")
        try:
            ordered = sorted(data, key=lambda item: int(item.index))
            rows = np.array([item.embedding for item in ordered], dtype=np.float64)
        except (AttributeError, TypeError, ValueError) as error:
            raise self._nonsense("vectors that are not lists of numbers of one length") from error
        if rows.ndim != 2 or rows.shape[1] == 0 or (self._dimension or rows.shape[1]) != rows.shape[1]:
            raise self._nonsense(f"vectors of shape {rows.shape[1:]}, expected {self._dimension or 'one dimension'}")
        unit = unit_rows(rows)
        if unit is None:
            raise self._nonsense("a vector that is zero or not finite")
        self._dimension = rows.shape[1]
        return unit

    def _nonsense(self, what: str) -> EmbedderUnavailable:
        return EmbedderUnavailable(
            f"The embeddings endpoint for model {self._model!r} sent {what}. "
            "Check that the base URL is that of an embeddings API."
        )


def unit_rows(rows: NDArray[np.float64]) -> Vectors | None:
    """(n, d) rows made length 1 in float32; None where one is zero or not finite."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(rows).all() or not (lengths > 0).all():
        return None
    unit: Vectors = (rows / lengths).astype(np.float32)
    return unit
