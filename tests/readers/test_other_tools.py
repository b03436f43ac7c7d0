"""InvokeAI's three generations, Fooocus, NovelAI, SwarmUI, Civitai, Easy Diffusion, Draw Things."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ninefold.files.readers.generation import (
    Generation,
    HiresPass,
    NamedModel,
    RefinerPass,
    UsedControl,
    UsedLora,
)
from tests.readers.makers import jpeg, picture, png, saved, stealth, user_comment, with_exif, xmp
from tests.readers.test_infotext_tools import said

DREAM = '"a \\"red\\" house [blurry, fog]" -s 50 -S 42 -W 512 -H 768 -C 7.5 -A k_lms -f 0.6'
SD_METADATA: dict[str, Any] = {
    "model": "stable diffusion",
    "model_weights": "stable-diffusion-1.5",
    "model_hash": "cc6cb27103417325ff94f52b7a5d2dde45a7515b25c255d8e396c90014281516",
    "app_id": "invoke-ai/InvokeAI",
    "app_version": "2.3.5",
    "image": {
        "prompt": [{"prompt": "a red house [blurry]", "weight": 1.0}],
        "steps": 50,
        "cfg_scale": 7.5,
        "threshold": 0,
        "perlin": 0.0,
        "width": 512,
        "height": 768,
        "seed": 42,
        "sampler": "k_dpmpp_2",
        "hires_fix": False,
        "seamless": True,
        "type": "txt2img",
        "variations": [[7, 0.2]],
        "postprocessing": None,
    },
}
V3: dict[str, Any] = {
    "app_version": "3.4.0",
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "a (red)++ house",
    "negative_prompt": "blurry",
    "width": 1024,
    "height": 768,
    "seed": 42,
    "rand_device": "cpu",
    "cfg_scale": 7.5,
    "steps": 30,
    "scheduler": "dpmpp_2m_sde_k",
    "clip_skip": 1,
    "model": {"model_name": "sdxl", "base_model": "sdxl", "model_type": "main"},
    "controlnets": [
        {
            "control_model": {"model_name": "canny", "base_model": "sdxl"},
            "control_weight": 0.7,
            "begin_step_percent": 0,
            "end_step_percent": 0.8,
        }
    ],
    "loras": [{"lora": {"model_name": "ink", "base_model": "sdxl"}, "weight": 0.75}],
    "refiner_model": {"model_name": "refiner"},
    "refiner_start": 0.8,
    "positive_style_prompt": "oil",
    "vae": {"model_name": "fix"},
}
V5 = {
    "app_version": "5.6.0",
    "generation_mode": "flux_txt2img",
    "positive_prompt": "a house",
    "width": 1024,
    "height": 1024,
    "seed": 3,
    "steps": 28,
    "guidance": 3.5,
    "model": {"key": "k", "hash": "blake3:" + "a" * 64, "name": "FLUX Dev", "base": "flux"},
    "loras": [{"model": {"key": "l", "name": "ink", "hash": "sha256:" + "b" * 64}, "weight": 1}],
    "strength": 0.4,
    "init_image": "4a.png",
    "canvas_v2_metadata": {"regions": []},
}


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
    found = said(png({"invokeai_metadata": V3, "invokeai_workflow": {"nodes": []}}))
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
    found = said(png({"invokeai_metadata": V5}))
    assert found.model == NamedModel("FLUX Dev")  # by a hash that nothing here knows
    assert found.loras == (UsedLora("ink", 1, None, "b" * 64),)
    assert (found.guidance_scale, found.strength, found.source) == (3.5, 0.4, "4a.png")
    assert found.other == {"canvas_v2_metadata": '{"regions": []}'}
    graph = {"nodes": {"m": {"id": "m", "type": "core_metadata", **V5}, "x": {"type": "noise"}}}
    assert said(png({"invokeai_graph": graph})) == found


FOOOCUS: dict[str, Any] = {
    "adm_guidance": "(1.5, 0.8, 0.3)",
    "base_model": "juggernautXL_v8",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "full_negative_prompt": ["fog", "blurry"],
    "full_prompt": ["cinematic a house", "a house, sharp"],
    "guidance_scale": 4.0,
    "lora_combined_1": "offset : 0.1",
    "loras": [["offset", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus",
    "negative_prompt": "fog",
    "performance": "Speed",
    "prompt": "a house",
    "refiner_model": "None",
    "refiner_switch": 0.5,
    "resolution": "(1152, 896)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "5124579832",
    "sharpness": 2.0,
    "steps": 30,
    "styles": "['Fooocus V2']",
    "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}


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


NOVELAI: dict[str, Any] = {
    "prompt": "{{a}} house",
    "steps": 28,
    "height": 1216,
    "width": 832,
    "scale": 5.0,
    "uncond_scale": 1.0,
    "cfg_rescale": 0.0,
    "seed": 1234,
    "n_samples": 1,
    "noise_schedule": "karras",
    "sampler": "k_euler_ancestral",
    "sm": False,
    "uc": "lowres",
    "request_type": "PromptGenerateRequest",
    "reference_strength_multiple": [0.6],
}
V4 = {
    **NOVELAI,
    "v4_prompt": {
        "caption": {
            "base_caption": "{{a}} house",
            "char_captions": [{"char_caption": "girl, hat", "centers": [{"x": 0.5, "y": 0.5}]}],
        }
    },
    "v4_negative_prompt": {"caption": {"base_caption": "lowres", "char_captions": []}},
}


def _novelai(comment: dict[str, Any]) -> dict[str, str]:
    return {
        "Title": "NovelAI generated image",
        "Description": comment["prompt"],
        "Software": "NovelAI",
        "Source": "NovelAI Diffusion V4 4F49EC75",
        "Generation time": "3.5",
        "Comment": json.dumps(comment),
    }


@pytest.mark.parametrize(
    "data",
    [
        png(_novelai(NOVELAI)),
        stealth(json.dumps(_novelai(NOVELAI))),
        saved(picture(), "WEBP", exif=user_comment(json.dumps(_novelai(NOVELAI)))),
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
    found = said(png(_novelai(V4)))
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


EASY = {
    "prompt": "a house",
    "negative_prompt": "fog",
    "seed": "7",
    "use_stable_diffusion_model": "/models/sd-v1-5.safetensors",
    "use_vae_model": "None",
    "sampler_name": "euler_a",
    "width": "512",
    "height": "768",
    "num_inference_steps": "25",
    "guidance_scale": "7.5",
    "clip_skip": "True",
    "use_lora_model": "['ink', 'neon']",
    "lora_alpha": "[0.5, 0.7]",
    "use_upscale": "RealESRGAN_x4plus",
    "use_face_correction": "None",
}
SHOWN = {
    "Prompt": "a house",
    "Negative Prompt": "fog",
    "Seed": 7,
    "Stable Diffusion model": "/models/sd-v1-5.safetensors",
    "VAE model": "None",
    "Sampler": "euler_a",
    "Width": 512,
    "Height": 768,
    "Steps": 25,
    "Guidance Scale": 7.5,
    "Clip Skip": True,
    "LoRA model": ["ink", "neon"],
    "LoRA Strength": [0.5, 0.7],
    "Use Upscaling": "RealESRGAN_x4plus",
}


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
