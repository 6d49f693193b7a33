"""Screening: exact, MinHash and semantic deduplication within a subset, and decontamination against benchmarks."""

from tasks.screening.benchmarks import DEMO_BENCHMARK, Problem, load_benchmark
from tasks.screening.decontaminate import Decontamination, decontaminate
from tasks.screening.embedders import make_embedder
from tasks.screening.embedding import Embedder, HashedEmbedder, OpenAIEmbedder
from tasks.screening.errors import (
    BenchmarkError,
    EmbedderError,
    EmbedderMisconfigured,
    EmbedderUnavailable,
    ScreeningError,
    VectorsDisagree,
)
from tasks.screening.normalise import normalise, text_hash
from tasks.screening.rules import (
    CONTAMINATED,
    DUPLICATE_EXACT,
    DUPLICATE_MINHASH,
    DUPLICATE_REASONS,
    DUPLICATE_SEMANTIC,
    NOT_SELF_CONTAINED,
    Policy,
    ScreenReport,
    Thresholds,
)
from tasks.screening.screen import screen_subset, store_benchmark
from tasks.screening.self_contained import missing_context

__all__ = [
    "CONTAMINATED",
    "DEMO_BENCHMARK",
    "DUPLICATE_EXACT",
    "DUPLICATE_MINHASH",
    "DUPLICATE_REASONS",
    "DUPLICATE_SEMANTIC",
    "NOT_SELF_CONTAINED",
    "BenchmarkError",
    "Decontamination",
    "Embedder",
    "EmbedderError",
    "EmbedderMisconfigured",
    "EmbedderUnavailable",
    "HashedEmbedder",
    "OpenAIEmbedder",
    "Policy",
    "Problem",
    "ScreenReport",
    "ScreeningError",
    "Thresholds",
    "VectorsDisagree",
    "decontaminate",
    "load_benchmark",
    "make_embedder",
    "missing_context",
    "normalise",
    "screen_subset",
    "store_benchmark",
    "text_hash",
]
