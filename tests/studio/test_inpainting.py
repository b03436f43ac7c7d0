"""A mask is painted over a picture, and that part is painted again."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image, ImageChops
from playwright.sync_api import Page, expect

from tests.server.process import ServerProcess
from tests.studio.axe import violations
from tests.studio.conftest import Studio
from tests.studio.jobs import finished


def published(client: Any, job_id: str) -> Image.Image:
    found = client.get(f"/v1/jobs/{job_id}", params={"wait": 50}).json()
    assert found["status"] == "succeeded", found["error"]
    return Image.open(BytesIO(client.get(found["outputs"][0]["url"]).content)).convert("RGB")


def marks(page: Page) -> int:
    """How many pixels are marked."""
    found: int = page.locator(".mask-canvas canvas").evaluate(
        """canvas => {
            const context = canvas.getContext("2d");
            const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
            return data.filter((level, at) => at % 4 === 3 && level >= 128).length;
        }"""
    )
    assert found > 0
    return found


def test_only_what_the_brush_marked_changes(
    studio: Studio,
    served: ServerProcess,
    job: dict[str, Any],
) -> None:
    page = studio.page(f"/jobs/{job['id']}")
    page.get_by_role("link", name="Paint a part again").click()
    paint = page.get_by_role("button", name="Paint inside the mask")
    expect(paint).to_be_disabled()
    canvas = page.get_by_role("group", name="Mask")
    # It has its size once its picture is there.
    canvas.get_by_role("img").evaluate("image => image.decode()")
    box = canvas.bounding_box()
    assert box is not None
    for tool, at in (("Brush", 0.3), ("Brush", 0.7), ("Eraser", 0.7)):
        page.get_by_role("button", name="Tool").click()
        page.get_by_role("option", name=tool).click()
        page.mouse.move(box["x"] + at * box["width"], box["y"] + 0.4 * box["height"])
        page.mouse.down()
        page.mouse.move(box["x"] + at * box["width"], box["y"] + 0.6 * box["height"], steps=4)
        page.mouse.up()
    assert violations(page) == []
    page.get_by_role("textbox", name="Prompt of the part").fill("a blue door")
    page.get_by_role("textbox", name="Strength").fill("1")
    page.get_by_role("textbox", name="Feather").fill("0")
    expect(page.get_by_text("The mask is kept")).to_be_visible()
    marked = marks(page)
    # Another machine, or this browser after a restart.
    elsewhere = studio.page(page.url.removeprefix(f"{studio.url}/studio"))
    expect(elsewhere.get_by_text("The mask is kept")).to_be_visible()
    assert marks(elsewhere) == marked
    page.reload()
    expect(page.get_by_text("The mask is kept")).to_be_visible()
    assert marks(page) == marked
    expect(page.get_by_role("textbox", name="Prompt of the part")).to_have_value("a blue door")
    paint.click()
    page.wait_for_url(lambda url: "inpaint" not in url and job["id"] not in url)
    with served.client() as client:
        before = published(client, job["id"])
        after = published(client, page.url.rpartition("/")[2])
    # The watermark changes every pixel by a little.
    seen = ImageChops.difference(before, after).point(lambda level: 255 * (level > 40))
    changed = seen.getbbox()
    assert changed is not None
    left, top, right, bottom = (
        side / length for side, length in zip(changed, (*before.size, *before.size), strict=True)
    )
    # A brush is an eighth wide; what the eraser took away on the right stays as it was.
    assert 0.2 < left < right < 0.4
    assert 0.3 < top < bottom < 0.7


def test_a_mask_is_painted_by_keyboard_alone(studio: Studio, job: dict[str, Any]) -> None:
    page = studio.page(f"/jobs/{job['id']}/inpaint")
    canvas = page.get_by_role("group", name="Mask")
    canvas.press("ArrowLeft")
    canvas.press(" ")
    page.get_by_role("button", name="Paint inside the mask").press("Enter")
    page.wait_for_url(lambda url: "inpaint" not in url)
    expect(page.get_by_text("succeeded")).to_be_visible()


def test_a_large_mask_is_written_whole(studio: Studio, served: ServerProcess) -> None:
    side = 2048
    stages: list[dict[str, Any]] = [
        {"stage": "prompt"},
        {"stage": "text_to_image", "params": {"width": side // 8, "height": side // 8}},
        {"stage": "upscaler", "params": {"upscale_factor": 8}},
    ]
    asked = {"config": {"stages": stages}, "input": {"prompt": "a red house", "seed": 7}}
    with served.client() as client:
        job = finished(client, "/v1/jobs", asked)
        page = studio.page(f"/jobs/{job['id']}/inpaint")
        page.get_by_role("group", name="Mask").press("Space")
        page.get_by_role("button", name="Invert").click()
        expect(page.get_by_text("The mask is kept")).to_be_visible()
        upload = parse_qs(urlsplit(page.url).fragment)["mask"][0]
        sent = client.get(f"/v1/uploads/{upload}/file").raise_for_status().content
    with Image.open(BytesIO(sent)) as image:
        mask = np.asarray(image.convert("L"))
    assert mask.shape == (side, side)
    across, down = np.meshgrid(np.arange(side) - side / 2, np.arange(side) - side / 2)
    away = np.hypot(across, down)
    # A brush of an eighth of the width was put down in the middle, and all was turned over.
    assert (mask[away < side / 16 - 2] == 0).all()
    assert (mask[away > side / 16 + 2] == 255).all()
    assert set(np.unique(mask)) == {0, 255}
