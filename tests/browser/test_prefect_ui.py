"""A person at Prefect's pages: the form explains itself and refuses nonsense, a click starts a run on a real worker,
and what the run leaves can be read there. KODCODE_SCREENSHOTS=FOLDER keeps what was seen."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tasks.settings import REPOSITORY
from tasks.store import services
from tasks.subsets import SUBSETS
from tests.browser.conftest import Seen

pytestmark = pytest.mark.slow
expect.set_options(timeout=60_000)  # the server, the run and the browser share the machine
Shot = Callable[[str], None]


@dataclass(frozen=True)
class Office:
    """A Prefect server with the deployment `nightly` and a worker that runs it."""

    url: str
    deployment_id: str

    def ask(self, path: str, json: dict[str, Any]) -> Any:
        answer = httpx.post(f"{self.url}/api/{path}", json=json, timeout=60)
        answer.raise_for_status()
        return answer.json()

    def runs(self) -> list[dict[str, Any]]:
        found = self.ask("flow_runs/filter", {"deployments": {"id": {"any_": [self.deployment_id]}}})
        return [run for run in found if run["state_type"] != "SCHEDULED" or run["auto_scheduled"] is False]

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run, once it has ended."""
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            run: dict[str, Any] = httpx.get(f"{self.url}/api/flow_runs/{run_id}", timeout=60).json()
            if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"):
                return run
            time.sleep(1)
        raise TimeoutError(f"the run {run_id} did not end")

    def artifacts(self, run_id: str) -> dict[str, dict[str, Any]]:
        found = self.ask("artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run_id]}}, "limit": 50})
        return {artifact["key"]: artifact for artifact in found}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    started = services.up(folder / "data", frozenset({"postgres", "prefect"}))
    environment = (
        {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        | started.environment()
        | {
            "HOME": str(folder),
            "KODCODE_DATA_DIR": str(folder / "data"),
            "KODCODE_ARTIFACTS_URL": (folder / "artifacts").as_uri(),
            "KODCODE_TRIAL_TIMEOUT_S": "5",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
        }
    )
    (folder / "artifacts").mkdir()
    prefect = [sys.executable, "-m", "prefect", "--no-prompt"]
    for arguments in (["work-pool", "create", "kodcode", "--type", "process"], ["deploy", "-n", "nightly"]):
        subprocess.run([*prefect, *arguments], cwd=REPOSITORY, env=environment, check=True, timeout=300)
    worker = subprocess.Popen(
        [*prefect, "worker", "start", "--pool", "kodcode"], cwd=folder, env=environment, start_new_session=True
    )
    url = started.prefect_ui_url
    assert url is not None
    deployment = httpx.get(f"{url}/api/deployments/name/nightly/nightly", timeout=60).json()
    yield Office(url, deployment["id"])
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    services.down(folder / "data")


@pytest.fixture
def form(office: Office, page: Page) -> Page:
    """The page that starts a run."""
    page.set_default_timeout(60_000)
    page.goto(f"{office.url}/deployments/deployment/{office.deployment_id}/run")
    expect(page.get_by_role("heading", name="Parameters")).to_be_visible()
    return page


@pytest.fixture
def shot(page: Page) -> Shot:
    """Keeps a picture of the page where pictures are wanted."""

    def take(name: str) -> None:
        if folder := os.environ.get("KODCODE_SCREENSHOTS"):
            page.wait_for_timeout(500)  # fonts and transitions
            page.screenshot(path=Path(folder) / f"{name}.png")

    return take


def field(page: Page, label: str) -> Locator:
    """A parameter's part of the form."""
    return page.locator(
        f"xpath=//span[@class='schema-form-property__label'][.='{label} (Optional)']"
        "/ancestor::div[contains(concat(' ', @class, ' '), ' schema-form-property ')][1]"
    )


def options_of(page: Page, label: str) -> Locator:
    """The options of a drop-down, opened."""
    field(page, label).locator(".p-select-button__control").press("ArrowDown")
    return page.get_by_role("option")


def choose(page: Page, label: str, option: str) -> None:
    options_of(page, label).get_by_text(option, exact=True).click()
    page.keyboard.press("Escape")


def test_the_form_says_what_every_parameter_is(form: Page, office: Office, shot: Shot) -> None:
    schema = httpx.get(f"{office.url}/api/deployments/{office.deployment_id}").json()["parameter_openapi_schema"]
    for name, parameter in schema["properties"].items():
        begin = re.split(r"[`_*]", parameter["description"])[0].strip()
        expect(field(form, name)).to_contain_text(begin)
    for parameter in schema["definitions"]["Teacher"]["properties"].values():
        expect(field(form, parameter["title"])).to_contain_text(parameter["description"])
    expect(field(form, "questions").locator("input")).to_have_value("100")
    for optional, untouched in (("target_verified", "0"), ("initial", "0"), ("seeds", "")):  # no kind is to be chosen
        expect(field(form, optional).locator("input, textarea")).to_have_value(untouched)
    shot("form")
    expect(options_of(form, "subsets")).to_have_text(list(SUBSETS))


def test_nonsense_is_refused_in_the_form_and_starts_nothing(form: Page, office: Office, shot: Shot) -> None:
    field(form, "questions").locator("input").fill("0")
    form.get_by_role("button", name="Submit").click()
    said = "Validation failed for field 'questions'. Failure reason: 0 is less than the minimum of 1"
    expect(form.get_by_text(said).first).to_be_visible()
    shot("refused")
    assert office.runs() == []


def test_a_click_starts_a_run_whose_pages_tell_what_it_did(form: Page, office: Office, shot: Shot, seen: Seen) -> None:
    choose(form, "subsets", "Leetcode")
    choose(form, "subsets", "Docs")
    field(form, "questions").locator("input").fill("3")
    choose(form, "Provider", "offline")
    form.get_by_role("button", name="Submit").click()
    form.wait_for_url(re.compile(r"/deployments/deployment/[^/]+$|/runs/"))
    (started,) = office.runs()  # that which was refused is none
    run = office.ended(started["id"])
    assert run["state_type"] == "COMPLETED", run["state"]
    assert run["name"] == "nightly: Leetcode and Docs, 3 questions each"

    artifacts = office.artifacts(run["id"])
    left = {f"nightly-{what}" for what in ("summary", "funnel", "picture", "costs", "failures", "release")}
    assert left <= set(artifacts)
    progress = {key: float(found["data"]) for key, found in artifacts.items() if "-progress-" in key}
    assert set(progress.values()) == {100.0} and len(progress) == 5

    form.goto(f"{office.url}/runs/flow-run/{run['id']}")
    live = re.compile(r"\d+ of \d+ trials solved and judged.*\d+ answers.*\$0\.00")
    expect(form.get_by_text(live).first).to_be_visible()
    form.get_by_text("Artifacts", exact=True).click()
    expect(form.get_by_text("nightly-summary")).to_be_visible()
    shot("run")
    form.goto(f"{office.url}/artifacts/artifact/{artifacts['nightly-summary']['id']}")
    expect(form.get_by_role("heading", name="nightly: completed")).to_be_visible()
    expect(form.get_by_role("row", name=re.compile("^trials"))).to_be_visible()
    expect(form.get_by_text("kodcode sql @run_added")).to_be_visible()
    shot("summary")
    form.goto(f"{office.url}/artifacts/artifact/{artifacts['nightly-funnel']['id']}")
    expect(form.locator("td", has_text="Leetcode")).to_be_visible()
    shot("funnel")
    form.goto(f"{office.url}/artifacts/artifact/{artifacts['nightly-picture']['id']}")
    drawn = form.locator("img[src^='data:image/svg']")
    expect(drawn).to_be_visible()
    assert drawn.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    form.goto(f"{office.url}/artifacts/artifact/{artifacts['nightly-release']['id']}")
    expect(form.get_by_text("kodcode report --release 1")).to_be_visible()
    form.goto(f"{office.url}/artifacts/artifact/{artifacts['nightly-failures']['id']}")
    expect(form.locator("td", has_text="rejected").first).to_be_visible()
    own = (office.url, f"blob:{office.url}", "data:")
    assert all(address.startswith(own) for address in seen.requests), seen.requests


def test_a_run_that_fails_says_why_and_what_to_do_and_a_hostile_text_stays_one(office: Office, page: Page) -> None:
    hostile = "/nowhere/<img src=x onerror=alert(1)>[a](javascript:alert(1)).jsonl"
    started = office.ask(
        f"deployments/{office.deployment_id}/create_flow_run",
        {"parameters": {"subsets": ["Evol"], "questions": 1, "seeds": hostile, "teacher": {"provider": "offline"}}},
    )
    run = office.ended(started["id"])
    assert run["state_type"] == "FAILED"
    assert "TaskGroup" not in run["state"]["message"] and hostile in run["state"]["message"]
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    page.goto(f"{office.url}/artifacts/artifact/{office.artifacts(run['id'])['nightly-summary']['id']}")
    expect(page.get_by_role("heading", name="nightly: failed")).to_be_visible()
    expect(page.get_by_text(hostile)).to_be_visible()
    expect(page.get_by_text("run it again with the same parameters")).to_be_visible()
    assert page.locator("img[src=x]").count() == page.locator("a[href^=javascript]").count() == 0
    assert asked == []
