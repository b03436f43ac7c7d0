"""Odd habits: folders dropped, novels pasted, links pressed twice, drafts edited in two tabs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Download, expect

from tests.studio.conftest import Studio
from tests.studio.restarting import drop_files

#: What is said of a folder, or of a file that has gone.
UNREADABLE = "cannot be read: it is a folder, or was moved or changed"


@pytest.mark.parametrize(
    ("path", "onto", "told"),
    [
        ("/", "[aria-label='Source picture']", UNREADABLE),
        ("/", "h2", UNREADABLE),
        ("/library", "main", UNREADABLE),
        ("/batch", ".batch-drop", "is a folder. Drop a file"),
    ],
)
def test_a_dropped_folder_is_told_from_a_server_that_is_away(
    studio: Studio, tmp_path: Path, path: str, onto: str, told: str
) -> None:
    studio.expected.append("ERR_FILE_NOT_FOUND")
    folder = tmp_path / "pictures"
    folder.mkdir()
    page = studio.page(path)
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_attached()
    drop_files(page, onto, folder)
    expect(page.get_by_role("alert").first).to_contain_text(f"pictures {told}")


def test_a_picture_that_has_gone_since_it_was_dropped_is_told(
    studio: Studio, tmp_path: Path
) -> None:
    file = tmp_path / "house.png"
    Image.new("RGB", (64, 64), "red").save(file)
    page = studio.page()
    expect(page.locator("h2").first).to_be_visible()
    drop_files(page, "h2", file)
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("It does not say how it was made")
    file.unlink()
    dialog.get_by_role("button", name="Start from it").click()
    expect(dialog.get_by_role("alert")).to_contain_text(f"house.png {UNREADABLE}")


def test_a_file_that_is_dropped_where_nothing_takes_it_opens_nothing(
    studio: Studio, job: dict[str, Any], tmp_path: Path
) -> None:
    file = tmp_path / "house.png"
    Image.new("RGB", (64, 64), "red").save(file)
    page = studio.page(f"/jobs/{job['id']}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.evaluate(
        "() => window.addEventListener('dragover', (event) => {"
        " document.title = `refused: ${event.dataTransfer.dropEffect}`; })"
    )
    drop_files(page, "h1", file)
    expect(page).to_have_title("refused: none")
    assert page.url.startswith(studio.url)


def test_each_tab_comes_back_to_its_own_draft(studio: Studio) -> None:
    context = studio.context()
    one, other = studio.open(context), studio.open(context)
    for tab, prompt in ((one, "a red house"), (other, "a boat")):
        tab.get_by_label("Prompt", exact=True).fill(prompt)
        tab.get_by_role("link", name="Queue").click()
        expect(tab.get_by_role("heading", name="Queue")).to_be_visible()
    for tab, prompt in ((one, "a red house"), (other, "a boat")):
        tab.get_by_role("link", name="Compose", exact=True).click()
        expect(tab.get_by_label("Prompt", exact=True)).to_have_value(prompt)
    # A new one begins with what was typed last, anywhere.
    last = studio.open(context)
    expect(last.get_by_label("Prompt", exact=True)).to_have_value("a boat")


def test_a_novel_for_a_prompt_is_no_prompt(studio: Studio) -> None:
    studio.expected += ["status of 422", "status of 413"]
    page = studio.page()
    page.get_by_label("Prompt", exact=True).focus()
    page.evaluate(
        "length => { const area = document.activeElement;"
        " const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value');"
        " set.call(area, 'word, '.repeat(length / 6));"
        " area.dispatchEvent(new Event('input', { bubbles: true })); }",
        300_000,
    )
    prompt = page.get_by_role("region", name="Prompt", exact=True)
    expect(prompt).to_contain_text("300,000 characters: too many for a prompt")
    page.get_by_role("link", name="Queue").click()
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    page.get_by_role("link", name="Compose", exact=True).click()
    prompt.get_by_role("button", name="Clear").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("")


def test_a_double_click_downloads_once(studio: Studio, job: dict[str, Any]) -> None:
    page = studio.page("/library")
    page.get_by_role("gridcell").click(position={"x": 60, "y": 60})
    link = page.get_by_role("link", name="Download ZIP")
    begun: list[Download] = []
    page.on("download", lambda download: begun.append(download))
    with page.expect_download():
        link.dblclick()
    # What a second one would have asked for comes before the next press has its answer.
    with page.expect_download():
        link.click()
    assert len(begun) == 2
