"""Infotext of AUTOMATIC1111, Forge, Fooocus, Civitai and others: every setting finds its place."""

from __future__ import annotations

import json

import pytest

from ninefold.files.readers import Generation, read_file
from ninefold.files.readers.generation import (
    DetailerPass,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedControl,
    UsedLora,
)
from tests.readers.makers import jpeg, picture, png, said, saved, stealth, user_comment, with_exif
from tests.readers.samples import A1111


def test_every_setting_of_a1111() -> None:
    found = said(png({"parameters": A1111}))
    assert found == Generation(
        tool="AUTOMATIC1111",
        version="v1.10.1",
        prompt="a red house, <lora:night-neon:0.8> {red|blue}\nby the sea",
        negative_prompt="blurry",
        seed=123,
        steps=20,
        guidance_scale=7,
        sampler="DPM++ 2M",
        schedule="Karras",
        width=512,
        height=768,
        model=NamedModel("sd_xl_base_1.0", "31e35c80fc"),
        vae="sdxl.safetensors",
        clip_skip=2,
        tiling=True,
        variation_seed=5,
        variation_strength=0.1,
        loras=(UsedLora("night-neon", 0.8, None, "0123456789ab"),),
        embeddings=(NamedModel("badhands", "abcdef0123"),),
        refiner=RefinerPass(NamedModel("sd_xl_refiner", "7440042bbd"), 0.8),
        hires=HiresPass(factor=1.5, upscaler="4x-UltraSharp", steps=12, strength=0.4),
        detailers=(
            DetailerPass(
                detector="face_yolov8n.pt",
                prompt="a face, old",
                confidence=0.35,
                strength=0.5,
                steps=12,
                dilate=8,
                blur=6,
                padding=48,
            ),
            DetailerPass(detector="hand_yolov8n.pt"),
        ),
        controls=(
            UsedControl(
                model="control_canny [d14c016b]",
                preprocess="canny",
                strength=0.8,
                start=0.1,
                end=0.9,
            ),
        ),
        other={"ENSD": "31337"},
        facts={
            "Version": "v1.10.1",
            "VAE hash": "235745af8d",
            "ADetailer version": "24.5.1",
        },
    )


@pytest.mark.parametrize(
    "data",
    [
        png({"parameters": A1111}),
        jpeg(A1111),
        saved(picture(), "WEBP", exif=user_comment(A1111)),
        saved(picture(), "AVIF", exif=user_comment(A1111)),
        stealth(A1111, "A", compressed=False),
        stealth(A1111, "A"),
        stealth(A1111, "RGB", compressed=False),
        stealth(A1111, "RGB"),
        with_exif("JPEG", {0x9286: A1111}),
    ],
    ids=["png", "jpeg", "webp", "avif", "alpha", "alpha gzip", "rgb", "rgb gzip", "plain exif"],
)
def test_wherever_it_lies(data: bytes) -> None:
    assert said(data) == said(png({"parameters": A1111}))


def test_forge_says_its_guidance_and_version() -> None:
    text = (
        "a house\nSteps: 20, Sampler: Euler, Schedule type: Simple, CFG scale: 1, "
        "Distilled CFG Scale: 3.5, Seed: 1, Size: 896x1152, Model: flux1-dev-bnb-nf4-v2, "
        "Module 1: ae, Version: f2.0.1v1.10.1-previous-659"
    )
    found = said(png({"parameters": text}))
    assert (found.tool, found.guidance_scale, found.other) == ("Forge", 3.5, {"Module 1": "ae"})
    assert found.true_cfg_scale is None
    found = said(png({"parameters": text.replace("CFG scale: 1,", "CFG scale: 2.5,")}))
    assert (found.guidance_scale, found.true_cfg_scale) == (3.5, 2.5)
    assert found.other == {"Module 1": "ae"}


def test_what_civitai_adds() -> None:
    resources = [
        {"type": "checkpoint", "modelVersionId": 12, "modelName": "Pony: V6"},
        {"type": "lora", "weight": 0.7, "modelVersionId": 13, "modelName": "Ink, wash"},
        {"type": "embed", "modelName": "bad"},
    ]
    text = (
        "a house\nNegative prompt: fog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, "
        f"Size: 64x64, Civitai resources: {json.dumps(resources)}, Civitai metadata: {{}}"
    )
    found = said(jpeg(text))
    assert found.tool == "Civitai"
    assert found.model == NamedModel("Pony: V6")
    assert found.loras == (UsedLora("Ink, wash", 0.7),)
    assert found.embeddings == (NamedModel("bad"),)
    hashes = {"model": "31e35c80fc", "lora:neon": "0123456789ab", "embed:bad": "abcdef0123"}
    text = f"a <lora:neon:0.5>\nSteps: 2, Seed: 1, Size: 8x8, Hashes: {json.dumps(hashes)}"
    found = said(png({"parameters": text}))
    assert found.model == NamedModel("", "31e35c80fc")
    assert found.loras == (UsedLora("neon", 0.5, None, "0123456789ab"),)
    assert found.embeddings == (NamedModel("bad", "abcdef0123"),)


def test_what_cannot_be_understood_is_handed_on_as_it_is() -> None:
    odd = {
        "Size": "5x",
        "Model hash": "none",
        "Hashes": "{model: 1",
        "Lora hashes": "neon",
        "TI hashes": "bad",
        "Hires resize": "1024",
        "Civitai resources": "[{",
    }
    text = ", ".join(f"{name}: {json.dumps(value)}" for name, value in odd.items())
    found = said(png({"parameters": f"a house\nSteps: 2, Sampler: Euler, Seed: 1, {text}"}))
    assert found.other == odd
    assert (found.width, found.hires, found.loras) == (None, None, ())


def test_the_second_scheme_of_fooocus() -> None:
    text = (
        "a house, cinematic\nNegative prompt: fog\nSteps: 30, Sampler: DPM++ 2M SDE Karras, "
        "Seed: 5, Size: 1152x896, CFG scale: 4, Sharpness: 2, Model: juggernautXL, "
        "Model hash: 31e35c80fc, Performance: Speed, Scheduler: karras, Raw prompt: a house, "
        'Lora hashes: "offset: 0123456789", Lora weights: "offset: 0.1", Version: Fooocus v2.5.5'
    )
    found = said(png({"parameters": text, "fooocus_scheme": "a1111"}))
    assert (found.tool, found.version) == ("Fooocus", "v2.5.5")
    assert found.loras == (UsedLora("offset", 0.1),)
    assert (found.sampler, found.schedule) == ("DPM++ 2M SDE Karras", "karras")
    assert found.other == {"Sharpness": "2"}


def test_older_ways_of_writing() -> None:
    text = (
        "a\nSteps: 2, Seed: -1, Size: 8x8, Face restoration: CodeFormer, AddNet Enabled: True, "
        "AddNet Module 1: LoRA, AddNet Model 1: ink(0123456789ab), AddNet Weight A 1: 0.6, "
        'AddNet Weight B 1: 0.4, ControlNet: "preprocessor: none, model: depth [cfd03158], '
        'weight: 1, starting/ending: (0, 0.5), resize mode: Crop and Resize"'
    )
    found = said(png({"parameters": text}))
    assert found.loras == (UsedLora("ink", 0.6, 0.4, "0123456789ab"),)
    assert found.controls == (UsedControl(model="depth [cfd03158]", strength=1, start=0, end=0.5),)
    assert found.seed == -1
    assert found.other == {"Face restoration": "CodeFormer"}


def test_a_text_without_settings_is_no_infotext() -> None:
    assert read_file(png({"parameters": "a red house"})).generation is None
    assert read_file(png({"Comment": "Created with GIMP"})).generation is None
    assert read_file(saved(picture("RGBA"), "PNG")).generation is None
