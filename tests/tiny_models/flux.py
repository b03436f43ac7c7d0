"""FLUX.1 and what was made of it."""

from __future__ import annotations

from typing import Any

import diffusers as untyped

from tests.tiny_models.parts import (
    clip_encoder,
    clip_tokenizer,
    flow_scheduler,
    image_vae,
    t5_encoder,
    t5_tokenizer,
)
from tests.tiny_models.registry import tiny

diffusers: Any = untyped


def flux_parts(*, guided: bool = True, **transformer: Any) -> dict[str, Any]:
    """The parts of FLUX.1; `guided` for those that were distilled from a guided model."""
    shift = {"shift": 3.0, "use_dynamic_shifting": True} if guided else {"shift": 1.0}
    return {
        "transformer": diffusers.FluxTransformer2DModel(
            **{
                "in_channels": 64,
                "num_layers": 1,
                "num_single_layers": 1,
                "attention_head_dim": 16,
                "num_attention_heads": 2,
                "joint_attention_dim": 16,
                "pooled_projection_dim": 16,
                "axes_dims_rope": (4, 4, 8),
                "guidance_embeds": guided,
                **transformer,
            }
        ),
        "scheduler": flow_scheduler(max_image_seq_len=4096, **shift),
        "vae": image_vae(
            16,
            scaling_factor=0.3611,
            shift_factor=0.1159,
            use_quant_conv=False,
            use_post_quant_conv=False,
        ),
        "text_encoder": clip_encoder(),
        "tokenizer": clip_tokenizer(),
        "text_encoder_2": t5_encoder(),
        "tokenizer_2": t5_tokenizer(),
    }


@tiny("flux")
def _() -> Any:
    return diffusers.FluxPipeline(**flux_parts())


@tiny("flux-schnell")
def _() -> Any:
    return diffusers.FluxPipeline(**flux_parts(guided=False))
