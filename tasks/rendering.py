"""A shard of a release: the rows of some consecutive questions in all its formats, made once and taken by the next."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, Row, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from tasks.counting import Counts
from tasks.formats import DatasetWriter, FileEntry, Format, TripletRecord
from tasks.formats.batch import Batch
from tasks.licences import Author, Origin
from tasks.loading import Background, Lens, load
from tasks.pieces import Piece, same_snapshot, snapshot_of
from tasks.selection import pick
from tasks.store import ArtifactStore
from tasks.store.schema import Release, ReleasePart, ReleaseShard

SHARDS_FOLDER = "releases/shards"  # of the files' keys in the store
_AT_ONCE = 3  # shards; each holds a connection and a row group of every format
_MADE = 8  # more that are written, and wait for a disk or a network


@dataclass(frozen=True, slots=True)
class RenderedShard:
    """The files of a piece, and what a release has to know of their rows."""

    shard_id: str
    piece: Piece
    files: tuple[FileEntry, ...]
    origins: tuple[Origin, ...]
    prompts: Mapping[str, Sequence[str]]  # stage -> versions, sorted
    proven: Mapping[str, int] = field(default_factory=dict)  # format -> rows that were executed
    facts: Mapping[str, Any] = field(default_factory=dict)  # as tasks/counting.py and tasks/card.py count them
    members: Mapping[tuple[str, str], Sequence[str]] = field(default_factory=dict)  # of a new one: by format and split
    new: bool = True

    def row(self) -> dict[str, Any]:
        """As the table `shards` has it."""
        return {
            "shard_id": self.shard_id,
            "subset": self.piece.subset,
            "first_number": self.piece.first_number,
            "last_number": self.piece.last_number,
            "files": [entry.as_dict() for entry in self.files],
            "origins": [asdict(origin) for origin in self.origins],
            "prompts": {stage: list(versions) for stage, versions in self.prompts.items()},
            "proven": dict(self.proven),
            "facts": dict(self.facts),
            "fingerprint": self.piece.fingerprint,
        }


def shard_id(piece: Piece, formats: Sequence[Format], lens: Lens) -> str:
    """SHA-256 of all that a shard's files are made from: rows, formats, what a row leaves out, terms, this code."""
    made_from = [
        piece.name,
        piece.fingerprint,
        [(format.name, format.version) for format in formats],
        lens.max_response_tokens,
        sorted(lens.minded),
        lens.benchmark_texts,
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


# Now, as the modules are read, and not with the first shard: hours later the checkout may hold other code than the one
# that this process renders with, and its shards would be taken for the other's.
_code()


def stored_shards(connection: Connection, pieces: Mapping[str, Piece]) -> dict[str, RenderedShard]:
    """Those of the shards, by id, that an earlier release made."""
    rows = connection.execute(select(ReleaseShard.__table__).where(ReleaseShard.shard_id == func.any(list(pieces))))
    return {row.shard_id: _stored(row, pieces[row.shard_id]) for row in rows}


def released_shards(
    connection: Connection, asked: Mapping[str, Any], formats: Sequence[Format], lens: Lens
) -> dict[str, RenderedShard]:
    """Shards, by id, of the newest release of what was asked, as far as this code would make them of the same rows."""
    release = select(Release.release_id).where(Release.manifest["filters"] == cast(dict(asked), JSONB))
    newest = release.order_by(Release.release_id.desc()).limit(1).scalar_subquery()
    rows = connection.execute(
        select(ReleaseShard.__table__)
        .join(ReleasePart, ReleasePart.shard_id == ReleaseShard.shard_id)
        .where(ReleasePart.release_id == newest, ReleaseShard.fingerprint.is_not(None))
    )
    found = [(row, Piece.of(row.subset, row.first_number, row.fingerprint)) for row in rows]
    return {
        row.shard_id: _stored(row, piece) for row, piece in found if shard_id(piece, formats, lens) == row.shard_id
    }


def _stored(row: Row[Any], piece: Piece) -> RenderedShard:
    return RenderedShard(
        row.shard_id,
        piece,
        tuple(FileEntry(**entry) for entry in row.files),
        tuple(_origin(origin) for origin in row.origins),
        row.prompts,
        row.proven,
        row.facts,
        new=False,
    )


def _origin(stored: Mapping[str, Any]) -> Origin:
    authors = tuple(Author(**author) for author in stored["authors"])
    return Origin(stored["rows"], tuple(stored["seed_licences"]), authors)


@contextmanager
def rendering(
    engine: Engine,
    connection: Connection,
    artifacts: ArtifactStore,
    folder: Path,
    formats: Sequence[Format],
    pieces: Mapping[str, Piece],
    lens: Lens,
    made: Callable[[RenderedShard], None] = lambda shard: None,
) -> Iterator[Callable[[], dict[str, RenderedShard]]]:
    """Begin to write the rows of all pieces into `folder`; yields what waits for the shards and returns them by id.
    `made` is called with each when its files are there, by the thread that wrote them.

    `connection` is that of the transaction that they were chosen in, where they are picked; it is free for other use
    meanwhile. All are read in its snapshot, some at a time: while one waits for the database or is compressed, another
    is put together."""
    snapshot = snapshot_of(connection)
    readers: SimpleQueue[Connection] = SimpleQueue()

    def make(identity: str, piece: Piece, ids: Sequence[str]) -> RenderedShard:
        reader = readers.get()
        try:
            shard = render(reader, artifacts, folder, formats, identity, piece, ids, lens)
        finally:
            readers.put(reader)
        made(shard)
        return shard

    with ExitStack() as stack:
        for _ in range(min(_AT_ONCE, len(pieces))):
            readers.put(stack.enter_context(same_snapshot(engine, snapshot)))
        threads = stack.enter_context(ThreadPoolExecutor(_AT_ONCE + _MADE))
        ids = pick(connection, pieces.values())
        # By number before subset: what was made at one time lies together in the tables.
        ordered = sorted(pieces.items(), key=lambda item: item[1].first_number)
        waiting = [threads.submit(make, identity, piece, ids[piece]) for identity, piece in ordered]
        try:
            yield lambda: {shard.shard_id: shard for shard in (future.result() for future in waiting)}
        finally:
            threads.shutdown(cancel_futures=True)  # after an error the rest is not begun


def render(
    connection: Connection,
    artifacts: ArtifactStore,
    folder: Path,
    formats: Sequence[Format],
    identity: str,
    piece: Piece,
    ids: Sequence[str],
    lens: Lens,
) -> RenderedShard:
    """Write the rows of these triplets, which are a piece, into `folder`. A split without rows has no file."""
    backgrounds: Counter[Background] = Counter()
    counts = Counts()
    members: dict[tuple[str, str], list[str]] = {}
    with ExitStack() as stack:
        writers = [stack.enter_context(format.writer(folder, piece.name, splits=())) for format in formats]
        for loaded in load(connection, artifacts, ids, lens):
            backgrounds.update(loaded.backgrounds)
            counts.add(loaded)
            for name, split, made in _written(loaded.batch, formats, writers):
                members.setdefault((name, split), []).extend(made)
    origins: Counter[Origin] = Counter()
    for background, rows in backgrounds.items():
        origins[background.origin] += rows
    prompts = frozenset[tuple[str, str]]().union(*(background.prompts for background in backgrounds))
    return RenderedShard(
        identity,
        piece,
        tuple(replace(entry, key=key_of(entry)) for writer in writers for entry in writer.files),
        tuple(replace(origin, rows=rows) for origin, rows in sorted(origins.items(), key=repr)),
        {
            stage: sorted(version for other, version in prompts if other == stage)
            for stage in sorted({stage for stage, _ in prompts})
        },
        facts=counts.facts(),
        members=members,
    )


def _written(
    batch: Batch, formats: Sequence[Format], writers: Sequence[DatasetWriter]
) -> Iterator[tuple[str, str, list[str]]]:
    """Write the rows of some triplets; yields which of them have rows: format, split, ids."""
    ids = batch.triplets["triplet_id"]
    records: list[TripletRecord] = []
    for format, writer in zip(formats, writers, strict=True):
        if format.laid is not None:
            laid = format.laid(batch)
            for split in format.splits:
                there = pc.equal(laid.splits, split)
                if not there.true_count:
                    continue
                columns, triplets = laid.columns, laid.triplets
                if there.true_count < len(there):  # rarely, and what is left whole is not copied
                    columns, triplets = columns.filter(there), triplets.filter(there)
                writer.add_batch(split, columns)
                yield format.name, split, ids.take(triplets).to_pylist()
            continue
        records = records or batch.records()
        for record, responses in zip(records, batch.responses, strict=True):
            splits = set()
            for row in format.rows(record, responses):
                writer.add(row.split, row.columns)
                splits.add(row.split)
            for split in splits:
                yield format.name, split, [record.triplet_id]


def key_of(entry: FileEntry) -> str:
    """Where the store holds a file of rows: by its content, whichever releases have it."""
    return f"{SHARDS_FOLDER}/{entry.sha256[:2]}/{entry.sha256[2:]}{Path(entry.path).suffix}"
