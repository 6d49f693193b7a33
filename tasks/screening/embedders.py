"""The embedders by name."""

from __future__ import annotations

from tasks.screening.embedding import Embedder, HashedEmbedder, OpenAIEmbedder
from tasks.screening.local_model import PREFIX, SentenceTransformersEmbedder


def make_embedder(name: str, *, base_url: str | None = None, api_key: str | None = None) -> Embedder:
    """`hashed`, `sentence-transformers:MODEL` (of the hub, or a folder), or else the name of a model of an
    OpenAI-compatible embeddings endpoint. Raises EmbedderMisconfigured."""
    if name == "hashed":
        return HashedEmbedder()
    if name.startswith(PREFIX):
        return SentenceTransformersEmbedder(name.removeprefix(PREFIX))
    return OpenAIEmbedder(name, base_url=base_url, api_key=api_key)
