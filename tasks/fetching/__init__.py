"""Releases fetched from the artifact store into a folder."""

from tasks.fetching.fetch import Fetched, FetchRefused, fetch
from tasks.fetching.files import NoRelease, ReleasedFile, released_files

__all__ = ["FetchRefused", "Fetched", "NoRelease", "ReleasedFile", "fetch", "released_files"]
