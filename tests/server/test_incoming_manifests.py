"""A C2PA manifest that comes in stays an ingredient, whatever a door does to the picture."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.files.opening import ImageLimits
from ninefold.files.signing.self_made import SelfMadeKey
from ninefold.files.signing.sign import FileSigner
from ninefold.server.blocking_requests import PUBLISHER
from ninefold.server.callers import LOCAL
from ninefold.server.sent_images import SentImage
from tests.certificates import active_manifest, validation
from tests.files.claims import UNTRUSTED, claim, image_file
from tests.server.conftest import Door
from tests.support import picture


@pytest.fixture(scope="module")
def photo() -> bytes:
    """A signed picture, one corner of it transparent."""
    pixels = np.dstack([picture(128, 128), np.full((128, 128), 255, np.uint8)])
    pixels[:40, :40, 3] = 0
    return FileSigner(SelfMadeKey(None)).sign(image_file("png", pixels), claim()).data


def text(data: bytes) -> str:
    """As A1111 takes it."""
    return base64.b64encode(data).decode()


def mask() -> Image.Image:
    """White where to paint."""
    drawn = Image.new("L", (128, 128), 0)
    drawn.paste(255, (32, 32, 96, 96))
    return drawn


def saved(image: Image.Image) -> bytes:
    """As PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def openai(door: Door, path: str, asked: dict[str, str], **files: bytes) -> bytes:
    """The image of an answer of OpenAI's API."""
    named = {name: (f"{name}.png", data, "image/png") for name, data in files.items()}
    asked = {"quality": "medium", "background": "opaque", **asked}
    answer = door.client.post(f"/v1/images/{path}", data=asked, files=named)
    assert answer.status_code == 200, answer.text
    return base64.b64decode(answer.json()["data"][0]["b64_json"])


def openai_edit(door: Door, photo: bytes) -> bytes:
    picture = Image.new("RGBA", (128, 128), "white")
    picture.putalpha(mask().point(lambda value: 255 - value))
    return openai(door, "edits", {"prompt": "a house"}, image=photo, mask=saved(picture))


def openai_variation(door: Door, photo: bytes) -> bytes:
    return openai(door, "variations", {"response_format": "b64_json"}, image=photo)


def a1111(door: Door, path: str, **asked: Any) -> bytes:
    """The image of an answer of A1111's API."""
    answer = door.client.post(f"/sdapi/v1/{path}", json={"prompt": "a house", "steps": 2, **asked})
    assert answer.status_code == 200, answer.text
    return base64.b64decode(answer.json()["images"][0])


def a1111_img2img(door: Door, photo: bytes) -> bytes:
    """In another shape."""
    size = {"width": 128, "height": 192, "resize_mode": 1}
    return a1111(door, "img2img", init_images=[text(photo)], **size)


def a1111_inpaint(door: Door, photo: bytes) -> bytes:
    """With its place filled before."""
    masked = {"mask": text(saved(mask())), "inpainting_fill": 0}
    return a1111(door, "img2img", init_images=[text(photo)], **masked)


def a1111_control(door: Door, photo: bytes) -> bytes:
    """The picture of a unit, in the shape of the image."""
    unit = {"model": "edges", "module": "none", "image": text(photo), "resize_mode": 1}
    scripts = {"controlnet": {"args": [unit]}}
    return a1111(door, "txt2img", width=128, height=192, alwayson_scripts=scripts)


def own_control(door: Door, photo: bytes) -> bytes:
    """An upload that a parameter names."""
    entry = {"model": "edges", "image": door.upload(photo), "preprocess": "none"}
    painted = {"stage": "text_to_image", "params": {"steps": 1, "control": [entry]}}
    job = door.done({"config": {"stages": [painted, PUBLISHER]}, "input": {"prompt": "a"}})
    (output,) = (item for item in job["outputs"] if item["name"].endswith(".png"))
    return door.client.get(output["url"]).content


def source_of_a_job(door: Door, photo: bytes) -> bytes:
    """What another job started from."""
    asked: dict[str, Any] = {"config": {"stages": [{"stage": "text_to_image"}, PUBLISHER]}}
    sent = {"prompt": "a", "image": door.upload(photo)}
    first = door.done({**asked, "input": sent})
    source = {"job": first["id"], "name": "source.png"}
    job = door.done({**asked, "input": {"prompt": "b", "image": source}})
    assert job["input"]["image"] == first["input"]["image"]
    (output,) = (item for item in job["outputs"] if item["name"].endswith(".png"))
    return door.client.get(output["url"]).content


@pytest.mark.parametrize(
    "send",
    [
        openai_edit,
        openai_variation,
        a1111_img2img,
        a1111_inpaint,
        a1111_control,
        own_control,
        source_of_a_job,
    ],
)
def test_it_is_kept(door: Door, photo: bytes, send: Callable[[Door, bytes], bytes]) -> None:
    data = send(door, photo)
    assert validation(data, "image/png") == ("Valid", UNTRUSTED)
    made = active_manifest(data, "image/png")
    kept = [item.get("active_manifest") for item in made["ingredients"]]
    assert active_manifest(photo, "image/png")["label"] in kept


def test_equal_pixels_with_other_manifests_are_other_uploads(photo: bytes) -> None:
    """Else who sends the same pixels would publish the manifest of somebody else's file."""
    with Image.open(io.BytesIO(photo)) as image:
        unsigned = image_file("png", np.asarray(image))
    ours, plain = (SentImage.decode(data, ImageLimits()) for data in (photo, unsigned))
    assert np.array_equal(ours.flattened().pixels, plain.flattened().pixels)
    assert ours.flattened().data == plain.flattened().data
    assert ours.flattened().id != plain.flattened().id
    assert (ours.flattened().made_of, plain.flattened().made_of) == (photo, b"")
    turned = ours.flattened().with_pixels(255 - ours.flattened().pixels)
    assert turned.made_of == photo


def test_deleting_an_upload_leaves_nothing(idle: Door, photo: bytes) -> None:
    sent = SentImage.decode(photo, ImageLimits()).flattened()
    uploads, folder = idle.service.uploads, idle.service.settings.data / "uploads"
    upload = uploads.add(LOCAL, sent)
    assert upload.id == sent.id
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 3
    uploads.delete(LOCAL, upload.id)
    assert [path for path in folder.rglob("*") if path.is_file()] == []
