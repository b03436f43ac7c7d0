"""What an img2img request becomes: images changed whole, and masked places."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ninefold.core.errors import ConfigError, InputError
from ninefold.files.decode import decode
from ninefold.imaging.types import Pixels
from ninefold.server.blocking_requests import ImageOrder
from ninefold.server.sdapi.images import from_base64
from ninefold.server.sdapi.schemas import Img2ImgRequest
from ninefold.server.sdapi.translate import img2img
from ninefold.server.sent_images import SentImage
from tests.server.sdapi.orders import LIMITS, SHELF, b64, names, params, plain, stages


def _decoded(image: SentImage | None) -> Pixels:
    """What the file holds, which is what is handed on with it."""
    assert image is not None
    pixels = decode(image.data)
    assert np.array_equal(pixels, image.pixels)
    return pixels


def changed(image: Image.Image | None = None, **asked: Any) -> ImageOrder:
    given = {"prompt": "a tree", "init_images": [b64(image or plain(200, 150))], **asked}
    return img2img(Img2ImgRequest(**given), SHELF, LIMITS)


def spot(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, box)
    return mask


def test_an_image_is_changed_whole() -> None:
    order = changed(width=192, height=144, denoising_strength=0.4)
    assert names(order) == ["prompt", "text_to_image", "publisher"]
    assert params(order, "text_to_image") == {
        "width": 192,
        "height": 144,
        "strength": 0.4,
        "allow_blank": True,
    }
    assert order.image is not None
    assert order.image.data == base64.b64decode(b64(plain(200, 150)))


def test_a_source_is_laid_on_white_as_a1111_does_it() -> None:
    """Its clients know no alpha; `img2img_background_color` is white by default."""
    image = plain(64, 48).convert("RGBA")
    image.paste((9, 9, 9, 0), (0, 0, 20, 48))
    flat = _decoded(changed(image).image)
    assert (flat[:, :20] == 255).all()
    assert np.array_equal(flat[:, 20:], np.array(plain(64, 48))[:, 20:])


def test_sides_are_rounded_down_to_what_the_model_can_do() -> None:
    order = changed(width=203, height=144)
    assert params(order, "text_to_image")["width"] == 192
    assert params(order, "text_to_image")["height"] == 144
    assert order.warnings == ("width: 203 became 192: poster makes multiples of 16.",)
    assert "width" not in "".join(
        changed(width=20).warnings
    )  # reported with the model's least side


@pytest.mark.parametrize("whole", [True, False])
def test_faces_are_not_restored_with_a_mask_and_said_so_alone(whole: bool) -> None:
    mask = b64(spot(200, 150, (50, 50, 90, 90)))
    order = changed(mask=mask, restore_faces=True, inpaint_full_res=not whole)
    reported = [text for text in order.warnings if text.startswith("restore_faces")]
    assert reported == ["restore_faces: is not done with a mask."]
    assert len(names(order)) == 3


def test_a_side_of_zero_is_left_to_the_model() -> None:
    assert params(changed(width=0, height=96), "text_to_image")["width"] is None
    unchanged = changed(width=0, height=0, denoising_strength=0).image
    assert unchanged is not None
    assert unchanged.data == FILE_OF_SOURCE


def test_data_urls_are_taken_and_addresses_are_not() -> None:
    assert changed(init_images=[b64(plain(64, 64), data_url=True)]).image
    for text in ("https://example.com/a.png", "HTTP://a.b", "%%%", "", "data:image/png,abc", "A"):
        with pytest.raises(InputError, match=r"init_images\.0"):
            changed(init_images=[text])


def test_cropping_and_filling_keep_the_picture_in_shape() -> None:
    wide = Image.new("RGB", (300, 100), (0, 0, 0))
    wide.paste((255, 255, 255), (100, 0, 200, 100))
    cut = changed(wide, resize_mode=1, width=128, height=128).image
    assert cut is not None
    assert (_decoded(cut) == 255).all()
    filled = changed(wide, resize_mode=2, width=128, height=128).image
    assert filled is not None
    assert _decoded(filled).shape == (128, 128, 3)
    assert (_decoded(filled)[:, 64] == 255).all()


FILE_OF_SOURCE = base64.b64decode(b64(plain(200, 150)))
FILE = base64.b64decode(b64(plain(64, 64)))


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(FILE).decode(),
        base64.encodebytes(FILE).decode(),
        base64.encodebytes(FILE).decode().replace("\n", "\r\n"),
        "  " + base64.b64encode(FILE).decode() + "\n",
        base64.b64encode(FILE).decode().rstrip("="),
        base64.urlsafe_b64encode(FILE).decode(),
        "DATA:image/png;BASE64," + base64.encodebytes(FILE).decode(),
        "data:;base64," + quote(base64.b64encode(FILE).decode(), safe=""),
        "data:image/png;name=a.png;base64," + base64.b64encode(FILE).decode(),
    ],
)
def test_base64_as_people_write_it(text: str) -> None:
    assert from_base64(text, "image") == FILE


@given(st.binary(min_size=1, max_size=200), st.text(" \r\n\t.!%", max_size=5), st.integers(1, 80))
def test_base64_is_read_as_python_reads_it(data: bytes, junk: str, width: int) -> None:
    text = base64.b64encode(data).decode()
    broken = junk.join(text[start : start + width] for start in range(0, len(text), width))
    assert from_base64(broken, "image") == base64.b64decode(broken) == data


def test_a_masked_place_is_painted_alone() -> None:
    mask = spot(200, 150, (50, 50, 90, 80))
    order = changed(mask=b64(mask), mask_blur=2, inpaint_full_res_padding=16, inpainting_fill=1)
    assert names(order) == ["prompt", "detailer", "publisher"]
    assert params(order, "detailer") == {
        "strength": 0.75,
        "padding_pixels": 16,
        "dilate": 0,
        "blur": 2,
    }
    assert order.mask is not None
    assert np.array_equal(_decoded(order.mask)[..., 0], np.array(mask))
    assert order.image is not None
    assert np.array_equal(_decoded(order.image), np.array(plain(200, 150)))


def test_a_mask_may_be_inverted_and_filled() -> None:
    image = plain(200, 150)
    image.paste((255, 0, 0), (50, 50, 90, 80))
    mask = spot(200, 150, (50, 50, 90, 80))
    order = changed(image, mask=b64(mask), inpainting_mask_invert=1)
    assert order.mask is not None
    assert _decoded(order.mask)[0, 0, 0] == 255
    assert _decoded(order.mask)[60, 60, 0] == 0
    filled = changed(image, mask=b64(mask)).image
    assert filled is not None
    assert (_decoded(filled) == (80, 120, 60)).all()


def test_a_mask_over_the_whole_picture() -> None:
    mask = spot(200, 150, (50, 50, 90, 80))
    order = changed(mask=b64(mask), inpaint_full_res=False, width=192, height=144)
    assert names(order) == ["prompt", "text_to_image", "publisher"]
    assert params(order, "text_to_image")["width"] == 192
    assert order.mask is not None
    values = np.unique(_decoded(order.mask)[..., 0])
    assert len(values) > 2  # its edge is soft


def test_denoising_of_zero_changes_the_size_alone() -> None:
    order = changed(denoising_strength=0, width=100, height=100)
    assert names(order) == ["prompt", "publisher"]
    assert order.image is not None
    assert _decoded(order.image).shape == (100, 100, 3)
    assert "nothing was painted" in order.warnings[0]


def test_several_sources_make_one_image_each() -> None:
    first, second = plain(64, 64), Image.new("RGB", (64, 64), (9, 99, 9))
    order = changed(init_images=[b64(first), b64(second)], batch_size=2, n_iter=3, seed=5)
    assert order.count == 6
    shown = [_decoded(image) for image, _ in order.sources]
    assert np.array_equal(shown[0], np.array(first))
    assert np.array_equal(shown[1], np.array(second))
    fewer = changed(init_images=[b64(first), b64(second)], batch_size=4)
    assert fewer.count == 2  # as A1111 takes it
    mask = spot(64, 64, (8, 8, 40, 40))
    masked = changed(init_images=[b64(first), b64(second)], mask=b64(mask))
    assert all(found is not None for _, found in masked.sources)


def test_sources_that_cannot_be_made_together_are_refused() -> None:
    three = [b64(plain(64, 64))] * 3
    with pytest.raises(ConfigError, match="at most batch_size, 2, got 3"):
        changed(init_images=three, batch_size=2)
    with pytest.raises(InputError, match=r"init_images\.1"):
        changed(init_images=[b64(plain(64, 64)), "%%%"])


UNIT = {"ad_model": "detector"}


@pytest.mark.parametrize(
    ("args", "asked", "painted"),
    [
        ([True, False, UNIT], {"denoising_strength": 0}, False),
        ([True, True, UNIT], {"width": 100, "height": 100}, False),
        ([True, True, UNIT], {"mask": b64(spot(200, 150, (0, 0, 9, 9)))}, False),
        ([True, False, UNIT], {}, True),
        ([True, UNIT], {}, True),
        ([False, True, UNIT], {}, True),
        ([True, True, {}], {}, True),
    ],
)
def test_detailers_may_work_alone(args: list[Any], asked: dict[str, Any], painted: bool) -> None:
    order = changed(alwayson_scripts={"ADetailer": {"args": args}}, **asked)
    assert ("text_to_image" in names(order)) == painted
    if not painted:
        assert names(order) == ["prompt", "detailer", "publisher"]
        assert order.image is not None
        assert order.image.data == base64.b64decode(b64(plain(200, 150)))


@pytest.mark.parametrize("whole", [{"mask": ""}, {"mask": None}])
def test_no_mask(whole: dict[str, Any]) -> None:
    order = changed(**whole)
    assert order.mask is None
    assert order.warnings == ()


@pytest.mark.parametrize(
    ("mask", "inverted"),
    [(spot(200, 150, (0, 0, 0, 0)), 0), (spot(200, 150, (0, 0, 200, 150)), 1)],
)
def test_a_blank_mask(mask: Image.Image, inverted: int) -> None:
    asked: dict[str, Any] = {"mask": b64(mask), "inpainting_mask_invert": inverted}
    order = changed(**asked)
    assert names(order) == ["prompt", "text_to_image", "publisher"]
    assert order.mask is None
    assert "mask: is blank" in order.warnings[0]
    order = changed(**asked, inpaint_full_res=False, width=100, height=100)
    assert names(order) == ["prompt", "publisher"]
    assert "nothing was painted" in order.warnings[0]


@pytest.mark.parametrize(
    "asked",
    [
        {"mask": b64(spot(200, 150, (50, 50, 100, 100)))},
        {"script_name": "SD upscale", "script_args": ["", 64, "2x", 2.0]},
        {"alwayson_scripts": {"ADetailer": {"args": [True, True, {"ad_model": "detector"}]}}},
        {"denoising_strength": 0},
    ],
    ids=["only masked", "SD upscale", "ADetailer alone", "strength 0"],
)
def test_tiling_without_a_whole_image_that_is_painted_is_reported(asked: dict[str, Any]) -> None:
    reported = "tiling: has no effect here: no whole image is painted."
    assert reported in changed(**asked, tiling=True).warnings
    assert reported not in changed(**asked).warnings
    assert reported not in changed(tiling=True).warnings


def test_sd_upscale_is_upscaler_and_restorer() -> None:
    order = changed(
        script_name="SD Upscale", script_args=["", 8, "Lanczos", 2.0], width=64, height=64,
        batch_size=4, n_iter=2, denoising_strength=0.4,
    )  # fmt: skip
    assert names(order) == ["prompt", "upscaler", "restorer", "publisher"]
    assert params(order, "upscaler") == {"upscale_factor": 2.0, "upscaler": "lanczos"}
    found = params(order, "restorer")
    assert (found["strength"], found["tile"], found["overlap"]) == (0.4, 64, 0.125)
    assert (order.count, order.warnings) == (2, ())


@pytest.mark.parametrize(
    ("args", "upscaler"),
    [([], None), ([None, 8, 0, 2], None), (["", 8, 1, 2], "lanczos"), (["", 8, 3, 4], "2x")],
)
def test_the_upscaler_of_sd_upscale_by_its_place(args: list[Any], upscaler: str | None) -> None:
    order = changed(script_name="sd upscale", script_args=args)
    assert dict(stages(order)).get("upscaler", {}).get("upscaler") == upscaler


@pytest.mark.parametrize(
    ("asked", "reported"),
    [
        ({"script_args": ["", 8, 9, 2]}, "script_args.upscaler"),
        ({"script_args": ["", 8, "LDSR", 2]}, "script_args.upscaler"),
        ({"script_args": ["", -1, "2x", 2]}, "script_args.overlap"),
        ({"script_args": ["", 8, "2x", "much"]}, "script_args.scale"),
        ({"mask": b64(spot(200, 150, (0, 0, 9, 9)))}, "mask: cannot be used"),
        ({"script_name": "Loopback"}, "At hand: sd upscale"),
    ],
)
def test_what_sd_upscale_cannot_do(asked: dict[str, Any], reported: str) -> None:
    with pytest.raises(ConfigError) as error:
        changed(**{"script_name": "sd upscale", **asked})
    assert reported in str(error.value)


@pytest.mark.parametrize(
    ("asked", "reported"),
    [
        ({"init_images": []}, "init_images"),
        ({"init_images": [base64.b64encode(b"GIF89a...").decode()]}, "init_images.0"),
        ({"mask": "AAAA"}, "mask: expected"),
        ({"init_images": [b64(plain(2000, 2000))]}, "expected at most"),
        (
            {
                "mask": b64(spot(200, 150, (0, 0, 9, 9))),
                "alwayson_scripts": {"ADetailer": {"args": [{"ad_model": "detector"}]}},
            },
            "ADetailer: cannot be used with a mask",
        ),
    ],
)
def test_images_of_no_use_are_refused(asked: dict[str, Any], reported: str) -> None:
    with pytest.raises((ConfigError, InputError)) as error:
        changed(**asked)
    assert reported in str(error.value)
