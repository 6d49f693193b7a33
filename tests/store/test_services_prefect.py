"""Prefect's server on the embedded PostgreSQL: starts beside the others, remembers after a kill, calls nobody."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tasks.store import Services, services
from tasks.store.services._prefect import Prefect
from tasks.store.services._process import LOOPBACK, identify


def call(found: Services, path: str, body: dict[str, Any] | None = None) -> Any:
    assert found.prefect_api_url is not None
    request = urllib.request.Request(
        f"{found.prefect_api_url}/{path}", json.dumps(body).encode() if body is not None else None,
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def flows(found: Services) -> list[str]:
    return [flow["name"] for flow in call(found, "flows/filter", {})]


def pids(data: Path) -> dict[str, int | None]:
    return {found.name: found.pid for found in services.status(data)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("services") / "data"
    yield folder
    services.down(folder)


@pytest.mark.slow
def test_the_servers_start_survive_kills_and_end(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One story, because a first start of Prefect takes many seconds."""
    found = services.up(data, wait=False)
    # The database and the object store are usable while Prefect starts.
    assert {one.name: one.state for one in services.status(data) if one.name != "prefect"} == {
        "postgres": "running", "s3": "running"
    }
    found.wait()
    assert {one.state for one in services.status(data)} == {"running"}
    environment = found.environment()
    assert environment["PREFECT_API_URL"] == found.prefect_api_url
    assert environment["DO_NOT_TRACK"] == "1"

    # The page of the UI finds this API, and nothing reports home.
    with urllib.request.urlopen(f"{found.prefect_ui_url}/ui-settings", timeout=60) as response:
        assert json.load(response)["api_url"] == found.prefect_api_url
    with urllib.request.urlopen(str(found.prefect_ui_url), timeout=60) as response:
        assert b"<html" in response.read().lower()
    settings = call(found, "admin/settings")["server"]
    assert settings["analytics_enabled"] is False
    assert settings["ui"]["show_promotional_content"] is False

    call(found, "flows/", {"name": "kept"})
    before = pids(data)
    assert services.up(data) == found
    assert pids(data) == before

    # The database alone: Prefect finds it again by itself.
    os.kill(before["postgres"] or 0, signal.SIGKILL)
    assert services.up(data) == found
    after = pids(data)
    assert (after["postgres"] != before["postgres"], after["prefect"] == before["prefect"]) == (True, True)
    assert flows(found) == ["kept"]

    # Prefect alone, which is found alive and dies just then; another program takes its port.
    answers, taken = Prefect.answers, []

    def dying(server: Prefect) -> bool:
        if not taken:
            lost = psutil.Process(server.process.pid if server.process else 0)
            lost.kill()
            lost.wait(60)
            taken.append(socket.create_server((LOOPBACK, server.port or 0)))
        return answers(server)

    with monkeypatch.context() as patched:
        patched.setattr(Prefect, "answers", dying)
        moved = services.up(data)
    taken[0].close()
    assert moved.prefect_api_url != found.prefect_api_url
    assert flows(moved) == ["kept"]
    assert services.up(data) == moved
    found, after = moved, pids(data)

    # All of them, and the record is gone too.
    lost = [identify(pid or 0) for pid in after.values()]
    for pid in after.values():
        os.kill(pid or 0, signal.SIGKILL)
    (data / "services.json").unlink()
    again = services.up(data)
    assert flows(again) == ["kept"]

    # The record alone: there must not be a second Prefect on the same database.
    old = identify(pids(data)["prefect"] or 0)
    (data / "services.json").unlink()
    again = services.up(data)
    assert identify(old.pid if old else 0) != old
    assert flows(again) == ["kept"]

    assert services.down(data) == ["prefect", "s3", "postgres"]
    assert {one.state for one in services.status(data)} == {"stopped"}
    assert not any(identity and identify(identity.pid) == identity for identity in lost)
