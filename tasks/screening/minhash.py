"""MinHash of word 3-grams: signatures for a whole batch at once, LSH bands, and the exact Jaccard similarity.

The signatures are those of datasketch 2's default scheme: row i equals what
`MinHash(num_perm=128)` holds after `update(shingle.encode())` for every shingle of document i.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.screening.normalise import words

PERMUTATIONS = 128
BANDS = 20
ROWS = 6  # 20 bands of 6 rows find a pair of Jaccard 0.8 with probability 0.998; verification removes what is below
SHINGLE_WORDS = 3
THRESHOLD = 0.8

# A permuted block has PERMUTATIONS x _BLOCK uint32; blocks that outgrow the processor's cache are three times slower.
_BLOCK = 8_192

_U32 = NDArray[np.uint32]


def shingles(normalised: str) -> frozenset[str]:
    """Word 3-grams, joined by one space; a text of one or two words is a single shingle, one of no words has none."""
    found = words(normalised)
    if len(found) < SHINGLE_WORDS:
        return frozenset([" ".join(found)]) if found else frozenset()
    return frozenset(map(" ".join, zip(found, found[1:], found[2:], strict=False)))


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Size of the intersection over size of the union; 0 where both are empty, for nothing is known to be shared."""
    common = len(left & right)
    union = len(left) + len(right) - common
    return common / union if union else 0.0


def signatures(documents: Sequence[Iterable[str]]) -> _U32:
    """(n, 128) uint32 signatures of n shingle sets; a document without shingles has the maximum in every place."""
    hashed = [
        np.frombuffer(b"".join(_token(shingle) for shingle in document), dtype="<u4") for document in documents
    ]
    result = np.full((len(hashed), PERMUTATIONS), np.iinfo(np.uint32).max, dtype=np.uint32)
    start = 0
    while start < len(hashed):
        stop, size = start, 0
        while stop < len(hashed) and (stop == start or size + len(hashed[stop]) <= _BLOCK):
            size += len(hashed[stop])
            stop += 1
        _reduce(hashed[start:stop], result[start:stop])
        start = stop
    return result


def bands(rows: _U32) -> NDArray[np.int64]:
    """(n, 20) band hashes of n signatures as signed 64-bit integers, the band's number mixed in.

    Two documents share an entry in column b if their six values in band b are equal; entries of different bands do not
    collide more often than chance, so that one index over all of them serves.
    """
    values = rows[:, : BANDS * ROWS].reshape(len(rows), BANDS, ROWS).astype(np.uint64)
    state = _scramble(np.broadcast_to(np.arange(1, BANDS + 1, dtype=np.uint64), (len(rows), BANDS)))
    for row in range(ROWS):
        state = _scramble(state ^ values[:, :, row])
    return state.view(np.int64)


def _token(shingle: str) -> bytes:
    # datasketch's sha1_hash32: the first four bytes, little-endian. Not a secret, so not a weakness.
    return hashlib.sha1(shingle.encode("utf-8", "surrogatepass"), usedforsecurity=False).digest()[:4]


def _reduce(hashed: Sequence[_U32], out: _U32) -> None:
    """Column-wise minima of the permuted values of each document, into `out`."""
    filled = [index for index, values in enumerate(hashed) if len(values)]
    if not filled:
        return
    if len(filled) == 1:  # may be longer than a block
        values, index = hashed[filled[0]], filled[0]
        for begin in range(0, len(values), _BLOCK):
            minima = _permuted(values[begin : begin + _BLOCK]).min(axis=1)
            np.minimum(out[index], minima, out=out[index])
        return
    lengths = [len(hashed[index]) for index in filled]
    offsets = np.concatenate(([0], np.cumsum(lengths[:-1])))
    flat = np.concatenate([hashed[index] for index in filled])
    out[filled] = np.minimum.reduceat(_permuted(flat), offsets, axis=1).T


def _permuted(values: _U32) -> _U32:
    """(128, n): a * fmix32(h) + b, where the wrap-around of uint32 is the modulo."""
    mixed = values.astype(np.uint32)
    mixed ^= mixed >> np.uint32(16)
    mixed *= np.uint32(0x85EBCA6B)
    mixed ^= mixed >> np.uint32(13)
    mixed *= np.uint32(0xC2B2AE35)
    mixed ^= mixed >> np.uint32(16)
    a, b = _coefficients()
    product: _U32 = a * mixed[None, :]
    product += b
    return product


def _scramble(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The output function of SplitMix64: a bijection that spreads every bit."""
    mixed = state + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


@functools.cache
def _coefficients() -> tuple[_U32, _U32]:
    from datasketch import MinHash  # noqa: PLC0415 (it imports scipy, and most commands screen nothing)

    permutations: Any = MinHash(num_perm=PERMUTATIONS, scheme="affine32").permutations
    a, b = permutations
    return np.asarray(a, dtype=np.uint32)[:, None], np.asarray(b, dtype=np.uint32)[:, None]

