"""Where reading and working go on: at another page, on the way back, where a row goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
from PIL import Image
from playwright.sync_api import Page, expect

from tests.server.process import ServerProcess, server
from tests.studio.conftest import Studio
from tests.studio.test_queue import expect_order, submit


def submit_houses(client: httpx.Client, count: int) -> None:
    inputs = [{"prompt": f"house {number}"} for number in range(count)]
    client.post("/v1/groups", json={"preset": "draft", "inputs": inputs}).raise_for_status()


def expect_heading(page: Page, name: str) -> None:
    """The page is there, and is heard as that."""
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(name)
    expect(heading).to_be_focused()
    expect(page).to_have_title(f"{name} · ninefold")


def expect_scrolled(page: Page, top: int) -> None:
    """Waits until the page stands there: what is read of it now may be before it does."""
    page.locator(f"html[data-top='{top}']").wait_for(state="attached")


def note_scrolling(page: Page) -> None:
    """Have the page say where it stands; its policy forbids scripts that wait for it."""
    page.evaluate(
        """() => {
            const note = () => { document.documentElement.dataset.top = Math.round(scrollY); };
            addEventListener("scroll", note);
            note();
        }"""
    )


def test_another_page_begins_at_its_heading_and_going_back_where_it_was_left(
    studio: Studio, served: ServerProcess
) -> None:
    with served.client() as client:
        submit_houses(client, 30)
    page = studio.page(viewport={"width": 700, "height": 500})
    note_scrolling(page)
    page.get_by_role("link", name="Library").press("Enter")
    expect_heading(page, "Library")
    page.locator("#tile-0").press("Control+End")
    tile = page.locator("#tile-29")
    expect(tile).to_be_focused()
    name = (tile.get_by_role("link").text_content() or "").strip()
    page.keyboard.press("Enter")
    expect_heading(page, name)
    expect_scrolled(page, 0)
    page.get_by_role("link", name="Settings").click()
    expect_heading(page, "Settings")
    page.go_back()
    expect_heading(page, name)
    page.go_back()
    expect(tile).to_be_focused()
    expect(tile).to_be_in_viewport()
    expect(page).to_have_title("Library · ninefold")
    # Keys go on from there.
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#tile-28")).to_be_focused()
    page.go_forward()
    expect_heading(page, name)
    # A page of no job says so in the same place, and a page that is nowhere, too.
    studio.expected.append("status of 404")
    page.evaluate("history.pushState(null, '', '/studio/jobs/nothing')")
    expect_heading(page, "This job cannot be shown")
    page.evaluate("history.pushState(null, '', '/studio/nothing')")
    expect_heading(page, "There is no such page")


def test_a_reload_stands_where_it_was(studio: Studio, served: ServerProcess) -> None:
    with served.client() as client:
        submit_houses(client, 20)
    page = studio.page("/library", viewport={"width": 700, "height": 400})
    expect(page.locator("#tile-0")).to_be_visible()
    note_scrolling(page)
    page.evaluate("scrollTo(0, 300)")
    expect_scrolled(page, 300)
    page.reload()
    note_scrolling(page)
    expect_scrolled(page, 300)


def test_the_focus_stays_in_its_place_where_rows_go_and_buttons_end(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    with server(tmp_path / "data") as process, process.client() as client:
        client.post("/v1/queue/pause")
        jobs = {prompt: submit(client, prompt) for prompt in ("one", "two", "three", "four")}
        studio = studio_of(process.url)
        page = studio.page("/queue")
        expect_order(page, "one", "two", "three", "four")

        def button(name: str) -> None:
            expect(page.get_by_role("button", name=name, exact=True)).to_be_focused()

        page.get_by_role("button", name="Cancel two").press("Enter")
        expect_order(page, "one", "three", "four")
        button("Cancel three")
        # Another tab moves the row, or another one above it.
        client.post(f"/v1/jobs/{jobs['three']}/move", json={"to": "first"}).raise_for_status()
        expect_order(page, "three", "one", "four")
        button("Cancel three")
        client.post(f"/v1/jobs/{jobs['one']}/cancel").raise_for_status()
        expect_order(page, "three", "four")
        button("Cancel three")
        page.get_by_role("button", name="Move four to the front").press("Enter")
        expect_order(page, "four", "three")
        button("Move four down")
        page.get_by_role("button", name="Cancel three").press("Enter")
        expect_order(page, "four")
        button("Cancel four")
        # Whoever has clicked beside it is left alone.
        page.get_by_text("Paused: what").click()
        client.post(f"/v1/jobs/{jobs['four']}/cancel").raise_for_status()
        expect(page.get_by_text("Nothing runs and nothing waits")).to_be_visible()
        expect(page.get_by_role("main")).to_be_focused()
        studio.close()


def test_a_picture_that_did_not_get_through_is_sent_again_and_the_focus_goes_along(
    studio: Studio, tmp_path: Path
) -> None:
    studio.expected.append("net::ERR_CONNECTION_FAILED")
    file = tmp_path / "house.png"
    Image.new("RGB", (64, 64), "red").save(file)
    page = studio.page()
    page.route("**/v1/uploads", lambda route: route.abort("connectionfailed"), times=1)
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Source picture").click()
    chooser.value.set_files(file)
    slot = page.get_by_role("region", name="Source picture", exact=True)
    expect(slot.get_by_role("alert")).to_contain_text("could not be reached")
    slot.get_by_role("button", name="Send it again").press("Enter")
    out = page.get_by_role("button", name="Take out: Source picture")
    expect(out).to_be_focused()
    out.press("Enter")
    expect(page.get_by_role("button", name="Source picture Drop")).to_be_focused()
