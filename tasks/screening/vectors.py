"""Exact similarity search over unit vectors by blocked matrix products.

The products only nominate: a float32 sum depends in its last bits on the shape of the block it was part of. What
is compared with a threshold, or ranked, or stored, is computed again per pair with one rounding, so that the same
questions get the same verdict in whatever batches they arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import fsum

import numpy as np

from tasks.screening.embedding import Vectors

# More than float32 products of unit vectors can be wrong by.
_SLACK = 1e-4
_QUERY_BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Row `row` of the searched vectors lies at `cosine` from query `query`."""

    query: int
    row: int
    cosine: float


def exact_cosine(left: Vectors, right: Vectors) -> float:
    """Dot product of two unit vectors, rounded once, and at most 1."""
    # Products of float32 are exact in float64, and fsum rounds their sum correctly in any order.
    return min(1.0, fsum((left.astype(np.float64) * right.astype(np.float64)).tolist()))


class VectorIndex:
    """Unit vectors that are only ever added to."""

    def __init__(self) -> None:
        self._blocks: list[Vectors] = []
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def extend(self, vectors: Vectors) -> None:
        if len(vectors):
            self._blocks.append(np.ascontiguousarray(vectors, dtype=np.float32))
            self._size += len(vectors)

    def above(self, queries: Vectors, cosine: float) -> list[Neighbour]:
        """All pairs with a cosine above `cosine`, in no particular order."""
        return [found for found in self._nominated(queries, cosine - _SLACK) if found.cosine > cosine]

    def nearest(self, queries: Vectors) -> list[Neighbour]:
        """For each query the row of highest cosine, the first of equals; empty where there are no rows."""
        if not self._size:
            return []
        best = np.full(len(queries), -2.0, dtype=np.float32)
        for block in self._blocks:
            for start, products in _products(queries, block):
                stop = start + len(products)
                np.maximum(best[start:stop], products.max(axis=1), out=best[start:stop])
        result: dict[int, Neighbour] = {}
        for found in self._nominated(queries, best - _SLACK):
            leader = result.get(found.query)
            if leader is None or (-found.cosine, found.row) < (-leader.cosine, leader.row):
                result[found.query] = found
        return [result[query] for query in range(len(queries))]

    def _nominated(self, queries: Vectors, floor: float | Vectors) -> Iterator[Neighbour]:
        floors = np.broadcast_to(np.asarray(floor, dtype=np.float32), (len(queries),))
        first = 0
        for block in self._blocks:
            for start, products in _products(queries, block):
                hits = np.argwhere(products >= floors[start : start + len(products), None])
                for query, row in hits.tolist():
                    cosine = exact_cosine(queries[start + query], block[row])
                    yield Neighbour(start + query, first + row, cosine)
            first += len(block)


def pairs_above(vectors: Vectors, cosine: float) -> Iterator[Neighbour]:
    """Pairs of rows with `row` before `query` and a cosine above `cosine`."""
    index = VectorIndex()
    index.extend(vectors)
    return (found for found in index.above(vectors, cosine) if found.row < found.query)


def _products(queries: Vectors, block: Vectors) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, len(queries), _QUERY_BLOCK):
        products: Vectors = queries[start : start + _QUERY_BLOCK] @ block.T
        yield start, products
