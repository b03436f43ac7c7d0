"""What published files say of how they were made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ninefold import __version__
from ninefold.files.embed import read_infotext, read_parameters, read_xmp
from ninefold.files.infotext import parse_hashes
from ninefold.files.xmp import DigitalSourceType, parse_xmp
from ninefold.slots import OUTPUTS
from tests.stages.test_publisher import ALL, full_run, published

from ..support import box_mask, picture


def test_infotext_tells_the_truth_in_every_format(tmp_path: Path) -> None:
    context = full_run(tmp_path, negative_prompt="people, rain")
    made = context.metadata["text_to_image"]
    for output in context[OUTPUTS][:4]:
        info = read_infotext(output.path.read_bytes())
        assert info is not None
        assert info.prompt == "a red house, (sea:1.2)"
        assert info.negative_prompt == "people, rain"
        fields = dict(info.fields)
        assert parse_hashes(fields.pop("Lora hashes")) == {"sketch": "fa4e00000000"}
        assert fields == {
            "Steps": str(made["steps"]),
            "Sampler": "default",
            "CFG scale": "4",
            "Seed": "7",
            "Size": "128x128",
            "Model hash": made["model_hash"][:10],
            "Model": "poster",
            "Denoising strength": "0.2",
            "Hires upscale": "2",
            "Hires upscaler": "2x",
            "Hires steps": "4",
            "Refiner": "poster [fa4e000000]",
            "Refiner switch at": "0.75",
            "ADetailer model": "detector",
            "ADetailer denoising strength": "0.4",
            "Version": f"ninefold {__version__}",
        }


def test_infotext_tells_a_detailers_own_prompt_and_loras(tmp_path: Path) -> None:
    params = {"prompt": "{1::close} <lora:sketch:0.5>, {prompt}", "confidence": 0.0}
    stages = [
        {"stage": "prompt"},
        {"stage": "text_to_image"},
        {"stage": "detailer", "params": params},
        {"stage": "detailer"},
        {"stage": "publisher"},
    ]
    context = full_run(tmp_path, {"stages": stages}, prompt="a house")
    info = read_infotext(context[OUTPUTS][0].path.read_bytes())
    assert info is not None
    assert info.fields["ADetailer prompt"] == "close, a house <lora:sketch:0.5>"
    assert "ADetailer prompt 2nd" not in info.fields
    assert parse_hashes(info.fields["Lora hashes"]) == {"sketch": "fa4e00000000"}


def test_files_say_the_prompt_that_was_painted_to_the_letter(tmp_path: Path) -> None:
    prompt = "a flag bearer marching, /red/blue/green stripes, ~5m/16ft tall"
    context = full_run(tmp_path, prompt=prompt, negative_prompt="C:\\ and standard bearer standing")
    assert context["prompt"] == prompt
    for output in context[OUTPUTS][:4]:
        info = read_infotext(output.path.read_bytes())
        assert info is not None
        assert (info.prompt, info.negative_prompt) == (prompt, context["negative_prompt"])
    reported = json.loads((tmp_path / "outputs/manifest.json").read_text())["stages"]
    assert reported["prompt"]["prompt"] == reported["prompt"]["template"] == prompt
    assert {region["prompt"] for region in reported["detailer"]["regions"]} <= {prompt}


def test_infotext_names_samplers_as_others_do(tmp_path: Path) -> None:
    stages = [
        {"stage": "text_to_image", "params": {"scheduler": "dpmpp_2m_karras", "strength": 0.5}},
        {"stage": "publisher"},
    ]
    context = full_run(tmp_path, {"stages": stages}, image=picture(128, 128), prompt="a house")
    info = read_infotext(context[OUTPUTS][0].path.read_bytes())
    assert info is not None
    assert info.fields["Sampler"] == "DPM++ 2M"
    assert info.fields["Schedule type"] == "Karras"
    assert info.fields["Denoising strength"] == "0.5"


def test_without_a_generated_image_there_is_no_infotext(tmp_path: Path) -> None:
    data = published(tmp_path)[OUTPUTS][0].path.read_bytes()
    assert read_infotext(data) is None
    packet = read_xmp(data)
    assert packet is not None
    xmp = parse_xmp(packet)
    assert xmp is not None
    assert xmp.source_type is DigitalSourceType.ENHANCED


def test_a_plain_upscale_is_reported_as_one(tmp_path: Path) -> None:
    stages = [{"stage": "upscaler", "params": {"upscale_factor": 3}}, {"stage": "publisher"}]
    context = full_run(tmp_path, {"stages": stages}, prompt=None, image=picture(64, 48))
    info = read_infotext(context[OUTPUTS][0].path.read_bytes())
    assert info is not None
    assert info.prompt == ""
    assert info.fields == {
        "Postprocess upscale by": "3",
        "Postprocess upscaler": "4x",
        "Version": f"ninefold {__version__}",
    }


def test_a_painted_mask_is_reported_and_makes_a_composite(tmp_path: Path) -> None:
    stages = [
        {"stage": "prompt"},
        {"stage": "detailer", "params": {"strength": 0.8}},
        {"stage": "publisher"},
    ]
    mask = box_mask(200, 160, (40, 40, 90, 90))
    context = full_run(tmp_path, {"stages": stages}, image=picture(200, 160), mask=mask)
    data = context[OUTPUTS][0].path.read_bytes()
    info = read_infotext(data)
    assert info is not None
    assert info.prompt == "a red house, (sea:1.2)"
    assert info.size == (200, 160)
    assert info.fields["Seed"] == "7"
    assert info.fields["Denoising strength"] == "0.8"
    assert info.fields["Inpaint area"] == "Only masked"
    packet = read_xmp(data)
    assert packet is not None
    xmp = parse_xmp(packet)
    assert xmp is not None
    assert xmp.source_type is DigitalSourceType.COMPOSITE


@pytest.mark.parametrize("level", ["full", "minimal", "none"])
def test_metadata_levels(tmp_path: Path, level: str) -> None:
    stages = [
        {"stage": "text_to_image"},
        {"stage": "publisher", "params": {"metadata": level, "formats": ALL}},
    ]
    context = full_run(tmp_path, {"stages": stages}, prompt="a very secret house")
    for output in context[OUTPUTS]:
        data = output.path.read_bytes()
        assert (read_parameters(data) is not None) == (level == "full")
        packet = read_xmp(data)
        assert (packet is not None) == (level != "none")
        if packet is not None:
            xmp = parse_xmp(packet)
            assert xmp is not None
            assert xmp.source_type is DigitalSourceType.TRAINED
            assert (xmp.system, xmp.system_version) == ("ninefold", __version__)
            assert xmp.prompt is None
        # EXIF holds UTF-16.
        assert (b"very secret" in data.replace(b"\0", b"")) == (level == "full")
    assert context.metadata["publisher"]["metadata_level"] == level


def test_a_changed_photo_says_that_it_is_a_composite(tmp_path: Path) -> None:
    stages = [{"stage": "text_to_image"}, {"stage": "publisher"}]
    context = full_run(tmp_path, {"stages": stages}, image=picture(128, 128), prompt="a house")
    packet = read_xmp(context[OUTPUTS][0].path.read_bytes())
    assert packet is not None
    xmp = parse_xmp(packet)
    assert xmp is not None
    assert xmp.source_type is DigitalSourceType.COMPOSITE
