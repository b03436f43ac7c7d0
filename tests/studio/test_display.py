"""Pages as people set their browsers: enlarged, with wider spaces, in colours of their own."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.studio.conftest import Studio
from tests.studio.test_accessibility import PAGES

#: Spaces of text as WCAG 1.4.12 wants them to be possible.
SPACES = """* {
    line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important;
}"""
#: The page, and what reaches beyond it to either side and cannot be scrolled to.
BEYOND = """() => {
    const width = document.documentElement.clientWidth;
    const isCut = (element) => {
        const { left, right, width: own } = element.getBoundingClientRect();
        if (own === 0 || (left >= -1 && right <= width + 1)) return false;
        for (let at = element; at !== document.body; at = at.parentElement) {
            if (getComputedStyle(at).overflowX !== "visible") return false;
        }
        return true;
    };
    const cut = [...document.querySelectorAll("body *")].filter(isCut);
    return [document.documentElement.scrollWidth, ...cut.map((element) => element.outerHTML)];
}"""
#: Has the page laid out by a style of the test's, which its policy lets only a script bring.
ADOPT = """css => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    document.adoptedStyleSheets = [sheet];
}"""


def opened(studio: Studio, page: Page, path: str, text: str) -> None:
    page.goto(f"{studio.url}/studio{path}")
    expect(page.get_by_role("main").get_by_text(text).first).to_be_attached()
    studio.settled(page)


@pytest.mark.parametrize(("width", "height"), [(375, 700), (320, 256)])
def test_nothing_is_wider_than_its_window(
    studio: Studio, job: dict[str, Any], width: int, height: int
) -> None:
    page = studio.context(viewport={"width": width, "height": height}).new_page()
    own = f"/jobs/{job['id']}"
    pages = {**PAGES, own: "succeeded", f"{own}?panel=again": "Run again", f"{own}/inpaint": "Tool"}
    for path, text in pages.items():
        opened(studio, page, path, text)
        assert page.evaluate(BEYOND) == [width], path
        page.evaluate(ADOPT, SPACES)
        assert page.evaluate(BEYOND) == [width], path


def test_bars_leave_room_where_all_is_four_times_as_large(studio: Studio) -> None:
    page = studio.context(viewport={"width": 320, "height": 256}).new_page()
    opened(studio, page, "/", "Paint")
    field = page.get_by_role("textbox", name="Images")
    field.focus()
    expect(field).to_be_in_viewport(ratio=1)
    for bar in (page.get_by_role("navigation"), page.get_by_role("button", name="Paint")):
        expect(bar).not_to_be_in_viewport()


def look(found: Locator, *properties: str) -> list[str]:
    """How an element is painted."""
    return [
        str(found.evaluate("(at, name) => getComputedStyle(at)[name]", name)) for name in properties
    ]


def test_states_are_seen_in_colours_of_ones_own(studio: Studio, job: dict[str, Any]) -> None:
    page = studio.context(forced_colors="active").new_page()
    opened(studio, page, "/", "Paint")
    switch = page.locator(".switch:has(:checked) .track").first
    off = page.locator(".switch:not(:has(:checked)) .track").first
    assert look(switch, "backgroundColor") != look(off, "backgroundColor")
    chosen, other = page.locator(".choice-card[data-selected]"), page.locator(".choice-card")
    assert look(chosen, "borderTopColor") != look(other.first, "borderTopColor")
    here, there = page.locator(".place[aria-current]"), page.locator(".place:not([aria-current])")
    assert look(here, "backgroundColor") != look(there.first, "backgroundColor")
    page.get_by_role("button", name="Model").press("Enter")
    expect(page.locator(".choice[data-focused]")).to_have_css("outline-style", "solid")

    opened(studio, page, "/library?status=succeeded", "1 job")
    boxes = page.locator(".check[data-selected] .icon"), page.locator(".check .icon")
    assert [look(box.first, "visibility") for box in boxes] == [["visible"], ["hidden"]]
    tile = page.locator("#tile-0")
    expect(tile).to_be_visible()
    tile.hover()
    check = tile.locator(".tile-check .icon")
    expect(check).to_have_css("visibility", "hidden")
    tile.click()
    expect(check).to_have_css("visibility", "visible")

    opened(studio, page, f"/jobs/{job['id']}", "succeeded")
    line, clear = page.locator(".tabs > [data-selected]"), page.locator(".tabs > *")
    assert look(line, "borderBottomColor") != look(clear.last, "borderBottomColor")
    bar = page.locator(".strip progress").first
    assert look(bar, "backgroundColor", "forcedColorAdjust")[1] == "none"
