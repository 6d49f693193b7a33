"""Objects: the same behaviour on a folder, on the embedded S3 server and on another implementation of S3."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tasks.store import ArtifactMissing, ArtifactStore, ArtifactStoreUnavailable, FileBlobs, S3Blobs, open_artifacts
from tasks.store.blobs import PART_BYTES


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """Endpoint of a second, independent S3 server, with the bucket `there`."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="key", aws_secret_access_key="secret", region_name="us-east-1"
    ).create_bucket(Bucket="there")
    yield url
    server.stop()


@pytest.fixture(params=["file", "rclone", "moto"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    prefix = f"{tmp_path.parent.name}/{tmp_path.name}"
    if request.param == "file":
        return ArtifactStore(FileBlobs(tmp_path / "objects"))
    if request.param == "rclone":
        return request.getfixturevalue("s3").store(prefix)
    endpoint = request.getfixturevalue("moto")
    return ArtifactStore(S3Blobs("there", prefix, endpoint_url=endpoint, access_key="key", secret_key="secret"))


def test_the_check_passes_and_leaves_nothing(store: ArtifactStore) -> None:
    store.check()
    store.check()
    assert list(store.list()) == []


def test_files_come_back_as_they_were(store: ArtifactStore, tmp_path: Path) -> None:
    path, content = tmp_path / "part.parquet", bytes(range(256)) * 400
    path.write_bytes(content)
    key, sha256 = "releases/000001/kodcode-v1/train/part-00000.parquet", hashlib.sha256(content).hexdigest()
    store.put_file(path, key)
    assert store.get(key) == content
    with store.open(key) as stream:
        stream.seek(-4, 2)
        assert stream.read() == bytes([252, 253, 254, 255])
    assert store.exists(key)
    assert store.file_problem(key, sha256) is None
    assert "instead of" in str(store.file_problem(key, "0" * 64))
    assert "is not there" in str(store.file_problem("releases/none", sha256))
    local = store.local_path(key)
    assert local is None or local.read_bytes() == content


def test_a_file_takes_the_place_of_another_and_is_nobody_elses(store: ArtifactStore, tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    for content in (b"first" * 1000, b"second" * 1000):
        path.write_bytes(content)
        store.put_file(path, "given/part")
        assert store.get("given/part") == content
    assert list(store.list()) == ["given/part"]
    local = store.local_path("given/part")
    assert local is None or local.stat().st_mode & 0o777 == 0o600


def test_large_objects_go_in_parts_and_stay_identical(store: ArtifactStore, tmp_path: Path) -> None:
    path = tmp_path / "large"
    block = b"".join(hashlib.sha256(str(n).encode()).digest() for n in range(4096))
    with path.open("wb") as stream:
        for n in range((2 * PART_BYTES + 5_000_000) // len(block)):
            stream.write(n.to_bytes(8, "big") + block)
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    store.put_file(path, "large/file")
    assert store.file_problem("large/file", sha256) is None
    store.put_bytes(content, "large/bytes")
    assert store.file_problem("large/bytes", sha256) is None
    assert store.blobs.get("large/file", PART_BYTES - 3, 6) == content[PART_BYTES - 3 : PART_BYTES + 3]


def test_slices_are_cut_exactly(store: ArtifactStore) -> None:
    store.put_bytes(b"0123456789", "digits")
    assert store.blobs.get("digits", 2, 3) == b"234"
    assert store.blobs.get("digits", 7) == b"789"
    assert store.blobs.get("digits", 4, 0) == b""


def test_listing_takes_any_beginning_of_a_key_and_sorts(store: ArtifactStore) -> None:
    for key in ("b/2", "a/10", "a/1", "ab"):
        store.put_bytes(b"x", key)
    assert list(store.list()) == ["a/1", "a/10", "ab", "b/2"]
    assert list(store.list("a/")) == ["a/1", "a/10"]
    assert list(store.list("a")) == ["a/1", "a/10", "ab"]
    assert list(store.list("none/")) == []
    store.delete("ab")
    store.delete("ab")
    assert not store.exists("ab")


def test_writing_again_replaces(store: ArtifactStore) -> None:
    store.put_bytes(b"one", "name")
    store.put_bytes(b"", "name")
    assert store.get("name") == b""


def test_what_is_not_there_is_missing(store: ArtifactStore) -> None:
    for look in (store.get, store.open):
        with pytest.raises(ArtifactMissing, match="not/there"):
            look("not/there")
    assert not store.exists("not/there")


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/.", "a b", "ä", "a\x00", "a\nb", "x" * 901]
)
def test_keys_that_some_store_would_mistake_are_refused(store: ArtifactStore, key: str) -> None:
    with pytest.raises(ValueError, match="no usable object key"):
        store.put_bytes(b"", key)


def test_writers_of_one_content_at_once_leave_it_whole(store: ArtifactStore) -> None:
    data = b"same" * 50_000
    threads = [threading.Thread(target=store.put_bytes, args=(data, "sha256/ab/cd")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("sha256/ab/cd") == data


class TestUnusable:
    def refused(self, store: ArtifactStore, said: str) -> None:
        with pytest.raises(ArtifactStoreUnavailable, match=said) as caught:
            store.check()
        assert "\n" not in str(caught.value)
        assert "secret" not in str(caught.value).replace("AWS_SECRET_ACCESS_KEY", "")

    def test_missing_bucket(self, moto: str, s3: Any) -> None:
        options = {"access_key": "key", "secret_key": "secret", "endpoint_url": moto}
        self.refused(ArtifactStore(S3Blobs("absent", **options)), "no such bucket.*Create it")
        options = {"access_key": s3.access_key, "secret_key": s3.secret_key, "endpoint_url": s3.endpoint_url}
        self.refused(ArtifactStore(S3Blobs("absent", **options)), "no such bucket.*Create it")

    def test_wrong_credentials(self, s3: Any) -> None:
        self.refused(s3.store(secret_key="wrong"), "access is denied .*AWS_SECRET_ACCESS_KEY")
        self.refused(s3.store(access_key="wrong"), "access is denied .*AWS_SECRET_ACCESS_KEY")

    def test_no_credentials(self, moto: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        monkeypatch.setenv("HOME", str(tmp_path))
        self.refused(open_artifacts("s3://there", moto), "credentials.*AWS_")

    def test_unreachable_server(self) -> None:
        self.refused(
            ArtifactStore(S3Blobs("b", endpoint_url="http://127.0.0.1:1", access_key="a", secret_key="b")),
            "Could not connect.*KODCODE_S3_ENDPOINT_URL",
        )

    def test_endpoint_that_is_no_url(self) -> None:
        self.refused(ArtifactStore(S3Blobs("b", endpoint_url="nonsense", access_key="a", secret_key="b")), "nonsense")

    def test_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        self.refused(open_artifacts((tmp_path / "file" / "sub").as_uri()), "Not a directory")

    @pytest.mark.parametrize("url", ["s3://", "file://host/x", "http://x", "", "s3:///x", "s3://b/a//b"])
    def test_urls_that_name_no_store(self, url: str) -> None:
        with pytest.raises(ArtifactStoreUnavailable, match="KODCODE_ARTIFACTS_URL"):
            open_artifacts(url)

    def test_nothing_named_and_nothing_embedded(self) -> None:
        with pytest.raises(ArtifactStoreUnavailable, match="KODCODE_ARTIFACTS_URL"):
            open_artifacts()
