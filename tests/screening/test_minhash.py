"""MinHash: the same values as datasketch, bands that find pairs, exact verification."""

from __future__ import annotations

import random

import numpy as np
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.screening.minhash import BANDS, PERMUTATIONS, ROWS, bands, jaccard, shingles, signatures

WORDS = [f"word{i}" for i in range(3000)]


def datasketch_values(document: frozenset[str]) -> np.ndarray:
    sketch = MinHash(num_perm=PERMUTATIONS)
    for shingle in document:
        sketch.update(shingle.encode("utf-8", "surrogatepass"))
    return np.asarray(sketch.hashvalues)


def test_signatures_equal_datasketch_bit_for_bit() -> None:
    random.seed(3)
    documents = [shingles(" ".join(random.choices(WORDS, k=size))) for size in (1, 2, 3, 4, 50, 300, 0, 7, 2000)]
    found = signatures(documents)
    assert found.dtype == np.uint32
    for row, document in zip(found, documents, strict=True):
        assert np.array_equal(row, datasketch_values(document))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=60), max_size=12))
def test_signatures_equal_datasketch_for_any_text(texts: list[str]) -> None:
    documents = [shingles(text) for text in texts]
    expected = np.array([datasketch_values(document) for document in documents], dtype=np.uint32)
    assert np.array_equal(signatures(documents), expected.reshape(len(texts), PERMUTATIONS))


def test_a_document_longer_than_a_block_equals_datasketch() -> None:
    document = frozenset(str(i) for i in range(20_000))
    found = signatures([frozenset(["a"]), document, frozenset()])
    assert np.array_equal(found[1], datasketch_values(document))
    assert (found[2] == np.iinfo(np.uint32).max).all()


def test_signatures_do_not_depend_on_the_batch() -> None:
    random.seed(4)
    documents = [shingles(" ".join(random.choices(WORDS, k=random.randrange(1, 400)))) for _ in range(200)]
    alone = np.concatenate([signatures([document]) for document in documents])
    assert np.array_equal(signatures(documents), alone)


def test_bands_agree_exactly_where_their_rows_agree() -> None:
    generator = np.random.default_rng(5)
    rows = generator.integers(0, 2, size=(60, PERMUTATIONS), dtype=np.uint32)  # small values: many equal bands
    hashes = bands(rows)
    assert hashes.dtype == np.int64
    assert hashes.shape == (60, BANDS)
    cut = rows[:, : BANDS * ROWS].reshape(60, BANDS, ROWS)
    same_rows = (cut[:, None] == cut[None]).all(axis=3)
    assert np.array_equal(hashes[:, None] == hashes[None], same_rows)
    assert len(np.unique(hashes)) == sum(len(np.unique(cut[:, band], axis=0)) for band in range(BANDS))


def test_bands_find_nearly_all_pairs_of_jaccard_at_least_eight_tenths() -> None:
    random.seed(6)
    found = total = 0
    for _ in range(300):
        text = random.choices(WORDS, k=160)
        edited = [random.choice(WORDS) if random.random() < 0.02 else word for word in text]
        pair = shingles(" ".join(text)), shingles(" ".join(edited))
        if jaccard(*pair) >= 0.8:
            total += 1
            left, right = bands(signatures(pair))
            found += bool((left == right).any())
    assert total > 100
    assert found >= 0.99 * total


def test_shingles_are_three_words_and_short_texts_are_one() -> None:
    assert shingles("sort the list, quickly") == {"sort the list", "the list quickly"}
    assert shingles("two words") == {"two words"}
    assert shingles("one") == {"one"}
    assert shingles("?!") == frozenset()


def test_scripts_without_spaces_are_cut_into_characters() -> None:
    assert shingles("排序列表") == {"排 序 列", "序 列 表"}


def test_jaccard_counts_what_is_shared_and_is_zero_without_words() -> None:
    assert jaccard(frozenset("abc"), frozenset("bcd")) == 0.5
    assert jaccard(frozenset(), frozenset()) == 0
