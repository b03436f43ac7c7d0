"""What units of the ControlNet extension become, and what is refused or reported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ConfigError
from ninefold.server.blocking_requests import ImageOrder
from ninefold.server.sdapi.schemas import Img2ImgRequest, Txt2ImgRequest
from ninefold.server.sdapi.translate import img2img, txt2img
from tests.server.sdapi.orders import LIMITS, SHELF, b64, names, params, plain

UNIT: dict[str, Any] = {"model": "edges [fa4e0000]", "image": b64(plain(128, 128))}


def units(*args: dict[str, Any], name: str = "ControlNet") -> dict[str, Any]:
    return {"alwayson_scripts": {name: {"args": list(args)}}}


def drawn(*args: dict[str, Any], **asked: Any) -> ImageOrder:
    return txt2img(Txt2ImgRequest(prompt="a house", **units(*args), **asked), SHELF, LIMITS)


def changed(*args: dict[str, Any], **asked: Any) -> ImageOrder:
    given = {"prompt": "a house", "init_images": [b64(plain(128, 128))], **asked}
    return img2img(Img2ImgRequest(**units(*args), **given), SHELF, LIMITS)


def problems(*args: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as reported:
        drawn(*args)
    return str(reported.value)


def test_a_unit_is_an_entry_of_the_first_image() -> None:
    order = drawn(
        {
            **UNIT,
            "module": "canny",
            "weight": 0.7,
            "guidance_start": 0.1,
            "guidance_end": 0.8,
            "threshold_a": 50,
            "threshold_b": 150,
            "pixel_perfect": True,
            "control_mode": "Balanced",
            "resize_mode": "Crop and Resize",
            "low_vram": False,
        }
    )
    (picture,) = order.control
    assert params(order, "text_to_image")["control"] == [
        {
            "model": "edges",
            "image": picture.id,
            "preprocess": "canny",
            "low_threshold": 50,
            "high_threshold": 150,
            "strength": 0.7,
            "start": 0.1,
            "end": 0.8,
        }
    ]
    assert order.warnings == ()


@pytest.mark.parametrize(
    "off",
    [{"enabled": False}, {"weight": 0}, {"guidance_start": 0.5, "guidance_end": 0.5}],
    ids=lambda off: next(iter(off)),
)
def test_a_unit_may_be_off(off: dict[str, Any]) -> None:
    order = drawn({**UNIT, **off})
    assert "control" not in params(order, "text_to_image")
    assert order.control == ()


def test_units_act_on_the_passes_that_they_say() -> None:
    hires = {"enable_hr": True, "hr_scale": 2, "width": 64, "height": 64}
    order = drawn(UNIT, {**UNIT, "hr_option": "Low res only"}, **hires)
    assert len(params(order, "text_to_image")["control"]) == 2
    assert len(params(order, "restorer")["control"]) == 1
    order = drawn({**UNIT, "hr_option": "High res only"}, **hires)
    assert "control" not in params(order, "text_to_image")
    assert len(params(order, "restorer")["control"]) == 1


def test_a_unit_without_a_picture_takes_the_source() -> None:
    bare = {"model": "edges"}
    order = changed(bare)
    assert "image" not in params(order, "text_to_image")["control"][0]
    assert order.control == ()
    upscaled = changed(bare, script_name="SD upscale", script_args=["", 64, "2x", 2.0])
    assert len(params(upscaled, "restorer")["control"]) == 1
    mask = {"mask": b64(plain(128, 128, (255, 255, 255))), "inpaint_full_res": True}
    assert len(params(changed(bare, **mask), "detailer")["control"]) == 1
    assert "controlnet.args.0.image: expected an image" in problems(bare)


@pytest.mark.parametrize(
    ("mode", "size"),
    [(0, (128, 64)), ("Crop and Resize", (64, 64)), ("Resize and Fill", (128, 128))],
)
def test_a_picture_is_brought_to_the_images_shape(mode: Any, size: tuple[int, int]) -> None:
    unit = {**UNIT, "image": b64(plain(128, 64)), "resize_mode": mode}
    (picture,) = drawn(unit, width=128, height=128).control
    if mode == "Resize and Fill":
        width, height = picture.size
        assert width == height
    else:
        assert picture.size == size


def test_a_drawing_of_black_on_white_is_inverted() -> None:
    module = "invert (from white bg & black line)"
    (picture,) = drawn({**UNIT, "module": module, "resize_mode": 0}).control
    assert np.array_equal(picture.pixels[0, 0], 255 - np.array((80, 120, 60)))


def test_what_a_picture_shows_is_told_to_union_models() -> None:
    union = {**UNIT, "model": "union"}
    (entry,) = params(drawn({**union, "union_control_type": "Depth"}), "text_to_image")["control"]
    assert entry["mode"] == "depth"
    (entry,) = params(drawn({**union, "module": "canny"}), "text_to_image")["control"]
    assert entry["mode"] == "canny"


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        ({"model": "None"}, "model: expected a control model"),
        ({"model": "mine"}, "model: 'mine' is not at hand. At hand: edges, union, style"),
        ({"module": "depth_midas"}, "module: 'depth_midas' is a network that is not at hand"),
        ({"module": "openpose_full"}, "Send its picture, with module none"),
        ({"mask": "aGk="}, "mask: cannot be used here"),
        ({"weight": 3}, "weight"),
        ({"resize_mode": 7}, "resize_mode"),
        ({"image": [1]}, "image"),
    ],
)
def test_what_a_unit_cannot_have_is_refused(unit: dict[str, Any], says: str) -> None:
    assert says in problems({**UNIT, **unit})


def test_more_units_than_there_are_and_other_forms_are_refused() -> None:
    assert "at most 8 units" in problems(*[UNIT] * 9)
    with pytest.raises(ConfigError, match="expected a list of units"):
        txt2img(Txt2ImgRequest(alwayson_scripts={"controlnet": {"args": "canny"}}), SHELF, LIMITS)


def test_what_is_done_another_way_is_reported() -> None:
    order = drawn(
        {
            **UNIT,
            "module": "softedge_hed",
            "processor_res": 512,
            "control_mode": "ControlNet is more important",
            "advanced_weighting": [1.0],
        }
    )
    warnings = "\n".join(order.warnings)
    for part in ("control_mode", "soft edges are gradients", "processor_res", "advanced_weighting"):
        assert part in warnings


def test_adetailers_units_are_steered_by_their_region() -> None:
    scripts = {
        "ADetailer": {
            "args": [
                {
                    "ad_model": "detector",
                    "ad_controlnet_model": "edges",
                    "ad_controlnet_module": "canny",
                    "ad_controlnet_weight": 0.6,
                }
            ]
        }
    }
    order = txt2img(Txt2ImgRequest(prompt="a", alwayson_scripts=scripts), SHELF, LIMITS)
    (entry,) = params(order, "detailer")["control"]
    assert (entry["model"], entry["preprocess"], entry["strength"]) == ("edges", "canny", 0.6)
    assert "image" not in entry
    assert names(order)[-2] == "detailer"
