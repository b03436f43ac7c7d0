"""Families of transformers with a language model or T5 as their text encoder."""

from __future__ import annotations

from typing import Any

import diffusers as untyped

from tests.tiny_models.language import (
    byte_tokenizer,
    gemma_encoder,
    gemma_tokenizer,
    glm_encoder,
    glm_tokenizer,
    llama_encoder,
    qwen3_encoder,
    qwen_vl_encoder,
)
from tests.tiny_models.parts import (
    WIDTH,
    clip_encoder,
    clip_tokenizer,
    deep_vae,
    flow_scheduler,
    image_vae,
    qwen_vae,
    t5_encoder,
    t5_tokenizer,
)
from tests.tiny_models.registry import tiny

diffusers: Any = untyped

_ROPE = (4, 6, 6)


def flux_vae() -> Any:
    """FLUX.1's variational autoencoder, which several families took over."""
    return image_vae(
        16,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    )


def qwen_image(**transformer: Any) -> dict[str, Any]:
    """The parts of Qwen-Image."""
    return {
        "transformer": diffusers.QwenImageTransformer2DModel(
            **{
                "in_channels": 64,
                "out_channels": 16,
                "num_layers": 1,
                "attention_head_dim": 16,
                "num_attention_heads": 2,
                "joint_attention_dim": WIDTH,
                "axes_dims_rope": _ROPE,
                **transformer,
            }
        ),
        "scheduler": flow_scheduler(use_dynamic_shifting=True, shift_terminal=0.02),
        "vae": qwen_vae(),
        "text_encoder": qwen_vl_encoder(),
        "tokenizer": byte_tokenizer(),
    }


@tiny("qwen-image")
def _() -> Any:
    return diffusers.QwenImagePipeline(**qwen_image())


def z_image(shift: float) -> Any:
    """Z-Image, with the shift that tells Turbo from the model that it was distilled from."""
    return diffusers.ZImagePipeline(
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=16,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            axes_dims=[4, 6, 6],
            axes_lens=[1024, 64, 64],
        ),
        scheduler=flow_scheduler(shift=shift),
        vae=flux_vae(),
        text_encoder=qwen3_encoder(),
        tokenizer=byte_tokenizer(),
    )


@tiny("z-image-turbo")
def _() -> Any:
    return z_image(3.0)


@tiny("z-image")
def _() -> Any:
    return z_image(6.0)


def pixart(pipeline: str, sample_size: int, channels: int = 4) -> Any:
    """PixArt, at the size that its config says."""
    return getattr(diffusers, pipeline)(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_encoder(),
        vae=image_vae(channels),
        transformer=diffusers.PixArtTransformer2DModel(
            num_attention_heads=2,
            attention_head_dim=8,
            in_channels=channels,
            out_channels=2 * channels,
            num_layers=1,
            cross_attention_dim=16,
            sample_size=sample_size,
            caption_channels=WIDTH,
            use_additional_conditions=False,
        ),
        scheduler=diffusers.DPMSolverMultistepScheduler(
            beta_start=0.0001, beta_end=0.02, beta_schedule="linear"
        ),
    )


@tiny("pixart-512")
def _() -> Any:
    return pixart("PixArtAlphaPipeline", 64)


@tiny("pixart-sigma")
def _() -> Any:
    return pixart("PixArtSigmaPipeline", 128)


def sana(pipeline: str, scheduler: Any, **transformer: Any) -> Any:
    """Sana and Sana-Sprint."""
    return getattr(diffusers, pipeline)(
        tokenizer=gemma_tokenizer(),
        text_encoder=gemma_encoder(),
        vae=deep_vae(),
        transformer=diffusers.SanaTransformer2DModel(
            **{
                "in_channels": 8,
                "out_channels": 8,
                "num_attention_heads": 2,
                "attention_head_dim": 8,
                "num_layers": 2,  # ControlNets act behind the first
                "num_cross_attention_heads": 2,
                "cross_attention_head_dim": 8,
                "cross_attention_dim": 16,
                "caption_channels": WIDTH,
                "sample_size": 32,
                **transformer,
            }
        ),
        scheduler=scheduler,
    )


@tiny("sana")
def _() -> Any:
    return sana(
        "SanaPipeline",
        diffusers.DPMSolverMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0
        ),
    )


@tiny("sana-sprint")
def _() -> Any:
    return sana(
        "SanaSprintPipeline",
        diffusers.SCMScheduler(),
        guidance_embeds=True,
        qk_norm="rms_norm_across_heads",
        timestep_scale=1.0,
    )


@tiny("lumina2")
def _() -> Any:
    return diffusers.Lumina2Pipeline(
        transformer=diffusers.Lumina2Transformer2DModel(
            sample_size=128,
            in_channels=16,
            hidden_size=32,
            num_layers=1,
            num_refiner_layers=1,
            num_attention_heads=2,
            num_kv_heads=2,
            multiple_of=16,
            axes_dim_rope=(4, 6, 6),
            axes_lens=(300, 64, 64),
            cap_feat_dim=WIDTH,
        ),
        scheduler=flow_scheduler(shift=6.0),
        vae=flux_vae(),
        text_encoder=gemma_encoder(),
        tokenizer=gemma_tokenizer(),
    )


def hidream(scheduler: Any) -> Any:
    """HiDream-I1; its networks are the same in all its variants."""
    return diffusers.HiDreamImagePipeline(
        transformer=diffusers.HiDreamImageTransformer2DModel(
            patch_size=2,
            in_channels=16,
            out_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            caption_channels=[32, WIDTH],
            text_emb_dim=2 * WIDTH,
            num_routed_experts=2,
            num_activated_experts=1,
            axes_dims_rope=(4, 6, 6),
            max_resolution=(32, 32),
            llama_layers=[0, 1],
        ),
        scheduler=scheduler,
        vae=flux_vae(),
        text_encoder=clip_encoder(projection=True, length=248),
        tokenizer=clip_tokenizer(248),
        text_encoder_2=clip_encoder(projection=True, length=248),
        tokenizer_2=clip_tokenizer(248),
        text_encoder_3=t5_encoder(32),
        tokenizer_3=t5_tokenizer(),
        text_encoder_4=llama_encoder(),
        tokenizer_4=byte_tokenizer(),
    )


@tiny("hidream")
def _() -> Any:
    return hidream(flow_scheduler(shift=3.0))


@tiny("hidream-dev")
def _() -> Any:
    return hidream(diffusers.FlowMatchLCMScheduler(shift=6.0))


@tiny("auraflow")
def _() -> Any:
    from transformers import UMT5Config, UMT5EncoderModel

    return diffusers.AuraFlowPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=UMT5EncoderModel(
            UMT5Config(
                vocab_size=98, d_model=WIDTH, d_kv=8, d_ff=2 * WIDTH, num_layers=2, num_heads=2
            )
        ),
        vae=image_vae(),
        transformer=diffusers.AuraFlowTransformer2DModel(
            sample_size=64,
            in_channels=4,
            num_mmdit_layers=1,
            num_single_dit_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            caption_projection_dim=16,
            out_channels=4,
            pos_embed_max_size=64 * 64,
        ),
        scheduler=flow_scheduler(shift=1.73),
    )


@tiny("cogview4")
def _() -> Any:
    return diffusers.CogView4Pipeline(
        tokenizer=glm_tokenizer(),
        text_encoder=glm_encoder(),
        vae=image_vae(16, scaling_factor=1.0, use_quant_conv=False, use_post_quant_conv=False),
        transformer=diffusers.CogView4Transformer2DModel(
            in_channels=16,
            out_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            text_embed_dim=WIDTH,
            time_embed_dim=16,
            condition_dim=8,
            rope_axes_dim=(16, 16),
        ),
        scheduler=flow_scheduler(base_shift=0.25, max_shift=0.75, use_dynamic_shifting=True),
    )
