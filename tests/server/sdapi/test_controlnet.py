"""What units of the ControlNet extension become, and what is refused or reported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ConfigError
from ninefold.engines.control_table import MODES
from ninefold.engines.faults import fake_hash
from ninefold.engines.generation_record import GenerationRecord, UsedControl
from ninefold.files.a1111 import ImageHistory, infotext_of
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
    assert len(order.warnings) == ("enabled" not in off)  # that it is off goes without saying
    assert all("was left out" in text for text in order.warnings)


def test_units_act_on_the_passes_that_they_say() -> None:
    hires = {"enable_hr": True, "hr_scale": 2, "width": 64, "height": 64}
    order = drawn(UNIT, {**UNIT, "hr_option": "Low res only"}, **hires)
    assert len(params(order, "text_to_image")["control"]) == 2
    assert len(params(order, "restorer")["control"]) == 1
    order = drawn({**UNIT, "hr_option": "High res only"}, **hires)
    assert "control" not in params(order, "text_to_image")
    assert len(params(order, "restorer")["control"]) == 1


@pytest.mark.parametrize("option", ["High res only", "Low res only", 2, "1"])
def test_without_a_hires_pass_units_act_on_every_stage_that_paints(option: Any) -> None:
    unit = {**UNIT, "hr_option": option}
    assert len(params(drawn(unit), "text_to_image")["control"]) == 1
    assert len(params(changed(unit), "text_to_image")["control"]) == 1
    upscaled = changed(unit, script_name="SD upscale", script_args=["", 64, "2x", 2.0])
    assert len(params(upscaled, "restorer")["control"]) == 1


@pytest.mark.parametrize(
    ("option", "passes"),
    [
        (0, ["text_to_image", "restorer"]),
        ("HiResFixOption.BOTH", ["text_to_image", "restorer"]),
        ("BOTH", ["text_to_image", "restorer"]),
        (1, ["text_to_image"]),
        ("HiResFixOption.LOW_RES_ONLY", ["text_to_image"]),
        ("2", ["restorer"]),
        ("high_res_only", ["restorer"]),
    ],
)
def test_hr_option_is_read_in_every_spelling(option: Any, passes: list[str]) -> None:
    order = drawn({**UNIT, "hr_option": option}, enable_hr=True, hr_scale=2, width=64, height=64)
    assert [item["stage"] for item in order.stages if "control" in item.get("params", {})] == passes


def test_a_unit_whose_pass_is_not_painted_is_reported() -> None:
    high = {**UNIT, "hr_option": "High res only"}
    order = drawn(high, enable_hr=True, hr_scale=2, width=64, height=64, denoising_strength=0)
    assert "controlnet.args.0: has no effect: nothing is painted" in "\n".join(order.warnings)
    order = changed(UNIT, denoising_strength=0)
    assert "controlnet.args.0: has no effect: nothing is painted" in "\n".join(order.warnings)


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
    refused = problems({**union, "module": "canny", "union_control_type": "OpenPose"})
    assert "union_control_type: expected one of canny, depth, got 'OpenPose'" in refused


@pytest.mark.parametrize("mode", MODES["ControlNetUnionModel"])
def test_what_infotext_says_of_a_unit_is_taken_again(mode: str) -> None:
    modes = MODES["ControlNetUnionModel"]
    used = UsedControl(
        model="union", hash=fake_hash(3), kind="controlnet", image="", strength=1.0, start=0.0,
        end=1.0, mode=mode, preprocess="soft_edge",
    )  # fmt: skip
    written = dict(part.split(": ") for part in _infotext_unit(used).split(", "))
    assert written["Module"] == "softedge_pidinet"
    for name in (written["Union Control Type"], mode):
        unit = {
            "image": UNIT["image"],
            "model": written["Model"],
            "module": written["Module"],
            "union_control_type": name,
        }
        request = Txt2ImgRequest(prompt="a house", **units(unit))
        order = txt2img(request, replace(SHELF, modes=lambda _: tuple(modes)), LIMITS)
        (entry,) = params(order, "text_to_image")["control"]
        assert modes[entry["mode"]] == modes[mode]
        assert entry["preprocess"] == "soft_edge"


@pytest.mark.parametrize(
    "module", ["tile", "tile_resample", "none", "", "None", "ip-adapter_clip_h"]
)
def test_modules_that_take_the_picture_as_it_is(module: str) -> None:
    order = drawn({**UNIT, "module": module})
    (entry,) = params(order, "text_to_image")["control"]
    assert entry["preprocess"] == "none"
    assert order.warnings == ()


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        ({"model": "None"}, "model: expected a control model"),
        ({"model": "mine"}, "model: 'mine' is not at hand. At hand: edges, union, style"),
        ({"module": "depth_midas"}, "module: 'depth_midas' cannot be done here"),
        ({"module": "openpose_full"}, "Send the picture that it makes, with module none"),
        ({"module": "tile_colorfix"}, "module: 'tile_colorfix' cannot be done here"),
        ({"module": "tile_colorfix+sharp"}, "module: 'tile_colorfix+sharp'"),
        ({"module": "clip_vision"}, "module: 'clip_vision'"),
        ({"module": "pidinet_scribble"}, "module: 'pidinet_scribble'"),
        ({"module": "ip-adapter_face_id"}, "module: 'ip-adapter_face_id'"),
        ({"hr_option": "Hihg res only"}, "hr_option: input should be 'both', 'low res only'"),
        ({"hr_option": 3}, "hr_option"),
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
    (warning,) = drawn({**UNIT, "module": "tile_resample", "threshold_a": 2}).warnings
    assert "threshold_a: the picture was not made smaller" in warning


def test_only_an_image_of_the_units_own_is_inverted() -> None:
    with pytest.raises(ConfigError, match="module: 'invert' needs an image of its own here"):
        changed({"model": "edges", "module": "invert"})
    assert "module: 'invert' needs an image" in _refused_by_adetailer(ad_controlnet_module="invert")


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


@pytest.mark.parametrize(("name", "longest"), [("model", 300), ("module", 200)])
def test_adetailers_names_are_no_longer_than_a_units(name: str, longest: int) -> None:
    field = f"ad_controlnet_{name}"
    assert f"ADetailer.args.0.{field}" in _refused_by_adetailer(**{field: "x" * (longest + 1)})


def _refused_by_adetailer(**asked: Any) -> str:
    unit = {"ad_model": "detector", "ad_controlnet_model": "edges", **asked}
    request = Txt2ImgRequest(prompt="a", alwayson_scripts={"ADetailer": {"args": [unit]}})
    with pytest.raises(ConfigError) as refused:
        txt2img(request, SHELF, LIMITS)
    return str(refused.value)


def _infotext_unit(used: UsedControl) -> str:
    """What infotext says of the first unit of an image."""
    record = GenerationRecord(
        model="poster", model_hash="fa4e000000", seed=7, steps=4, steps_run=4, guidance_scale=4.0,
        scheduler="ddim", size=(64, 64), device="cpu", dtype="float32", control=(used,),
    )  # fmt: skip
    history = ImageHistory(
        prompt="a", negative_prompt="", seed=7, first=record, loras={}, version="ninefold 1"
    )
    info = infotext_of(history)
    assert info is not None
    return info.fields["ControlNet 0"]
