"""`POST /v1/inspect`, and A1111's png-info and interrogate through the same code."""

from __future__ import annotations

import base64
import json
from typing import Any

from ninefold.testing import fake_engines
from tests.readers.comfyui import basic
from tests.readers.makers import jpeg, picture, png, saved
from tests.readers.samples import A1111, NOVELAI, novelai_texts
from tests.server.conftest import Door, Open


def _sent(door: Door, data: bytes) -> Any:
    return door.client.post("/v1/inspect", files={"file": ("a.png", data)})


def test_a_file_is_inspected_and_its_config_runs(idle: Door) -> None:
    answer = _sent(idle, png({"prompt": basic()}))
    assert answer.status_code == 200
    found = answer.json()
    assert (found["generation"]["tool"], found["format"]) == ("ComfyUI", "png")
    assert found["models"][0]["at_hand"] is False
    assert "whoever runs this service" in found["notes"][0]
    config = {**found["config"], "model": "poster"}  # what it names is not here
    size = {"text_to_image.width": 128, "text_to_image.height": 128}
    asked = {"config": config, "input": {}, "overrides": size}
    job = idle.client.post("/v1/jobs", json=asked)
    assert job.status_code == 202, job.text
    assert job.json()["config"]["prompt"] == "a red house"


def test_a_file_that_says_nothing_or_cannot_be_read(idle: Door) -> None:
    found = _sent(idle, saved(picture(), "PNG")).json()
    assert (found["generation"], found["config"], found["not_taken_over"]) == (None, None, [])
    refused = _sent(idle, b"GIF89a")
    assert refused.status_code == 422
    assert "convert it" in refused.text


def test_limits_and_keys_come_before_reading(open_door: Open) -> None:
    door = open_door(worker=False, max_image_bytes=2000)
    large = _sent(door, png({"parameters": "x" * 5000}))
    assert large.status_code == 413
    pixels = open_door(worker=False, max_image_pixels=100)
    assert "expected at most" in _sent(pixels, png({"parameters": A1111})).text


def test_models_that_are_not_served_are_not_told(open_door: Open) -> None:
    door = open_door(worker=False, engines=fake_engines())
    text = "a\nSteps: 2, Sampler: Euler, Seed: 1, Size: 64x64, Model: poster"
    model = _sent(door, png({"parameters": text})).json()["models"][0]
    assert (model["here"], model["found_by"]) == ("poster", "name")
    assert "path" not in json.dumps(model)


def test_png_info_reads_every_tool(idle: Door) -> None:
    def info(data: bytes) -> dict[str, Any]:
        image = base64.b64encode(data).decode()
        found: dict[str, Any] = idle.client.post("/sdapi/v1/png-info", json={"image": image}).json()
        return found

    own = info(jpeg(A1111))
    assert (own["info"], own["parameters"]["Seed"]) == (A1111, "123")
    novelai = info(png(novelai_texts(NOVELAI)))
    assert novelai["info"].splitlines()[0] == "(a:1.1025) house"
    assert novelai["parameters"]["Sampler"] == "Euler a"
    assert novelai["parameters"]["Version"] == "NovelAI"
    graph = info(png({"prompt": basic()}))
    assert graph["parameters"]["Model"] == "sdxl/base.safetensors"
    assert (graph["parameters"]["Size-1"], graph["parameters"]["Size-2"]) == (512, 768)
    assert info(saved(picture(), "PNG")) == {"info": "", "items": {}, "parameters": {}}
    image = base64.b64encode(png({"prompt": basic()})).decode()
    caption = idle.client.post("/sdapi/v1/interrogate", json={"image": image}).json()
    assert caption == {"caption": "a red house"}
