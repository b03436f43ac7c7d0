"""What a txt2img request becomes: hires fix, refiner, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ninefold.server.blocking_requests import ImageOrder
from ninefold.server.sdapi.schemas import Txt2ImgRequest
from ninefold.server.sdapi.translate import txt2img
from tests.server.sdapi.orders import LIMITS, SHELF, drawn, names, params, problems


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
        "allow_blank": True,
    }
    assert (order.prompt, order.negative_prompt, order.seed) == ("a house", "rain", 7)
    assert (order.count, order.model, order.warnings) == (6, None, ())


def test_what_a_request_leaves_out_is_the_models_own() -> None:
    order = drawn(seed=-1)
    assert params(order, "text_to_image") == {"width": 128, "height": 128, "allow_blank": True}
    assert order.seed is None


def test_null_is_left_out_too() -> None:
    given = dict.fromkeys(Txt2ImgRequest.model_fields)
    assert txt2img(Txt2ImgRequest(**given), SHELF, LIMITS) == drawn(prompt="")


def test_a_prompt_may_be_blank() -> None:
    for order in (drawn(prompt=""), drawn(prompt=" ")):
        assert params(order, "prompt") == {"allow_blank": True}


@pytest.mark.parametrize(
    ("sampler", "schedule", "ours", "reported"),
    [
        (None, None, None, False),
        ("Default", "automatic", None, False),
        ("Euler", "Automatic", "euler", False),
        ("k_euler_a", None, "euler_a", False),
        ("DPM++ 2M", None, "dpmpp_2m_karras", False),
        ("DPM++ 2M", "Karras", "dpmpp_2m_karras", False),
        ("DPM++ 2M Karras", None, "dpmpp_2m_karras", False),
        ("dpm++ 2m", "uniform", "dpmpp_2m", False),
        ("DPM++ 2M", "Exponential", "dpmpp_2m_exponential", False),
        ("DPM++ 2M Karras", "SGM Uniform", "dpmpp_2m_sgm_uniform", False),
        ("DPM++ 2M Karras", "Automatic", "dpmpp_2m_karras", False),
        ("UniPC", "Karras", "unipc_karras", False),
        ("DDIM", "", "ddim", False),
        ("DDIM", "Karras", "ddim", True),
        ("DDIM CFG++", None, "ddim", True),
        ("PLMS", None, "plms", False),
        ("DPM++ 2M SDE Karras", None, "dpmpp_2m_sde_karras", False),
        ("DPM++ 2M SDE", "Automatic", "dpmpp_2m_sde_exponential", False),
        ("DPM++ SDE", None, "dpmpp_sde_karras", False),
        ("DPM++ 2S a", "Karras", "dpmpp_sde_karras", True),
        ("Restart", None, "heun", True),
        ("Euler", "Turbo", "euler_sgm_uniform", True),
        ("Euler", "Fancy", "euler", True),
        ("Euler", "Align Your Steps", "euler_align_your_steps", False),
        ("dpmpp_2m_sde_gpu", "normal", "dpmpp_2m_sde", False),
        ("EULER A", "automatic", "euler_a", False),
    ],
)
def test_samplers(
    sampler: str | None, schedule: str | None, ours: str | None, reported: bool
) -> None:
    order = drawn(sampler_name=sampler, scheduler=schedule)
    assert params(order, "text_to_image").get("scheduler") == ours
    assert bool(order.warnings) == reported


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


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({"hr_resize_x": 384}, (384, 288)),
        ({"hr_resize_y": 192}, (256, 192)),
        ({"hr_resize_x": 256, "hr_resize_y": 300}, (256, 300)),
        ({"hr_resize_x": 64, "hr_resize_y": 64}, (64, 64)),
    ],
)
def test_hires_fix_to_a_size(asked: dict[str, Any], size: tuple[int, int]) -> None:
    order = drawn(enable_hr=True, width=128, height=96, **asked)
    found = params(order, "upscaler")
    assert (found["width"], found["height"]) == size
    assert params(order, "restorer")["tile"] == max(size)
    assert order.warnings == ()


def test_hires_fix_by_the_size_of_the_first_image() -> None:
    order = drawn(enable_hr=True, firstphase_width=128, firstphase_height=96, width=256, height=192)
    assert params(order, "text_to_image")["width"] == 128
    assert params(order, "upscaler")["width"] == 256
    assert "at most 8 times" in problems(enable_hr=True, hr_resize_x=256, hr_resize_y=1200)


@pytest.mark.parametrize(
    ("name", "ours"),
    [("Lanczos", "lanczos"), ("nearest", "nearest"), ("None", "lanczos"), ("2X", "2x")],
)
def test_upscalers_of_hires_fix(name: str, ours: str) -> None:
    order = drawn(enable_hr=True, hr_upscaler=name)
    assert params(order, "upscaler")["upscaler"] == ours
    assert order.warnings == ()


def test_latent_upscalers_are_reported_to_be_ours() -> None:
    order = drawn(enable_hr=True, hr_upscaler="Latent (bicubic)")
    assert params(order, "upscaler")["upscaler"] is None
    assert "hr_upscaler" in order.warnings[0]


def test_hires_fix_beyond_the_model_is_done_in_tiles() -> None:
    assert "tile" not in params(drawn(enable_hr=True, hr_scale=8), "restorer")


@pytest.mark.parametrize(("switch", "level", "reported"), [(None, 2, True), (0.85, 1, False)])
def test_the_refiner_is_a_stage(switch: float | None, level: int, reported: bool) -> None:
    """Of a model that cannot go on with the base's latents."""
    order = drawn(refiner_checkpoint="other", refiner_switch_at=switch)
    found = params(order, "refiner")
    assert found["model"] == "other.safetensors"
    assert abs(found["refinement_level"] - level) <= 1
    assert bool(order.warnings) == reported
    assert "refiner" not in names(drawn(refiner_checkpoint="other", refiner_switch_at=1))


def test_a_refiner_makes_the_last_steps_where_it_can() -> None:
    info = SHELF.info(None)
    family = replace(info.family, hands_over="SDXL")
    shelf = replace(SHELF, describe=lambda _: replace(info, family=family))

    def asked(switch: float | None) -> ImageOrder:
        refiner: dict[str, Any] = {"refiner_checkpoint": "other", "refiner_switch_at": switch}
        return txt2img(Txt2ImgRequest(prompt="a house", **refiner), shelf, LIMITS)

    for switch, handover in ((None, 0.8), (0.45, 0.45)):
        order = asked(switch)
        found = params(order, "text_to_image")
        assert (found["refiner"], found["handover"]) == ("other.safetensors", handover)
        assert "refiner" not in names(order)
        assert order.warnings == ()
    assert "refiner" in names(asked(0))  # over the finished image
    assert "refiner_switch_at: is 1" in asked(1).warnings[0]


def test_prompts_of_the_second_pass() -> None:
    order = drawn(enable_hr=True, hr_prompt="a <lora:x:1>", hr_negative_prompt="fog")
    found = params(order, "restorer")
    assert (found["prompt"], found["negative_prompt"]) == ("a <lora:x:1>", "fog")


@pytest.mark.parametrize(
    "asked",
    [
        {"styles": ["cinematic"]},
        {"subseed_strength": 0.5},
        {"seed_resize_from_w": 512},
        {"script_name": "X/Y/Z plot"},
        {"sampler_name": "Foo"},
        {"override_settings": {"sd_model_checkpoint": "sdxl"}},
        {"refiner_checkpoint": "sdxl_refiner"},
        {"hr_upscaler": "R-ESRGAN 4x+", "enable_hr": True},
        {"alwayson_scripts": {"ControlNet": {"args": [{"image": "x", "model": "canny"}]}}},
        {"alwayson_scripts": {"Self Attention Guidance": {"args": [True, 0.75, 1.0]}}},
    ],
)
def test_what_would_be_a_lie_is_refused(asked: dict[str, Any]) -> None:
    assert next(iter(asked)) in problems(**asked)


def test_tiling_is_the_parameter_of_the_painting_stage() -> None:
    order = drawn(tiling=True)
    assert order.warnings == ()
    (painting,) = [item for item in order.stages if item["stage"] == "text_to_image"]
    assert painting["params"]["tiling"] == "both"
    assert not any("tiling" in item.get("params", {}) for item in drawn(tiling=False).stages)


@pytest.mark.parametrize(
    "asked",
    [
        {"eta": 0.3},
        {"s_noise": 2},
        {"sampler_name": "DPM fast"},
        {"sampler_name": "k_dpmpp_2s_a"},
        {"script_args": [1]},
        {"override_settings_restore_afterwards": False},
        {"override_settings": {"CLIP_stop_at_last_layers": 2}},
        {"override_settings": {"sd_vae": "fancy.safetensors"}},
        {"brand_new": 1},
    ],
)
def test_what_only_shifts_the_result_is_reported(asked: dict[str, Any]) -> None:
    (warning,) = drawn(**asked).warnings
    assert next(iter(asked)) in warning


def test_what_clients_always_send_is_not_reported() -> None:
    order = drawn(
        eta=1.0, s_churn=0, s_tmax=0, s_tmin=0, s_noise=1, subseed=-1, subseed_strength=0,
        styles=[], script_args=[], save_images=False, do_not_save_grid=True,
        override_settings={"CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic"},
        alwayson_scripts={"ControlNet": {"args": []}, "animatediff": {"args": [False]}},
    )  # fmt: skip
    assert order.warnings == ()


def test_every_problem_is_reported_at_once() -> None:
    reported = problems(script_name="xyz", subseed_strength=1, sampler_name="Foo")
    for name in ("script_name", "subseed_strength", "sampler_name"):
        assert name in reported


@pytest.mark.parametrize("name", ["other", "other.safetensors", "other [0123456789]", "other.ckpt"])
def test_models_go_by_title_name_or_file(name: str) -> None:
    order = drawn(override_settings={"sd_model_checkpoint": name})
    assert order.model == "other.safetensors"


def test_first_sizes_are_rounded_down_to_what_the_model_can_do() -> None:
    order = drawn(width=517, height=300, enable_hr=True, firstphase_width=130, firstphase_height=75)
    first = params(order, "text_to_image")
    assert (first["width"], first["height"]) == (128, 64)
    last = params(order, "upscaler")
    assert (last["width"], last["height"]) == (517, 300)
    assert [text for text in order.warnings if "became" in text] == [
        "firstphase_width: 130 became 128: poster makes multiples of 16.",
        "firstphase_height: 75 became 64: poster makes multiples of 16.",
    ]
    assert params(drawn(width=513, height=100), "text_to_image")["width"] == 512
