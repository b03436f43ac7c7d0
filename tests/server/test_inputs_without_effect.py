"""The service refuses inputs that would do nothing, and sizes that no model can do, at submit."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.files.decode import decode
from tests.files.colours import DISPLAY_P3
from tests.server.conftest import Door


def picture(size: tuple[int, int], level: int, **options: Any) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", size, (level, level, level)).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("image", "mask", "says"),
    [
        ((64, 64), ((64, 64), 0), "mask: expected white where to paint, got none"),
        ((64, 64), ((64, 32), 255), "mask: expected the shape of the image, 64x64"),
        (None, ((64, 64), 255), "takes a mask only with an image"),
        ((2000, 8), None, "expected at most 16 times as long as wide"),
    ],
)
def test_refused_at_submit(
    idle: Door,
    image: tuple[int, int] | None,
    mask: tuple[tuple[int, int], int] | None,
    says: str,
) -> None:
    given: dict[str, str] = {"prompt": "a red house"}
    if image is not None:
        given["image"] = idle.upload(picture(image, 90))
    if mask is not None:
        given["mask"] = idle.upload(picture(*mask), kind="mask")
    for document in ({"input": given}, {"inputs": [given]}):
        path = "/v1/jobs" if "input" in document else "/v1/groups"
        answer = idle.client.post(path, json={"preset": "draft", **document})
        assert answer.status_code == 422, answer.text
        assert says in answer.text
    assert idle.client.get("/v1/jobs").json()["jobs"] == []


def test_an_uploads_colours_come_in_by_its_profile(door: Door) -> None:
    buffer = BytesIO()
    Image.new("RGB", (64, 64), (230, 90, 60)).save(buffer, "PNG", icc_profile=DISPLAY_P3)
    mask = np.zeros((64, 64), np.uint8)
    mask[:16] = 255
    white = BytesIO()
    Image.fromarray(mask).save(white, "PNG")
    job = door.done(
        {
            "preset": "draft",
            "input": {
                "prompt": "a red house",
                "image": door.upload(buffer.getvalue()),
                "mask": door.upload(white.getvalue(), kind="mask"),
            },
        }
    )
    final = decode(door.client.get(job["outputs"][0]["url"]).content)
    below = final[final.shape[0] // 2 :]
    assert np.abs(below.astype(int) - (249, 77, 45)).max() <= 1


def test_a_broken_profile_is_refused_with_the_upload(idle: Door) -> None:
    data = picture((8, 8), 90, icc_profile=b"nonsense")
    answer = idle.client.post("/v1/uploads", files={"file": ("a.png", data)})
    assert answer.status_code == 422
    assert "colour profile" in answer.text
    assert "export it as sRGB" in answer.text
