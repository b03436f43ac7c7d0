"""The `webuiapi` package against a server process over the fake engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
import webuiapi
from PIL import Image

from ninefold.files.infotext import Infotext, parse_infotext
from tests.server.doors import Served, opened, picture_file, served


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("sdapi"), engines={"steps_delay": 0.02}) as found:
        yield found


@pytest.fixture
def api(here: Served) -> Iterator[Any]:
    found = client_of(here)
    yield found
    found.session.close()


def client_of(place: Served, key: str | None = None) -> Any:
    """A client that signs in with HTTP Basic, its key as the password."""
    return webuiapi.WebUIApi(
        "127.0.0.1", place.port, steps=4, username="any", password=key or place.key
    )


def reported(api: Any, image: Image.Image) -> Infotext:
    """What png-info says of an image that came back."""
    return parse_infotext(api.png_info(image).info)


def source(width: int = 200, height: int = 150) -> Image.Image:
    return opened(picture_file(width, height))


def spot(width: int, height: int, box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    mask.paste(255, box)
    return mask


# -- making images ---------------------------------------------------------------------------------


def test_images_are_made_and_png_info_says_how(api: Any) -> None:
    answer = api.txt2img(
        prompt="a red house", negative_prompt="rain", seed=7, cfg_scale=3, width=128, height=96,
        batch_size=2, sampler_name="DPM++ 2M",
    )  # fmt: skip
    assert [image.size for image in answer.images] == [(128, 96)] * 2
    assert answer.info["all_seeds"] == [7, 8]
    assert answer.info["warnings"] == []
    for number, image in enumerate(answer.images):
        info = reported(api, image)
        assert (info.prompt, info.negative_prompt) == ("a red house", "rain")
        assert info.size == (128, 96)
        assert info.fields["Seed"] == str(7 + number)
        assert info.fields["Steps"] == "4"
        assert info.fields["CFG scale"] == "3"
        assert (info.fields["Sampler"], info.fields["Schedule type"]) == ("DPM++ 2M", "Karras")
        assert info.fields["Model"] == "poster"
        assert parse_infotext(answer.info["infotexts"][number]) == info
        assert parse_infotext(image.info["parameters"]) == info
    assert answer.parameters["prompt"] == "a red house"


def test_hires_fix_refiner_and_adetailer(api: Any) -> None:
    answer = api.txt2img(
        prompt="a red house", seed=7, width=128, height=128, enable_hr=True, hr_scale=2,
        hr_upscaler="4x", denoising_strength=0.5,
        adetailer=[webuiapi.ADetailer(ad_model="detector", ad_confidence=0.01, ad_prompt="a face")],
    )  # fmt: skip
    assert answer.image.size == (256, 256)
    fields = reported(api, answer.image).fields
    assert fields["Size"] == "128x128"
    assert (fields["Hires upscale"], fields["Hires upscaler"]) == ("2", "4x")
    assert fields["Denoising strength"] == "0.5"
    assert fields["ADetailer model"] == "detector"
    assert answer.info["warnings"] == []


def test_controlnet(api: Any) -> None:
    unit = webuiapi.ControlNetUnit(image=source(), module="canny", model="edges", weight=0.7)
    asked: dict[str, Any] = {"prompt": "a", "seed": 7, "width": 128, "height": 128}
    plain = api.txt2img(**asked)
    # A dictionary of its own: the client adds units to the one that it shares among calls.
    steered = api.txt2img(**asked, controlnet_units=[unit], alwayson_scripts={})
    assert (np.array(plain.image) != np.array(steered.image)).any()
    assert reported(api, steered.image).fields["ControlNet 0"] == (
        "Module: canny, Model: edges [fa4e0000], Weight: 0.7, Threshold A: 64, Threshold B: 64, "
        "Guidance Start: 0.0, Guidance End: 1.0, Pixel Perfect: True, Control Mode: Balanced"
    )
    asked |= {"controlnet_units": [unit], "alwayson_scripts": {}}
    changed = api.img2img(images=[source()], **asked)
    assert "ControlNet 0" in reported(api, changed.image).fields


def test_the_refiner(here: Served) -> None:
    asked = {"prompt": "a", "width": 128, "height": 128, "refiner_checkpoint": "poster"}
    answer = httpx.post(
        f"{here.url}/sdapi/v1/txt2img",
        json={**asked, "refiner_switch_at": 0.85},
        headers=here.headers(),
    ).json()
    info = json.loads(answer["info"])
    fields = parse_infotext(info["infotexts"][0]).fields
    assert fields["Refiner"].startswith("poster [")
    assert fields["Refiner switch at"] == "0.85"


def test_an_image_is_changed(api: Any) -> None:
    answer = api.img2img(images=[source()], prompt="a tree", width=192, height=144, seed=3)
    assert answer.image.size == (192, 144)
    fields = reported(api, answer.image).fields
    assert (fields["Denoising strength"], fields["Seed"]) == ("0.75", "3")
    assert answer.parameters["init_images"] is None


def test_a_masked_place_is_painted_and_nothing_else(api: Any) -> None:
    image = source()
    mask = spot(200, 150, (60, 50, 120, 100))
    answer = api.img2img(
        images=[image], mask_image=mask, mask_blur=1, prompt="a tree", width=200, height=150
    )
    changed = (np.array(image.convert("RGB")) != np.array(answer.image)).any(axis=2)
    assert changed[50:100, 60:120].mean() > 0.9
    changed[44:106, 54:126] = False
    assert not changed.any()
    assert reported(api, answer.image).fields["Inpaint area"] == "Only masked"


def test_images_are_enlarged(api: Any) -> None:
    answer = api.extra_single_image(source(), upscaler_1="4x", upscaling_resize=3)
    assert answer.image.size == (600, 450)
    fields = reported(api, answer.image).fields
    assert (fields["Postprocess upscale by"], fields["Postprocess upscaler"]) == ("3", "4x")
    batch = api.extra_batch_images([source(), source(100, 50)], upscaler_1="2x")
    assert [image.size for image in batch.images] == [(400, 300), (200, 100)]
    assert api.extra_single_image(source()).image.size == (200, 150)  # no upscaler: nothing to do


def test_what_is_not_done_is_reported(api: Any) -> None:
    answer = api.txt2img(
        prompt="a tree",
        width=128,
        height=128,
        s_noise=1.2,
        enable_hr=True,
        sampler_name="DDIM",
        scheduler="exponential",
    )
    warnings = " ".join(answer.info["warnings"])
    for name in ("s_noise", "hr_upscaler", "scheduler"):
        assert name in warnings
    with pytest.raises(RuntimeError) as refused:
        api.txt2img(prompt="a tree", subseed_strength=0.5, styles=["mine"])
    status, text = refused.value.args
    assert status == 422
    error = json.loads(text)
    assert set(error) == {"error", "detail", "body", "errors"}
    assert "subseed_strength" in error["detail"]
    assert "styles" in error["detail"]


# -- what can be chosen ----------------------------------------------------------------------------


def test_lists_hold_what_requests_may_name(api: Any) -> None:
    (title,) = api.util_get_model_names()
    assert api.has_adetailer
    for sampler in api.util_get_sampler_names():
        api.txt2img(prompt="a", width=64, height=64, sampler_name=sampler)
    answer = api.txt2img(
        prompt="a <lora:sketch:0.5>", width=64, height=64,
        override_settings={"sd_model_checkpoint": title},
    )  # fmt: skip
    assert "sketch" in reported(api, answer.image).fields["Lora hashes"]
    assert [item["name"] for item in api.get_loras()] == ["sketch"]
    assert {item["name"] for item in api.get_upscalers()} == {
        "None",
        "Lanczos",
        "Nearest",
        "2x",
        "4x",
    }
    assert {"karras", "automatic"} <= set(api.util_get_scheduler_names())


def test_lists_that_are_empty_here_are_there(api: Any) -> None:
    for lookup in (
        api.get_sd_vae,
        api.get_hypernetworks,
        api.get_face_restorers,
        api.get_realesrgan_models,
        api.get_prompt_styles,
        api.get_latent_upscale_modes,
    ):
        assert lookup() == []
    assert api.get_cmd_flags() == {}
    assert api.get_embeddings() == {"loaded": {}, "skipped": {}}
    assert api.refresh_checkpoints() is None
    assert set(api.get_memory()) == {"ram", "cuda"}


def test_who_sends_no_key_is_asked_for_a_name_and_password(here: Served) -> None:
    for path in ("sdapi/v1/options", "internal/ping", "controlnet/version"):
        answer = httpx.get(f"{here.url}/{path}")
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        assert set(answer.json()) == {"error", "detail", "body", "errors"}
    assert httpx.get(f"{here.url}/internal/ping", headers=here.headers()).json() == {}


def test_lists_of_extensions(api: Any) -> None:
    assert api.controlnet_version() == 3
    models = ["edges", "union", "style"]
    assert api.controlnet_model_list() == models
    assert {"none", "canny"} <= set(api.controlnet_module_list())
    kinds = api.custom_get("controlnet/control_types")["control_types"]
    assert kinds["All"]["model_list"] == ["None", *models]
    assert api.custom_get("adetailer/v1/ad_model") == {"ad_model": ["detector"]}
    assert "ad_confidence" in api.custom_get("adetailer/v1/schema")["properties"]
    assert api.custom_get("extensions", baseurl=True) == []
    assert api.custom_get("sd-modules", baseurl=True) == []


def test_an_image_is_described_by_the_prompt_it_holds(api: Any) -> None:
    made = api.txt2img(prompt="a red house", width=64, height=64)
    assert api.interrogate(made.image).info == "a red house"
    with pytest.raises(RuntimeError) as refused:
        api.interrogate(Image.new("RGB", (8, 8)))
    assert refused.value.args[0] == 404
    assert "no model at hand describes images" in refused.value.args[1]


def test_settings_come_from_infotext(api: Any) -> None:
    first = api.txt2img(
        prompt="a red house", negative_prompt="rain", seed=7, width=96, height=64, steps=3,
        cfg_scale=3, sampler_name="DDIM",
    )  # fmt: skip
    answer = api.session.post(
        f"{api.baseurl}/txt2img", json={"infotext": first.info["infotexts"][0], "seed": 8}
    ).json()
    info = json.loads(answer["info"])
    assert info["warnings"] == []
    before, after = (parse_infotext(item["infotexts"][0]) for item in (first.info, info))
    assert (after.prompt, after.negative_prompt) == ("a red house", "rain")
    assert after.fields == {**before.fields, "Seed": "8"}


def test_hires_fix_of_another_shape_is_cut(api: Any) -> None:
    answer = api.txt2img(
        prompt="a", width=128, height=128, enable_hr=True, hr_resize_x=256, hr_resize_y=160,
        hr_upscaler="Nearest", denoising_strength=0.3,
    )  # fmt: skip
    assert answer.image.size == (256, 160)
    assert answer.info["warnings"] == []
    assert reported(api, answer.image).fields["Hires resize"] == "256x160"


def test_sd_upscale(api: Any) -> None:
    answer = api.img2img(
        images=[source(128, 96)], prompt="a", width=64, height=64, denoising_strength=0.3,
        script_name="SD upscale", script_args=["", 16, "2x", 2],
    )  # fmt: skip
    assert answer.image.size == (256, 192)
    assert answer.info["warnings"] == []


@pytest.mark.parametrize("prompt", ["", "<lora:sketch:0.5>"])
def test_a_blank_prompt_paints(api: Any, prompt: str) -> None:
    answer = api.txt2img(prompt=prompt, width=64, height=64)
    assert answer.image.size == (64, 64)
    assert ("Lora hashes" in reported(api, answer.image).fields) == bool(prompt)


def test_a_detailer_works_alone(api: Any) -> None:
    """With `skip_img2img`, and at denoising strength 0, only the regions change."""
    unit = webuiapi.ADetailer(ad_model="face_yolov8n.pt").to_dict()
    image = source()
    for asked in (
        {"alwayson_scripts": {"ADetailer": {"args": [True, True, unit]}}},
        {"denoising_strength": 0, "adetailer": [webuiapi.ADetailer(ad_model="face_yolov8n.pt")]},
    ):
        api.has_adetailer = "adetailer" in asked  # else it puts arguments of its own in their place
        answer = api.img2img(images=[image], prompt="a", width=200, height=150, **asked)
        changed = (np.array(image.convert("RGB")) != np.array(answer.image)).any(axis=2)
        assert 0 < changed.mean() < 0.5
        assert "'face_yolov8n.pt' is not at hand" in answer.info["warnings"][0]


def test_options_can_be_read_and_written_back(api: Any) -> None:
    options = api.get_options()
    api.util_set_model("poster")
    assert api.util_get_current_model() == options["sd_model_checkpoint"]
    assert api.set_options(options) is None
    assert "clip" in json.dumps(api.set_options({"CLIP_stop_at_last_layers": 2})).lower()
    assert "not at hand" in json.dumps(api.set_options({"sd_model_checkpoint": "sdxl"}))


def test_pictures_of_other_tools_are_read(api: Any) -> None:
    plain = api.png_info(Image.new("RGB", (8, 8)))
    assert (plain.info, plain.parameters) == ("", {})
    image = Image.new("RGB", (8, 8))
    image.info["parameters"] = "a cat\nNegative prompt: dog\nSteps: 20, Seed: 5, Size: 64x32"
    found = api.png_info(image)
    assert found.info == image.info["parameters"]
    assert found.parameters["Prompt"] == "a cat"
    assert (found.parameters["Size-1"], found.parameters["Size-2"]) == (64, 32)
