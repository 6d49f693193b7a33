"""A shard of a release: the rows of some consecutive questions in all its formats, made once and taken by the next."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection, func, select

from tasks.formats import FileEntry, Format
from tasks.licences import Author, Origin
from tasks.loading import Lens, load
from tasks.selection import Piece, ids_of
from tasks.store import ArtifactStore
from tasks.store.schema import ReleaseShard

FOLDER = "releases/shards"  # of the files' keys in the store


@dataclass(frozen=True, slots=True)
class RenderedShard:
    """The files of a piece, and what a release has to know of their rows."""

    shard_id: str
    piece: Piece
    files: tuple[FileEntry, ...]
    origins: tuple[Origin, ...]
    prompts: Mapping[str, Sequence[str]]  # stage -> versions, sorted
    proven: Mapping[str, int] = field(default_factory=dict)  # format -> rows that were executed
    members: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)  # of a new one: by format and split
    new: bool = True

    def row(self) -> dict[str, Any]:
        """As the table `shards` has it."""
        return {
            "shard_id": self.shard_id,
            "subset": self.piece.subset,
            "first_number": self.piece.first_number,
            "last_number": self.piece.last_number,
            "files": [asdict(entry) for entry in self.files],
            "origins": [asdict(origin) for origin in self.origins],
            "prompts": {stage: list(versions) for stage, versions in self.prompts.items()},
            "proven": dict(self.proven),
        }


def shard_id(piece: Piece, formats: Sequence[Format], lens: Lens) -> str:
    """SHA-256 of all that a shard's files are made from: rows, formats, what a row leaves out, terms, this code."""
    made_from = [
        piece.name,
        piece.fingerprint,
        [(format.name, format.version) for format in formats],
        lens.max_response_tokens,
        sorted(lens.minded),
        lens.terms.digest,
        _code(),
    ]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


@cache
def _code() -> str:
    """Of all that could change a byte of a file. Most changes do not, but none that does is overlooked."""
    digest = hashlib.sha256(pa.__version__.encode())
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def stored_shards(connection: Connection, pieces: Mapping[str, Piece]) -> dict[str, RenderedShard]:
    """Those of the shards, by id, that an earlier release made."""
    rows = connection.execute(select(ReleaseShard.__table__).where(ReleaseShard.shard_id == func.any(list(pieces))))
    return {
        row.shard_id: RenderedShard(
            row.shard_id,
            pieces[row.shard_id],
            tuple(FileEntry(**entry) for entry in row.files),
            tuple(_origin(origin) for origin in row.origins),
            row.prompts,
            row.proven,
            new=False,
        )
        for row in rows
    }


def _origin(stored: Mapping[str, Any]) -> Origin:
    authors = tuple(Author(**author) for author in stored["authors"])
    return Origin(stored["rows"], tuple(stored["seed_licences"]), authors)


def render(
    connection: Connection,
    artifacts: ArtifactStore,
    folder: Path,
    formats: Sequence[Format],
    identity: str,
    piece: Piece,
    lens: Lens,
) -> RenderedShard:
    """Write the rows of a piece into `folder`, in the transaction that it was chosen in. A split without rows has no
    file."""
    origins: Counter[Origin] = Counter()
    prompts: set[tuple[str, str]] = set()
    members: dict[tuple[str, str], list[str]] = {}
    with ExitStack() as stack:
        writers = [stack.enter_context(format.writer(folder, piece.name, splits=())) for format in formats]
        for loaded in load(connection, artifacts, ids_of(connection, piece), lens):
            origins[loaded.origin] += 1
            prompts |= loaded.prompts
            for format, writer in zip(formats, writers, strict=True):
                split = None
                for row in format.rows(loaded.record, loaded.responses):
                    writer.add(row.split, row.columns)
                    split = row.split
                if split is not None:
                    members.setdefault((format.name, split), []).append(loaded.record.triplet_id)
    return RenderedShard(
        identity,
        piece,
        tuple(replace(entry, key=key_of(entry)) for writer in writers for entry in writer.files),
        tuple(replace(origin, rows=rows) for origin, rows in sorted(origins.items(), key=repr)),
        {
            stage: sorted(version for other, version in prompts if other == stage)
            for stage in sorted({stage for stage, _ in prompts})
        },
        members=members,
    )


def key_of(entry: FileEntry) -> str:
    """Where the store holds a file of rows: by its content, whichever releases have it."""
    return f"{FOLDER}/{entry.sha256[:2]}/{entry.sha256[2:]}{Path(entry.path).suffix}"
