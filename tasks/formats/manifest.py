"""The manifest of a release: what is in it, how it was chosen and made, and the hash that is its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from tasks.formats.errors import FormatError
from tasks.formats.writer import FileEntry

MANIFEST_VERSION = 2
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True)
class Manifest:
    """Everything that tells one release from another, and nothing else: no times, no numbers of runs."""

    formats: Mapping[str, str]  # layout -> its edition
    files: tuple[FileEntry, ...]
    filters: Mapping[str, Any] = field(default_factory=dict)  # the selection, as asked for
    code_version: str = "unknown"
    prompt_versions: Mapping[str, str] = field(default_factory=dict)  # prompt -> content hash
    parent: int | None = None  # the release before it
    left_out: Mapping[str, int] = field(default_factory=dict)  # by the licence policy: reason -> rows, also of several
    licence: Mapping[str, Any] = field(default_factory=dict)  # licence (SPDX), hub (the Hub's word), reasons
    proven: Mapping[str, int] = field(default_factory=dict)  # layout -> rows that were executed
    manifest_version: int = MANIFEST_VERSION

    @cached_property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Layout -> split -> rows. What stands beside the rows has no split and does not count."""
        counts: dict[str, dict[str, int]] = {}
        for entry in self.files:
            if not entry.split:
                continue
            splits = counts.setdefault(entry.format, {})
            splits[entry.split] = splits.get(entry.split, 0) + entry.rows
        return counts

    def rows(self, format: str) -> int:
        """Rows of a layout, all splits."""
        return sum(self.counts.get(format, {}).values())

    def as_dict(self) -> dict[str, Any]:
        """JSON-able data; files by path, so that the order of writing makes no difference."""
        return {
            "manifest_version": self.manifest_version,
            "code_version": self.code_version,
            "formats": dict(self.formats),
            "prompt_versions": dict(self.prompt_versions),
            "parent": self.parent,
            "licence": dict(self.licence),
            "left_out": dict(self.left_out),
            "proven": dict(self.proven),
            "filters": dict(self.filters),
            "counts": self.counts,
            "files": [entry.as_dict() for entry in sorted(self.files, key=lambda entry: entry.path)],
        }

    @cached_property
    def canonical(self) -> bytes:
        """The one spelling that is hashed: sorted keys, no spaces. Raises FormatError for what JSON cannot say."""
        try:
            text = json.dumps(
                self.as_dict(), sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
            )
            return text.encode()
        except (TypeError, ValueError) as error:
            raise FormatError(f"The manifest cannot be written as JSON: {error}.") from error

    @property
    def content_hash(self) -> str:
        """SHA-256 of the canonical form: equal for releases of the same content made in the same way."""
        return hashlib.sha256(self.canonical).hexdigest()

    def document(self) -> bytes:
        """The file `manifest.json`: the same data for human eyes, with the content hash."""
        data = {"content_hash": self.content_hash, **json.loads(self.canonical)}
        return (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode()


def read_manifest(document: bytes) -> Manifest:
    """A manifest from its file. Raises FormatError where it is no manifest, or was changed after it was written."""
    try:
        data = json.loads(document)
        stated = data.pop("content_hash")
        data.pop("counts")
        if data["manifest_version"] != MANIFEST_VERSION:
            raise FormatError(f"Manifests of version {MANIFEST_VERSION} are read, not {data['manifest_version']!r}.")
        files = tuple(FileEntry(**entry) for entry in data.pop("files"))
        known = {entry.name for entry in fields(Manifest)}
        manifest = Manifest(files=files, **{name: data[name] for name in known - {"files"}})
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise FormatError(f"This is no manifest of a release ({type(error).__name__}: {error}).") from error
    if manifest.content_hash != stated:
        raise FormatError("The manifest's content hash does not match its content: the file was changed.")
    return manifest
