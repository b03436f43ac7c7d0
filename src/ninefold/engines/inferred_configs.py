"""Configs of components, made from the shapes of their tensors where no file says them.

What shapes do not tell (heads of attention, activations, how latents are scaled) is fixed for each
family and was read in its published configs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ninefold.engines.weight_headers import Shapes

Config = dict[str, Any]

#: Noise of Stable Diffusion 1, 2 and XL.
_NOISE: Config = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "num_train_timesteps": 1000,
    "steps_offset": 1,
}
_PNDM: Config = {
    "_class_name": "PNDMScheduler", "skip_prk_steps": True, "set_alpha_to_one": False, **_NOISE
}  # fmt: skip
_DDIM: Config = {
    "_class_name": "DDIMScheduler", "clip_sample": False, "set_alpha_to_one": False, **_NOISE
}  # fmt: skip
_EULER: Config = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading", **_NOISE}
_FLOW: Config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}

#: How each family scales its latents.
_LATENTS: Mapping[str, Config] = {
    "SDXL": {"scaling_factor": 0.13025, "force_upcast": True},
    "Stable Diffusion 3": {"scaling_factor": 1.5305, "shift_factor": 0.0609},
    "FLUX.1": {"scaling_factor": 0.3611, "shift_factor": 0.1159},
    "Chroma": {"scaling_factor": 0.3611, "shift_factor": 0.1159},
}


def scheduler_config(kind: str, metadata: Mapping[str, str], keys: frozenset[str]) -> Config:
    """The scheduler that a family ships with. A file that predicts velocities says so by its
    metadata (`modelspec`) or by a tensor called `v_pred`; Stable Diffusion 2 does unless it says
    otherwise."""
    spec = metadata.get("modelspec.prediction_type", "")
    velocity = spec.startswith("v") or "v_pred" in keys
    prediction: Config = {"prediction_type": "v_prediction"} if velocity else {}
    if velocity and "ztsnr" in keys:
        prediction |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    if kind.startswith("SDXL"):
        return _EULER | prediction
    if kind.startswith("Stable Diffusion 2"):
        if not spec and "inpainting" not in kind:
            prediction = {"prediction_type": "v_prediction"}
        return _DDIM | prediction
    if kind.startswith("Stable Diffusion 3"):
        return _FLOW | {"shift": 3.0}
    if kind.startswith("FLUX.1 schnell"):
        return _FLOW | {"shift": 1.0}
    if kind.startswith("FLUX.1"):
        return _FLOW | {
            "shift": 3.0,
            "use_dynamic_shifting": True,
            "base_shift": 0.5,
            "max_shift": 1.15,
            "base_image_seq_len": 256,
            "max_image_seq_len": 4096,
        }
    if kind.startswith("Chroma"):
        return _FLOW | {"shift": 1.0, "use_beta_sigmas": True}
    return _PNDM | prediction


def unet_config(shapes: Shapes, kind: str) -> Config:
    """Of a Stable Diffusion UNet in its first layout."""
    levels: list[list[tuple[int, int]]] = [[]]  # channels and depth of attention, block by block
    index = 1
    while (block := f"input_blocks.{index}.0") and _any(shapes, f"{block}."):
        if f"{block}.op.weight" in shapes:
            levels.append([])
        else:
            width = shapes[f"{block}.out_layers.3.weight"][0]
            depth = _count(shapes, f"input_blocks.{index}.1.transformer_blocks")
            levels[-1].append((width, depth))
        index += 1
    channels = [level[0][0] for level in levels]
    depths = [level[0][1] for level in levels]
    linear = any(key.endswith("proj_in.weight") and len(s) == 2 for key, s in shapes.items())
    middle = _count(shapes, "middle_block.1.transformer_blocks")
    down = ["CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths]
    attended = next(s[1] for key, s in shapes.items() if key.endswith("attn2.to_k.weight"))
    found: Config = {
        "_class_name": "UNet2DConditionModel",
        "sample_size": _side(kind) // 8,
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": channels,
        "layers_per_block": len(levels[0]),
        "down_block_types": down,
        "up_block_types": [name.replace("Down", "Up") for name in reversed(down)],
        "transformer_layers_per_block": [*(depth or 1 for depth in depths[:-1]), middle or 1],
        "cross_attention_dim": attended,
        "use_linear_projection": linear,
        # The first version has eight heads at every width, later ones heads of 64 channels.
        "attention_head_dim": [side // 64 for side in channels] if linear else 8,
    }
    if (pooled := shapes.get("label_emb.0.0.weight")) is not None:
        found |= {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 256,
            "projection_class_embeddings_input_dim": pooled[1],
        }
    return found


def vae_config(shapes: Shapes, kind: str) -> Config:
    """Of Stable Diffusion's autoencoder, and of those built like it."""
    levels = _count(shapes, "encoder.down")
    family = next((latents for name, latents in _LATENTS.items() if kind.startswith(name)), None)
    return {
        "_class_name": "AutoencoderKL",
        "sample_size": _side(kind),
        "block_out_channels": [
            shapes[f"encoder.down.{level}.block.0.conv2.weight"][0] for level in range(levels)
        ],
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "layers_per_block": _count(shapes, "encoder.down.0.block"),
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "use_quant_conv": "quant_conv.weight" in shapes,
        "use_post_quant_conv": "post_quant_conv.weight" in shapes,
        **(family or {"scaling_factor": 0.18215}),
    }


def clip_config(shapes: Shapes, kind: str) -> Config:
    """Of CLIP's text encoder: OpenAI's, or OpenCLIP's in its own layout or that of transformers."""
    shapes = {key.split("text_model.")[-1].removeprefix("model."): s for key, s in shapes.items()}
    if "token_embedding.weight" in shapes:  # OpenCLIP's own layout
        layers = _count(shapes, "transformer.resblocks")
        # Of Stable Diffusion 2 the last layer is never used.
        layers -= kind.startswith("Stable Diffusion 2")
        vocabulary, width = shapes["token_embedding.weight"]
        inner = shapes["transformer.resblocks.0.mlp.c_fc.weight"][0]
    else:
        layers = _count(shapes, "encoder.layers")
        vocabulary, width = shapes["embeddings.token_embedding.weight"]
        inner = shapes["encoder.layers.0.mlp.fc1.weight"][0]
    return {
        "architectures": ["CLIPTextModel"],
        "model_type": "clip_text_model",
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": max(width // 64, 1),
        "projection_dim": width,
        "max_position_embeddings": 77,
        # OpenAI's is the one of 768 channels.
        "hidden_act": "quick_gelu" if width <= 768 else "gelu",
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 1,
    }


def t5_config(shapes: Shapes, kind: str) -> Config:
    """Of T5's encoder, version 1.1."""
    shapes = {key.removeprefix("transformer."): shape for key, shape in shapes.items()}
    vocabulary, width = shapes["shared.weight"]
    attention = "encoder.block.0.layer.0.SelfAttention"
    buckets, heads = shapes[f"{attention}.relative_attention_bias.weight"]
    return {
        "architectures": ["T5EncoderModel"],
        "model_type": "t5",
        "vocab_size": vocabulary,
        "d_model": width,
        "d_kv": shapes[f"{attention}.q.weight"][0] // heads,
        "d_ff": shapes["encoder.block.0.layer.1.DenseReluDense.wi_0.weight"][0],
        "num_layers": _count(shapes, "encoder.block"),
        "num_heads": heads,
        "relative_attention_num_buckets": buckets,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": False,
        "use_cache": False,
        "tie_word_embeddings": False,
    }


def flux_variant(shapes: Shapes) -> Config:
    """What differs between the FLUX.1 that share their other components: what the transformer is
    given beside latents, and whether a guidance scale is."""
    names = (
        ("img_in.weight", "final_layer.linear.weight", "guidance_in.in_layer.weight"),
        (
            "x_embedder.weight",
            "proj_out.weight",
            "time_text_embed.guidance_embedder.linear_1.weight",
        ),
    )
    entry, end, guided = names["x_embedder.weight" in shapes]
    return {
        "in_channels": shapes[entry][1],
        "out_channels": shapes[end][0],
        "guidance_embeds": guided in shapes,
    }


def flux_config(shapes: Shapes, kind: str) -> Config:
    """Of FLUX.1's transformer in its first layout."""
    width = shapes["img_in.weight"][0]
    head = shapes["double_blocks.0.img_attn.norm.key_norm.scale"][0]
    return {
        "_class_name": "FluxTransformer2DModel",
        **flux_variant(shapes),
        "num_layers": _count(shapes, "double_blocks"),
        "num_single_layers": _count(shapes, "single_blocks"),
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["txt_in.weight"][1],
        "pooled_projection_dim": shapes["vector_in.in_layer.weight"][1],
    }


def sd3_config(shapes: Shapes, kind: str) -> Config:
    """Of Stable Diffusion 3's transformer in its first layout."""
    width, channels, patch, _ = shapes["x_embedder.proj.weight"]
    norm = shapes.get("joint_blocks.0.x_block.attn.ln_k.weight")
    head = 64 if norm is None else norm[0]
    layers = _count(shapes, "joint_blocks")
    return {
        "_class_name": "SD3Transformer2DModel",
        "sample_size": 128,
        "patch_size": patch,
        "in_channels": channels,
        "out_channels": shapes["final_layer.linear.weight"][0] // patch**2,
        "num_layers": layers,
        "attention_head_dim": head,
        "num_attention_heads": width // head,
        "joint_attention_dim": shapes["context_embedder.weight"][1],
        "caption_projection_dim": shapes["context_embedder.weight"][0],
        "pooled_projection_dim": shapes["y_embedder.mlp.0.weight"][1],
        "pos_embed_max_size": int(shapes["pos_embed"][1] ** 0.5),
        "qk_norm": None if norm is None else "rms_norm",
        "dual_attention_layers": [
            index for index in range(layers) if _any(shapes, f"joint_blocks.{index}.x_block.attn2.")
        ],
    }


#: Makers by the class that reads what they make.
MAKERS: Mapping[str, Callable[[Shapes, str], Config]] = {
    "UNet2DConditionModel": unet_config,
    "AutoencoderKL": vae_config,
    "CLIPTextModel": clip_config,
    "CLIPTextModelWithProjection": clip_config,
    "T5EncoderModel": t5_config,
    "FluxTransformer2DModel": flux_config,
    "SD3Transformer2DModel": sd3_config,
}

_ENCODERS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "StableDiffusionPipeline": {"": ("CLIPTextModel", "CLIPTokenizer")},
    "StableDiffusionXLPipeline": {
        "": ("CLIPTextModel", "CLIPTokenizer"),
        "_2": ("CLIPTextModelWithProjection", "CLIPTokenizer"),
    },
    "StableDiffusionXLImg2ImgPipeline": {"_2": ("CLIPTextModelWithProjection", "CLIPTokenizer")},
    "StableDiffusion3Pipeline": {
        "": ("CLIPTextModelWithProjection", "CLIPTokenizer"),
        "_2": ("CLIPTextModelWithProjection", "CLIPTokenizer"),
        "_3": ("T5EncoderModel", "T5TokenizerFast"),
    },
    "FluxPipeline": {
        "": ("CLIPTextModel", "CLIPTokenizer"),
        "_2": ("T5EncoderModel", "T5TokenizerFast"),
    },
}


def made_index(pipeline_class: str, network: str, network_class: str) -> Config | None:
    """A `model_index.json` for a family whose files hold every network; None for others."""
    base = pipeline_class.replace("Inpaint", "").replace("InstructPix2Pix", "")
    encoders = _ENCODERS.get(base)
    if encoders is None:
        return None
    found: Config = {
        "_class_name": pipeline_class,
        network: ["diffusers", network_class],
        "vae": ["diffusers", "AutoencoderKL"],
        "scheduler": ["diffusers", "Scheduler"],  # which one, `scheduler_config` says
    }
    for ending, (encoder, tokenizer) in encoders.items():
        found[f"text_encoder{ending}"] = ["transformers", encoder]
        found[f"tokenizer{ending}"] = ["transformers", tokenizer]
    if base == "StableDiffusionPipeline":
        found |= {"requires_safety_checker": False, "safety_checker": [None, None]}
    if base == "StableDiffusionXLImg2ImgPipeline":
        found |= {"text_encoder": [None, None], "requires_aesthetics_score": True}
    return found


def _side(kind: str) -> int:
    """The side in pixels that a family was trained at."""
    if kind.startswith("Stable Diffusion 1") or "2 inpainting" in kind:
        return 512
    return 768 if kind.startswith("Stable Diffusion 2") else 1024


def _count(shapes: Shapes, place: str) -> int:
    """How many numbered parts follow a place."""
    pattern = re.compile(rf"{re.escape(place)}\.(\d+)\.")
    numbers = {int(found[1]) for key in shapes if (found := pattern.match(key)) is not None}
    return max(numbers, default=-1) + 1


def _any(shapes: Shapes, start: str) -> bool:
    return any(key.startswith(start) for key in shapes)
