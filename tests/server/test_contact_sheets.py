"""The pictures of a group on one sheet."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ninefold.core.errors import InputError
from ninefold.server import contact_sheets
from ninefold.server.contact_sheets import (
    MAX_PICTURES,
    ContactSheet,
    ContactSheets,
    SheetFormat,
    sheet_of,
)
from ninefold.testing import fake_engines
from tests.server.conftest import Door, Open, png

PROMPTS = ("a tent", "a <b>boat</b>", "a hill")


def finished(door: Door, **options: Any) -> dict[str, Any]:
    """A group of three jobs that have succeeded."""
    body = {"preset": "draft", "inputs": [{"prompt": prompt, "seed": 7} for prompt in PROMPTS]}
    group = door.client.post("/v1/groups", json=body, **options).raise_for_status().json()
    for job in group["jobs"]:
        door.client.get(f"/v1/jobs/{job['id']}/events", **options)  # ends with the job
    found: dict[str, Any] = door.client.get(f"/v1/groups/{group['id']}", **options).json()
    assert found["counts"] == {"succeeded": 3}
    return found


def page_of(door: Door, group: dict[str, Any]) -> str:
    """The sheet of a group as a page."""
    answer = door.client.get(f"/v1/groups/{group['id']}/sheet", params={"format": "html"})
    return answer.raise_for_status().text


def test_the_sheet_is_a_picture_or_a_page(door: Door) -> None:
    group = finished(door)
    where = f"/v1/groups/{group['id']}/sheet"
    for name in ("png", "jpeg", "webp"):
        answer = door.client.get(where, params={"format": name, "tile": 64, "columns": 3})
        assert answer.headers["content-type"] == f"image/{name}"
        with Image.open(BytesIO(answer.content)) as image:
            assert image.format == name.upper()
            assert image.width > 3 * 64
            assert b"compositeWithTrainedAlgorithmicMedia" in answer.content
    page = door.client.get(where, headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; img-src data:;")
    assert page.headers["content-security-policy"].endswith("sandbox")
    assert page.text.count("<img ") == 3
    assert "a &lt;b&gt;boat&lt;/b&gt;" in page.text
    assert "<b>boat" not in page.text
    assert f"<h1>Group {group['id']}</h1>" in page.text
    assert str(door.service.jobs.data) not in page.text
    usual = door.client.get(where)
    assert (usual.headers["content-type"], usual.headers["vary"]) == ("image/png", "Accept")
    again = door.client.get(where, headers={"If-None-Match": usual.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for wrong in ({"format": "gif"}, {"tile": 63}, {"tile": 513}, {"columns": 0}):
        assert door.client.get(where, params=wrong).status_code == 422


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "png"),
        ("*/*", "png"),
        ("image/*", "png"),
        ("application/json", "png"),
        ("image/webp, image/jpeg", "webp"),
        ("image/webp;q=0.5, image/jpeg", "jpeg"),
        ("IMAGE/JPEG; q=x, image/webp; q=0.1", "webp"),
        ("image/webp;q=0", "png"),
    ],
)
def test_accept_chooses_the_form(accept: str, chosen: str) -> None:
    assert SheetFormat.accepted(accept) == chosen


def test_another_key_sees_no_sheet(door: Door) -> None:
    mine, other = door.headers(), door.headers()
    where = f"/v1/groups/{finished(door, headers=mine)['id']}/sheet"
    assert door.client.get(where, headers=mine).status_code == 200
    assert door.client.get(where, headers=other).status_code == 404
    assert door.client.get("/v1/groups/nobodys/sheet", headers=mine).status_code == 404


def test_a_group_that_has_nothing_to_show_yet(idle: Door) -> None:
    body = {"preset": "draft", "inputs": [{"prompt": prompt} for prompt in PROMPTS]}
    group = idle.client.post("/v1/groups", json=body).json()
    answer = idle.client.get(f"/v1/groups/{group['id']}/sheet")
    assert answer.status_code == 409
    assert "3 queued" in answer.json()["detail"]


def test_deleted_jobs_are_gone_and_what_is_left_out_is_said(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = finished(door)
    door.client.delete(f"/v1/jobs/{group['jobs'][1]['id']}").raise_for_status()
    page = page_of(door, group)
    assert (page.count("<img "), "boat" in page, "Left out" in page) == (2, False, False)
    monkeypatch.setattr(contact_sheets, "MAX_PICTURES", 1)
    page = page_of(door, group)
    assert page.count("<img ") == 1
    assert f"Group {group['id']}: 1 of 2 jobs. Left out: 1 succeeded" in page
    for job in (group["jobs"][0], group["jobs"][2]):
        door.client.delete(f"/v1/jobs/{job['id']}").raise_for_status()
    assert door.client.get(f"/v1/groups/{group['id']}/sheet").status_code == 404


def test_jobs_that_have_not_finished_and_pictures_that_are_gone(door: Door) -> None:
    found = finished(door)
    assert door.client.portal is not None
    group = door.client.portal.call(door.service.jobs.group, found["id"])
    first, *others = group.jobs
    running = replace(group, jobs=(replace(first, status="running"), *others))
    wanted = sheet_of(running, SheetFormat.HTML, tile=64, columns=None)
    assert len(wanted.pictures) == 2
    assert wanted.title.endswith(": 2 of 3 jobs. Left out: 1 running")
    assert isinstance(wanted.pictures[0], Path)
    wanted.pictures[0].unlink()
    page = page_of(door, found)
    assert page.count("<img ") == 2
    assert "expected a file that can be read" in page
    assert str(door.service.jobs.data) not in page
    many = replace(group, jobs=group.jobs * 100)
    shown = [
        len(sheet_of(many, SheetFormat.PNG, tile=tile, columns=None).pictures)
        for tile in (64, 256, 512)
    ]
    assert shown == [MAX_PICTURES, MAX_PICTURES, 64]
    assert "Left out: 236 succeeded" in sheet_of(many, SheetFormat.PNG, tile=512, columns=1).title


def test_the_sheet_of_a_grid_has_its_labels(
    open_door: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = open_door(fake_engines(black_seeds=[8]))
    asked = {
        "preset": "draft",
        "input": {"prompt": "a <b>tent</b>"},
        "x": {"parameter": "text_to_image.width", "values": [64, 128, 192]},
        "y": {"parameter": "seed", "values": [7, 8]},
    }
    grid = door.client.post("/v1/grids", json=asked).raise_for_status().json()
    for cell in grid["cells"]:
        door.client.get(cell["job"]["links"]["events"])
    door.client.delete(f"/v1/jobs/{grid['cells'][1]['job']['id']}").raise_for_status()
    page = page_of(door, grid)
    for width in (64, 128, 192):
        assert f'<th scope="col">width {width}</th>' in page
    assert [f'<th scope="row">seed {seed}</th>' in page for seed in (7, 8)] == [True, True]
    assert page.count("<td>") == 6
    assert page.count("<img ") == 2
    assert page.count(">deleted<") == 1
    assert page.count(">failed: ") == 3
    assert "<h1>a &lt;b&gt;tent&lt;/b&gt;</h1>" in page
    assert "Prompt" not in page
    where = f"/v1/groups/{grid['id']}/sheet"
    with Image.open(BytesIO(door.client.get(where, params={"tile": 64}).content)) as image:
        assert 3 * 64 < image.width < 6 * 64
    refused = door.client.get(where, params={"columns": 2})
    assert (refused.status_code, "one for each value of x" in refused.text) == (422, True)
    monkeypatch.setattr(contact_sheets, "MAX_PICTURES", 3)
    page = page_of(door, grid)
    assert ("seed 7" in page, "seed 8" in page, "3 of 6 cells" in page) == (True, False, True)


def test_the_sheet_of_a_grid_waits_for_a_picture(idle: Door) -> None:
    axis = {"parameter": "lora:sketch", "values": [0.5, 1]}
    asked = {"preset": "draft", "input": {"prompt": "a tent"}, "x": axis}
    waiting = idle.client.post("/v1/grids", json=asked).json()
    answer = idle.client.get(f"/v1/groups/{waiting['id']}/sheet")
    assert (answer.status_code, "2 queued" in answer.text) == (409, True)


def test_a_sheet_that_would_be_too_high_is_refused(idle: Door, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(png(64, 512))
    wanted = ContactSheet("High", (picture,) * 40, SheetFormat.PNG, 512, 1)
    assert idle.client.portal is not None
    with pytest.raises(InputError, match="columns: expected a sheet of at most 16,384 pixels"):
        idle.client.portal.call(ContactSheets(idle.service.closing).make, wanted)
