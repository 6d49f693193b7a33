"""Exact search by blocked products: the answers of a plain double loop."""

from __future__ import annotations

import numpy as np

from tasks.screening.vectors import VectorIndex, exact_cosine, pairs_above


def unit(count: int, seed: int, dimension: int = 24) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, dimension))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_above_finds_what_a_double_loop_finds_whatever_the_blocks() -> None:
    vectors, queries = unit(300, 1), unit(40, 2)
    expected = {
        (query, row, exact_cosine(queries[query], vectors[row]))
        for query in range(40)
        for row in range(300)
        if exact_cosine(queries[query], vectors[row]) > 0.4
    }
    assert len(expected) > 20
    for cuts in ([], [1, 2, 250]):
        index = VectorIndex()
        for block in np.split(vectors, cuts):
            index.extend(block)
        assert len(index) == 300
        assert {(pair.query, pair.row, pair.cosine) for pair in index.above(queries, 0.4)} == expected


def test_nearest_is_the_first_of_equals() -> None:
    vectors = unit(50, 3)
    index = VectorIndex()
    assert index.nearest(vectors) == []
    index.extend(vectors)
    index.extend(vectors)
    found = index.nearest(vectors)
    assert [(pair.query, pair.row) for pair in found] == [(i, i) for i in range(50)]
    assert all(pair.cosine <= 1 for pair in found)


def test_pairs_name_the_earlier_row_once() -> None:
    vectors = unit(5, 4)
    doubled = np.concatenate([vectors, vectors[[2, 2]]])
    assert sorted((pair.row, pair.query) for pair in pairs_above(doubled, 0.99)) == [(2, 5), (2, 6), (5, 6)]
