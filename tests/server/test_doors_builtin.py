"""Both client packages make, edit, upscale and stream images with the model that ships."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx2 as httpx
import numpy as np
import openai
import pytest
import webuiapi
from PIL import Image

from ninefold.engines.defaults import default_engines
from ninefold.engines.diffusion import ModelInfo
from ninefold.files.embed import read_infotext
from ninefold.files.infotext import parse_infotext
from tests.server.doors import Served, opened, served

pytestmark = pytest.mark.slow

PROMPT = "a red house in snowy mountains"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("builtin"), builtin=True) as found:
        yield found


@pytest.fixture(scope="module")
def model() -> ModelInfo:
    return default_engines().diffusion.describe("poster")


@pytest.fixture
def client(here: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{here.url}/v1", api_key=here.key, max_retries=0) as found:
        yield found


@pytest.fixture
def api(here: Served) -> Iterator[Any]:
    found = webuiapi.WebUIApi("127.0.0.1", here.port, username="any", password=here.key)
    yield found
    found.session.close()


def data_of(image: Any) -> bytes:
    assert image.b64_json is not None
    return base64.b64decode(image.b64_json)


def contrast(image: Image.Image) -> float:
    """Standard deviation of luma, in levels of 255: low for an image of nothing."""
    return float(np.array(image.convert("L")).std())


def hole(size: tuple[int, int], box: tuple[int, int, int, int]) -> bytes:
    """A mask of OpenAI's: transparent in the box."""
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), box)
    out = BytesIO()
    mask.save(out, "PNG")
    return out.getvalue()


def test_openai_makes_and_edits(client: openai.OpenAI, model: ModelInfo) -> None:
    width, height = (2 * side for side in model.native_size)
    answer = client.images.generate(
        prompt=PROMPT,
        size=f"{width}x{height}",
        quality="low",
        extra_body={"seed": 7},
    )
    assert answer.data is not None
    data = data_of(answer.data[0])
    image = opened(data)
    assert image.size == (width, height)
    assert contrast(image) > 8
    info = read_infotext(data)
    assert info is not None
    assert info.prompt == PROMPT
    assert info.size == model.native_size
    assert (info.fields["Seed"], info.fields["Model hash"]) == ("7", model.hash[:10])
    assert info.fields["Hires upscale"] == "2"

    box = (width // 4, height // 4, width // 2, height // 2)
    edited = client.images.edit(
        image=("a.png", data), mask=("mask.png", hole(image.size, box)), prompt="a blue house"
    )
    assert edited.data is not None
    result = opened(data_of(edited.data[0]))
    changed = (np.array(image) != np.array(result)).any(axis=2)
    left, top, right, bottom = box
    assert changed[top:bottom, left:right].mean() > 0.5
    changed[top - 16 : bottom + 16, left - 16 : right + 16] = False
    assert not changed.any()
    reported = read_infotext(data_of(edited.data[0]))
    assert reported is not None
    assert (reported.prompt, reported.fields["Inpaint area"]) == ("a blue house", "Only masked")


def test_several_images_of_one_request_are_made_in_one_call(
    here: Served, client: openai.OpenAI, api: Any
) -> None:
    def sizes(count: int) -> list[int]:
        """How many images each of the newest jobs was made with."""
        found = []
        for job in here.jobs()[:count]:
            answer = httpx.get(f"{here.url}/v1/jobs/{job['id']}", headers=here.headers())
            found.append(answer.json()["metadata"]["text_to_image"].get("batch_size", 1))
        return found

    made = api.txt2img(prompt=PROMPT, width=64, height=64, steps=4, batch_size=3)
    assert len(made.images) == 3
    assert sizes(3) == [3, 3, 3]
    answer = client.images.generate(prompt=PROMPT, size="128x128", quality="low", n=2)
    assert len(answer.data or ()) == 2
    assert sizes(2) == [2, 2]


def test_openai_streams(client: openai.OpenAI, model: ModelInfo) -> None:
    *partial, last = client.images.generate(prompt=PROMPT, stream=True, partial_images=2)
    assert 1 <= len(partial) <= 2
    assert last.type == "image_generation.completed"
    image = opened(data_of(last))
    assert image.size == tuple(2 * side for side in model.native_size)
    assert all(opened(data_of(event)).size == image.size for event in partial)
    assert contrast(image) > 8


def test_a_lora_named_in_the_prompt_acts(client: openai.OpenAI) -> None:
    pictures = []
    for prompt in (PROMPT, f"{PROMPT} <lora:night-neon:0.8>"):
        answer = client.images.generate(prompt=prompt, quality="low", extra_body={"seed": 7})
        assert answer.data is not None
        pictures.append(np.array(opened(data_of(answer.data[0]))).astype(float))
    day, night = pictures
    assert np.abs(day - night).mean() > 8
    assert night.mean() < day.mean()  # as its name says


def test_webuiapi_makes_edits_and_enlarges(api: Any, model: ModelInfo) -> None:
    width, height = model.native_size
    made = api.txt2img(
        prompt=PROMPT, seed=7, width=width, height=height, steps=model.steps,
        cfg_scale=model.guidance_scale, sampler_name="Default", enable_hr=True, hr_scale=2,
        hr_upscaler="2x", denoising_strength=0.3,
        adetailer=[webuiapi.ADetailer(ad_model="detector", ad_confidence=0.2)],
    )  # fmt: skip
    assert made.image.size == (2 * width, 2 * height)
    assert contrast(made.image) > 8
    info = parse_infotext(api.png_info(made.image).info)
    assert info.prompt == PROMPT
    assert info.size == model.native_size
    assert info.fields["Steps"] == str(model.steps)
    assert (info.fields["Seed"], info.fields["Model hash"]) == ("7", model.hash[:10])
    assert info.fields["Hires upscaler"] == "2x"
    assert info.fields["Denoising strength"] == "0.3"

    again = api.img2img(
        images=[made.image], prompt=PROMPT, width=width, height=height, denoising_strength=0.5,
        sampler_name="Default",
    )  # fmt: skip
    assert again.image.size == (width, height)
    assert parse_infotext(api.png_info(again.image).info).fields["Denoising strength"] == "0.5"

    large = api.extra_single_image(again.image, upscaler_1="4x", upscaling_resize=3)
    assert large.image.size == (3 * width, 3 * height)
    fields = parse_infotext(api.png_info(large.image).info).fields
    assert fields["Postprocess upscale by"] == "3"
