"""Models of the operator's folders, as clients see and name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from ninefold.engines.defaults import build_engines
from ninefold.engines.settings import EngineSettings
from tests.local_models.conftest import checkpoint, diffusers_folder, lora, own_cache
from tests.server.conftest import JOB, Door, Open

__all__ = ["own_cache"]


@pytest.fixture
def door(open_door: Open, tmp_path: Path) -> Door:
    folder = tmp_path / "webui" / "models"
    diffusers_folder(folder / "Stable-diffusion" / "paint", "StableDiffusionPipeline")
    checkpoint(folder / "Stable-diffusion" / "sdxl" / "twin.safetensors", fill=b"1")
    checkpoint(folder / "Stable-diffusion" / "sd15" / "twin.safetensors", fill=b"2")
    lora(
        folder / "Lora" / "ink.safetensors",
        {
            "modelspec.title": "Ink",
            "modelspec.license": "MIT",
            "modelspec.trigger_phrase": "ink drawing",
        },
    )
    settings = EngineSettings(
        device="cpu",
        model_folders=(tmp_path / "webui",),
        library=tmp_path / "library",
        loras=tmp_path / "loras",
    )
    return open_door(engines=build_engines(settings), worker=False)


def test_models_are_listed_with_what_they_are_and_without_paths(door: Door, tmp_path: Path) -> None:
    answer = door.client.get("/v1/models")
    assert str(tmp_path) not in answer.text
    found = answer.json()
    models = {item["id"]: item for item in found["data"]}
    assert {"poster", "paint", "sdxl/twin", "sd15/twin"} <= models.keys()
    paint = models["paint"]
    assert paint["family"] == "Stable Diffusion"
    assert paint["format"] == "diffusers"
    assert paint["capabilities"]["starts from"] == "a prompt, an image, an image and a mask"
    assert "ink" in found["loras"]
    assert found["details"] == [
        {
            "id": "ink",
            "kind": "lora",
            "family": "Stable Diffusion 1",
            "format": "safetensors",
            "precision": "fp16",
            "parameters": 4353,
            "size_bytes": (tmp_path / "webui/models/Lora/ink.safetensors").stat().st_size,
            "title": "Ink",
            "license": "MIT",
            "triggers": ["ink drawing"],
        }
    ]
    assert door.client.get("/v1/models/sdxl/twin").json()["id"] == "sdxl/twin"


def test_clients_of_a1111_see_them_too(door: Door, tmp_path: Path) -> None:
    models = door.client.get("/sdapi/v1/sd-models")
    assert {"poster", "paint"} <= {item["model_name"] for item in models.json()}
    loras = door.client.get("/sdapi/v1/loras")
    assert str(tmp_path) not in models.text + loras.text
    (ink,) = [item for item in loras.json() if item["name"] == "ink"]
    assert ink["metadata"] == {
        "modelspec.title": "Ink",
        "modelspec.license": "MIT",
        "modelspec.trigger_phrase": "ink drawing",
        "ss_base_model_version": "Stable Diffusion 1",
    }


def test_requests_name_them_by_their_short_names_alone(door: Door, tmp_path: Path) -> None:
    def answer(model: str) -> tuple[int, str]:
        given = {**JOB["input"], "model": model}
        found = door.client.post("/v1/jobs", json={**JOB, "input": given})
        return found.status_code, found.text

    assert answer("paint")[0] == 202
    path = tmp_path / "webui" / "models" / "Stable-diffusion" / "paint"
    for model in (str(path), "twin", f"paint|{path}", "nothing"):
        status, text = answer(model)
        assert status == 422, text
        assert "is not served here" in text, (model, text)
