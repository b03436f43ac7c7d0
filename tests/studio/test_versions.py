"""The versions of a job as a tree, and a rerun beside what it was made from."""

from __future__ import annotations

from typing import Any

import httpx2 as httpx
from playwright.sync_api import expect

from tests.server.process import ServerProcess
from tests.studio.axe import violations
from tests.studio.conftest import Studio
from tests.studio.jobs import BODY, finished


def rerun(client: httpx.Client, job: dict[str, Any], **body: Any) -> dict[str, Any]:
    return finished(client, f"/v1/jobs/{job['id']}/rerun", body)


def test_every_version_is_one_click_away(studio: Studio, served: ServerProcess) -> None:
    with served.client() as client:
        first = finished(client, "/v1/jobs", BODY)
        second = rerun(client, first, changes={"text_to_image.steps": 3})
        gone = rerun(client, first, input={"seed": 8})
        third = rerun(client, second, from_stage="publisher")
        last = rerun(client, gone, input={"prompt": "a <b>blue</b> house"})
        client.delete(f"/v1/jobs/{gone['id']}").raise_for_status()
    page = studio.page(f"/jobs/{third['id']}?panel=versions")
    tree = page.get_by_role("list", name="Versions")
    names = tree.locator(".version-text > :first-child, [data-gone] .version-text")
    expect(names).to_have_text(["The first", "Text to image: steps 3", "Run again from publisher"])
    expect(tree.locator("[aria-current]")).to_contain_text("Run again from publisher")
    expect(tree.locator("img")).to_have_count(3)
    assert violations(page) == []
    # Before and after, side by side.
    page.get_by_role("button", name="Compare").click()
    page.get_by_role("option", name="Before this rerun").click()
    expect(page.get_by_role("img", name="Before this rerun: a red house")).to_be_visible()
    tree.get_by_role("link", name="The first").click()
    page.wait_for_url(f"**/studio/jobs/{first['id']}?panel=versions")
    expect(tree.locator("[aria-current]")).to_contain_text("The first")
    # A version that is deleted is a gap, and the first that is known of those behind it.
    page.goto(f"{studio.url}/studio/jobs/{last['id']}?panel=versions")
    expect(names).to_have_text(["A version that was deleted", "Prompt a <b>blue</b> house"])
