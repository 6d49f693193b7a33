"""Exact similarity search over unit vectors by blocked matrix products.

The products only nominate: a float32 sum depends in its last bits on the shape of the block it was part of. What
is compared with a threshold, or ranked, or stored, is computed again per pair with one rounding, so that the same
questions get the same verdict in whatever batches they arrive.

For a history of hundreds of thousands the whole vectors are too much to read for every batch. Their heads nominate
instead: the first HEAD components h and the length t of the rest. By Cauchy and Schwarz, the cosine of two unit
vectors is at most h1 . h2 + t1 t2, so that a pair below the threshold there is below it altogether; nothing is lost,
and only what is nominated is read and computed whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import fsum

import numpy as np
from numpy.typing import NDArray

from tasks.screening.embedding import Vectors

# More than float32 products of unit vectors can be wrong by.
_SLACK = 1e-4
_QUERY_BLOCK = 1_024

HEAD = 128
# What rounding a head to float16 can change in a product: 2^-11 in each factor, in head and tail.
_HEAD_SLACK = 2e-3
_HEAD_BLOCK = 8_192

Heads = NDArray[np.float16]


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


def heads(vectors: Vectors) -> Heads:
    """(n, min(d, HEAD) + 1) float16: the first components of (n, d) unit vectors and the length of the rest."""
    tails = np.linalg.norm(vectors[:, HEAD:].astype(np.float64), axis=1, keepdims=True)
    return np.concatenate([vectors[:, :HEAD], tails], axis=1).astype(np.float16)


class HeadIndex:
    """Heads under the numbers of their questions, subset by subset; only ever added to."""

    def __init__(self) -> None:
        self._blocks: list[tuple[str, NDArray[np.int32], Heads]] = []

    def extend(self, subset: str, numbers: NDArray[np.int32], added: Heads) -> None:
        if len(added):
            self._blocks.append((subset, numbers, added))

    @property
    def widths(self) -> set[int]:
        """The numbers of components found; more than one means that vectors of different lengths met."""
        return {added.shape[1] for _, _, added in self._blocks}

    def nominated(self, queries: Heads, cosine: float) -> dict[str, list[int]]:
        """Subset -> numbers of all questions whose cosine with any of the queries may lie above `cosine`."""
        wanted = queries.astype(np.float32)
        found: dict[str, list[int]] = {}
        for subset, numbers, block in self._blocks:
            for start in range(0, len(block), _HEAD_BLOCK):
                part = block[start : start + _HEAD_BLOCK].astype(np.float32)
                near = np.zeros(len(part), dtype=np.bool_)
                for _, products in _products(wanted, part):
                    near |= products.max(axis=0) >= cosine - _HEAD_SLACK
                found.setdefault(subset, []).extend(numbers[start : start + _HEAD_BLOCK][near].tolist())
        return {subset: numbers for subset, numbers in found.items() if numbers}


def pairs_above(vectors: Vectors, cosine: float) -> Iterator[Neighbour]:
    """Pairs of rows with `row` before `query` and a cosine above `cosine`."""
    index = VectorIndex()
    index.extend(vectors)
    return (found for found in index.above(vectors, cosine) if found.row < found.query)


def _products(queries: Vectors, block: Vectors) -> Iterator[tuple[int, Vectors]]:
    for start in range(0, len(queries), _QUERY_BLOCK):
        products: Vectors = queries[start : start + _QUERY_BLOCK] @ block.T
        yield start, products
