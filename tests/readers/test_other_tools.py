"""InvokeAI's three generations, Fooocus, NovelAI, SwarmUI, Civitai, Easy Diffusion, Draw Things."""

from __future__ import annotations

import json

import pytest

from ninefold.files.readers.generation import (
    Generation,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedControl,
    UsedLora,
)
from tests.readers.makers import (
    jpeg,
    picture,
    png,
    said,
    saved,
    stealth,
    user_comment,
    with_exif,
    xmp,
)
from tests.readers.samples import (
    DREAM,
    EASY,
    FOOOCUS,
    INVOKEAI_3,
    INVOKEAI_5,
    NOVELAI,
    NOVELAI_4,
    SD_METADATA,
    SHOWN,
    novelai_texts,
)


def test_invokeai_command_line() -> None:
    assert said(png({"Dream": DREAM})) == Generation(
        tool="InvokeAI",
        dialect="compel",
        prompt='a "red" house',
        negative_prompt="blurry, fog",
        seed=42,
        steps=50,
        guidance_scale=7.5,
        sampler="k_lms",
        width=512,
        height=768,
        strength=0.6,
    )


def test_invokeai_2() -> None:
    found = said(png({"Dream": DREAM, "sd-metadata": SD_METADATA}))
    assert found.model == NamedModel("stable-diffusion-1.5", SD_METADATA["model_hash"])
    assert (found.prompt, found.negative_prompt) == ("a red house", "blurry")
    assert (found.seed, found.steps, found.guidance_scale) == (42, 50, 7.5)
    assert (found.variation_seed, found.variation_strength) == (7, 0.2)
    assert (found.version, found.tiling, found.other) == ("2.3.5", True, {})


def test_invokeai_3() -> None:
    found = said(png({"invokeai_metadata": INVOKEAI_3, "invokeai_workflow": {"nodes": []}}))
    assert found == Generation(
        tool="InvokeAI",
        version="3.4.0",
        dialect="compel",
        prompt="a (red)++ house",
        negative_prompt="blurry",
        seed=42,
        steps=30,
        guidance_scale=7.5,
        sampler="dpmpp_2m_sde",
        schedule="karras",
        width=1024,
        height=768,
        model=NamedModel("sdxl"),
        vae="fix",
        clip_skip=2,
        loras=(UsedLora("ink", 0.75),),
        refiner=RefinerPass(NamedModel("refiner"), 0.8),
        controls=(UsedControl(model="canny", strength=0.7, start=0, end=0.8),),
        facts={
            "app_version": "3.4.0",
            "generation_mode": "sdxl_txt2img",
            "rand_device": "cpu",
        },
        other={"positive_style_prompt": "oil"},
    )


def test_invokeai_5_and_its_graph() -> None:
    found = said(png({"invokeai_metadata": INVOKEAI_5}))
    assert found.model == NamedModel("FLUX Dev")  # by a hash that nothing here knows
    assert found.loras == (UsedLora("ink", 1, None, "b" * 64),)
    assert (found.guidance_scale, found.strength, found.source) == (3.5, 0.4, "4a.png")
    assert found.other == {"canvas_v2_metadata": '{"regions": []}'}
    node = {"id": "m", "type": "core_metadata", **INVOKEAI_5}
    graph = {"nodes": {"m": node, "x": {"type": "noise"}}}
    assert said(png({"invokeai_graph": graph})) == found
    written = {"nodes": {key: json.dumps(item) for key, item in graph["nodes"].items()}}
    assert said(png({"invokeai_graph": written})) == found


@pytest.mark.parametrize(
    "data",
    [
        png({"parameters": FOOOCUS, "fooocus_scheme": "fooocus"}),
        with_exif("JPEG", {0x9286: json.dumps(FOOOCUS), 0x927C: "fooocus"}),
        with_exif("WEBP", {0x9286: json.dumps(FOOOCUS), 0x927C: "fooocus"}),
    ],
)
def test_fooocus(data: bytes) -> None:
    found = said(data)
    assert found.prompt == "cinematic a house, a house, sharp"
    assert found.negative_prompt == "fog, blurry"
    assert found.model == NamedModel("juggernautXL_v8", "aeb7e9e689")
    assert found.loras == (UsedLora("offset", 0.1, None, "4852686128"),)
    assert (found.width, found.height, found.seed) == (1152, 896, 5124579832)
    assert (found.sampler, found.schedule) == ("dpmpp_2m_sde_gpu", "karras")
    assert (found.version, found.refiner, found.vae, found.clip_skip) == ("v2.5.5", None, "", 2)
    assert found.other == {"adm_guidance": "(1.5, 0.8, 0.3)", "sharpness": "2.0"}


def test_ruined_fooocus() -> None:
    values = {
        "Prompt": "a house",
        "Negative": "fog",
        "steps": 10,
        "cfg": 7,
        "width": 64,
        "height": 48,
        "seed": 1,
        "sampler_name": "euler",
        "scheduler": "karras",
        "base_model_name": "x.safetensors",
        "loras": ["0.5 - ink.safetensors"],
        "software": "RuinedFooocus",
    }
    found = said(png({"parameters": values}))
    assert (found.tool, found.loras) == ("RuinedFooocus", (UsedLora("ink.safetensors", 0.5),))
    assert found.other == {}


@pytest.mark.parametrize(
    "data",
    [
        png(novelai_texts(NOVELAI)),
        stealth(json.dumps(novelai_texts(NOVELAI))),
        saved(picture(), "WEBP", exif=user_comment(json.dumps(novelai_texts(NOVELAI)))),
    ],
    ids=["texts", "alpha", "webp"],
)
def test_novelai(data: bytes) -> None:
    found = said(data)
    assert (found.tool, found.dialect) == ("NovelAI", "novelai")
    assert (found.prompt, found.negative_prompt) == ("{{a}} house", "lowres")
    assert (found.seed, found.steps, found.guidance_scale) == (1234, 28, 5)
    assert (found.sampler, found.schedule) == ("k_euler_ancestral", "karras")
    assert (found.width, found.height) == (832, 1216)
    assert found.model == NamedModel("NovelAI Diffusion V4", "4f49ec75")
    assert found.other == {"reference_strength_multiple": "[0.6]"}


def test_characters_of_novelai_4() -> None:
    found = said(png(novelai_texts(NOVELAI_4)))
    assert found.prompt == "{{a}} house, girl, hat"
    assert found.negative_prompt == "lowres"
    assert found.other["character prompts"] == "girl, hat"


def test_swarmui() -> None:
    values = {
        "sui_image_params": {
            "prompt": "a <lora:tagged:0.5> house <segment:face>",
            "negativeprompt": "fog",
            "model": "Official/sd_xl_base_1.0",
            "seed": 1,
            "steps": "20",
            "cfgscale": "7.0",
            "aspectratio": "1:1",
            "width": 1024,
            "height": 1024,
            "sampler": "dpmpp_2m",
            "scheduler": "karras",
            "loras": ["styles/ink"],
            "loraweights": ["0.8"],
            "refinercontrolpercentage": 0.2,
            "refinermethod": "PostApply",
            "refinerupscale": "1.5",
            "refinerupscalemethod": "pixel-lanczos",
            "clipstopatlayer": -2,
            "vae": "None",
            "automaticvae": True,
            "shift": 3,
            "swarm_version": "0.9.3.1",
        },
        "sui_extra_data": {"date": "2024-11-13", "original_prompt": "a <random:x|y> house"},
        "sui_models": [
            {"name": "Official/sd_xl_base_1.0.safetensors", "hash": "0x" + "ab" * 32},
            {"name": "styles/ink.safetensors", "hash": "0x" + "cd" * 32},
        ],
    }
    for data in (png({"parameters": values}), jpeg(values)):
        found = said(data)
        assert (found.tool, found.version) == ("SwarmUI", "0.9.3.1")
        assert found.model == NamedModel("Official/sd_xl_base_1.0", "ab" * 32)
        assert found.loras == (
            UsedLora("tagged", 0.5),
            UsedLora("styles/ink", 0.8, None, "cd" * 32),
        )
        assert found.hires == HiresPass(factor=1.5, upscaler="pixel-lanczos", strength=0.2)
        assert (found.steps, found.guidance_scale, found.clip_skip) == (20, 7, 2)
        assert found.other == {"shift": "3"}
        assert found.facts["original_prompt"] == "a <random:x|y> house"


def test_a_refiner_of_swarmui_that_takes_over() -> None:
    params = {
        "prompt": "a",
        "refinermodel": "refiner",
        "refinermethod": "StepSwap",
        "refinercontrolpercentage": 0.2,
    }
    found = said(png({"parameters": {"sui_image_params": params}}))
    assert found.refiner == RefinerPass(NamedModel("refiner"), 0.8)
    assert found.hires is None


def test_what_civitai_asked_of_comfyui() -> None:
    extra = {
        "prompt": "a house",
        "negativePrompt": "fog",
        "cfgScale": 5,
        "sampler": "Euler a",
        "clipSkip": 2,
        "steps": 25,
        "seed": 9,
        "width": 832,
        "height": 1216,
        "workflowId": "txt2img",
        "resources": [{"modelVersionId": 22, "strength": 0.6}, {"modelVersionId": 11}],
    }
    airs = ["urn:air:sdxl:checkpoint:civitai:1@11", "urn:air:sdxl:lora:civitai:2@22"]
    graph = {
        "5": {"class_type": "KSampler", "inputs": {"seed": 1}},
        "extra": {"airs": airs},
        "extraMetadata": json.dumps(extra),
    }
    found = said(jpeg(graph))
    assert (found.tool, found.prompt, found.seed, found.clip_skip) == ("Civitai", "a house", 9, 2)
    assert found.model == NamedModel(airs[0])
    assert found.loras == (UsedLora(airs[1], 0.6),)
    assert found.other == {}


@pytest.mark.parametrize("data", [png(EASY), jpeg(SHOWN)], ids=["own names", "shown names"])
def test_easy_diffusion(data: bytes) -> None:
    found = said(data)
    assert found.model == NamedModel("/models/sd-v1-5.safetensors")
    assert found.loras == (UsedLora("ink", 0.5), UsedLora("neon", 0.7))
    assert (found.prompt, found.negative_prompt, found.seed) == ("a house", "fog", 7)
    assert (found.width, found.height, found.steps) == (512, 768, 25)
    assert (found.vae, found.clip_skip, found.sampler) == ("", 2, "euler_a")
    assert list(found.other.values()) == ["RealESRGAN_x4plus"]


def test_draw_things() -> None:
    values = {
        "c": "a house",
        "uc": "fog",
        "seed": 5,
        "steps": 20,
        "scale": 4.5,
        "size": "512x768",
        "sampler": "DPM++ 2M Karras",
        "model": "sd_xl_base.ckpt",
        "lora": [{"model": "ink.ckpt", "weight": 0.6}],
        "strength": 1,
        "seed_mode": "Scale Alike",
        "sharpness": 2,
    }
    found = said(png({"XML:com.adobe.xmp": xmp({"UserComment": json.dumps(values)})}))
    assert (found.tool, found.version) == ("Draw Things", "1.2")
    assert found.loras == (UsedLora("ink.ckpt", 0.6),)
    assert (found.prompt, found.negative_prompt, found.seed) == ("a house", "fog", 5)
    assert (found.width, found.height, found.strength) == (512, 768, None)
    assert found.other == {"sharpness": "2"}
    unread = said(
        png({"XML:com.adobe.xmp": xmp({"UserComment": json.dumps({**values, "size": "large"})})})
    )
    assert (unread.width, unread.height) == (None, None)
    assert unread.other == {"size": "large", "sharpness": "2"}


@pytest.mark.parametrize(("cfg", "true_cfg"), [(1, None), (2.5, 2.5)])
def test_flux_has_two_scales(cfg: float, true_cfg: float | None) -> None:
    swarm = {"prompt": "a", "seed": 1, "steps": 20, "cfgscale": cfg, "fluxguidancescale": 3.5}
    for texts in (
        {"parameters": {"sui_image_params": swarm}},
        {"invokeai_metadata": {**INVOKEAI_5, "cfg_scale": cfg}},
    ):
        found = said(png(texts))
        assert (found.guidance_scale, found.true_cfg_scale) == (3.5, true_cfg)
