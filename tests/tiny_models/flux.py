"""FLUX.1 and what was made of it."""

from __future__ import annotations

from typing import Any

import diffusers as untyped

from tests.tiny_models.language import byte_tokenizer, mistral_encoder, qwen3_encoder
from tests.tiny_models.parts import (
    WIDTH,
    clip_encoder,
    clip_tokenizer,
    flow_scheduler,
    flux2_vae,
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


@tiny("flux-kontext")
def _() -> Any:
    return diffusers.FluxKontextPipeline(**flux_parts())


@tiny("flux-fill")
def _() -> Any:
    return diffusers.FluxFillPipeline(**flux_parts(in_channels=384, out_channels=64))


@tiny("chroma")
def _() -> Any:
    parts = flux_parts()
    return diffusers.ChromaPipeline(
        transformer=diffusers.ChromaTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=16,
            axes_dims_rope=(4, 4, 8),
            approximator_num_channels=8,
            approximator_hidden_dim=16,
            approximator_layers=1,
        ),
        scheduler=flow_scheduler(use_beta_sigmas=False),
        vae=parts["vae"],
        text_encoder=parts["text_encoder_2"],
        tokenizer=parts["tokenizer_2"],
    )


def flux2_transformer(**changes: Any) -> Any:
    """FLUX.2's transformer, over three layers of a language model."""
    return diffusers.Flux2Transformer2DModel(
        **{
            "in_channels": 128,
            "num_layers": 1,
            "num_single_layers": 1,
            "attention_head_dim": 16,
            "num_attention_heads": 2,
            "joint_attention_dim": 3 * WIDTH,
            "timestep_guidance_channels": 16,
            "axes_dims_rope": (4, 4, 4, 4),
            **changes,
        }
    )


@tiny("flux2")
def _() -> Any:
    return diffusers.Flux2Pipeline(
        transformer=flux2_transformer(),
        scheduler=flow_scheduler(shift=3.0, use_dynamic_shifting=True),
        vae=flux2_vae(),
        text_encoder=mistral_encoder(31),
        tokenizer=byte_tokenizer(),
    )


def flux2_klein(**options: Any) -> Any:
    """FLUX.2 klein."""
    return diffusers.Flux2KleinPipeline(
        transformer=flux2_transformer(guidance_embeds=False),
        scheduler=flow_scheduler(shift=3.0, use_dynamic_shifting=True),
        vae=flux2_vae(),
        text_encoder=qwen3_encoder(28, causal=True),
        tokenizer=byte_tokenizer(),
        **options,
    )


@tiny("flux2-klein")
def _() -> Any:
    return flux2_klein(is_distilled=True)


@tiny("flux2-klein-base")
def _() -> Any:
    return flux2_klein()
