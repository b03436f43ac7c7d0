"""The `openai` package against a server process over the fake engines."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import httpx2 as httpx
import numpy as np
import openai
import pytest
from PIL import Image

from ninefold.files.embed import read_infotext
from tests.server.doors import Served, opened, picture_file, served


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    environment = {"NINEFOLD_OPENAI_MODELS": "gpt-image-1=poster"}
    folder = tmp_path_factory.mktemp("openai")
    with served(folder, engines={"steps_delay": 0.05}, environment=environment) as found:
        yield found


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("slow"), engines={"steps_delay": 2.0}) as found:
        yield found


@pytest.fixture
def client(here: Served) -> Iterator[openai.OpenAI]:
    with client_of(here) as found:
        yield found


def client_of(place: Served, key: str | None = None, **options: Any) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{place.url}/v1", api_key=key or place.key, max_retries=0, **options
    )


def data_of(image: Any) -> bytes:
    assert image.b64_json is not None
    return base64.b64decode(image.b64_json)


# -- generations -----------------------------------------------------------------------------------


def test_images_are_made_and_say_how(client: openai.OpenAI) -> None:
    answer = client.images.generate(
        model="gpt-image-1", prompt="a red house", n=2, size="512x512", extra_body={"seed": 7}
    )
    assert answer.data is not None
    assert (answer.size, answer.quality, answer.output_format) == ("512x512", "medium", "png")
    for number, image in enumerate(answer.data):
        data = data_of(image)
        assert opened(data).size == (512, 512)
        info = read_infotext(data)
        assert info is not None
        assert info.prompt == "a red house"
        assert info.fields["Seed"] == str(7 + number)
        assert info.fields["Model"] == "poster"
        width, height = info.size or (0, 0)
        factor = float(info.fields["Hires upscale"])
        assert (width * factor, height * factor) == (512, 512)


def test_the_seed_in_the_answer_makes_the_image_again(client: openai.OpenAI) -> None:
    first = client.images.generate(prompt="a tree", quality="low")
    assert first.data is not None
    seed = first.data[0].seed  # type: ignore[attr-defined]
    again = client.images.generate(prompt="a tree", quality="low", extra_body={"seed": seed})
    assert again.data is not None
    assert data_of(first.data[0]) == data_of(again.data[0])


def test_formats(client: openai.OpenAI) -> None:
    sizes = []
    for compression in (20, 95):
        answer = client.images.generate(
            prompt="a tree",
            output_format="jpeg",
            output_compression=compression,
            extra_body={"seed": 7},
        )
        assert answer.data is not None
        data = data_of(answer.data[0])
        assert opened(data).format == "JPEG"
        sizes.append(len(data))
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_a_transparent_background(client: openai.OpenAI, output_format: Any) -> None:
    answer = client.images.generate(
        prompt="a tree", background="transparent", output_format=output_format, quality="low"
    )
    assert answer.data is not None
    assert answer.background == "transparent"
    image = opened(data_of(answer.data[0]))
    assert image.mode == "RGBA"
    alpha = np.array(image)[..., 3]
    assert alpha[0, 0] == 0
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] == 255
    opaque = client.images.generate(prompt="a tree", background="opaque", quality="low")
    assert opaque.background == "opaque"
    assert opaque.data is not None
    assert opened(data_of(opaque.data[0])).mode == "RGB"


def test_a_link_needs_no_key_and_opens_nothing_else(here: Served, client: openai.OpenAI) -> None:
    answer = client.images.generate(prompt="a tree", response_format="url", quality="low")
    assert answer.data is not None
    url = answer.data[0].url
    assert url is not None
    assert url.startswith(here.url)
    image = httpx.get(url)
    assert image.headers["content-type"] == "image/png"
    assert opened(image.content).format == "PNG"
    assert httpx.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 403
    bare = url.partition("?")[0]
    assert httpx.get(bare).status_code == 401
    assert httpx.get(bare, headers=here.headers(here.other)).status_code == 404
    assert httpx.get(bare, headers=here.headers()).content == image.content


def test_a_lora_named_in_the_prompt_acts(client: openai.OpenAI) -> None:
    pictures, hashes = [], []
    for prompt in ("a tree", "a tree <lora:sketch:0.8>", "a tree <lora:sketch:0.4>"):
        answer = client.images.generate(prompt=prompt, quality="low", extra_body={"seed": 7})
        assert answer.data is not None
        data = data_of(answer.data[0])
        pictures.append(opened(data).tobytes())
        info = read_infotext(data)
        assert info is not None
        hashes.append(info.fields.get("Lora hashes", ""))
    assert len(set(pictures)) == 3
    assert hashes[0] == ""
    assert all(text.startswith("sketch: ") for text in hashes[1:])


# -- edits -----------------------------------------------------------------------------------------


def test_an_edit_changes_the_transparent_place_alone(client: openai.OpenAI) -> None:
    image = picture_file(300, 200)
    hole = Image.new("RGBA", (300, 200), (0, 0, 0, 255))
    hole.paste((0, 0, 0, 0), (120, 60, 180, 120))
    mask = BytesIO()
    hole.save(mask, "PNG")
    answer = client.images.edit(
        image=("a.png", image), mask=("mask.png", mask.getvalue()), prompt="a blue tree"
    )
    assert answer.data is not None
    data = data_of(answer.data[0])
    before, after = (np.array(opened(file)).astype(int) for file in (image, data))
    changed = (before != after).any(axis=2)
    assert changed[60:120, 120:180].mean() > 0.9
    changed[50:130, 110:190] = False
    assert not changed.any()
    info = read_infotext(data)
    assert info is not None
    assert (info.prompt, info.fields["Inpaint area"]) == ("a blue tree", "Only masked")


def test_an_edit_of_the_whole_image(client: openai.OpenAI) -> None:
    image = picture_file(256, 256)
    answer = client.images.edit(image=[("a.png", image)], prompt="a tree", size="512x512", n=2)
    assert answer.data is not None
    assert [opened(data_of(item)).size for item in answer.data] == [(512, 512)] * 2
    info = read_infotext(data_of(answer.data[0]))
    assert info is not None
    assert 0 < float(info.fields["Denoising strength"]) < 1


@pytest.mark.parametrize("size", [(300, 201), (40, 30)])
def test_an_edit_of_auto_size_keeps_the_sources(
    client: openai.OpenAI, size: tuple[int, int]
) -> None:
    answer = client.images.edit(image=("a.png", picture_file(*size)), prompt="a tree", size="auto")
    assert answer.data is not None
    assert opened(data_of(answer.data[0])).size == size
    assert answer.size == "{}x{}".format(*size)


def test_variations(client: openai.OpenAI) -> None:
    file = picture_file(256, 256)
    with pytest.deprecated_call():  # OpenAI itself has given them up
        answer = client.images.create_variation(image=("a.png", file), n=2)
    assert answer.data is not None
    images = [httpx.get(str(item.url)).content for item in answer.data]
    assert [opened(image).size for image in images] == [(256, 256)] * 2
    assert len({*images, file}) == 3


# -- streams ---------------------------------------------------------------------------------------


def test_a_stream_brings_previews_and_the_image(client: openai.OpenAI) -> None:
    stream = client.images.generate(
        prompt="a red house",
        size="512x512",
        stream=True,
        partial_images=3,
        extra_body={"seed": 7},
    )
    *partial, last = list(stream)
    assert 1 <= len(partial) <= 3
    for index, event in enumerate(partial):
        assert event.type == "image_generation.partial_image"
        assert event.partial_image_index == index
        assert opened(data_of(event)).size == (512, 512)
    assert last.type == "image_generation.completed"
    assert last.usage.total_tokens == 0
    same = client.images.generate(prompt="a red house", size="512x512", extra_body={"seed": 7})
    assert same.data is not None
    assert data_of(last) == data_of(same.data[0])


def test_a_streamed_edit(client: openai.OpenAI) -> None:
    stream = client.images.edit(image=("a.png", picture_file(256, 256)), prompt="x", stream=True)
    (event,) = list(stream)
    assert event.type == "image_edit.completed"
    assert event.size == "{}x{}".format(*opened(data_of(event)).size)


# -- errors ----------------------------------------------------------------------------------------


def test_errors_are_the_clients_own(here: Served, client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as absent:
        client.images.generate(model="dall-e-3", prompt="a tree")
    assert (absent.value.code, absent.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.BadRequestError) as wrong:
        client.images.generate(prompt="a tree", size="10x10", n=1)
    assert wrong.value.param == "size"
    assert wrong.value.type == "invalid_request_error"
    assert wrong.value.body == {
        "message": wrong.value.body["message"],  # type: ignore[index]
        "type": "invalid_request_error",
        "param": "size",
        "code": None,
    }
    with pytest.raises(openai.BadRequestError, match="background"):
        client.images.generate(prompt="a tree", background="transparent", output_format="jpeg")
    with client_of(here, "nf_wrong") as stranger, pytest.raises(openai.AuthenticationError):
        stranger.images.generate(prompt="a tree")
    with pytest.raises(openai.BadRequestError, match="image"):
        client.images.edit(image=("a.png", b"no image"), prompt="a tree")


def test_models_are_listed(client: openai.OpenAI) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert list(listed) == ["poster", "gpt-image-1"]
    for name, model in listed.items():
        found = client.models.retrieve(name)
        assert (found.id, found.object, found.owned_by) == (name, "model", "ninefold")
        assert found.created == model.created
    with pytest.raises(openai.NotFoundError) as absent:
        client.models.retrieve("owner/absent")
    assert (absent.value.code, absent.value.param) == ("model_not_found", "model")


# -- clients that go away --------------------------------------------------------------------------


def test_who_hangs_up_cancels_its_images(slow: Served) -> None:
    with client_of(slow, timeout=1.5) as client, pytest.raises(openai.APITimeoutError):
        client.images.generate(prompt="a tree", quality="low", n=2)
    slow.until("cancelled", 2)


def test_who_hangs_up_an_edit_cancels_it(slow: Served) -> None:
    with client_of(slow, timeout=1.5) as client, pytest.raises(openai.APITimeoutError):
        client.images.edit(image=("a.png", picture_file(128, 128)), prompt="a tree")
    slow.until("cancelled")


def test_who_leaves_a_stream_cancels_its_image(slow: Served) -> None:
    with client_of(slow) as client:
        stream = client.images.generate(
            prompt="a house", quality="low", stream=True, partial_images=3
        )
        next(iter(stream))
        stream.close()
    slow.until("cancelled")
