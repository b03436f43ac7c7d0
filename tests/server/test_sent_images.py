"""Images that arrive are decoded once, by whatever door, and handed on as they show."""

from __future__ import annotations

import base64
import gc
import io
import json
import weakref
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.files.encode import encode
from ninefold.files.formats import FORMATS, ImageFormat
from ninefold.files.opening import ImageLimits
from ninefold.files.store import PreparedFile, import_image, import_mask
from ninefold.server.sent_images import ImageKind, SentImage
from tests.server.conftest import Door

LIMITS = ImageLimits()
decoding = import_module("ninefold.files.decode")
DRAFT = {"stages": [{"stage": "text_to_image", "params": {"steps": 1}}, {"stage": "publisher"}]}


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The files that were decoded, in order: all of it goes through `decode._opened`."""
    found: list[bytes] = []
    opened = decoding._opened

    def counted(source: Any, limits: Any) -> Any:
        found.append(source if isinstance(source, bytes) else Path(source).read_bytes())
        return opened(source, limits)

    monkeypatch.setattr(decoding, "_opened", counted)
    return found


def jpeg(side: int = 64) -> bytes:
    """A file that no stage writes, so that it is known wherever it is decoded."""
    ramp = np.arange(side, dtype=np.uint8)[None, :, None] * 3
    pixels = np.ascontiguousarray(np.broadcast_to(ramp, (side, side, 3)))
    return encode(pixels, ImageFormat.JPEG, quality=90)


def white() -> bytes:
    """A mask, as JPEG."""
    return encode(np.full((64, 64, 3), 255, np.uint8), ImageFormat.JPEG)


def test_an_upload_is_decoded_when_it_arrives_and_not_for_its_jobs(
    idle: Door, decodes: list[bytes]
) -> None:
    image, mask = jpeg(), white()
    ids = {}
    for kind, data in (("image", image), ("mask", mask)):
        answer = idle.client.post("/v1/uploads", data={"kind": kind}, files={"file": data})
        ids[kind] = answer.json()["id"]
    for _ in range(3):
        asked = {"config": DRAFT, "input": {"prompt": "a", **ids}}
        assert idle.client.post("/v1/jobs", json=asked).status_code == 202
    assert decodes == [image, mask]


def test_a_group_decodes_nothing_either(idle: Door, decodes: list[bytes]) -> None:
    image = jpeg()
    name = idle.client.post("/v1/uploads", files={"file": image}).json()["id"]
    asked = {"config": DRAFT, "inputs": [{"prompt": "a", "image": name}], "count": 5}
    assert idle.client.post("/v1/groups", json=asked).status_code == 202
    assert decodes == [image]


def test_an_image_in_base64_is_decoded_once(door: Door, decodes: list[bytes]) -> None:
    image, mask = jpeg(128), encode(np.full((128, 128, 3), 255, np.uint8), ImageFormat.JPEG)
    url = "data:image/jpeg;base64," + base64.b64encode(image).decode()
    asked = {"init_images": [url], "prompt": "a", "steps": 2, "seed": 3}
    answer = door.client.post("/sdapi/v1/img2img", json=asked)
    assert answer.status_code == 200, answer.text
    assert decodes.count(image) == 1
    decodes.clear()
    masked = {**asked, "mask": base64.b64encode(mask).decode(), "inpaint_full_res": False}
    assert door.client.post("/sdapi/v1/img2img", json=masked).status_code == 200
    assert (decodes.count(image), decodes.count(mask)) == (1, 1)
    decodes.clear()
    extra = {"image": url, "upscaler_1": "2x", "resize_mode": 1}
    assert door.client.post("/sdapi/v1/extra-single-image", json=extra).status_code == 200
    assert decodes.count(image) == 1


def test_an_image_in_a_form_is_decoded_once(door: Door, decodes: list[bytes]) -> None:
    image = jpeg(128)
    mask = _transparent(128)
    sent = {"image": ("a.jpg", image), "mask": ("m.png", mask)}
    answer = door.client.post(
        "/v1/images/edits", data={"prompt": "a", "quality": "low"}, files=sent
    )
    assert answer.status_code == 200, answer.text
    assert (decodes.count(image), decodes.count(mask)) == (1, 1)


def _transparent(side: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (side, side), (9, 9, 9, 0)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("kind", ["image", "mask"])
@pytest.mark.parametrize("form", list(ImageFormat))
@pytest.mark.parametrize("alpha", [False, True])
def test_what_is_prepared_is_what_a_job_would_have_made_of_the_file(
    tmp_path: Path, form: ImageFormat, kind: ImageKind, alpha: bool
) -> None:
    rows = np.linspace(0, 255, 48).astype(np.uint8)[:, None, None]
    pixels: NDArray[np.uint8] = np.ascontiguousarray(np.broadcast_to(rows, (48, 32, 3)))
    if alpha and FORMATS[form].alpha:
        sides = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (48, 1))
        pixels = np.dstack([pixels, sides])
    path = tmp_path / "sent"
    path.write_bytes(encode(pixels, form))
    take = import_image if kind == "image" else import_mask
    expected = take(PipelineContext(tmp_path / "a"), path)
    sent = SentImage.decode(path.read_bytes(), LIMITS, kind=kind)
    ready = tmp_path / "ready.png"
    ready.write_bytes(sent.prepared(kind) or b"")
    found = take(PipelineContext(tmp_path / "b"), PreparedFile(ready, sent.size))
    assert found.path.read_bytes() == expected.path.read_bytes()
    assert (found.size, found.mode, found.sha256) == (
        expected.size,
        expected.mode,
        expected.sha256,
    )


def test_a_mask_that_changes_nothing_is_refused_by_the_job_and_not_before(idle: Door) -> None:
    black = encode(np.zeros((64, 64, 3), np.uint8), ImageFormat.PNG)
    sent = {"data": {"kind": "mask"}, "files": {"file": black}}
    answer = idle.client.post("/v1/uploads", **sent)  # type: ignore[arg-type]
    assert answer.status_code == 201
    image = idle.client.post("/v1/uploads", files={"file": jpeg()}).json()["id"]
    given = {"prompt": "a", "image": image, "mask": answer.json()["id"]}
    refused = idle.client.post("/v1/jobs", json={"config": DRAFT, "input": given})
    assert refused.status_code == 422
    assert "expected white where to paint" in refused.text


def test_an_upload_of_one_kind_may_be_used_as_the_other(idle: Door) -> None:
    name = idle.client.post("/v1/uploads", files={"file": white()}).json()["id"]
    given = {"prompt": "a", "image": name, "mask": name}
    answer = idle.client.post("/v1/jobs", json={"config": DRAFT, "input": given})
    assert answer.status_code == 202, answer.text


def test_files_of_an_upload_go_with_it(idle: Door) -> None:
    name = idle.client.post("/v1/uploads", files={"file": jpeg()}).json()["id"]
    folder = idle.service.jobs.data / "uploads" / name[:2]
    assert len(list(folder.iterdir())) == 2
    assert idle.client.delete(f"/v1/uploads/{name}").status_code == 204
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["image", "mask"])
def test_refusals_name_the_place_and_come_before_pixels(kind: ImageKind) -> None:
    with pytest.raises(InputError, match=r"^mask: expected at most 10 bytes"):
        SentImage.decode(jpeg(), ImageLimits(max_bytes=10), "mask", kind)
    with pytest.raises(InputError, match=r"^init_images\.0: expected PNG.*got GIF"):
        SentImage.decode(b"GIF89a" + bytes(20), LIMITS, "init_images.0", kind)
    with pytest.raises(InputError, match=r"at most .* pixels a side"):
        SentImage.decode(jpeg(), ImageLimits(max_side=32), "image", kind)


@pytest.mark.parametrize("form", [form for form, info in FORMATS.items() if info.alpha])
def test_what_is_transparent_is_laid_on_white(form: ImageFormat) -> None:
    alpha = np.tile(np.where(np.arange(40) < 20, 0, 255).astype(np.uint8), (30, 1))
    layers = np.dstack([np.full((30, 40, 3), 77, np.uint8), alpha])
    sent = SentImage.decode(encode(layers, form), LIMITS)
    flat = sent.flattened()
    assert flat.alpha is None
    assert (flat.pixels[:, :16] == 255).all()
    assert np.array_equal(decoding.decode(flat.data), decoding.decode(sent.data))
    opaque = SentImage.decode(jpeg(), LIMITS)
    assert opaque.flattened() is opaque


def test_each_source_of_a_batch_makes_an_image_of_its_own(door: Door, decodes: list[bytes]) -> None:
    files = [jpeg(128), encode(np.full((128, 128, 3), 99, np.uint8), ImageFormat.JPEG)]
    sources = [base64.b64encode(file).decode() for file in files]
    asked = {"init_images": sources, "batch_size": 2, "prompt": "a", "steps": 2, "seed": 3}
    alone = []
    for seed, source in enumerate(sources, 3):
        one = {**asked, "init_images": [source], "batch_size": 1, "seed": seed}
        alone += door.client.post("/sdapi/v1/img2img", json=one).json()["images"]
    decodes.clear()
    answer = door.client.post("/sdapi/v1/img2img", json=asked).json()
    assert [decodes.count(file) for file in files] == [1, 1]
    info = json.loads(answer["info"])
    assert info["all_seeds"] == [3, 4]
    made = [decoding.decode(base64.b64decode(image)) for image in answer["images"]]
    expected = [decoding.decode(base64.b64decode(image)) for image in alone]
    assert len(made) == 2
    assert all(np.array_equal(*pair) for pair in zip(made, expected, strict=True))


def test_a_request_that_waits_holds_no_pixels() -> None:
    sent = SentImage.decode(jpeg(), LIMITS)
    pixels = weakref.ref(sent.pixels)
    assert pixels() is not None
    sent.release()
    gc.collect()
    assert pixels() is None
    assert (sent.size, sent.data) == ((64, 64), jpeg())
