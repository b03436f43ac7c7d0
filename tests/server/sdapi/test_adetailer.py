"""What ADetailer's units, and "restore faces", become in a txt2img request: detailers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ninefold.server.sdapi.schemas import Txt2ImgRequest
from ninefold.server.sdapi.translate import txt2img
from tests.server.sdapi.orders import LIMITS, SHELF, drawn, names, params, problems, stages


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
    ("unit", "reported"),
    [
        ({"ad_model": "mine.pt"}, "'mine.pt' is not at hand. At hand: detector."),
        ({"ad_confidence": 7}, "ad_confidence"),
        ({"ad_restore_face": True}, "ad_restore_face"),
        ({"ad_controlnet_model": "tile"}, "ad_controlnet.model: 'tile' is not at hand"),
    ],
)
def test_adetailer_refuses_what_it_cannot_do(unit: dict[str, Any], reported: str) -> None:
    scripts = {"ADetailer": {"args": [{"ad_model": "detector", **unit}]}}
    assert reported in problems(alwayson_scripts=scripts)


@pytest.mark.parametrize(
    ("unit", "classes"),
    [
        ({"ad_model": "face_yolov8n.pt"}, ["face"]),
        ({"ad_model": "mediapipe_face_mesh_eyes_only"}, ["face"]),
        ({"ad_model": "yolov8x-worldv2.pt", "ad_model_classes": "dog, house"}, ["house"]),
        ({"ad_model": "yolov8x-worldv2.pt"}, []),
        ({"ad_model": "hand_yolov8n.pt"}, None),
        ({"ad_model": "person_yolov8n-seg.pt"}, None),
        ({"ad_model": "deepfashion2_yolov8s-seg.pt"}, None),
        ({"ad_model": "detector", "ad_denoising_strength": 0}, None),
        ({"ad_model": "detector", "ad_tap_enable": False}, None),
    ],
)
def test_names_of_adetailers_models(unit: dict[str, Any], classes: list[str] | None) -> None:
    """The detector knows faces and houses; a unit that it cannot serve is left out."""
    order = drawn(alwayson_scripts={"ADetailer": {"args": [unit]}})
    found = [given for name, given in stages(order) if name == "detailer"]
    assert [item["classes"] for item in found] == ([] if classes is None else [classes])
    assert len(order.warnings) == ("ad_tap_enable" not in unit)


def test_faces_are_restored_by_a_detailer() -> None:
    order = drawn(restore_faces=True)
    assert params(order, "detailer")["classes"] == ["face"]
    assert params(order, "detailer")["detector"] == "detector"
    blind = replace(SHELF, labels=lambda _: ("house",))
    order = txt2img(Txt2ImgRequest(restore_faces=True), blind, LIMITS)
    assert "detailer" not in names(order)
    assert "no detector at hand finds faces" in order.warnings[0]


def test_adetailer_tells_what_it_leaves_out() -> None:
    unit = {"ad_model": "detector", "ad_use_clip_skip": True, "ad_y": 1}
    warnings = " ".join(drawn(alwayson_scripts={"adetailer": {"args": [unit]}}).warnings)
    for name in ("ad_clip_skip", "ad_y"):
        assert name in warnings


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("a {red|blue} face <lora:x:1>", "a {red|blue} face <lora:x:1>"),
        ("[PROMPT], smiling", "{prompt}, smiling"),
        ("[SKIP][SEP][PROMPT]", "[SKIP] [SEP] {prompt}"),
        ("a face [SEP] ", "a face [SEP] {prompt}"),
        ("", None),
    ],
)
def test_prompts_of_adetailers_units(given: str, expected: str | None) -> None:
    unit = {"ad_model": "detector", "ad_prompt": given, "ad_negative_prompt": given}
    order = drawn(alwayson_scripts={"adetailer": {"args": [unit]}})
    assert order.warnings == ()
    found = params(order, "detailer")
    assert found.get("prompt") == expected
    negative = expected and expected.replace("{prompt}", "{negative_prompt}")
    assert found.get("negative_prompt") == negative
