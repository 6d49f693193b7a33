"""What can go wrong in screening, told in one sentence or two."""

from __future__ import annotations


class ScreeningError(Exception):
    """Questions cannot be screened; the message says why, and what to do."""


class BenchmarkError(ScreeningError):
    """A benchmark's file cannot be used; the message names the rows that are wrong."""


class EmbedderError(ScreeningError):
    """Texts could not be embedded."""


class EmbedderUnavailable(EmbedderError):
    """Unreachable, overloaded or talking nonsense: worth another try later."""


class EmbedderMisconfigured(EmbedderError):
    """Wrong key or unknown model: every request would fail."""


class VectorsDisagree(ScreeningError):
    """Stored vectors of one embedder cannot be compared with each other."""
