"""What people do to a page: press twice, write addresses by hand, lose sessions and networks."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Request, expect

from tests.server.process import ServerProcess
from tests.studio.conftest import Studio, draft_in


def number_of_jobs(served: ServerProcess) -> int:
    with served.client() as client:
        return len(client.get("/v1/jobs").json()["jobs"])


@pytest.mark.parametrize(
    ("panel", "button"),
    [
        ("again", "Run again"),
        ("regions", "Paint region 1 again"),
        ("again", "Paint variations"),
    ],
)
def test_pressing_twice_asks_once(
    studio: Studio,
    served: ServerProcess,
    job: dict[str, Any],
    panel: str,
    button: str,
) -> None:
    page = studio.page(f"/jobs/{job['id']}?panel={panel}")
    found = page.get_by_role("button", name=button, exact=True)
    expect(found).to_be_visible()
    before = number_of_jobs(served)
    sent: list[Request] = []

    def note(request: Request) -> None:
        if request.method == "POST":
            sent.append(request)

    page.on("request", note)
    found.evaluate("button => (button.click(), button.click())")
    page.wait_for_url(lambda url: job["id"] not in url)
    for request in sent:
        request.response()  # has come, or was given up with the page
    assert number_of_jobs(served) - before == (4 if button == "Paint variations" else 1)


def test_addresses_written_by_hand(studio: Studio, job: dict[str, Any]) -> None:
    studio.expected += ["status of 404", "status of 422"]
    page = studio.page(f"/jobs/{job['id']}?panel=nothing&show=nothing&with=nothing")
    expect(page.get_by_role("tab", name="How it was made")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.get_by_role("tabpanel")).to_be_visible()
    expect(page).to_have_title("a red house · ninefold")
    for path in ("/jobs/%25", "/jobs/%25E0%25A4%25A/inpaint", "/groups/%25"):
        page.goto(f"{studio.url}/studio{path}")
        expect(page.get_by_role("heading", level=1)).to_contain_text("cannot be shown")
        expect(page.get_by_role("link", name="Compose")).to_be_visible()


def test_every_detailer_shows_its_regions(studio: Studio, served: ServerProcess) -> None:
    stages = ["prompt", "text_to_image", "detailer", "detailer", "publisher"]
    with served.client() as client:
        asked = {
            "config": {"stages": [{"stage": name} for name in stages]},
            "input": {"prompt": "a red house", "seed": 3},
        }
        made = client.post("/v1/jobs", json=asked).json()
        found = client.get(f"/v1/jobs/{made['id']}", params={"wait": 50}).json()
    assert found["status"] == "succeeded", found
    page = studio.page(f"/jobs/{made['id']}?panel=regions")
    for name in ("Detailer", "Detailer 2"):
        part = page.get_by_role("region", name=name, exact=True)
        after = part.get_by_role("img", name="Region 1 after")
        expect(after).to_be_visible()
        assert after.evaluate("async image => (await image.decode(), image.naturalWidth)") > 0


def test_a_machine_without_internet_paints_on(studio: Studio) -> None:
    page = studio.page()
    page.evaluate("dispatchEvent(new Event('offline'))")
    page.get_by_label("Prompt", exact=True).fill("a red house")
    page.get_by_role("button", name="Paint").click()
    page.wait_for_url("**/studio/jobs/*")
    expect(page.get_by_text("succeeded")).to_be_visible()


def test_the_link_of_a_draft_is_opened_where_another_is_composed(studio: Studio) -> None:
    page = studio.page()
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("a red house")
    page.wait_for_url(lambda url: "a red house" in draft_in(url))
    link = page.url
    prompt.fill("a boat")
    page.wait_for_url(lambda url: "a boat" in draft_in(url))
    page.evaluate("link => { location.href = link; }", link)
    expect(prompt).to_have_value("a red house")
    page.wait_for_url(lambda url: "a red house" in draft_in(url))


def test_pages_are_there_when_the_server_is_not(studio: Studio) -> None:
    studio.expected.append("ERR_INTERNET_DISCONNECTED")
    context = studio.context()
    page = context.new_page()
    under_way: set[Request] = set()
    loaded: set[str] = set()

    def note(request: Request) -> None:
        # A shared worker's script never tells a page that it is there.
        if "/assets/" in request.url and "Worker" not in request.url:
            under_way.add(request)

    def all_are_there(request: Request) -> bool:
        under_way.discard(request)
        loaded.add(request.url)
        return not under_way and any("BatchPage" in url for url in loaded)

    page.on("request", note)
    with page.expect_event("requestfinished", all_are_there):
        page.goto(f"{studio.url}/studio/")
    context.set_offline(True)
    page.get_by_role("link", name="Batch").click()
    expect(page.get_by_role("heading", name="Batch")).to_be_visible()


def test_skipping_to_the_content_keeps_the_draft_in_the_address(studio: Studio) -> None:
    page = studio.page()
    page.get_by_label("Prompt", exact=True).fill("a red house")
    page.wait_for_url("**#draft=*")
    skip = page.get_by_role("link", name="Skip to the content")
    skip.focus()
    skip.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert "#draft=" in page.url
