"""The files of a release: their names, where the store has them, their hashes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from tasks.formats import MANIFEST_FILE
from tasks.store.schema import Release


class NoRelease(Exception):
    """No release has the number; the message says which is the newest."""


@dataclass(frozen=True, slots=True)
class ReleasedFile:
    """A file of a release, and where the store has it. The manifest names no hash of its own."""

    path: str
    key: str
    sha256: str | None


def released_files(engine: Engine, number: int | None) -> tuple[int, list[ReleasedFile]]:
    """A release, the newest where none is named, and its files, the manifest last. Raises NoRelease."""
    with engine.connect() as connection:
        newest = connection.scalar(select(func.max(Release.release_id)))
        found = connection.execute(
            select(Release.release_id, Release.manifest).where(
                Release.release_id == (newest if number is None else number)
            )
        ).one_or_none()
    if newest is None:
        raise NoRelease("There is no release yet: make one with kodcode release.")
    if found is None:
        raise NoRelease(f"There is no release {number}; the newest is {newest}.")
    files = [ReleasedFile(entry["path"], entry["key"], entry["sha256"]) for entry in found.manifest["files"]]
    manifest = ReleasedFile(MANIFEST_FILE, f"releases/{found.release_id:06d}/{MANIFEST_FILE}", None)
    return found.release_id, [*sorted(files, key=lambda file: file.path), manifest]
