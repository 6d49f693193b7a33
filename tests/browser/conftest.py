"""A real headless Chromium for tests of pages, and what it met on the way. Skipped where none is installed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@dataclass
class Seen:
    """What happened on `page`: errors of scripts and the console (refusals by a Content-Security-Policy are among
    them), and the addresses of all that was asked for."""

    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a module. While it runs this thread has an event loop: run what needs asyncio.run before it, or in
    a process."""
    program = next((found for name in PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium: apt-get install --no-install-recommends chromium")
    # Chromium's own sandbox refuses root, which CI containers run as.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=program, args=arguments)
        yield launched
        launched.close()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def page(browser: Browser, seen: Seen) -> Iterator[Page]:
    """A page of a laptop's size in a profile of its own."""
    context = browser.new_context(viewport={"width": 1366, "height": 768}, locale="en-GB", timezone_id="UTC")
    opened = context.new_page()
    opened.set_default_timeout(15_000)

    def note(request: Request) -> None:
        seen.requests.append(request.url)

    context.on("request", note)
    opened.on("pageerror", lambda error: seen.errors.append(str(error)))
    opened.on("console", lambda message: seen.errors.append(message.text) if message.type == "error" else None)
    yield opened
    context.close()
