"""What screening decides by: reasons, thresholds, and the report of what was decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tasks.screening import minhash

DUPLICATE_EXACT = "duplicate_exact"
DUPLICATE_MINHASH = "duplicate_minhash"
DUPLICATE_SEMANTIC = "duplicate_semantic"
CONTAMINATED = "contaminated"
NOT_SELF_CONTAINED = "not_self_contained"
DUPLICATE_REASONS = (DUPLICATE_EXACT, DUPLICATE_MINHASH, DUPLICATE_SEMANTIC)
REASONS = (*DUPLICATE_REASONS, CONTAMINATED, NOT_SELF_CONTAINED)

# What becomes of a question that is too near to a benchmark.
Policy = Literal["reject", "use_with_caution"]


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When two texts are too near. Distances and cosines are the paper's, the rest is this project's choice."""

    jaccard: float = minhash.THRESHOLD  # at least this much of the word 3-grams in common
    squared_l2: float = 0.1  # less than this between unit vectors
    benchmark_cosine: float = 0.95  # more than this to a benchmark's problem
    ngram: int = 13  # words or code tokens in a row
    ngram_share: float = 0.3  # at least this share of a problem's n-grams in the question
    terms_jaccard: float = 0.55  # at least this much of the weighted words in common with a problem
    solution_share: float = 0.8  # at least this share of a reference solution's n-grams in ours

    def __post_init__(self) -> None:
        if not 0.7 <= self.jaccard <= 1:
            raise ValueError(f"jaccard is {self.jaccard}: the MinHash bands find pairs from 0.7; give 0.7 to 1")
        if not 0 <= self.squared_l2 <= 4:
            raise ValueError(f"squared_l2 is {self.squared_l2}: between unit vectors it lies in 0 to 4")
        if not -1 <= self.benchmark_cosine <= 1:
            raise ValueError(f"benchmark_cosine is {self.benchmark_cosine}: a cosine lies in -1 to 1")
        if not 5 <= self.ngram <= 50:
            raise ValueError(f"ngram is {self.ngram}: give 5 to 50 tokens; shorter runs occur everywhere")
        for name in ("ngram_share", "terms_jaccard", "solution_share"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}: a share lies above 0 and at most at 1")

    @property
    def duplicate_cosine(self) -> float:
        """The squared distance of unit vectors is 2 - 2 cos."""
        return 1 - self.squared_l2 / 2


@dataclass(frozen=True, slots=True)
class ScreenReport:
    """Counts of one screening."""

    subset: str
    embedder: str
    screened: int = 0
    accepted: int = 0
    rejected: Mapping[str, int] = field(default_factory=dict)  # by reason
    cautioned: int = 0  # of the accepted: too near to a benchmark, to be used with caution

    @property
    def duplicates(self) -> int:
        return sum(self.rejected.get(reason, 0) for reason in DUPLICATE_REASONS)

    @property
    def contaminated(self) -> int:
        return self.rejected.get(CONTAMINATED, 0)

    @property
    def counts(self) -> dict[str, int]:
        """`accepted` and each reason that struck -> questions; they add up to `screened`."""
        return {"accepted": self.accepted, **self.rejected}
