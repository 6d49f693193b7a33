"""Texts by the hash of their content: inline in the database until packed, then slices of large objects."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit

import zstandard
from sqlalchemy import Connection, Engine, Table, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tasks.store.blobs import ArtifactCorrupt, ArtifactMissing, ArtifactStoreUnavailable, Blobs, FileBlobs, S3Blobs
from tasks.store.schema import Artifact
from tasks.store.services import Services

INLINE_BYTES = 256 * 1024  # larger texts are objects of their own from the start
PACK_BYTES = 8 * 1024 * 1024
_PACK_ROWS = 20_000
_LEVEL = 3
_TABLE = cast(Table, Artifact.__table__)


@dataclass(frozen=True, slots=True)
class PackReport:
    """What a call of `pack` moved out of the database."""

    texts: int = 0
    packs: int = 0
    packed_bytes: int = 0  # compressed


def text_key(text: str) -> str:
    """SHA-256 of the text's UTF-8 bytes, hex. A lone surrogate, which UTF-8 has no bytes for, counts as its three
    bytes by the rule of all others; it comes back as it was."""
    return hashlib.sha256(_encode(text)).hexdigest()


def content_key(data: bytes) -> str:
    """Where an object of this content lies: sha256/ab/cdef..."""
    digest = hashlib.sha256(data).hexdigest()
    return f"sha256/{digest[:2]}/{digest[2:]}"


class ArtifactStore:
    """Texts through the table `artifacts`, and files by name, on one place for objects.

    A text's row is written in the caller's transaction, so that a text and the row that refers to it become true
    together. Texts may hold any characters, NUL and lone surrogates included: they are stored as bytes.
    """

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs

    def check(self) -> None:
        """Write, read and delete a probe. Raises ArtifactStoreUnavailable."""
        self.blobs.check()

    # -- texts ------------------------------------------------------------------------------------------------------

    def put_texts(self, connection: Connection, texts: Sequence[str]) -> list[str]:
        """Store `texts` in the transaction of `connection`; returns their keys, in order.

        Texts that are there already cost a look-up. Large ones become objects before their row is written.
        """
        contents: dict[str, bytes] = {}
        keys = []
        for text in texts:
            data = _encode(text)
            key = hashlib.sha256(data).hexdigest()
            contents[key] = data
            keys.append(key)
        known = set(connection.scalars(select(Artifact.key).where(Artifact.key == func.any(list(contents)))))
        # In one order everywhere: two transactions that insert the same keys wait for each other instead of dying.
        rows = [self._row(key, contents[key]) for key in sorted(contents.keys() - known)]
        if rows:
            connection.execute(insert(_TABLE).on_conflict_do_nothing(), rows)
        return keys

    def get_text(self, source: Connection | Engine, key: str) -> str:
        """The text of `key`, its hash verified.

        Raises ArtifactMissing, ArtifactCorrupt or ArtifactStoreUnavailable.
        """
        if isinstance(source, Engine):
            with source.connect() as connection:
                return self.get_text(connection, key)
        row = source.execute(select(_TABLE).where(Artifact.key == key)).first()
        if row is None:
            raise ArtifactMissing(f"No text has the key {key}.")
        return _decode(key, row.size, self._compressed(row))

    def get_texts(self, connection: Connection, keys: Iterable[str]) -> Iterator[tuple[str, str | Exception]]:
        """Many texts, in no order, each once: (key, text), or (key, error) where one is missing or corrupt.

        A pack that holds several of them is fetched once.
        """
        wanted = sorted(set(keys))
        for start in range(0, len(wanted), 1000):
            batch = wanted[start : start + 1000]
            found = select(_TABLE).where(Artifact.key == func.any(batch))
            rows = connection.execute(found.order_by(Artifact.object_key, Artifact.pack_offset)).all()
            for key in sorted(set(batch) - {row.key for row in rows}):
                yield key, ArtifactMissing(f"No text has the key {key}.")
            uses: dict[str, int] = {}
            for row in rows:
                if row.object_key is not None:
                    uses[row.object_key] = uses.get(row.object_key, 0) + 1
            name, pack = "", b""
            for row in rows:
                try:
                    if row.object_key is not None and uses[row.object_key] > 4 and row.pack_offset is not None:
                        if name != row.object_key:
                            name, pack = row.object_key, self.blobs.get(row.object_key)
                        compressed = pack[row.pack_offset : row.pack_offset + row.pack_length]
                    else:
                        compressed = self._compressed(row)
                    yield row.key, _decode(row.key, row.size, compressed)
                except (ArtifactMissing, ArtifactCorrupt) as error:
                    yield row.key, error

    def pack(self, engine: Engine, minimum_bytes: int = PACK_BYTES // 2) -> PackReport:
        """Move inline texts into objects of about 8 MB each, while at least `minimum_bytes` of them are there.

        An object is whole in the store before a row points to it, so a kill loses nothing and leaves at most an
        object that nobody uses. Several packers share the work.
        """
        texts = packs = packed = 0
        while True:
            with engine.begin() as connection:
                rows = _choose(connection, minimum_bytes)
                if not rows:
                    return PackReport(texts, packs, packed)
                content, slices, offset = [], [], 0
                for row in rows:
                    content.append(row.data)
                    slices.append({"of": row.key, "at": offset, "bytes": len(row.data)})
                    offset += len(row.data)
                data = b"".join(content)
                name = content_key(data)
                self.blobs.put(name, data)
                if self.blobs.size(name) != len(data):
                    raise ArtifactStoreUnavailable(f"{self.blobs.url(name)} was written, but is not there whole.")
                connection.execute(
                    update(_TABLE).where(_TABLE.c.key == bindparam("of")).values(
                        data=None, object_key=name, pack_offset=bindparam("at"), pack_length=bindparam("bytes")
                    ),
                    slices,
                )
            texts, packs, packed = texts + len(rows), packs + 1, packed + len(data)

    # -- files ------------------------------------------------------------------------------------------------------

    def put_file(self, path: Path, key: str) -> None:
        """Store a file under a name, such as releases/000001/kodcode-v1/train/part-00000.parquet. It is given away: a
        folder on the same disk takes it as it is."""
        self.blobs.put_file(key, path)

    def put_bytes(self, data: bytes, key: str) -> None:
        """Store a small file, such as a manifest, under a name."""
        self.blobs.put(key, data)

    def link(self, key: str, name: str) -> None:
        """Show the object of `key` under another name too, where the store is a folder of this machine: without a
        second copy. Elsewhere nothing happens."""
        there, shown = self.local_path(key), self.local_path(name)
        if there is None or shown is None:
            return
        try:
            try:
                shown.hardlink_to(there)
            except FileNotFoundError:  # the first of its folder
                shown.parent.mkdir(parents=True, exist_ok=True)
                shown.hardlink_to(there)
        except FileExistsError:
            pass
        except OSError as error:
            raise ArtifactStoreUnavailable(f"{shown} cannot be linked to {there}: {error.strerror}.") from error

    def get(self, key: str) -> bytes:
        """A whole object. Raises ArtifactMissing."""
        return self.blobs.get(key)

    def open(self, key: str) -> IO[bytes]:
        """An object as a seekable file, to be closed by the caller. Raises ArtifactMissing."""
        return self.blobs.open(key)

    def exists(self, key: str) -> bool:
        return self.blobs.size(key) is not None

    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that begin with `prefix`, sorted."""
        return self.blobs.list(prefix)

    def delete(self, key: str) -> None:
        """Remove an object. Objects that a text's row or a release refers to must not be."""
        self.blobs.delete(key)

    def file_problem(self, key: str, sha256: str) -> str | None:
        """What is wrong with a stored file that should have this hash; None where nothing is."""
        try:
            with self.open(key) as stream:
                found = _sha256(stream)
        except ArtifactMissing as error:
            return str(error)
        return None if found == sha256 else f"{self.url(key)} has SHA-256 {found} instead of {sha256}."

    def url(self, key: str = "") -> str:
        """Address for people: s3://BUCKET/KEY or file:///PATH."""
        return self.blobs.url(key)

    def local_path(self, key: str) -> Path | None:
        """The stored file on this machine's disk, where the store is one; to be read only."""
        return self.blobs.local_path(key)

    # -- inside -----------------------------------------------------------------------------------------------------

    def _row(self, key: str, data: bytes) -> dict[str, object]:
        compressed = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
        if len(data) <= INLINE_BYTES:
            return {"key": key, "size": len(data), "data": compressed, "object_key": None}
        name = content_key(compressed)
        self.blobs.put(name, compressed)
        return {"key": key, "size": len(data), "data": None, "object_key": name}

    def _compressed(self, row: Any) -> bytes:
        if row.data is not None:
            return bytes(row.data)
        if row.pack_offset is None:
            return self.blobs.get(row.object_key)
        return self.blobs.get(row.object_key, row.pack_offset, row.pack_length)


def open_artifacts(
    artifacts_url: str | None = None, s3_endpoint_url: str | None = None, services: Services | None = None
) -> ArtifactStore:
    """The store at s3://BUCKET[/PREFIX] or file:///FOLDER, or the embedded one of `services` where no URL is given.

    Credentials of an external S3 are boto3's own. Nothing is contacted: `check` does that.
    """
    if artifacts_url is None:
        if services is None or services.s3_bucket is None or services.s3_folder is None:
            raise ArtifactStoreUnavailable(
                "There is no artifact store: name one in KODCODE_ARTIFACTS_URL (s3://BUCKET[/PREFIX] or "
                "file:///FOLDER), or leave it unset to use the embedded one."
            )
        return ArtifactStore(
            S3Blobs(
                services.s3_bucket, endpoint_url=services.s3_endpoint_url, access_key=services.s3_access_key,
                secret_key=services.s3_secret_key, region="us-east-1", folder=services.s3_folder / services.s3_bucket,
            )
        )
    parts = urlsplit(artifacts_url)
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return ArtifactStore(FileBlobs(Path(unquote(parts.path))))
    if parts.scheme == "s3" and parts.netloc:
        try:
            return ArtifactStore(S3Blobs(parts.netloc, parts.path, endpoint_url=s3_endpoint_url))
        except ValueError as error:
            raise ArtifactStoreUnavailable(f"KODCODE_ARTIFACTS_URL cannot be used: {error}.") from None
    raise ArtifactStoreUnavailable("KODCODE_ARTIFACTS_URL has to be s3://BUCKET[/PREFIX] or file:///FOLDER.")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _decode(key: str, size: int, compressed: bytes) -> str:
    try:
        data = zstandard.ZstdDecompressor().decompress(compressed, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ArtifactCorrupt(f"The text {key} cannot be decompressed: {error}.") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != key:
        raise ArtifactCorrupt(f"The text {key} is not what was stored: its hash is {digest}.")
    return data.decode("utf-8", "surrogatepass")


def _choose(connection: Connection, minimum_bytes: int) -> Sequence[Any]:
    """Inline rows for one pack, locked against other packers; none where they are too few."""
    length = func.octet_length(_TABLE.c.data)
    found = connection.execute(
        select(_TABLE.c.key, length.label("bytes"))
        .where(_TABLE.c.data.is_not(None))
        .order_by(_TABLE.c.created_at, _TABLE.c.key)
        .limit(_PACK_ROWS)
        # Not FOR UPDATE: that would hold up every ledger row that refers to one of these texts.
        .with_for_update(skip_locked=True, key_share=True)
    )
    keys, total = [], 0
    for row in found:
        if total >= PACK_BYTES:
            break
        keys.append(row.key)
        total += row.bytes
    if not keys or total < minimum_bytes:
        return []
    return connection.execute(
        select(_TABLE.c.key, _TABLE.c.data).where(_TABLE.c.key == func.any(keys)).order_by(_TABLE.c.key)
    ).all()


def _sha256(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(1024 * 1024):
        digest.update(chunk)
    return digest.hexdigest()
