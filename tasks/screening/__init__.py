"""Screening: exact, MinHash and semantic deduplication within a subset, and decontamination against benchmarks."""

from tasks.screening.benchmarks import DEMO_BENCHMARK, Problem, load_benchmark
from tasks.screening.embedding import Embedder, HashedEmbedder, OpenAIEmbedder, make_embedder
from tasks.screening.errors import (
    BenchmarkError,
    EmbedderError,
    EmbedderMisconfigured,
    EmbedderUnavailable,
    ScreeningError,
    VectorsDisagree,
)
from tasks.screening.normalise import normalise, text_hash
from tasks.screening.screen import (
    CONTAMINATED,
    DUPLICATE_EXACT,
    DUPLICATE_MINHASH,
    DUPLICATE_REASONS,
    DUPLICATE_SEMANTIC,
    ScreenReport,
    Thresholds,
    screen_subset,
    store_benchmark,
)

__all__ = [
    "CONTAMINATED",
    "DEMO_BENCHMARK",
    "DUPLICATE_EXACT",
    "DUPLICATE_MINHASH",
    "DUPLICATE_REASONS",
    "DUPLICATE_SEMANTIC",
    "BenchmarkError",
    "Embedder",
    "EmbedderError",
    "EmbedderMisconfigured",
    "EmbedderUnavailable",
    "HashedEmbedder",
    "OpenAIEmbedder",
    "Problem",
    "ScreenReport",
    "ScreeningError",
    "Thresholds",
    "VectorsDisagree",
    "load_benchmark",
    "make_embedder",
    "normalise",
    "screen_subset",
    "store_benchmark",
    "text_hash",
]
