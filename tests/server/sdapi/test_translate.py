from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ninefold.config import PipelineConfig
from ninefold.core.errors import ConfigError, InputError
from ninefold.files.decode import decode
from ninefold.files.opening import ImageLimits
from ninefold.server.held import Order
from ninefold.server.sdapi.documents import ExtrasRequest, Img2ImgRequest, Txt2ImgRequest
from ninefold.server.sdapi.extras import extras
from ninefold.server.sdapi.shelf import Shelf
from ninefold.server.sdapi.translate import img2img, txt2img
from ninefold.testing import fake_engines

ENGINES = fake_engines()
SHELF = Shelf(
    ["poster", "other.safetensors"],
    ["detector"],
    ["2x", "4x"],
    lambda name: ENGINES.diffusion.describe("poster"),
)
LIMITS = ImageLimits(2**20, 2**20, 4096)


def drawn(**asked: Any) -> Order:
    return txt2img(Txt2ImgRequest(**{"prompt": "a house", **asked}), SHELF)


def changed(image: Image.Image | None = None, **asked: Any) -> Order:
    given = {"prompt": "a tree", "init_images": [b64(image or plain(200, 150))], **asked}
    return img2img(Img2ImgRequest(**given), SHELF, LIMITS)


def stages(order: Order) -> list[tuple[str, dict[str, Any]]]:
    """Names and parameters; the config holds."""
    PipelineConfig.parse({"stages": list(order.stages)})
    return [(item["stage"], item.get("params", {})) for item in order.stages]


def names(order: Order) -> list[str]:
    return [name for name, _ in stages(order)]


def params(order: Order, stage: str) -> dict[str, Any]:
    return dict(stages(order))[stage]


def problems(**asked: Any) -> str:
    with pytest.raises(ConfigError) as told:
        drawn(**asked)
    return str(told.value)


def plain(width: int, height: int, colour: tuple[int, ...] = (80, 120, 60)) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def spot(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, box)
    return mask


def b64(image: Image.Image, data_url: bool = False) -> str:
    out = BytesIO()
    image.save(out, "PNG")
    text = base64.b64encode(out.getvalue()).decode()
    return f"data:image/png;base64,{text}" if data_url else text


# -- txt2img ---------------------------------------------------------------------------------------


def test_a_plain_request() -> None:
    order = drawn(
        negative_prompt="rain", seed=7, steps=9, cfg_scale=3.5, width=128, height=96, batch_size=2,
        n_iter=3, sampler_name="Euler a",
    )  # fmt: skip
    assert names(order) == ["prompt", "text_to_image", "publisher"]
    assert params(order, "text_to_image") == {
        "width": 128,
        "height": 96,
        "steps": 9,
        "guidance_scale": 3.5,
        "scheduler": "euler_a",
    }
    assert (order.prompt, order.negative_prompt, order.seed) == ("a house", "rain", 7)
    assert (order.count, order.model, order.warnings) == (6, None, ())


def test_what_a_request_leaves_out_is_the_models_own() -> None:
    order = drawn(seed=-1)
    assert params(order, "text_to_image") == {"width": 128, "height": 128}
    assert order.seed is None


@pytest.mark.parametrize(
    ("sampler", "schedule", "ours", "told"),
    [
        (None, None, None, False),
        ("Default", "automatic", None, False),
        ("Euler", "Automatic", "euler", False),
        ("k_euler_a", None, "euler_a", False),
        ("DPM++ 2M", None, "dpmpp_2m_karras", False),
        ("DPM++ 2M", "Karras", "dpmpp_2m_karras", False),
        ("DPM++ 2M Karras", None, "dpmpp_2m_karras", False),
        ("dpm++ 2m", "uniform", "dpmpp_2m", False),
        ("DPM++ 2M", "Exponential", "dpmpp_2m", True),
        ("UniPC", "Karras", "unipc", True),
        ("DDIM", "", "ddim", False),
    ],
)
def test_samplers(sampler: str | None, schedule: str | None, ours: str | None, told: bool) -> None:
    order = drawn(sampler_name=sampler, scheduler=schedule)
    assert params(order, "text_to_image").get("scheduler") == ours
    assert bool(order.warnings) == told


def test_hires_fix_is_upscaler_and_restorer() -> None:
    order = drawn(
        enable_hr=True, hr_scale=2, hr_upscaler="4x", denoising_strength=0.5, steps=8,
        hr_second_pass_steps=5, hr_prompt="a house, sharp", hr_sampler_name="DDIM",
    )  # fmt: skip
    assert names(order) == ["prompt", "text_to_image", "upscaler", "restorer", "publisher"]
    assert params(order, "upscaler") == {"upscale_factor": 2.0, "upscaler": "4x"}
    assert params(order, "restorer") == {
        "steps": 10,  # of which the last half, five, run
        "strength": 0.5,
        "scheduler": "ddim",
        "prompt": "a house, sharp",
        "tile": 256,
    }
    assert order.warnings == ()


def test_hires_fix_to_a_size() -> None:
    order = drawn(enable_hr=True, hr_resize_x=384, width=128, height=96)
    assert params(order, "upscaler")["upscale_factor"] == 3
    order = drawn(enable_hr=True, firstphase_width=128, firstphase_height=96, width=256, height=192)
    assert params(order, "text_to_image")["width"] == 128
    assert params(order, "upscaler")["upscale_factor"] == 2
    assert "expected the shape" in problems(enable_hr=True, hr_resize_x=256, hr_resize_y=300)


def test_latent_upscalers_are_told_to_be_ours() -> None:
    order = drawn(enable_hr=True, hr_upscaler="Latent (bicubic)")
    assert params(order, "upscaler")["upscaler"] is None
    assert "hr_upscaler" in order.warnings[0]


def test_hires_fix_beyond_the_model_is_done_in_tiles() -> None:
    assert "tile" not in params(drawn(enable_hr=True, hr_scale=8), "restorer")


@pytest.mark.parametrize(("switch", "level", "told"), [(None, 2, True), (0.85, 1, False)])
def test_the_refiner_is_a_stage(switch: float | None, level: int, told: bool) -> None:
    order = drawn(refiner_checkpoint="other", refiner_switch_at=switch)
    found = params(order, "refiner")
    assert found["model"] == "other.safetensors"
    assert abs(found["refinement_level"] - level) <= 1
    assert bool(order.warnings) == told
    assert "refiner" not in names(drawn(refiner_checkpoint="other", refiner_switch_at=1))


def test_adetailer_units_are_detailers() -> None:
    unit = {
        "ad_model": "detector",
        "ad_model_classes": "house, face",
        "ad_prompt": "a [PROMPT] by night",
        "ad_confidence": 0.4,
        "ad_mask_k_largest": 2,
        "ad_mask_min_ratio": 0.1,
        "ad_mask_max_ratio": 0.9,
        "ad_dilate_erode": -3,
        "ad_x_offset": 5,
        "ad_y_offset": 6,
        "ad_mask_merge_invert": "Merge and Invert",
        "ad_mask_blur": 7,
        "ad_denoising_strength": 0.6,
        "ad_inpaint_only_masked_padding": 20,
        "ad_use_steps": True,
        "ad_steps": 11,
        "ad_use_cfg_scale": True,
        "ad_cfg_scale": 2.5,
        "ad_use_sampler": True,
        "ad_sampler": "UniPC",
    }
    scripts = {"ADetailer": {"args": [True, False, unit, {"ad_model": "detector.pt"}, {}]}}
    order = drawn(alwayson_scripts=scripts, steps=6)
    assert names(order) == ["prompt", "text_to_image", "detailer", "detailer", "publisher"]
    assert stages(order)[2][1] == {
        "detector": "detector",
        "classes": ["house", "face"],
        "prompt": "a {prompt} by night",
        "confidence": 0.4,
        "order": "area",
        "top_k": 2,
        "min_area": 0.1,
        "max_area": 0.9,
        "dilate": -3,
        "offset_x": 5,
        "offset_y": -6,
        "mask_mode": "invert",
        "blur": 7,
        "strength": 0.6,
        "padding_pixels": 20,
        "steps": 11,
        "guidance_scale": 2.5,
        "scheduler": "unipc",
    }
    assert stages(order)[3][1]["steps"] == 6
    assert order.warnings == ()


@pytest.mark.parametrize(
    "args",
    [[], [False], [False, {"ad_model": "nothing"}], [{"ad_model": "None"}], [True, {}]],
)
def test_adetailer_may_be_off(args: list[Any]) -> None:
    assert "detailer" not in names(drawn(alwayson_scripts={"ADetailer": {"args": args}}))


@pytest.mark.parametrize(
    ("unit", "told"),
    [
        ({"ad_model": "face_yolov8n.pt"}, "'face_yolov8n.pt' is not at hand. At hand: detector."),
        ({"ad_confidence": 7}, "ad_confidence"),
        ({"ad_restore_face": True}, "ad_restore_face"),
        ({"ad_controlnet_model": "tile"}, "ad_controlnet_model"),
    ],
)
def test_adetailer_refuses_what_it_cannot_do(unit: dict[str, Any], told: str) -> None:
    scripts = {"ADetailer": {"args": [{"ad_model": "detector", **unit}]}}
    assert told in problems(alwayson_scripts=scripts)


def test_adetailer_tells_what_it_leaves_out() -> None:
    unit = {"ad_model": "detector", "ad_negative_prompt": "x", "ad_use_clip_skip": True, "ad_y": 1}
    warnings = " ".join(drawn(alwayson_scripts={"adetailer": {"args": [unit]}}).warnings)
    for name in ("ad_negative_prompt", "ad_clip_skip", "ad_y"):
        assert name in warnings


@pytest.mark.parametrize(
    "asked",
    [
        {"prompt": " "},
        {"restore_faces": True},
        {"tiling": True},
        {"styles": ["cinematic"]},
        {"subseed_strength": 0.5},
        {"seed_resize_from_w": 512},
        {"script_name": "X/Y/Z plot"},
        {"sampler_name": "DPM++ SDE"},
        {"override_settings": {"sd_model_checkpoint": "sdxl"}},
        {"refiner_checkpoint": "sdxl_refiner"},
        {"hr_upscaler": "R-ESRGAN 4x+", "enable_hr": True},
        {"alwayson_scripts": {"ControlNet": {"args": [{"image": "x", "model": "canny"}]}}},
        {"alwayson_scripts": {"Self Attention Guidance": {"args": [True, 0.75, 1.0]}}},
    ],
)
def test_what_would_be_a_lie_is_refused(asked: dict[str, Any]) -> None:
    assert next(iter(asked)) in problems(**asked)


@pytest.mark.parametrize(
    "asked",
    [
        {"eta": 0.3},
        {"s_noise": 2},
        {"override_settings": {"CLIP_stop_at_last_layers": 2}},
        {"override_settings": {"sd_vae": "fancy.safetensors"}},
        {"brand_new": 1},
    ],
)
def test_what_only_shifts_the_result_is_told(asked: dict[str, Any]) -> None:
    (warning,) = drawn(**asked).warnings
    assert next(iter(asked)) in warning


def test_what_clients_always_send_is_not_told() -> None:
    order = drawn(
        eta=1.0, s_churn=0, s_tmax=0, s_tmin=0, s_noise=1, subseed=-1, subseed_strength=0,
        styles=[], script_args=[], save_images=False, do_not_save_grid=True,
        override_settings={"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic"},
        alwayson_scripts={"ControlNet": {"args": []}, "animatediff": {"args": [False]}},
    )  # fmt: skip
    assert order.warnings == ()


def test_every_problem_is_told_at_once() -> None:
    told = problems(prompt="", tiling=True, sampler_name="Foo")
    for name in ("prompt", "tiling", "sampler_name"):
        assert name in told


@pytest.mark.parametrize("name", ["other", "other.safetensors", "other [0123456789]", "other.ckpt"])
def test_models_go_by_title_name_or_file(name: str) -> None:
    order = drawn(override_settings={"sd_model_checkpoint": name})
    assert order.model == "other.safetensors"


# -- img2img ---------------------------------------------------------------------------------------


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


# -- extras ----------------------------------------------------------------------------------------


def enlarged(**asked: Any) -> Order:
    request = ExtrasRequest(image=b64(plain(200, 150)), **asked)
    return extras(request, request.image, "image", SHELF, LIMITS)


def test_extras_enlarge() -> None:
    order = enlarged(upscaler_1="4x", upscaling_resize=3)
    assert names(order) == ["upscaler", "publisher"]
    assert params(order, "upscaler") == {"upscale_factor": 3.0, "upscaler": "4x"}
    assert names(enlarged(upscaling_resize=3)) == ["publisher"]


def test_extras_to_a_size() -> None:
    order = enlarged(upscaler_1="4x", resize_mode=1, upscaling_resize_w=400, upscaling_resize_h=400)
    assert order.image is not None
    assert decode(order.image).shape == (150, 150, 3)
    assert params(order, "upscaler")["upscale_factor"] == pytest.approx(400 / 150)
    whole = enlarged(
        upscaler_1="4x", resize_mode=1, upscaling_resize_w=400, upscaling_resize_h=400,
        upscaling_crop=False,
    )  # fmt: skip
    assert params(whole, "upscaler")["upscale_factor"] == 2
    assert "became 400x300" in whole.warnings[0]


@pytest.mark.parametrize(
    "asked",
    [
        {"upscaler_1": "LDSR"},
        {"gfpgan_visibility": 0.5},
        {"upscaler_2": "2x", "extras_upscaler_2_visibility": 0.5},
        {"upscaler_1": "2x", "resize_mode": 1, "upscaling_resize_w": 20, "upscaling_resize_h": 20},
    ],
)
def test_extras_refuse_what_they_cannot_do(asked: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        enlarged(**asked)
