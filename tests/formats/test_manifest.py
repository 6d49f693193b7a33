"""The manifest: one hash for one content."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tasks.formats import FileEntry, FormatError, Manifest, read_manifest

FILES = (
    FileEntry("kodcode-v1/train/part-00000.parquet", "kodcode-v1", "train", 50, 1000, "ab" * 32),
    FileEntry("kodcode-v1/train/part-00001.parquet", "kodcode-v1", "train", 7, 100, "cd" * 32),
    FileEntry("kodcode-v1/use_with_caution/part-00000.parquet", "kodcode-v1", "use_with_caution", 2, 90, "ef" * 32),
)
MANIFEST = Manifest(
    formats={"kodcode-v1": "v1.1"}, files=FILES, filters={"subsets": ["Leetcode"], "canned": False},
    code_version="1.0+abc", prompt_versions={"solve": "11", "convert": "22"},
)  # fmt: skip


def test_the_hash_is_that_of_the_content_not_of_its_order() -> None:
    shuffled = replace(
        MANIFEST, files=FILES[::-1], prompt_versions={"convert": "22", "solve": "11"},
        filters={"canned": False, "subsets": ["Leetcode"]},
    )  # fmt: skip
    assert shuffled.content_hash == MANIFEST.content_hash
    assert shuffled.document() == MANIFEST.document()


def test_whatever_changes_changes_the_hash() -> None:
    changed = [
        replace(MANIFEST, files=FILES[:2]),
        replace(MANIFEST, files=(replace(FILES[0], sha256="00" * 32), *FILES[1:])),
        replace(MANIFEST, formats={"kodcode-v1": "v1.0"}),
        replace(MANIFEST, filters={}),
        replace(MANIFEST, code_version="1.1"),
        replace(MANIFEST, prompt_versions={}),
    ]
    assert len({manifest.content_hash for manifest in [MANIFEST, *changed]}) == len(changed) + 1


def test_rows_are_counted_by_format_and_split() -> None:
    assert MANIFEST.counts == {"kodcode-v1": {"train": 57, "use_with_caution": 2}}
    assert (MANIFEST.rows("kodcode-v1"), MANIFEST.rows("other")) == (59, 0)


def test_the_document_is_readable_json_and_reads_back() -> None:
    data = json.loads(MANIFEST.document())
    assert data["content_hash"] == MANIFEST.content_hash
    assert data["files"][0]["sha256"] == "ab" * 32
    assert read_manifest(MANIFEST.document()) == MANIFEST


def test_a_changed_or_foreign_document_is_refused() -> None:
    document = MANIFEST.document()
    with pytest.raises(FormatError, match="changed"):
        read_manifest(document.replace(b"1.0+abc", b"1.0+abd"))
    half = b'{"content_hash": 1, "counts": 1, "files": 2}'
    for foreign in (b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, half):
        with pytest.raises(FormatError, match="no manifest"):
            read_manifest(foreign)


def test_what_json_cannot_say_is_refused() -> None:
    for filters in ({"x": float("nan")}, {"x": object()}, {"x": "\ud800"}):
        with pytest.raises(FormatError, match="JSON"):
            replace(MANIFEST, filters=filters).canonical()
