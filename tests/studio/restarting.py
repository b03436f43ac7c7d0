"""A server that is killed and comes back at the same address, and files that are dropped."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
from playwright.sync_api import Page, expect

from tests.server.process import ServerProcess


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


class Restartable:
    """A server at one address."""

    def __init__(self, data: Path, **options: Any) -> None:
        self._data, self._options, self._port = data, options, free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: ServerProcess | None = None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        found = ServerProcess(self._data, "--port", str(self._port), **self._options)
        self._process = found
        assert found.ready(), found.errors()

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.close()
        self._process = None

    def client(self) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=self.url, timeout=60)


@contextmanager
def restartable(data: Path, **options: Any) -> Iterator[Restartable]:
    """A server that serves, killed in the end."""
    found = Restartable(data, **options)
    try:
        found.start()
        yield found
    finally:
        found.kill()


def expect_back(page: Page) -> None:
    """The page has found the server again."""
    expect(page.get_by_text("The connection was lost")).not_to_be_visible()


def drop_files(page: Page, onto: str, *files: Path) -> None:
    """Drop files or folders of this machine onto an element, as a file manager does."""
    target = page.locator(onto).first
    target.hover()  # once it is in sight and rests
    box = target.bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
    data = {"items": [], "files": [str(file) for file in files], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
        # The page has to say that it takes them before they are dropped.
        page.evaluate("() => new Promise((shown) => requestAnimationFrame(shown))")
    session.detach()
