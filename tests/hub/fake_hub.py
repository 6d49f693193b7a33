"""A Hugging Face Hub for one test: the part of its HTTP interface that pushing a dataset needs, strict where it is.

Files are known by their SHA-256 once they were uploaded, and seen once a commit names them. A commit names its parent,
and is applied whole or not at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_only_a_test"


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@dataclass
class Repo:
    """What a repository shows: path -> content, and the commits that made it so."""

    private: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[tuple[str, str]] = field(default_factory=lambda: [("0" * 40, "initial commit")])

    @property
    def head(self) -> str:
        return self.commits[-1][0]


@dataclass
class Hub:
    url: str = ""
    repos: dict[str, Repo] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)  # by SHA-256
    uploads: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    namespaces: set[str] = field(default_factory=lambda: {"lab"})
    hang_after: int | None = None  # uploads; what comes after is never answered
    hung: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)
    refuse_commit: int | None = None  # a status


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append(f"{self.command} {path}")
        if self.command == "PUT":
            self._upload(path.rsplit("/", 1)[1], body)
        elif self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": "Invalid credentials in Authorization header"})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._validate(json.loads(body)["content"])
        elif path.startswith("/datasets/") and path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        elif path.startswith("/api/datasets/"):
            namespace, name, *rest = path.removeprefix("/api/datasets/").split("/")
            repo = self.hub.repos.get(f"{namespace}/{name}")
            if repo is None:
                self._answer(404, {"error": "Repository not found"}, {"X-Error-Code": "RepoNotFound"})
            else:
                self._dataset(f"{namespace}/{name}", repo, rest, body)
        else:
            self._answer(404, {"error": f"no such page: {path}"})

    def _dataset(self, name: str, repo: Repo, rest: list[str], body: bytes) -> None:
        if not rest or rest[0] == "revision":
            self._answer(200, {"id": name, "sha": repo.head, "private": repo.private, "siblings": [], "tags": []})
        elif rest[0] == "tree":
            self._answer(200, [_entry(path, content) for path, content in sorted(repo.files.items())])
        elif rest[0] == "preupload":
            told = [
                {
                    "path": file["path"],
                    "uploadMode": "regular" if file["path"].endswith((".json", ".md")) else "lfs",
                    "shouldIgnore": _ignored(repo, file["path"]),
                    "oid": self._oid(repo, file["path"]),
                }
                for file in json.loads(body)["files"]
            ]
            self._answer(200, {"files": told})
        elif rest[0] == "commit":
            self._commit(name, repo, [json.loads(line) for line in body.splitlines()])
        else:
            self._answer(404, {"error": f"no such page: {rest}"})

    def _oid(self, repo: Repo, path: str) -> str | None:
        content = repo.files.get(path)
        if content is None:
            return None
        return git_hash(content) if path.endswith((".json", ".md")) else hashlib.sha256(content).hexdigest()

    def _create(self, asked: dict[str, Any]) -> None:
        namespace = asked.get("organization") or "me"
        name = f"{namespace}/{asked['name']}"
        if namespace not in self.hub.namespaces:
            self._answer(403, {"error": f"You don't have the rights to create a dataset under {namespace!r}"})
        elif name in self.hub.repos:
            self._answer(
                409, {"error": "You already created this dataset repo", "url": f"{self.hub.url}/datasets/{name}"}
            )
        else:
            self.hub.repos[name] = Repo(private=asked.get("visibility") == "private")
            self._answer(200, {"url": f"{self.hub.url}/datasets/{name}"})

    def _validate(self, content: str) -> None:
        try:
            found = yaml.safe_load(content.split("---\n")[1])
            errors = [] if isinstance(found, dict) and "license" in found else [{"message": "no license"}]
        except (IndexError, yaml.YAMLError) as error:
            errors = [{"message": str(error)}]
        self._answer(400 if errors else 200, {"errors": errors, "warnings": []})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects: list[dict[str, Any]] = []
        for wanted in asked["objects"]:
            told = {"oid": wanted["oid"], "size": wanted["size"]}
            if wanted["oid"] not in self.hub.objects:
                told["actions"] = {"upload": {"href": f"{self.hub.url}/lfs/{wanted['oid']}", "header": {}}}
            objects.append(told)
        self._answer(200, {"transfer": "basic", "objects": objects})

    def _upload(self, oid: str, body: bytes) -> None:
        if self.hub.hang_after is not None and len(self.hub.uploads) >= self.hub.hang_after:
            self.hub.hung.set()
            self.hub.release.wait()
            return
        if hashlib.sha256(body).hexdigest() != oid:
            self._answer(400, {"error": "the content has another hash"})
            return
        self.hub.objects[oid] = body
        self.hub.uploads.append(oid)
        self._answer(200, {})

    def _commit(self, name: str, repo: Repo, lines: list[dict[str, Any]]) -> None:
        header, *changes = [line["value"] | {"key": line["key"]} for line in lines]
        if self.hub.refuse_commit is not None:
            self._answer(self.hub.refuse_commit, {"error": "not now"})
            return
        if header.get("parentCommit") not in (None, repo.head):
            self._answer(412, {"error": "A commit has happened since. Please refresh and try again."})
            return
        files = dict(repo.files)
        for change in changes:
            if change["key"] == "file":
                assert change["encoding"] == "base64"
                files[change["path"]] = base64.b64decode(change["content"])
            elif change["key"] == "lfsFile":
                if change["oid"] not in self.hub.objects:
                    self._answer(400, {"error": f"{change['path']} was not uploaded"})
                    return
                files[change["path"]] = self.hub.objects[change["oid"]]
            else:
                assert change["key"] == "deletedFile"
                del files[change["path"]]
        repo.files = files
        repo.commits.append(
            (hashlib.sha1(repr(sorted(files)).encode() + bytes(len(repo.commits))).hexdigest(), header["summary"])
        )
        self._answer(200, {"commitUrl": f"{self.hub.url}/datasets/{name}/commit/{repo.head}", "commitOid": repo.head})

    def _answer(self, status: int, content: object, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _ignored(repo: Repo, path: str) -> bool:
    return any(fnmatch(path, pattern) for pattern in repo.files.get(".gitignore", b"").decode().split())


def _entry(path: str, content: bytes) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
    if not path.endswith((".json", ".md")):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry


@contextmanager
def fake_hub() -> Iterator[Hub]:
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
