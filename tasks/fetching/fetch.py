"""A release as a folder of this machine: every file under its name, with the hash that the manifest tells.

A file has its name only when it is whole and its hash is right, and the manifest comes last: whoever is killed before
goes on with what is missing, and a folder with a manifest is the release.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sqlalchemy import Engine

from tasks.fetching.files import ReleasedFile, released_files
from tasks.formats import MANIFEST_FILE, FormatError, read_manifest
from tasks.store import ArtifactStore

_AT_ONCE = 8  # files
_CHUNK = 1 << 20
_PARTIAL = ".partial"


class FetchRefused(Exception):
    """The release cannot be put there, or is not what it should be; the message names the file. Nothing of what was
    in the folder was changed."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A release in a folder. `fetched` of its `files`, the manifest not counted, were not there yet."""

    release: int
    folder: str
    files: int
    fetched: int


def fetch(
    engine: Engine,
    artifacts: ArtifactStore,
    folder: Path,
    *,
    release: int | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> Fetched:
    """Copy a release, the newest where none is named, into `folder`, which is made where it is not there.

    What an earlier attempt brought is kept. Raises NoRelease; FetchRefused where the folder holds anything else, or
    the store another content than the manifest says; and StoreError where a file of the release is lost.
    """
    number, [*files, manifest] = released_files(engine, release)
    document = artifacts.get(manifest.key)
    try:
        stated = {entry.path: entry.sha256 for entry in read_manifest(document).files}
    except FormatError as error:
        raise FetchRefused(f"{artifacts.url(manifest.key)} is not what was stored: {error}") from error
    if stated != {file.path: file.sha256 for file in files}:
        raise FetchRefused(f"{artifacts.url(manifest.key)} is not the manifest of release {number}.")
    missing = _missing(folder, number, stated | {MANIFEST_FILE: hashlib.sha256(document).hexdigest()})
    wanted = [file for file in files if file.path in missing]
    done = 0
    try:
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            for _ in threads.map(lambda file: _bring(artifacts, file, folder), wanted):
                done += 1
                if done % 100 == 0:
                    note(f"{done} of {len(wanted)} files are there")
        for path in stated:
            (folder / f"{path}{_PARTIAL}").unlink(missing_ok=True)  # of a file that is there by now
        _place(folder / MANIFEST_FILE, [document])
    except OSError as error:
        raise FetchRefused(f"{folder} cannot be written: {error.strerror or error}.") from error
    return Fetched(number, str(folder), len(files), len(wanted))


def _missing(folder: Path, number: int, wanted: Mapping[str, str | None]) -> set[str]:
    """The files that are not in the folder yet, by path. Raises FetchRefused where something else is."""
    for path in wanted:
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            raise FetchRefused(f"The release names a file {path!r}, which would be outside of the folder.")
    if folder.exists() and not folder.is_dir():
        raise FetchRefused(f"{folder} is no folder.")
    begun = {f"{path}{_PARTIAL}" for path in wanted}  # by an attempt that was killed
    missing = set(wanted)
    try:
        for place in sorted(folder.rglob("*")):
            path = place.relative_to(folder).as_posix()
            if (place.is_dir() and not place.is_symlink()) or path in begun:
                continue
            if path not in wanted or place.is_symlink() or _sha256(place) != wanted[path]:
                raise FetchRefused(
                    f"{place} is there, and is not of release {number}. Name an empty folder, or one in which this "
                    "release was begun."
                )
            missing.remove(path)
    except OSError as error:
        raise FetchRefused(f"{folder} cannot be read: {error.strerror or error}.") from error
    return missing


def _bring(artifacts: ArtifactStore, file: ReleasedFile, folder: Path) -> None:
    with artifacts.open(file.key) as source:
        _place(folder / file.path, _checked(source, file))


def _checked(source: IO[bytes], file: ReleasedFile) -> Iterator[bytes]:
    """The content of a file; raises FetchRefused at its end where it has another hash."""
    digest = hashlib.sha256()
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        yield chunk
    if digest.hexdigest() != file.sha256:
        raise FetchRefused(f"{file.path} is not what the manifest says: the stored file was changed.")


def _place(path: Path, content: Iterable[bytes]) -> None:
    """Write a file that has its name only when it is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + _PARTIAL)
    with partial.open("wb") as target:
        target.writelines(content)
        target.flush()
        os.fsync(target.fileno())
    partial.replace(path)


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
