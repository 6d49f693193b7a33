"""Where objects lie: any S3-compatible endpoint, or a folder, behind the same few methods.

Only what every S3 server honours is used: whole objects, ranges, listing and multipart uploads. No metadata, no
conditional writes, no locks. Keys are content hashes or names that are written once, so that writing one again changes
nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from tasks.store.database import StoreError

# One request up to here, a multipart upload above; parts of this size.
PART_BYTES = 16 * 1024 * 1024
_KEY = re.compile(r"[A-Za-z0-9_=+@,.-]+(?:/[A-Za-z0-9_=+@,.-]+)*")
_PROBE_PREFIX = "probe/"


class ArtifactStoreUnavailable(StoreError):
    """The store cannot be reached or used; the message says why, and what to do."""


class ArtifactMissing(StoreError):
    """What a key names is not in the store."""


class ArtifactCorrupt(StoreError):
    """What lies under a key is not what its hash says."""


def checked_key(key: str) -> str:
    """`key` itself where every store and file system takes it; ValueError otherwise."""
    if not _KEY.fullmatch(key) or len(key) > 900 or any(part in (".", "..") for part in key.split("/")):
        raise ValueError(
            f"{key!r} is no usable object key: write names of letters, digits and _=+@,.- separated by single slashes"
        )
    return key


class Blobs(ABC):
    """Objects by key. Safe for concurrent use from several threads."""

    @abstractmethod
    def put(self, key: str, data: bytes) -> None:
        """Write an object; it is there whole or not at all."""

    @abstractmethod
    def put_file(self, key: str, path: Path) -> None:
        """Write a file of any size, which is nobody else's from now on and may be gone after it, as an object."""

    @abstractmethod
    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        """An object, or `length` bytes of it. Raises ArtifactMissing."""

    @abstractmethod
    def open(self, key: str) -> IO[bytes]:
        """A seekable file with the object's content, to be closed by the caller. Raises ArtifactMissing."""

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of an object; None where there is none."""

    @abstractmethod
    def list(self, prefix: str = "") -> Iterator[str]:
        """Keys that begin with `prefix`, sorted."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""

    @abstractmethod
    def url(self, key: str = "") -> str:
        """Address for people: s3://BUCKET/KEY or file:///PATH."""

    @abstractmethod
    def local_path(self, key: str) -> Path | None:
        """The object as a file of this machine, where it is one."""

    def check(self) -> None:
        """Write, read and delete a probe. Raises ArtifactStoreUnavailable where that does not work."""
        key, content = f"{_PROBE_PREFIX}{uuid.uuid4().hex}", uuid.uuid4().bytes
        self.put(key, content)
        try:
            read = self.get(key)
        except ArtifactMissing:
            read = b""
        self.delete(key)
        if read != content:
            raise ArtifactStoreUnavailable(
                f"{self.url()} does not return what was written to it. Check that nothing else manages this place."
            )


class FileBlobs(Blobs):
    """Objects as files of one folder, written beside their place, synced and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()
        self._fresh = self._folder / ".new"

    def put(self, key: str, data: bytes) -> None:
        with self._writing(key) as fresh:
            fresh.write_bytes(data)

    def put_file(self, key: str, path: Path) -> None:
        with self._writing(key) as fresh:
            shutil.move(path, fresh)
            fresh.chmod(0o600)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        with self.open(key) as stream:
            stream.seek(offset)
            return stream.read(-1 if length is None else length)

    def open(self, key: str) -> IO[bytes]:
        with self._usable():
            try:
                return (self._folder / checked_key(key)).open("rb")
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                raise ArtifactMissing(f"{self.url(key)} is not there.") from None

    def size(self, key: str) -> int | None:
        path = self._folder / checked_key(key)
        with self._usable():
            return path.stat().st_size if path.is_file() else None

    def list(self, prefix: str = "") -> Iterator[str]:
        with self._usable():
            keys = sorted(self._keys(self._folder / prefix.rpartition("/")[0]))
        yield from (key for key in keys if key.startswith(prefix))

    def _keys(self, start: Path) -> Iterator[str]:
        for folder, inner, names in os.walk(start):
            here = Path(folder)
            inner[:] = [name for name in inner if here / name != self._fresh]
            within = here.relative_to(self._folder).as_posix()
            yield from (name if within == "." else f"{within}/{name}" for name in names)

    def delete(self, key: str) -> None:
        with self._usable():
            (self._folder / checked_key(key)).unlink(missing_ok=True)

    def url(self, key: str = "") -> str:
        return (self._folder / key).as_uri()

    def local_path(self, key: str) -> Path | None:
        return self._folder / checked_key(key)

    @contextmanager
    def _writing(self, key: str) -> Iterator[Path]:
        """A file to write or to replace, which becomes the object."""
        place = self._folder / checked_key(key)
        with self._usable():
            self._fresh.mkdir(parents=True, exist_ok=True)
            place.parent.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=self._fresh)
            os.close(descriptor)
            fresh = Path(name)
            try:
                yield fresh
                with fresh.open("rb") as written:
                    os.fsync(written.fileno())
                fresh.replace(place)
            except BaseException:
                fresh.unlink(missing_ok=True)
                raise
            sync_folders(place.parent, self._folder)

    @contextmanager
    def _usable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArtifactStoreUnavailable(
                f"The artifact folder {self._folder} cannot be used: {error.strerror or error}. Check that it exists, "
                "is yours to write and has free space, or name another in KODCODE_ARTIFACTS_URL."
            ) from error


class S3Blobs(Blobs):
    """Objects of a bucket, spoken to with boto3.

    Without `access_key` the credentials are boto3's own (AWS_* variables, profile, instance role). `folder` is where a
    server on this machine keeps the bucket's objects as files: they are then synced to disk after a write, which that
    server does not do.
    """

    def __init__(
        self, bucket: str, prefix: str = "", *, endpoint_url: str | None = None, access_key: str | None = None,
        secret_key: str | None = None, region: str | None = None, folder: Path | None = None, attempts: int = 5,
    ) -> None:
        self._bucket = bucket
        self._prefix = f"{checked_key(prefix.strip('/'))}/" if prefix.strip("/") else ""
        self._endpoint_url = endpoint_url
        self._keys = (access_key, secret_key)
        self._region = region
        self._folder = folder
        self._attempts = attempts
        self._made: Any = None

    def put(self, key: str, data: bytes) -> None:
        if len(data) > PART_BYTES:
            with tempfile.TemporaryFile() as stream:
                stream.write(data)
                stream.seek(0)
                with self._usable():
                    self._client.upload_fileobj(stream, self._bucket, self._name(key), Config=self._transfer())
        else:
            with self._usable():
                self._client.put_object(Bucket=self._bucket, Key=self._name(key), Body=data)
        self._settle(key)

    def put_file(self, key: str, path: Path) -> None:
        with path.open("rb") as stream, self._usable():
            self._client.upload_fileobj(stream, self._bucket, self._name(key), Config=self._transfer())
        self._settle(key)

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes:
        wanted: dict[str, str] = {}
        if length is not None:
            if length == 0:
                return b""
            wanted["Range"] = f"bytes={offset}-{offset + length - 1}"
        elif offset:
            wanted["Range"] = f"bytes={offset}-"
        with self._usable(key):
            body = self._client.get_object(Bucket=self._bucket, Key=self._name(key), **wanted)["Body"]
            with body:
                return bytes(body.read())

    def open(self, key: str) -> IO[bytes]:
        stream = tempfile.TemporaryFile()  # noqa: SIM115 (the caller closes it)
        try:
            with self._usable(key):
                self._client.download_fileobj(self._bucket, self._name(key), stream, Config=self._transfer())
        except BaseException:
            stream.close()
            raise
        stream.seek(0)
        return stream

    def size(self, key: str) -> int | None:
        try:
            with self._usable(key):
                return int(self._client.head_object(Bucket=self._bucket, Key=self._name(key))["ContentLength"])
        except ArtifactMissing:
            return None

    def list(self, prefix: str = "") -> Iterator[str]:
        with self._usable():
            for page in self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + prefix
            ):
                for entry in page.get("Contents", ()):
                    yield entry["Key"].removeprefix(self._prefix)

    def delete(self, key: str) -> None:
        with self._usable():
            self._client.delete_object(Bucket=self._bucket, Key=self._name(key))

    def url(self, key: str = "") -> str:
        return f"s3://{self._bucket}/{self._prefix}{key}"

    def local_path(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / self._name(key)

    @property
    def _client(self) -> Any:
        if self._made is None:
            self._made = self._connect(self._attempts)
        return self._made

    def check(self) -> None:
        # A wrong address should be told at once, not after the patience that a run has with a restarting server.
        self._made, usual = self._connect(attempts=2), self._made
        try:
            super().check()
        finally:
            self._made = usual

    def _connect(self, attempts: int) -> Any:
        import boto3  # noqa: PLC0415 (slow to import, and not every command needs it)
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415

        try:
            host = urlsplit(self._endpoint_url or "").hostname
            session = boto3.session.Session(
                aws_access_key_id=self._keys[0], aws_secret_access_key=self._keys[1], region_name=self._region
            )
            return session.client(
                "s3", endpoint_url=self._endpoint_url,
                region_name=session.region_name or "us-east-1",
                config=Config(
                    retries={"mode": "standard", "total_max_attempts": attempts}, connect_timeout=10, read_timeout=60,
                    max_pool_connections=32,
                    # Newer checksums are unknown to many servers, and hashes are verified here anyway.
                    request_checksum_calculation="when_required", response_checksum_validation="when_required",
                    s3={"addressing_style": "path"} if self._endpoint_url else {},
                    # No proxy for a server on this machine.
                    **({"proxies": {}} if host in ("127.0.0.1", "::1", "localhost") else {}),
                ),
            )
        except (BotoCoreError, ValueError) as error:  # ValueError: an endpoint that is no URL
            raise ArtifactStoreUnavailable(self._explain("", str(error))) from error

    def _name(self, key: str) -> str:
        return self._prefix + checked_key(key)

    def _transfer(self) -> Any:
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415

        return TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=4)

    def _settle(self, key: str) -> None:
        path = self.local_path(key)
        if path is None or self._folder is None or not path.is_file():
            return
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        sync_folders(path.parent, self._folder)

    @contextmanager
    def _usable(self, key: str | None = None) -> Iterator[None]:
        from boto3.exceptions import S3UploadFailedError  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if key is not None and code in ("NoSuchKey", "404", "NotFound"):
                raise ArtifactMissing(f"{self.url(key)} is not there.") from None
            raise ArtifactStoreUnavailable(self._explain(code, str(error))) from error
        except S3UploadFailedError as error:
            cause = error.__cause__ or error.__context__
            code = str(cause.response.get("Error", {}).get("Code", "")) if isinstance(cause, ClientError) else ""
            raise ArtifactStoreUnavailable(self._explain(code, str(error))) from error
        except BotoCoreError as error:
            raise ArtifactStoreUnavailable(self._explain("", str(error))) from error

    def _explain(self, code: str, said: str) -> str:
        where = f" at {self._endpoint_url}" if self._endpoint_url else ""
        if code == "NoSuchBucket":
            what, advice = "there is no such bucket", "Create it, or name another in KODCODE_ARTIFACTS_URL"
        elif code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "403", "AccessDenied", "InvalidToken",
                      "ExpiredToken"):
            what = f"access is denied ({code})"
            advice = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and the rights on the bucket"
        else:
            what = said.strip().splitlines()[0] if said.strip() else "no reason given"
            advice = "Check KODCODE_ARTIFACTS_URL, KODCODE_S3_ENDPOINT_URL and the AWS_* variables"
        return f"The artifact store {self.url()}{where} cannot be used: {what}. {advice}."


def sync_folders(folder: Path, top: Path) -> None:
    """Make new names in `folder` and its parents up to `top` survive a power cut."""
    while True:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if folder == top or top not in folder.parents:
            return
        folder = folder.parent
