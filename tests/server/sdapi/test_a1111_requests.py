"""Requests of the shapes in stable-diffusion-webui's own API tests (`test/test_*.py`), all served.

One server process over the models that ship, as those tests run against a server with its model.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from PIL import Image, ImageDraw

from tests.server.doors import PATIENCE, Served, opened, served
from tests.server.sdapi.orders import b64

COMMON: dict[str, Any] = {
    "batch_size": 1, "cfg_scale": 7, "eta": 0, "height": 64, "n_iter": 1, "negative_prompt": "",
    "prompt": "example prompt", "restore_faces": False, "s_churn": 0, "s_noise": 1, "s_tmax": 0,
    "s_tmin": 0, "sampler_index": "Euler a", "seed": -1, "seed_resize_from_h": -1,
    "seed_resize_from_w": -1, "steps": 3, "styles": [], "subseed": -1, "subseed_strength": 0,
    "tiling": False, "width": 64,
}  # fmt: skip
TXT2IMG = {
    **COMMON, "denoising_strength": 0, "enable_hr": False, "firstphase_height": 0,
    "firstphase_width": 0,
}  # fmt: skip
IMG2IMG = {
    **COMMON, "denoising_strength": 0.75, "include_init_images": False, "inpaint_full_res": False,
    "inpaint_full_res_padding": 0, "inpainting_fill": 0, "inpainting_mask_invert": False,
    "mask": None, "mask_blur": 4, "override_settings": {}, "resize_mode": 0,
}  # fmt: skip
EXTRAS = {
    "resize_mode": 0, "show_extras_results": True, "gfpgan_visibility": 0,
    "codeformer_visibility": 0, "codeformer_weight": 0, "upscaling_resize": 2,
    "upscaling_resize_w": 128, "upscaling_resize_h": 128, "upscaling_crop": True,
    "upscaler_1": "Lanczos", "upscaler_2": "None", "extras_upscaler_2_visibility": 0,
}  # fmt: skip
COMPLEX = "((emphasis)), (emphasis1:1.1), [to:1], [from::2], [from:to:0.3], [alt|alt1]"
LISTS = (
    "cmd-flags", "samplers", "upscalers", "sd-models", "hypernetworks", "face-restorers",
    "realesrgan-models", "prompt-styles", "embeddings",
)  # fmt: skip


def scene(side: int = 128) -> Image.Image:
    image = Image.linear_gradient("L").resize((side, side)).convert("RGB")
    ImageDraw.Draw(image).ellipse((side // 4, side // 4, side // 2, side // 2), fill=(200, 40, 40))
    return image


def middle(side: int = 128) -> Image.Image:
    mask = Image.new("L", (side, side), 0)
    mask.paste(255, (side // 4, side // 4, 3 * side // 4, 3 * side // 4))
    return mask


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    environment = {"OMP_NUM_THREADS": "1"}
    folder = tmp_path_factory.mktemp("a1111")
    with served(folder, builtin=True, environment=environment) as found:
        yield found


def posted(here: Served, name: str, body: dict[str, Any]) -> dict[str, Any]:
    url = f"{here.url}/sdapi/v1/{name}"
    answer = httpx.post(url, json=body, headers=here.headers(), timeout=10 * PATIENCE)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    ("changed", "count", "size"),
    [
        ({}, 1, (64, 64)),
        ({"negative_prompt": "example negative prompt"}, 1, (64, 64)),
        ({"prompt": COMPLEX}, 1, (64, 64)),
        ({"height": 128}, 1, (64, 128)),
        ({"enable_hr": True}, 1, (128, 128)),
        ({"tiling": True}, 1, (64, 64)),
        ({"restore_faces": True}, 1, (64, 64)),
        ({"sampler_index": "PLMS"}, 1, (64, 64)),
        ({"sampler_index": "DDIM"}, 1, (64, 64)),
        ({"sampler_index": "UniPC"}, 1, (64, 64)),
        ({"n_iter": 2}, 2, (64, 64)),
        ({"batch_size": 2}, 2, (64, 64)),
    ],
)
def test_txt2img(here: Served, changed: dict[str, Any], count: int, size: tuple[int, int]) -> None:
    answer = posted(here, "txt2img", {**TXT2IMG, **changed})
    info = json.loads(answer["info"])
    assert len(answer["images"]) == len(info["all_seeds"]) == count
    assert _sizes(answer["images"]) == {size}
    assert any("restore_faces" in line for line in info["warnings"]) == ("restore_faces" in changed)
    assert ("Tiling: True" in info["infotexts"][0]) == ("tiling" in changed)


@pytest.mark.parametrize(
    ("changed", "size"),
    [
        ({}, (64, 64)),
        ({"mask": b64(middle())}, (64, 64)),
        ({"mask": b64(middle()), "inpainting_mask_invert": True}, (64, 64)),
        ({"script_name": "sd upscale", "script_args": ["", 8, "Lanczos", 2.0]}, (256, 256)),
    ],
)
def test_img2img(here: Served, changed: dict[str, Any], size: tuple[int, int]) -> None:
    answer = posted(here, "img2img", {**IMG2IMG, "init_images": [b64(scene())], **changed})
    assert _sizes(answer["images"]) == {size}


@pytest.mark.parametrize(("body", "size"), [(EXTRAS, 256), ({}, 128), ({"model": "clip"}, 128)])
def test_extras(here: Served, body: dict[str, Any], size: int) -> None:
    answer = posted(here, "extra-single-image", {**body, "image": b64(scene())})
    assert _sizes([answer["image"]]) == {(size, size)}


def test_options_can_be_written(here: Served) -> None:
    def send_seed() -> bool:
        url = f"{here.url}/sdapi/v1/options"
        return bool(httpx.get(url, headers=here.headers()).json()["send_seed"])

    before = send_seed()
    url = f"{here.url}/sdapi/v1/options"
    answer = httpx.post(url, json={"send_seed": not before}, headers=here.headers())
    assert answer.status_code == 200
    assert send_seed() is not before


@pytest.mark.parametrize("name", LISTS)
def test_lists(here: Served, name: str) -> None:
    answer = httpx.get(f"{here.url}/sdapi/v1/{name}", headers=here.headers())
    assert answer.status_code == 200


def _sizes(images: list[str]) -> set[tuple[int, int]]:
    return {opened(base64.b64decode(image)).size for image in images}
