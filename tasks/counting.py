"""Counts what the card of a release says of rows while these are read, shard by shard."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.loading import MEASURES, Loaded, first_rows

STYLES = ("instruct", "complete", "online_judge")
DIFFICULTIES = ("easy", "medium", "hard")


class Counts:
    """Sums of the rows that were added, which add up to those of a release."""

    def __init__(self) -> None:
        self._sums: Counter[str] = Counter()
        self._means = {name: [0.0, 0] for name in (*MEASURES, "tests")}
        self._verdicts: Counter[str] = Counter()
        self._nearest: dict[str, list[Any]] = {}

    def add(self, loaded: Loaded) -> None:
        """Count these triplets, and their questions, none of which may be added again."""
        triplets, trials = loaded.batch.triplets, loaded.batch.trials
        asked = pa.array(first_rows(np.asarray(triplets["question_row"])))
        self._sums["rows"] += len(triplets)
        self._sums["questions"] += len(asked)
        for name in ("question", "solution"):
            self._sums[f"{name}_bytes"] += pc.sum(pc.binary_length(triplets[name])).as_py()
        self._sums.update(_found(triplets["style"]))
        self._sums.update(_found(triplets["difficulty"].take(asked)))
        self._verdicts.update(_found(trials["verdict"]))
        measures = {"tests": loaded.tests, **{name: loaded.measures[name].take(asked) for name in MEASURES}}
        for name, values in measures.items():
            self._means[name][0] += pc.sum(values, min_count=0).as_py()
            self._means[name][1] += len(values) - values.null_count
        self._add_nearest(triplets.select(["benchmark", "benchmark_similarity"]).take(asked))

    def _add_nearest(self, questions: pa.RecordBatch) -> None:
        near = questions.filter(questions["benchmark"].is_valid())
        for name, cosine in zip(*(near[column].to_pylist() for column in near.schema.names), strict=True):
            told = self._nearest.setdefault(name, [0, None])
            told[0] += 1
            told[1] = max((one for one in (told[1], cosine) if one is not None), default=None)

    def facts(self) -> dict[str, Any]:
        """As JSON-able data that is kept with a shard: sums in bytes and pieces; means as pairs of sum and count;
        questions by benchmark with the highest cosine; trials by verdict."""
        names = ("rows", "questions", "question_bytes", "solution_bytes", *STYLES, *DIFFICULTIES)
        return {
            **{name: self._sums[name] for name in names},
            **self._means,
            "nearest": self._nearest,
            "verdicts": dict(self._verdicts),
        }


def _found(column: pa.Array) -> dict[str, int]:
    """How often each text is there."""
    counted = column.drop_null().value_counts()
    return dict(zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True))
