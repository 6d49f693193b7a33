"""MinHash signatures of a batch against datasketch, one document after the other; the values must be the same."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest
from datasketch import MinHash

from tasks.screening import normalise
from tasks.screening.minhash import PERMUTATIONS, shingles, signatures

DOCUMENTS, WORDS = 2_000, 120


@pytest.mark.benchmark
def test_signatures_against_a_loop_over_documents(capsys: pytest.CaptureFixture[str]) -> None:
    generator = random.Random(1)
    vocabulary = [f"word{number}" for number in range(20_000)]
    documents = [
        shingles(normalise(" ".join(generator.choices(vocabulary, k=WORDS)))) for _ in range(DOCUMENTS)
    ]
    signatures(documents[:100])  # warms up
    started = time.process_time()
    ours = signatures(documents)
    batch = (time.process_time() - started) / DOCUMENTS
    some = documents[:300]
    started = time.process_time()
    looped = []
    for document in some:
        sketch = MinHash(num_perm=PERMUTATIONS)
        for shingle in document:
            sketch.update(shingle.encode())
        looped.append(sketch.hashvalues)
    loop = (time.process_time() - started) / len(some)
    started = time.process_time()
    for document in some:
        MinHash(num_perm=PERMUTATIONS).update_batch([shingle.encode() for shingle in document])
    batched = (time.process_time() - started) / len(some)
    assert (np.stack(looped) == ours[: len(some)]).all()
    with capsys.disabled():
        print(f"\nours {1 / batch:.0f} documents a CPU second")
        print(f"update() {1 / loop:.0f}, update_batch() {1 / batched:.0f}")
        print(f"ratio to update() {loop / batch:.1f}, to update_batch() {batched / batch:.1f}")
