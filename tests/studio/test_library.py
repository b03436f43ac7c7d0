"""The library: many jobs in a gallery; searched, chosen, compared, deleted, downloaded."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from playwright.sync_api import Locator, Page, expect

from tests.server.process import ServerProcess
from tests.studio.axe import violations
from tests.studio.conftest import Studio

#: More than one request of the gallery brings, and more rows than a window shows.
JOBS = 70


@pytest.fixture
def filled(served: ServerProcess) -> ServerProcess:
    """A server with many jobs, the newest called "house 69"."""
    with served.client() as client:
        inputs = [{"prompt": f"house {number}", "seed": number} for number in range(JOBS)]
        config = {"stages": [{"stage": "prompt"}, {"stage": "text_to_image"}]}
        asked = {"config": config, "inputs": inputs}
        group = client.post("/v1/groups", json=asked).json()
        for job in group["jobs"]:
            found = client.get(f"/v1/jobs/{job['id']}", params={"wait": 50}).json()
            assert found["status"] == "succeeded", found
    return served


def tile(page: Page, name: str) -> Locator:
    return page.get_by_role("gridcell").filter(has_text=name)


def test_jobs_are_searched_chosen_by_keys_and_deleted(
    studio: Studio, filled: ServerProcess
) -> None:
    page = studio.page("/library")
    expect(page.get_by_text(f"{JOBS} jobs")).to_be_visible()
    expect(tile(page, "house 69")).to_be_visible()
    assert violations(page) == []
    tile(page, "house 69").press("ArrowRight")
    expect(tile(page, "house 68")).to_be_focused()
    page.keyboard.press("Control+End")  # a row that was not there before
    expect(tile(page, "house 0")).to_be_focused()
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowLeft")
    expect(page.get_by_text("2 chosen")).to_be_visible()
    # Pictures on their way would not be found any more.
    page.get_by_role("gridcell").locator("img").evaluate_all(
        "images => Promise.all(images.map((image) => image.decode()))"
    )
    page.keyboard.press("Delete")
    expect(page.get_by_role("alertdialog", name="Delete 2 jobs?")).to_be_visible()
    page.get_by_role("button", name="Delete 2 jobs").click()
    expect(page.get_by_text(f"{JOBS - 2} jobs")).to_be_visible()
    expect(page.get_by_text("2 chosen")).not_to_be_visible()

    page.get_by_role("searchbox", name="Search prompts").fill("house 7")
    page.wait_for_url("**/library?q=house+7")
    expect(page.get_by_role("gridcell")).to_have_count(1)
    page.reload()
    expect(page.get_by_role("gridcell")).to_have_count(1)
    page.get_by_role("button", name="More filters").click()
    page.get_by_role("textbox", name="Seed").fill("seven")
    expect(page.get_by_text("Expected a whole number")).to_be_visible()
    page.get_by_role("textbox", name="Seed").fill("8")
    expect(page.get_by_text("Nothing matches")).to_be_visible()


def test_jobs_are_compared_marked_and_downloaded(studio: Studio, filled: ServerProcess) -> None:
    page = studio.page("/library")
    tile(page, "house 69").click()
    tile(page, "house 67").click(modifiers=["Control"])
    page.get_by_role("button", name="Favourite", exact=True).last.click()
    expect(tile(page, "house 69").locator('[aria-pressed="true"]')).to_be_attached()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download ZIP").click()
    names = zipfile.ZipFile(download.value.path()).namelist()
    assert "manifest.json" in names
    assert len(names) > 2
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare?job=*")
    first, second = (page.get_by_role("group", name=f"Picture {number}") for number in (1, 2))
    first.press("+")
    for frame in (first, second):
        expect(frame.locator("img")).to_have_css("transform", "matrix(1.25, 0, 0, 1.25, 0, 0)")
    expect(page.get_by_role("row", name="Seed 69 67")).to_be_visible()
    assert violations(page) == []
    page.go_back()
    page.get_by_text("Favourites").click()
    expect(page.get_by_text("2 jobs")).to_be_visible()


def test_the_list_stands_still_while_jobs_come(studio: Studio, filled: ServerProcess) -> None:
    page = studio.page("/library")
    expect(tile(page, "house 69")).to_be_visible()
    with filled.client() as client:
        client.post("/v1/jobs", json={"input": {"prompt": "a fox"}})
    expect(page.get_by_role("button", name="Show 1 new")).to_be_visible()
    expect(page.get_by_role("gridcell").first).to_contain_text("house 69")
    page.get_by_role("button", name="Show 1 new").click()
    expect(page.get_by_role("gridcell").first).to_contain_text("a fox")


def test_a_dropped_picture_gives_its_settings(
    studio: Studio, served: ServerProcess, tmp_path: Path
) -> None:
    page = studio.page("/library")
    picture = tmp_path / "<b>other.png"
    picture.write_bytes(
        _infotext("a <i>lighthouse</i>\nSteps: 9, Sampler: Euler, Seed: 5, Size: 64x64")
    )
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Settings of a picture").click()
    chooser.value.set_files(picture)
    dialog = page.get_by_role("dialog", name="<b>other.png")
    expect(dialog.get_by_text("a <i>lighthouse</i>").first).to_be_visible()
    dialog.get_by_role("button", name="Use these settings").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a <i>lighthouse</i>")


def _infotext(text: str) -> bytes:
    """A picture with what AUTOMATIC1111 writes into it."""
    info = PngInfo()
    info.add_text("parameters", text)
    found = io.BytesIO()
    Image.new("RGB", (64, 64)).save(found, "PNG", pnginfo=info)
    return found.getvalue()
