"""A job's page: pictures compared and looked at closely, regions, marks, files."""

from __future__ import annotations

import time
from typing import Any
from zipfile import ZipFile

from playwright.sync_api import Page, expect

from tests.server.process import ServerProcess
from tests.studio.axe import violations
from tests.studio.conftest import Studio
from tests.studio.jobs import FULL, finished


def chosen(page: Page, label: str, option: str) -> None:
    """Choose one of a list."""
    page.get_by_role("button", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()


def test_two_stages_are_compared_and_the_address_holds_it(
    studio: Studio, job: dict[str, Any]
) -> None:
    page = studio.page(f"/jobs/{job['id']}")
    expect(page.get_by_role("img", name="Published: a red house")).to_be_visible()
    chosen(page, "Compare", "Refiner")
    under = page.get_by_role("img", name="Refiner: a red house")
    expect(under).to_have_css("clip-path", "inset(0px 50% 0px 0px)")
    line = page.get_by_role("slider", name="Line between the two")
    line.press("ArrowLeft")
    expect(under).to_have_css("clip-path", "inset(0px 51% 0px 0px)")
    chosen(page, "Shown", "Upscaler")
    page.reload()
    expect(page.get_by_role("img", name="Upscaler: a red house")).to_be_visible()
    expect(under).to_be_visible()


def test_the_picture_is_zoomed_and_moved_by_keys(studio: Studio, job: dict[str, Any]) -> None:
    page = studio.page(f"/jobs/{job['id']}")
    frame = page.get_by_role("group", name="Picture")
    frame.press("+")
    expect(page.get_by_text("125 %")).to_be_visible()
    layers = page.locator(".layers")
    frame.press("ArrowLeft")
    expect(layers).to_have_css("transform", "matrix(1.25, 0, 0, 1.25, 60, 0)")
    frame.press("0")
    expect(page.get_by_text("100 %")).to_be_visible()


def test_the_picture_is_zoomed_by_fingers(studio: Studio, job: dict[str, Any]) -> None:
    page = studio.page(f"/jobs/{job['id']}", has_touch=True, viewport={"width": 375, "height": 700})
    frame = page.get_by_role("group", name="Picture")
    expect(page.get_by_role("img", name="Published: a red house")).to_be_visible()
    frame.scroll_into_view_if_needed()
    box = frame.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float], at: float | None = None) -> None:
        places = [{"x": left, "y": top, "id": number} for number, (left, top) in enumerate(points)]
        # Machines may be too slow for two taps at once: they come with times of their own.
        when = {} if at is None else {"timestamp": at}
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places, **when})

    touch("touchStart", (x - 20, y))
    touch("touchStart", (x - 20, y), (x + 20, y))
    touch("touchMove", (x - 40, y), (x + 40, y))
    touch("touchEnd")
    expect(page.get_by_text("200 %")).to_be_visible()
    touch("touchStart", (x, y))
    touch("touchMove", (x + 50, y))
    touch("touchEnd")
    expect(page.locator(".layers")).to_have_css("transform", "matrix(2, 0, 0, 2, 50, 0)")
    frame.press("0")
    now = time.time()
    for tap in (0.0, 0.2):
        touch("touchStart", (x + 10, y), at=now + tap)
        touch("touchEnd", at=now + tap + 0.05)
    expect(page.get_by_text("300 %")).to_be_visible()


def test_regions_facts_marks_and_files(studio: Studio, job: dict[str, Any]) -> None:
    page = studio.page(f"/jobs/{job['id']}")
    page.get_by_text("Text to image").last.click()
    expect(page.get_by_text("Guidance scale").first).to_be_visible()
    page.get_by_role("tab", name="Regions").click()
    after = page.get_by_role("img", name="Region 1 after")
    expect(after).to_be_visible()
    assert after.evaluate("async image => (await image.decode(), image.naturalWidth)") > 0
    page.get_by_role("tab", name="Files").click()
    name = job["outputs"][0]["name"].rpartition("/")[2]
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    assert download.value.suggested_filename == name
    page.get_by_role("tab", name="Marks").click()
    page.get_by_role("button", name="Check the marks").click()
    expect(page.get_by_text("Made by ninefold, and as it left.")).to_be_visible()
    assert violations(page) == []


def test_a_rerun_from_the_upscaler_takes_over_what_came_before(
    studio: Studio, job: dict[str, Any]
) -> None:
    page = studio.page(f"/jobs/{job['id']}?panel=again")
    chosen(page, "Run again from", "Upscaler")
    expect(page.get_by_text("4 reused, 5 run again")).to_be_visible()
    page.get_by_role("textbox", name="Upscale factor").fill("1.5")
    page.get_by_role("button", name="Run again", exact=True).click()
    page.wait_for_url(lambda url: job["id"] not in url)
    expect(page.locator('[data-state="reused"]')).to_have_count(4)
    expect(page.locator('[data-state="finished"]')).to_have_count(5)


def test_a_press_publishes_in_another_format(studio: Studio, served: ServerProcess) -> None:
    with served.client() as client:
        asked = {**FULL, "overrides": {"publisher.formats": ["png"]}}
        job = finished(client, "/v1/jobs", asked)
    page = studio.page(f"/jobs/{job['id']}?panel=files")
    page.get_by_role("region", name="Other formats").get_by_role("button", name="jpeg").click()
    page.wait_for_url(lambda url: job["id"] not in url)
    expect(page.locator('[data-state="reused"]')).to_have_count(8)
    expect(page.get_by_role("link", name="jpeg")).to_be_visible()
    page.get_by_role("tab", name="Marks").click()
    page.get_by_role("button", name="Check the marks").click()
    expect(page.get_by_text("Made by ninefold, and as it left.")).to_be_visible()


def test_variations_of_a_seed_open_as_a_group_with_the_best_first(
    studio: Studio, job: dict[str, Any]
) -> None:
    page = studio.page(f"/jobs/{job['id']}?panel=again")
    page.get_by_role("textbox", name="Seeds").fill("3")
    page.get_by_role("button", name="Paint variations").click()
    page.wait_for_url("**/studio/groups/*")
    expect(page.get_by_text("3 of 3 done")).to_be_visible()
    tiles = page.get_by_role("list", name="Jobs").get_by_role("listitem")
    expect(tiles).to_have_count(3)
    for seed in (8, 9, 10):
        expect(page.get_by_text(f"seed {seed}", exact=True)).to_be_visible()
    expect(tiles.get_by_role("img")).to_have_count(3)
    assert violations(page) == []
    with page.expect_download() as download:
        page.get_by_role("link", name="Download all").click()
    with ZipFile(download.value.path()) as archive:
        assert len([name for name in archive.namelist() if name.endswith(".png")]) >= 3
    tiles.first.get_by_role("link").click()
    expect(page.get_by_role("link", name="its group")).to_be_visible()


def test_one_region_is_painted_again(studio: Studio, job: dict[str, Any]) -> None:
    page = studio.page(f"/jobs/{job['id']}?panel=regions")
    page.get_by_role("button", name="Paint region 1 again").click()
    page.wait_for_url(lambda url: job["id"] not in url)
    expect(page.locator('[data-state="reused"]')).to_have_count(3)
    expect(page.get_by_text("succeeded")).to_be_visible()
    expect(page.get_by_role("img", name="Region 1 after")).to_be_visible()
