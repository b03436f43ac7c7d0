"""A grid over two parameters, from a job's page to its cells."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import expect

from tests.server.process import ServerProcess
from tests.studio.axe import violations
from tests.studio.conftest import Studio
from tests.studio.jobs import BODY, begun_from_pictures, finished

PICTURES = ("image", "mask", "control_images")


def test_a_grid_of_two_by_two_is_a_page_with_both_axes(
    studio: Studio, served: ServerProcess
) -> None:
    with served.client() as client:
        job = finished(client, "/v1/jobs", BODY)
    page = studio.page(f"/jobs/{job['id']}?panel=again")
    page.get_by_role("link", name="Grid over two parameters").click()
    columns = page.get_by_role("group", name="Columns")
    columns.get_by_role("combobox").fill("guid")
    page.get_by_role("option", name="Text to image: guidance scale").click()
    values = columns.get_by_label("Values of the columns")
    values.fill("many")
    expect(columns).to_contain_text("got many")
    values.fill("3..5 by 2")
    rows = page.get_by_role("group", name="Rows")
    rows.get_by_role("combobox").fill("see")
    page.get_by_role("option", name="Seed", exact=True).click()
    rows.get_by_label("Values of the rows").fill("1, 9007199254740993")
    expect(page.get_by_role("button", name="4 images")).to_be_visible()
    assert violations(page) == []
    page.reload()
    page.get_by_role("button", name="Paint 4 cells").click()
    page.wait_for_url("**/studio/grids/g*")
    expect(page.get_by_role("status").filter(has_text="4 of 4 done")).to_be_visible()
    expect(page.get_by_role("columnheader")).to_contain_text(["Seed", "3", "5"])
    expect(page.get_by_role("rowheader")).to_contain_text(["1", "9007199254740993"])
    cells = page.get_by_role("cell").get_by_role("img")
    expect(cells).to_have_count(4)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Contact sheet").click()
    labels = opened.value.get_by_role("columnheader")
    expect(labels).to_have_text(["", "guidance scale 3", "guidance scale 5"])
    expect(opened.value.get_by_role("rowheader").first).to_have_text("seed 1")
    opened.value.close()
    assert violations(page) == []
    page.set_viewport_size({"width": 375, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    cells.last.click()
    page.wait_for_url("**/studio/jobs/*")
    with served.client() as client:
        last = client.get(f"/v1/jobs/{page.url.rpartition('/')[2]}").json()
    assert last["seed"] == 9007199254740993
    assert last["metadata"]["text_to_image"]["guidance_scale"] == 5


def test_grids_and_variations_start_from_the_pictures_of_their_job(
    studio: Studio, served: ServerProcess
) -> None:
    def inputs_of(group: str) -> list[dict[str, Any]]:
        with served.client() as client:
            found = client.get(f"/v1/groups/{group}").json()
            for job in found["jobs"]:
                client.get(job["links"]["self"], params={"wait": 50})
            found = client.get(f"/v1/groups/{group}").json()
        assert found["status"] == "succeeded", found
        return [job["input"] for job in found["jobs"]]

    with served.client() as client:
        job = begun_from_pictures(client)
    page = studio.page(f"/jobs/{job['id']}?panel=again")
    page.get_by_role("button", name="Paint variations").click()
    page.wait_for_url("**/studio/groups/*")
    made = inputs_of(page.url.partition("?")[0].rpartition("/")[2])
    assert [given["seed"] for given in made] == [8, 9, 10, 11]
    assert all(given[name] == job["input"][name] for given in made for name in PICTURES)

    page = studio.page(f"/jobs/{job['id']}?panel=again")
    page.get_by_role("link", name="Grid over two parameters").click()
    starts = "Every cell starts from a source picture, a mask and a control picture."
    expect(page.get_by_text(starts)).to_be_visible()
    columns, rows = (page.get_by_role("group", name=name) for name in ("Columns", "Rows"))
    columns.get_by_role("combobox").fill("lora")
    page.get_by_role("option", name="LoRA sketch: weight").click()
    columns.get_by_label("Values of the columns").fill("11")
    expect(page.get_by_text("expected a weight from -10 to 10, got 11")).to_be_visible()
    columns.get_by_label("Values of the columns").fill("0.5..1 by 0.5")
    rows.get_by_role("combobox").fill("formats")
    page.get_by_role("option", name="Publisher: formats").click()
    rows.get_by_label("Values of the rows").fill("png, webp\njpeg")
    expect(page.get_by_role("button", name="4 images")).to_be_visible()
    assert violations(page) == []
    page.get_by_role("button", name="Paint 4 cells").click()
    page.wait_for_url("**/studio/grids/g*")
    made = inputs_of(page.url.rpartition("/")[2])
    assert [given["prompt"] for given in made] == [
        f"<lora:sketch:{weight}>a red house" for weight in ("0.5", "1", "0.5", "1")
    ]
    assert all(given[name] == job["input"][name] for given in made for name in PICTURES)
    expect(page.get_by_role("columnheader")).to_contain_text(["LoRA sketch: weight", "0.5", "1"])
