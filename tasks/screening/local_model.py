"""Vectors from a sentence-transformers model on this machine: one of the hub, or a folder that `save` wrote."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.screening.embedding import Vectors, unit_rows
from tasks.screening.errors import EmbedderMisconfigured

PREFIX = "sentence-transformers:"


class SentenceTransformersEmbedder:
    """Any model that `sentence_transformers.SentenceTransformer` loads. Code that comes with a model is never run.

    The package is an extra: with PyTorch it takes gigabytes. Raises EmbedderMisconfigured where it is not installed,
    or the model is neither a folder nor one that the hub gives.
    """

    def __init__(self, model: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415 (an extra, and slow to import)
        except ImportError as error:
            raise EmbedderMisconfigured(
                f"The embedder {PREFIX}{model} needs the package sentence-transformers, which is not installed here "
                f"({error}). Install it: uv pip install --python {sys.executable} sentence-transformers. Or name "
                "another embedder in KODCODE_EMBEDDER."
            ) from error
        # A relative path would be another model in another folder.
        folder = Path(model).expanduser()
        self.name = PREFIX + (str(folder.resolve()) if folder.is_dir() else model)
        try:
            self._model = SentenceTransformer(self.name.removeprefix(PREFIX), trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise EmbedderMisconfigured(
                f"The sentence-transformers model {model!r} cannot be loaded: {error}. Name a folder, or a model of "
                "the hub that this machine can reach (HF_ENDPOINT names a mirror)."
            ) from error
        self.dimension = int(self._encode(["dimension"]).shape[1])

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(len(texts), dimension) float32, rows of length 1. Texts are cut where the model's window ends; one in which
        a model sees no token, and gives the zero vector for, gets the first axis."""
        if not texts:
            return np.empty((0, self.dimension), dtype=np.float32)
        return self._encode(texts)

    def _encode(self, texts: Sequence[str]) -> Vectors:
        rows = np.array(self._model.encode(list(texts), convert_to_numpy=True, show_progress_bar=False), np.float64)
        rows[~rows.any(axis=1), 0] = 1.0
        vectors = unit_rows(rows)
        if vectors is None:
            raise EmbedderMisconfigured(f"The embedder {self.name} gave a vector that is not finite.")
        return vectors
