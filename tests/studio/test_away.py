"""The server is killed while something is done, and comes back: nothing is lost, done twice or left
unsaid."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from playwright.sync_api import Page, Route, expect

from tests.studio.conftest import Studio
from tests.studio.jobs import BODY, FULL, finished
from tests.studio.restarting import Restartable, expect_back, restartable
from tests.studio.test_queue import expect_order, submit, until_waiting

LATER = "This is done once it is back"


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Restartable]:
    with restartable(tmp_path / "data") as found:
        yield found


@pytest.fixture
def away(studio_of: Callable[[str], Studio], process: Restartable) -> Iterator[Studio]:
    """The studio of a server that goes away."""
    found = studio_of(process.url)
    found.expected += ["net::ERR_", "Failed to load resource"]
    yield found
    found.close()


def test_the_queue_is_changed_while_the_server_is_away(away: Studio, process: Restartable) -> None:
    with process.client() as client:
        client.post("/v1/queue/pause")
        for prompt in ("one", "two", "three", "four"):
            submit(client, prompt)
    page = away.page("/queue")
    expect_order(page, "one", "two", "three", "four")
    rows = page.get_by_role("list", name="Waiting jobs, in order").get_by_role("listitem")
    held, onto = rows.nth(2).bounding_box(), rows.nth(0).bounding_box()
    assert held is not None
    assert onto is not None
    page.mouse.move(held["x"] + 30, held["y"] + held["height"] / 2)
    page.mouse.down()
    page.mouse.move(onto["x"] + 30, onto["y"] + onto["height"] / 2 + 15, steps=4)
    process.kill()
    page.mouse.move(onto["x"] + 30, onto["y"] + onto["height"] / 2, steps=4)
    page.mouse.up()
    expect(page.get_by_text(LATER)).to_be_visible()
    expect_order(page, "three", "one", "two", "four")
    page.get_by_role("button", name="Move four to the front").press("Enter")
    page.get_by_role("button", name="Cancel one", exact=True).click()
    process.start()
    expect_order(page, "four", "three", "two")
    expect(page.get_by_role("alert")).to_have_count(0)
    with process.client() as client:
        until_waiting(client, "four", "three", "two")


def test_a_job_is_cancelled_once_the_server_is_back(
    studio_of: Callable[[str], Studio], tmp_path: Path
) -> None:
    with restartable(tmp_path / "data") as process:
        with process.client() as client:
            client.post("/v1/queue/pause")
            job = submit(client, "a red house")
        studio = studio_of(process.url)
        studio.expected += ["net::ERR_", "Failed to load resource"]
        page = studio.page(f"/jobs/{job}")
        cancel = page.get_by_role("button", name="Cancel")
        expect(cancel).to_be_visible()
        process.kill()
        cancel.click()
        expect(page.get_by_text(LATER)).to_be_visible()
        process.start()
        expect(page.get_by_text("cancelled", exact=True)).to_be_visible()
        expect(page.get_by_text(LATER)).not_to_be_visible()
        studio.close()


def test_the_library_tells_at_once_what_did_not_get_through(
    away: Studio, process: Restartable
) -> None:
    with process.client() as client:
        first = finished(client, "/v1/jobs", BODY)
        finished(client, "/v1/jobs", BODY)
    page = away.page("/library")
    tiles = page.get_by_role("gridcell")
    expect(tiles).to_have_count(2)
    process.kill()
    # The one of a tile that is not chosen has no bar of its own.
    page.get_by_role("button", name="Favourite a red house").nth(1).click()
    expect(page.get_by_text(LATER)).to_be_visible()
    tiles.first.click(position={"x": 60, "y": 60})
    bar = page.get_by_role("region", name="Chosen jobs")
    bar.get_by_role("link", name="Download ZIP").click()
    expect(bar.get_by_text("It cannot be downloaded now")).to_be_visible()
    bar.get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("alertdialog")
    dialog.get_by_role("button", name="Delete this job").click()
    expect(dialog.get_by_role("alert")).to_contain_text("The server could not be reached")
    process.start()
    expect(page.get_by_text(LATER)).not_to_be_visible()
    expect(tiles.nth(1).get_by_role("button", pressed=True)).to_be_attached()
    with process.client() as client:
        assert client.get(f"/v1/jobs/{first['id']}").json()["favourite"]
    dialog.get_by_role("button", name="Delete this job").click()
    expect(tiles).to_have_count(1)
    tiles.first.click(position={"x": 60, "y": 60})
    with page.expect_download() as download:
        bar.get_by_role("link", name="Download ZIP").click()
    with ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None


def test_a_download_that_breaks_off_is_none(
    away: Studio, process: Restartable, tmp_path: Path
) -> None:
    with process.client() as client:
        job = finished(client, "/v1/jobs", FULL)
    (published,) = (tmp_path / "data").rglob(job["outputs"][0]["name"].rpartition("/")[2])
    size = published.stat().st_size
    os.truncate(published, 4 << 30)
    page = away.page("/library")
    page.get_by_role("gridcell").click(position={"x": 60, "y": 60})
    link = page.get_by_role("link", name="Download ZIP")
    with page.expect_download() as broken:
        link.click()
    process.kill()
    assert broken.value.failure() is not None
    os.truncate(published, size)
    process.start()
    expect_back(page)
    with page.expect_download() as whole:
        link.click()
    with ZipFile(whole.value.path()) as archive:
        assert archive.testzip() is None


def lose_the_answer(page: Page, path: str) -> None:
    """Have the server get the next request to make something, and the page no answer."""

    lost: list[Route] = []

    def lose(route: Route) -> None:
        if route.request.method != "POST" or lost:
            route.continue_()
            return
        lost.append(route)
        route.fetch()
        route.abort()

    page.route(path, lose)


def test_what_is_sent_again_after_a_lost_answer_is_painted_once(
    away: Studio, process: Restartable
) -> None:
    page = away.page()
    page.get_by_label("Prompt", exact=True).fill("a red house")
    stages = page.get_by_role("list", name="Stages").get_by_role("listitem")
    expect(stages).not_to_have_count(0)
    lose_the_answer(page, "**/v1/jobs")
    page.get_by_role("button", name="Paint").click()
    expect(page.get_by_text("No answer came: paint again")).to_be_visible()
    # Whoever is impatient loads the page again, or leaves it and comes back.
    page.reload()
    page.get_by_role("link", name="Queue").click()
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    page.get_by_role("link", name="Compose", exact=True).click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red house")
    for jobs in (1, 2):
        expect(stages).not_to_have_count(0)
        page.get_by_role("button", name="Paint").click()
        page.wait_for_url("**/studio/jobs/*")
        expect(page.get_by_text("succeeded")).to_be_visible()
        with process.client() as client:
            assert len(client.get("/v1/jobs").json()["jobs"]) == jobs
        # With an answer it is done: the same once more is another one.
        page.get_by_role("link", name="Compose", exact=True).click()


def test_a_grid_is_painted_once(away: Studio, process: Restartable) -> None:
    with process.client() as client:
        job = finished(client, "/v1/jobs", BODY)
    page = away.page(f"/grids/new?job={job['id']}&x=seed&xs=1,2")
    button = page.get_by_role("button", name="Paint 2 cells")
    expect(button).to_be_visible()
    lose_the_answer(page, "**/v1/grids")
    button.click()
    expect(page.get_by_text("The server could not be reached")).to_be_visible()
    button.click()
    page.wait_for_url(lambda url: "/grids/new" not in url)
    with process.client() as client:
        assert len(client.get("/v1/jobs").json()["jobs"]) == 3


def test_who_has_gone_back_meanwhile_stays_there(away: Studio, process: Restartable) -> None:
    page = away.page("/queue")
    page.get_by_role("link", name="Compose", exact=True).click()
    page.get_by_label("Prompt", exact=True).fill("a red house")
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST":
            waiting.append(route)
        else:
            route.continue_()

    page.route("**/v1/jobs", hold)
    with page.expect_request(lambda request: request.url.endswith("/v1/jobs")):
        page.get_by_role("button", name="Paint").click()
    page.go_back()
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    with page.expect_response(lambda response: response.status == 202):
        waiting[0].continue_()
    ended = page.get_by_role("region", name="Ended lately")
    expect(ended.get_by_role("link", name="a red house")).to_be_visible()
    assert page.url.endswith("/studio/queue")


def test_a_mask_is_kept_once_the_server_is_back(away: Studio, process: Restartable) -> None:
    with process.client() as client:
        job = finished(client, "/v1/jobs", BODY)
    page = away.page(f"/jobs/{job['id']}/inpaint")
    canvas = page.get_by_role("group", name="Mask")
    expect(canvas).to_be_visible()
    process.kill()
    canvas.press("Space")
    expect(page.get_by_role("alert")).to_contain_text("The mask is sent once it can be")
    process.start()
    expect(page.get_by_text("The mask is kept")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
    page.reload()
    expect(page.get_by_text("The mask is kept")).to_be_visible()


def test_pictures_that_were_missed_are_loaded_once_the_server_is_back(
    away: Studio, process: Restartable
) -> None:
    with process.client() as client:
        job = finished(client, "/v1/jobs", FULL)
    page = away.page(f"/jobs/{job['id']}")
    expect(page.get_by_role("img", name="Published: a red house")).to_be_visible()
    process.kill()
    page.get_by_role("button", name="Shown").click()
    page.get_by_role("option", name="Upscaler", exact=True).click()
    expect(page.get_by_text("The connection was lost")).to_be_visible()
    shown = page.get_by_role("img", name="Upscaler: a red house")
    expect(shown).to_have_js_property("naturalWidth", 0)
    expect(shown).to_have_js_property("complete", True)
    process.start()
    expect(shown).not_to_have_js_property("naturalWidth", 0)
