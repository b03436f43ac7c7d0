"""The studio in a browser, against a server in a process of its own.

Needs a build of it (`make studio` or `make test` make one) and Chromium.
"""

from __future__ import annotations

import os
import shutil
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    expect,
    sync_playwright,
)

from ninefold.server.studio import BUILD
from tests.server.process import ServerProcess, server
from tests.studio.jobs import FULL, finished

#: Milliseconds that anything in a page may take: far more than it does, for slow machines.
PATIENCE = 120_000

expect.set_options(timeout=PATIENCE)

#: The shell has no window that nobody sees, which is a fifth of the work of a test.
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "chromium-browser"))),
    None,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; of a module, since its event loop must not stand in others' way."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium-headless-shell")
    if not (BUILD / "index.html").is_file():
        pytest.skip("needs a build of the studio: make studio")
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=sandbox, timeout=PATIENCE)
        yield found
        found.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServerProcess]:
    """A server over the fake engines, whose pictures are there in an instant."""
    with server(tmp_path / "data") as found:
        yield found


@pytest.fixture
def job(served: ServerProcess) -> dict[str, Any]:
    """A job of all nine stages, done."""
    with served.client() as client:
        return finished(client, "/v1/jobs", FULL)


def draft_in(address: str) -> str:
    """The draft that the address of a page holds, as JSON; empty where it holds none.

    Read from the address: the page's policy forbids what a script would have to evaluate.
    """
    held = urlsplit(address).fragment.removeprefix("draft=")
    return urlsafe_b64decode(held + "=" * (-len(held) % 4)).decode()


class Studio:
    """Pages of one server's studio, and what they complained of."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser, self.url = browser, url
        #: Errors in consoles and scripts, and requests to other hosts: there must be none.
        self.complaints: list[str] = []
        #: Words of complaints that a test brings about.
        self.expected: list[str] = []
        self._contexts: list[BrowserContext] = []
        self._pending: set[Request] = set()

    def context(self, **options: Any) -> BrowserContext:
        """A browser of its own: cookies, storage, colours, size."""
        context = self._browser.new_context(**options)
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("request", self._request)
        context.on("requestfinished", lambda request: self._pending.discard(request))
        context.on("requestfailed", lambda request: self._pending.discard(request))
        return context

    def page(self, path: str = "/", **options: Any) -> Page:
        """A page in a browser of its own."""
        return self.open(self.context(**options), path)

    def open(self, context: BrowserContext, path: str = "/") -> Page:
        """A page in a browser that is there."""
        page = context.new_page()
        page.goto(f"{self.url}/studio{path}")
        return page

    def settled(self, page: Page) -> None:
        """Wait until a page has what it asks the server for one after the other."""
        quiet, until = 0, time.monotonic() + PATIENCE / 1000
        while quiet < 5:
            assert time.monotonic() < until, [request.url for request in self._pending]
            page.wait_for_timeout(50)
            quiet = 0 if self._pending else quiet + 1
        expect(page.get_by_text("Loading…")).to_have_count(0)

    def close(self) -> None:
        """Close its pages, which would miss a server that stops before them."""
        for context in self._contexts:
            context.close()

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        found = urlsplit(request.url)
        if found.path.startswith("/v1/") and found.path != "/v1/events":  # which has no end
            self._pending.add(request)
        if found.scheme in ("http", "https", "ws", "wss") and not self.url.endswith(found.netloc):
            self.complaints.append(f"a request to {request.url}")


@pytest.fixture
def studio_of(browser: Browser) -> Iterator[Callable[[str], Studio]]:
    """The studio of the server at an address; no page of it may complain."""
    made: list[Studio] = []

    def make(url: str) -> Studio:
        made.append(Studio(browser, url))
        return made[-1]

    yield make
    for found in made:
        found.close()
    for found in made:
        left = [
            line for line in found.complaints if not any(word in line for word in found.expected)
        ]
        assert not left, left


@pytest.fixture
def studio(studio_of: Callable[[str], Studio], served: ServerProcess) -> Iterator[Studio]:
    """The studio of a server over the fake engines."""
    found = studio_of(served.url)
    yield found
    found.close()
