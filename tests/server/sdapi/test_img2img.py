"""What an img2img request becomes: images changed whole, and masked places."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.core.errors import ConfigError, InputError
from ninefold.files.decode import decode
from ninefold.server.held import Order
from ninefold.server.sdapi.documents import Img2ImgRequest
from ninefold.server.sdapi.translate import img2img
from tests.server.sdapi.orders import LIMITS, SHELF, b64, names, params, plain


def changed(image: Image.Image | None = None, **asked: Any) -> Order:
    given = {"prompt": "a tree", "init_images": [b64(image or plain(200, 150))], **asked}
    return img2img(Img2ImgRequest(**given), SHELF, LIMITS)


def spot(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, box)
    return mask


def test_an_image_is_changed_whole() -> None:
    order = changed(width=192, height=144, denoising_strength=0.4)
    assert names(order) == ["prompt", "text_to_image", "publisher"]
    assert params(order, "text_to_image") == {"width": 192, "height": 144, "strength": 0.4}
    assert order.image == base64.b64decode(b64(plain(200, 150)))


def test_data_urls_are_taken_and_addresses_are_not() -> None:
    assert changed(init_images=[b64(plain(64, 64), data_url=True)]).image
    for text in ("https://example.com/a.png", "%%%", ""):
        with pytest.raises(InputError, match=r"init_images\.0"):
            changed(init_images=[text])


def test_cropping_and_filling_keep_the_picture_in_shape() -> None:
    wide = Image.new("RGB", (300, 100), (0, 0, 0))
    wide.paste((255, 255, 255), (100, 0, 200, 100))
    cut = changed(wide, resize_mode=1, width=128, height=128).image
    assert cut is not None
    assert (decode(cut) == 255).all()
    filled = changed(wide, resize_mode=2, width=128, height=128).image
    assert filled is not None
    assert decode(filled).shape == (128, 128, 3)
    assert (decode(filled)[:, 64] == 255).all()


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
    assert np.array_equal(decode(order.mask)[..., 0], np.array(mask))
    assert order.image is not None
    assert np.array_equal(decode(order.image), np.array(plain(200, 150)))


def test_a_mask_may_be_inverted_and_filled() -> None:
    image = plain(200, 150)
    image.paste((255, 0, 0), (50, 50, 90, 80))
    mask = spot(200, 150, (50, 50, 90, 80))
    order = changed(image, mask=b64(mask), inpainting_mask_invert=1)
    assert order.mask is not None
    assert decode(order.mask)[0, 0, 0] == 255
    assert decode(order.mask)[60, 60, 0] == 0
    filled = changed(image, mask=b64(mask)).image
    assert filled is not None
    assert (decode(filled) == (80, 120, 60)).all()


def test_a_mask_over_the_whole_picture() -> None:
    mask = spot(200, 150, (50, 50, 90, 80))
    order = changed(mask=b64(mask), inpaint_full_res=False, width=192, height=144)
    assert names(order) == ["prompt", "text_to_image", "publisher"]
    assert params(order, "text_to_image")["width"] == 192
    assert order.mask is not None
    values = np.unique(decode(order.mask)[..., 0])
    assert len(values) > 2  # its edge is soft


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"init_images": []}, "init_images"),
        ({"init_images": [b64(plain(8, 8))] * 2}, "init_images"),
        ({"denoising_strength": 0}, "denoising_strength"),
        ({"init_images": [base64.b64encode(b"GIF89a...").decode()]}, "init_images.0"),
        ({"mask": b64(spot(200, 150, (0, 0, 0, 0)))}, "mask: expected white"),
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
def test_images_of_no_use_are_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises((ConfigError, InputError)) as error:
        changed(**asked)
    assert told in str(error.value)
