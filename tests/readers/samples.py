"""What tools wrote into their files, as texts and as JSON values."""

from __future__ import annotations

import json
from typing import Any

A1111 = """a red house, <lora:night-neon:0.8> {red|blue}
by the sea
Negative prompt: blurry
Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 123, Size: 512x768, \
Model hash: 31e35c80fc, Model: sd_xl_base_1.0, VAE hash: 235745af8d, VAE: sdxl.safetensors, \
Variation seed: 5, Variation seed strength: 0.1, Denoising strength: 0.4, Clip skip: 2, \
Tiling: True, ADetailer model: face_yolov8n.pt, ADetailer prompt: "a face, old", \
ADetailer confidence: 0.35, ADetailer dilate erode: 8, ADetailer mask blur: 6, \
ADetailer denoising strength: 0.5, ADetailer inpaint only masked: True, \
ADetailer inpaint padding: 48, ADetailer use separate steps: True, ADetailer steps: 12, \
ADetailer model 2nd: hand_yolov8n.pt, ADetailer version: 24.5.1, \
ControlNet 0: "Module: canny, Model: control_canny [d14c016b], Weight: 0.8, Guidance Start: 0.1, \
Guidance End: 0.9", Hires upscale: 1.5, Hires steps: 12, Hires upscaler: 4x-UltraSharp, \
Refiner: sd_xl_refiner [7440042bbd], Refiner switch at: 0.8, \
Lora hashes: "night-neon: 0123456789ab", TI hashes: "badhands: abcdef0123", ENSD: 31337, \
Version: v1.10.1"""
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
INVOKEAI_3: dict[str, Any] = {
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
INVOKEAI_5 = {
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
NOVELAI_4 = {
    **NOVELAI,
    "v4_prompt": {
        "caption": {
            "base_caption": "{{a}} house",
            "char_captions": [{"char_caption": "girl, hat", "centers": [{"x": 0.5, "y": 0.5}]}],
        }
    },
    "v4_negative_prompt": {"caption": {"base_caption": "lowres", "char_captions": []}},
}
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
#: With a second pass over an image of a model that is at hand.
SWARMUI = {
    "sui_image_params": {
        **{"prompt": "a", "seed": 1, "loras": ["x"], "model": "poster"},
        **{"width": 128, "height": 128, "refinerupscale": 2, "refinercontrolpercentage": 0.4},
    }
}


def novelai_texts(comment: dict[str, Any]) -> dict[str, str]:
    """The texts of a PNG file of NovelAI's."""
    return {
        "Title": "NovelAI generated image",
        "Description": comment["prompt"],
        "Software": "NovelAI",
        "Source": "NovelAI Diffusion V4 4F49EC75",
        "Generation time": "3.5",
        "Comment": json.dumps(comment),
    }
