"""Names of the values of ComfyUI's nodes, in the order in which workflows list them.

Source: `INPUT_TYPES` of the nodes in `nodes.py` and `comfy_extras` of ComfyUI, of
jags111/efficiency-nodes-comfyui, ltdrdata/ComfyUI-Impact-Pack, rgthree/rgthree-comfy and others.
"""

from __future__ import annotations

from collections.abc import Mapping

#: What an editor does to a seed after each run: listed beside it, and no input of the node.
CONTROL_WIDGETS = ("fixed", "increment", "decrement", "randomize")

_KSAMPLER = ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise")
_SIZE = ("width", "height", "batch_size")

WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": _KSAMPLER,
    "KSampler (Efficient)": (*_KSAMPLER, "preview_method", "vae_decode"),
    "KSampler Adv. (Efficient)": (
        *("add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "ExponentialScheduler": ("steps", "sigma_max", "sigma_min"),
    "PolyexponentialScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "SDTurboScheduler": ("steps", "denoise"),
    "BetaSamplingScheduler": ("steps", "alpha", "beta"),
    "AlignYourStepsScheduler": ("model_type", "steps", "denoise"),
    "Flux2Scheduler": ("steps", "width", "height"),
    "CFGGuider": ("cfg",),
    "DualCFGGuider": ("cfg_conds", "cfg_cond2_negative"),
    "FluxGuidance": ("guidance",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "CheckpointLoader": ("config_name", "ckpt_name"),
    "unCLIPCheckpointLoader": ("ckpt_name",),
    "ImageOnlyCheckpointLoader": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "UnetLoaderGGUF": ("unet_name",),
    "VAELoader": ("vae_name",),
    "CLIPLoader": ("clip_name", "type", "device"),
    "DualCLIPLoader": ("clip_name1", "clip_name2", "type", "device"),
    "TripleCLIPLoader": ("clip_name1", "clip_name2", "clip_name3"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSDXL": (
        *("width", "height", "crop_w", "crop_h", "target_width", "target_height"),
        *("text_g", "text_l"),
    ),
    "CLIPTextEncodeSDXLRefiner": ("ascore", "width", "height", "text"),
    "CLIPTextEncodeSD3": ("clip_l", "clip_g", "t5xxl", "empty_padding"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "EmptyLatentImage": _SIZE,
    "EmptySD3LatentImage": _SIZE,
    "EmptyHunyuanLatentVideo": ("width", "height", "length", "batch_size"),
    "EmptyFlux2LatentImage": _SIZE,
    "LatentUpscale": ("upscale_method", "width", "height", "crop"),
    "LatentUpscaleBy": ("upscale_method", "scale_by"),
    "ImageScale": ("upscale_method", "width", "height", "crop"),
    "ImageScaleBy": ("upscale_method", "scale_by"),
    "ImageScaleToTotalPixels": ("upscale_method", "megapixels"),
    "UpscaleModelLoader": ("model_name",),
    "ControlNetLoader": ("control_net_name",),
    "ControlNetApply": ("strength",),
    "ControlNetApplyAdvanced": ("strength", "start_percent", "end_percent"),
    "ConditioningSetTimestepRange": ("start", "end"),
    "LoadImage": ("image", "upload"),
    "SaveImage": ("filename_prefix",),
    "PrimitiveNode": ("value",),
    "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
    "StringConcatenate": ("string_a", "string_b", "delimiter"),
    "SetNode": ("name",),
    "GetNode": ("name",),
    "Efficient Loader": (
        *("ckpt_name", "vae_name", "clip_skip", "lora_name", "lora_model_strength"),
        *("lora_clip_strength", "positive", "negative", "token_normalization"),
        *("weight_interpretation", "empty_latent_width", "empty_latent_height", "batch_size"),
    ),
    "FaceDetailer": (
        *("guide_size", "guide_size_for", "max_size", "seed", "steps", "cfg", "sampler_name"),
        *("scheduler", "denoise", "feather", "noise_mask", "force_inpaint", "bbox_threshold"),
        *("bbox_dilation", "bbox_crop_factor", "sam_detection_hint", "sam_dilation"),
        *("sam_threshold", "sam_bbox_expansion", "sam_mask_hint_threshold"),
        *("sam_mask_hint_use_negative", "drop_size", "wildcard", "cycle"),
    ),
    "UltralyticsDetectorProvider": ("model_name",),
    "ModelSamplingFlux": ("max_shift", "base_shift", "width", "height"),
    "ModelSamplingSD3": ("shift",),
    "ModelSamplingAuraFlow": ("shift",),
}
