"""Nothing is lost: tabs close, servers are killed, and the page goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.server.process import ServerProcess, server
from tests.studio.conftest import Studio
from tests.studio.restarting import free_port

#: Long enough for what happens in the middle, on a slow machine, too.
SLOW = {"steps_delay": 3.0}


def painting(page: Page) -> None:
    """Send a prompt, and wait until it is being painted."""
    page.get_by_label("Prompt", exact=True).fill("a red house")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_url("**/studio/jobs/*")
    expect(page.locator('[data-state="running"]')).to_be_visible()


def test_a_tab_is_closed_in_the_middle_and_others_agree(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    with server(tmp_path / "data", engines=SLOW) as process:
        studio = studio_of(process.url)
        context = studio.context()
        page = studio.open(context)
        painting(page)
        address = page.url
        page.close()
        again, beside = context.new_page(), context.new_page()
        for tab in (again, beside):
            tab.goto(address)
        for tab in (again, beside):
            expect(tab.locator('[data-state="running"]')).to_be_visible()
        again.get_by_role("button", name="Cancel").click()
        for tab in (again, beside):
            expect(tab.get_by_text("cancelled")).to_be_visible()
        studio.close()
        studio.close()


def test_the_server_is_killed_in_the_middle_and_the_page_goes_on(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    port = free_port()
    arguments = ("--port", str(port))
    process = ServerProcess(tmp_path / "data", *arguments, engines=SLOW)
    try:
        assert process.ready(), process.errors()
        studio = studio_of(process.url)
        studio.expected += ["net::ERR_", "Failed to load resource"]
        page = studio.page()
        painting(page)
        process.kill()
        expect(page.get_by_text("The connection was lost")).to_be_visible()
    finally:
        process.close()
    with server(tmp_path / "data", *arguments):
        expect(page.get_by_text("The connection was lost")).not_to_be_visible()
        expect(page.get_by_text("succeeded")).to_be_visible()
        expect(page.get_by_role("img", name="Published: a red house")).to_be_visible()
        studio.close()
