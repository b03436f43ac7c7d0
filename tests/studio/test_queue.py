"""The queue: what runs and waits, in an order that can be changed; tabs agree by one stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2 as httpx
from playwright.sync_api import Page, Request, expect

from tests.server.process import server
from tests.studio.axe import violations
from tests.studio.conftest import PATIENCE, Studio

#: Long enough that a job runs while others are moved, on a slow machine, too.
SLOW = {"steps_delay": 3.0}
TABS = 10


def submit(client: httpx.Client, prompt: str) -> str:
    made: dict[str, Any] = client.post("/v1/jobs", json={"input": {"prompt": prompt}}).json()
    return str(made["id"])


def expect_order(page: Page, *wanted: str) -> None:
    rows = page.get_by_role("list", name="Waiting jobs, in order").get_by_role("link")
    expect(rows).to_have_text(list(wanted))


def until_waiting(client: httpx.Client, *wanted: str) -> None:
    """The page shows an order before the server has it."""
    end = time.monotonic() + PATIENCE / 1000
    found: tuple[str, ...] = ()
    while found != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.1)
        found = tuple(job["prompt"] for job in client.get("/v1/queue").json()["waiting"])


def test_the_queue_is_paused_reordered_and_cancelled(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    with server(tmp_path / "data") as process, process.client() as client:
        client.post("/v1/queue/pause")
        studio = studio_of(process.url)
        page = studio.page("/queue")
        expect(page.get_by_text("Paused: what runs goes on")).to_be_visible()
        expect(page.get_by_text("Nothing runs and nothing waits")).to_be_visible()
        for prompt in ("one", "two", "three"):
            submit(client, prompt)
        group = {"inputs": [{"prompt": "four"}, {"prompt": "five"}]}
        assert client.post("/v1/groups", json=group).status_code == 202
        expect_order(page, "one", "two", "three", "four", "five")
        assert violations(page) == []

        page.get_by_role("button", name="Move three to the front").press("Enter")
        expect_order(page, "three", "one", "two", "four", "five")
        page.get_by_role("button", name="Move three down").press("Enter")
        expect_order(page, "one", "three", "two", "four", "five")
        focused = page.get_by_role("button", name="Move three down")
        expect(focused).to_be_focused()
        focused.press("Alt+ArrowUp")
        expect_order(page, "three", "one", "two", "four", "five")
        rows = page.get_by_role("list", name="Waiting jobs, in order").get_by_role("listitem")
        rows.nth(2).drag_to(rows.nth(0))
        expect_order(page, "two", "three", "one", "four", "five")
        until_waiting(client, "two", "three", "one", "four", "five")

        page.get_by_role("button", name="Cancel its group: four").click()
        expect_order(page, "two", "three", "one")
        page.get_by_role("button", name="Cancel three").click()
        expect_order(page, "two", "one")
        page.get_by_role("button", name="Resume").click()
        expect(page.get_by_text("0 running, 0 waiting")).to_be_visible()
        ended = page.get_by_role("region", name="Ended lately").get_by_role("listitem")
        expect(ended).to_have_count(5)
        studio.close()


def test_many_tabs_share_one_stream_and_agree(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    with server(tmp_path / "data", engines=SLOW) as process, process.client() as client:
        studio = studio_of(process.url)
        context = studio.context()
        streams: list[str] = []

        def note(request: Request) -> None:
            if request.url.endswith("/events"):
                streams.append(request.url)

        context.on("request", note)
        tabs = [studio.open(context, "/queue") for _ in range(TABS)]
        submit(client, "a red house")
        for tab in tabs:
            expect(tab.get_by_role("progressbar", name="Text to image")).to_be_visible()
            expect(tab.get_by_text("Text to image, ")).to_be_visible()
        # With a stream a tab, six would take all connections, and the others would get nothing.
        tabs[-1].get_by_role("button", name="Cancel a red house").click()
        for tab in tabs:
            expect(tab.get_by_text("cancelled")).to_be_visible()
        assert len(streams) <= 1, streams
        studio.close()
