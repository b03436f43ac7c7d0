"""OpenAI's edits on an edit model: one or several images, changed or combined by the prompt."""

from __future__ import annotations

from typing import Any

import pytest

from tests.server.conftest import Door, Open, png
from tests.support import recording_engines


def edits(door: Door, *images: bytes, mask: bytes | None = None, **fields: str) -> Any:
    files = [("image[]" if len(images) > 1 else "image", ("a.png", item)) for item in images]
    if mask is not None:
        files.append(("mask", ("mask.png", mask)))
    data = {"prompt": "a house", **fields}
    return door.client.post("/v1/images/edits", data=data, files=files)


@pytest.mark.parametrize("count", [1, 3])
def test_images_are_references(open_door: Open, count: int) -> None:
    engines, requests = recording_engines(pipeline_class="QwenImageEditPlusPipeline")
    door = open_door(engines)
    images = [png(96, 48), png(64, 64, seed=2), png(32, 32, seed=3)][:count]
    answer = edits(door, *images, input_fidelity="high")
    assert answer.status_code == 200, answer.text
    assert answer.json()["size"] == "96x48"
    assert [text for text in answer.json()["warnings"] if text.startswith("input_fidelity")]
    (request,) = requests
    assert type(request).__name__ == "TextToImage"
    assert [item.shape[1] for item in request.references] == [96, 64, 32][:count]


@pytest.mark.parametrize(
    ("pipeline_class", "count", "says"),
    [
        (None, 2, "image: expected one image, got 2"),
        ("FluxKontextPipeline", 2, "image: expected one image, got 2"),
        ("QwenImageEditPlusPipeline", 9, "image: expected 1 to 8 images, got 9"),
    ],
)
def test_more_than_the_model_takes_is_refused(
    open_door: Open, pipeline_class: str | None, count: int, says: str
) -> None:
    engines, _ = recording_engines(pipeline_class=pipeline_class)
    door = open_door(engines, worker=False)
    answer = edits(door, *[png()] * count)
    assert answer.status_code == 400, answer.text
    assert says in answer.json()["error"]["message"]
