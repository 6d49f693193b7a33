"""Puts vectors on a plane so that near ones stay near: for looking, not for measuring.

The two main components are the start; from there every vector is drawn to its nearest neighbours and pushed away from
random others, with the forces of UMAP (McInnes et al. 2018) for a = b = 1, that is, t-SNE's heavy-tailed kernel. What
is missing of UMAP are the weights of its edges and its spectral start. The same vectors give the same map on one
machine. Neighbourhoods mean something; distances between groups, and how dense they are, do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = 12
_ROUNDS = 250
_PUSHES = 6  # random others a round
_LONGEST_STEP = 4.0
_BLOCK = 1_024

Plane = NDArray[np.float64]


def plane(vectors: NDArray[np.float32]) -> Plane:
    """(n, 2) in 0 to 1, both axes at one scale, of (n, d) unit vectors. Takes about n / 400 seconds."""
    count = len(vectors)
    if count < 4:
        return np.column_stack([np.linspace(0.3, 0.7, count), np.full(count, 0.5)])
    draw = np.random.default_rng(0)
    at = _principal(vectors, draw)
    at *= 10 / max(float(np.abs(at).max()), 1e-12)
    at += draw.normal(scale=1e-3, size=at.shape)  # copies of one text must be able to part
    near = _nearest(vectors, min(_NEIGHBOURS, count - 1))
    left = np.repeat(np.arange(count), near.shape[1])
    right = near.ravel()
    degree = np.bincount(left, minlength=count) + np.bincount(right, minlength=count)
    for done in range(_ROUNDS):
        apart = at[left] - at[right]
        pull = apart * (-2 / (1 + (apart**2).sum(axis=1, keepdims=True)))
        moved = (_summed(left, pull, count) - _summed(right, pull, count)) / degree[:, None]
        for _ in range(_PUSHES):
            apart = at - at[draw.integers(0, count, count)]
            square = (apart**2).sum(axis=1, keepdims=True)
            push = apart * (2 / ((0.01 + square) * (1 + square)))
            moved += np.clip(push, -_LONGEST_STEP, _LONGEST_STEP) / _PUSHES
        at += moved * (1 - done / _ROUNDS)
    at -= at.min(axis=0)
    return at / max(float(at.max()), 1e-12)


def _principal(vectors: NDArray[np.float32], draw: np.random.Generator) -> Plane:
    """(n, 2): the two main components, by subspace iteration."""
    centred = vectors - vectors.mean(axis=0)
    basis = draw.normal(size=(vectors.shape[1], 8)).astype(np.float32)
    for _ in range(12):
        basis, _ = np.linalg.qr(centred.T @ (centred @ basis))
    reduced = (centred @ basis).astype(np.float64)
    _, _, directions = np.linalg.svd(reduced, full_matrices=False)
    placed: Plane = reduced @ directions[:2].T
    return placed if placed.shape[1] == 2 else np.column_stack([placed, np.zeros(len(placed))])


def _nearest(vectors: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """(n, count): the rows of highest cosine with each row, itself left out."""
    found = np.empty((len(vectors), count), dtype=np.intp)
    for start in range(0, len(vectors), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors.T
        own = np.arange(len(cosines))
        cosines[own, start + own] = -np.inf
        found[start : start + _BLOCK] = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
    return found


def _summed(rows: NDArray[np.intp], values: Plane, count: int) -> Plane:
    return np.column_stack([np.bincount(rows, weights=values[:, axis], minlength=count) for axis in range(2)])
