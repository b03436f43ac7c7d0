"""A table of prompts becomes a group of jobs."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import FilePayload, Page, expect

from tests.server.process import ServerProcess
from tests.studio.axe import violations
from tests.studio.conftest import Studio

TABLE = """prompt,seed,note,steps
"a red house,
by the sea",{},<b>x</b>,3
a boat,8,,
fog,9007199254740993,,2
"""


def rows_of(page: Page) -> Any:
    return page.get_by_role("textbox", name="Rows")


def test_a_bad_seed_is_mended_and_the_rows_run_once(studio: Studio, served: ServerProcess) -> None:
    studio.expected.append("status of 422")
    page = studio.page("/batch")
    page.get_by_role("button", name="Preset").click()
    page.get_by_role("option", name="draft").click()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open a file").click()
    text = "\ufeff" + TABLE.format("-4")
    chooser.value.set_files(FilePayload(name="rows.csv", mimeType="text/csv", buffer=text.encode()))
    cell = page.get_by_role("row", name="1 a red house").get_by_role("cell").nth(1)
    expect(cell).to_contain_text("greater than or equal to 0, got -4")
    expect(page.get_by_text("Ignored: note.")).to_be_visible()
    expect(page.get_by_text("One row has something wrong.")).to_be_visible()
    run = page.get_by_role("button", name="Run", exact=True)
    expect(run).to_be_disabled()
    assert violations(page) == []

    page.reload()  # what was given is there still
    expect(cell).to_contain_text("got -4")
    rows_of(page).fill(TABLE.format("7"))
    expect(page.get_by_text("3 images · time unknown")).to_be_visible()

    # The first answer is lost: the second press asks for the same group.
    studio.expected.append("ERR_CONNECTION_FAILED")
    lost: list[int] = []

    def lose(route: Any) -> None:
        if lost:
            route.continue_()
            return
        lost.append(route.fetch().status)
        route.abort("connectionfailed")

    page.route("**/v1/groups", lose)
    run.click()
    expect(page.get_by_text("makes nothing twice")).to_be_visible()
    run.click()
    page.wait_for_url("**/studio/groups/*")
    expect(page.get_by_text("3 of 3 done")).to_be_visible()
    assert lost == [202]
    with served.client() as client:
        jobs = client.get("/v1/jobs").json()["jobs"]
        first = next(job for job in jobs if job["input"]["prompt"].startswith("a red"))
        config = client.get(f"/v1/jobs/{first['id']}").json()["config"]
    (steps,) = (
        stage["params"]["steps"] for stage in config["stages"] if stage["stage"] == "text_to_image"
    )
    assert steps == 3
    found = {job["input"]["prompt"]: job["input"]["seed"] for job in jobs}
    assert len(jobs) == 3
    assert found == {"a red house,\nby the sea": 7, "a boat": 8, "fog": 9007199254740993}


def test_rows_change_what_is_composed(studio: Studio, served: ServerProcess) -> None:
    page = studio.page()
    page.get_by_text("A quick look").click()
    page.get_by_label("Prompt", exact=True).fill("a boat")
    page.get_by_label("Negative prompt").fill("fog")
    page.get_by_label("Seed", exact=True).fill("9007199254740993")
    page.get_by_role("link", name="Batch").click()
    page.get_by_role("button", name="Preset").click()
    page.get_by_role("option", name="As composed").click()
    rows_of(page).fill("prompt,steps\na house,3\n,2\n")
    expect(page.get_by_text("2 images")).to_be_visible()
    page.get_by_role("button", name="Run", exact=True).click()
    page.wait_for_url("**/studio/groups/*")
    expect(page.get_by_text("2 of 2 done")).to_be_visible()
    with served.client() as client:
        ids = [job["id"] for job in client.get("/v1/jobs").json()["jobs"]]
        jobs = [client.get(f"/v1/jobs/{job}").json() for job in ids]
    found = {job["input"]["prompt"]: job for job in jobs}
    assert set(found) == {"a house", "a boat"}
    for prompt, steps in {"a house": 3, "a boat": 2}.items():
        job = found[prompt]
        assert (job["input"]["negative_prompt"], job["seed"]) == ("fog", 9007199254740993)
        paints = next(s for s in job["config"]["stages"] if s["stage"] == "text_to_image")
        assert paints["params"]["steps"] == steps


def test_thousands_of_rows_stay_out_of_the_page_until_they_are_seen(studio: Studio) -> None:
    page = studio.page("/batch")
    lines = "\n".join(json.dumps({"prompt": f"house {at}", "seed": at}) for at in range(2_000))
    rows_of(page).fill(lines)
    table = page.get_by_role("table", name="Rows as read")
    expect(table).to_have_attribute("aria-rowcount", "2001")
    assert table.get_by_role("row").count() < 100
    page.get_by_role("region", name="Rows as read").evaluate("frame => frame.scrollTo(0, 1e9)")
    expect(table.get_by_role("row", name="house 1999")).to_be_visible()
    expect(page.get_by_text("It runs as 20 groups")).to_be_visible()
