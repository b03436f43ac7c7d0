"""Further families: Lumina-Next, CogView3-Plus, Ovis-Image, Bria, DeepFloyd IF, aMUSEd."""

from __future__ import annotations

from typing import Any

import diffusers as untyped

from tests.tiny_models.language import byte_tokenizer, config, gemma_tokenizer, qwen3_encoder
from tests.tiny_models.parts import (
    LETTERS,
    WIDTH,
    clip_encoder,
    clip_tokenizer,
    flow_scheduler,
    image_vae,
    t5_encoder,
    t5_tokenizer,
)
from tests.tiny_models.registry import tiny
from tests.tiny_models.transformers import flux_vae

diffusers: Any = untyped


@tiny("lumina")
def _() -> Any:
    from transformers import GemmaConfig, GemmaModel

    vocabulary = len(LETTERS) + 6
    ids = {"bos_token_id": 2, "eos_token_id": 1, "pad_token_id": 0}
    return diffusers.LuminaPipeline(
        transformer=diffusers.LuminaNextDiT2DModel(
            sample_size=128,
            in_channels=4,
            hidden_size=16,
            num_layers=1,
            num_attention_heads=2,
            num_kv_heads=2,
            multiple_of=16,
            cross_attention_dim=WIDTH,
        ),
        scheduler=flow_scheduler(),
        vae=image_vae(),
        text_encoder=GemmaModel(GemmaConfig(**config(vocab_size=vocabulary, **ids))),
        tokenizer=gemma_tokenizer(),
    )


@tiny("cogview3")
def _() -> Any:
    return diffusers.CogView3PlusPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_encoder(),
        vae=image_vae(16),
        transformer=diffusers.CogView3PlusTransformer2DModel(
            in_channels=16,
            out_channels=16,
            num_layers=1,
            attention_head_dim=8,
            num_attention_heads=2,
            text_embed_dim=WIDTH,
            time_embed_dim=16,
            condition_dim=8,
            pos_embed_max_size=32,
        ),
        scheduler=diffusers.CogVideoXDDIMScheduler(
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            snr_shift_scale=4.0,
            timestep_spacing="trailing",
        ),
    )


@tiny("ovis-image")
def _() -> Any:
    return diffusers.OvisImagePipeline(
        transformer=diffusers.OvisImageTransformer2DModel(
            in_channels=64,
            out_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=(4, 4, 8),
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=flux_vae(),
        text_encoder=qwen3_encoder(),
        tokenizer=byte_tokenizer(),
    )


@tiny("bria")
def _() -> Any:
    return diffusers.BriaPipeline(
        transformer=diffusers.BriaTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            axes_dims_rope=[4, 4, 8],
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=image_vae(4, shift_factor=0.0),
        text_encoder=t5_encoder(),
        tokenizer=t5_tokenizer(),
    )


@tiny("deepfloyd-if")
def _() -> Any:
    return diffusers.IFPipeline(
        tokenizer=t5_tokenizer(77),
        text_encoder=t5_encoder(),
        unet=diffusers.UNet2DConditionModel(
            sample_size=64,
            in_channels=3,
            out_channels=6,
            layers_per_block=1,
            block_out_channels=(8, 16),
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            cross_attention_dim=16,
            encoder_hid_dim=WIDTH,
            attention_head_dim=4,
            addition_embed_type="text",
            addition_embed_type_num_heads=2,
            resnet_time_scale_shift="scale_shift",
            act_fn="gelu",
            norm_num_groups=4,
        ),
        scheduler=diffusers.DDPMScheduler(
            beta_schedule="squaredcos_cap_v2",
            variance_type="learned_range",
            thresholding=True,
            dynamic_thresholding_ratio=0.95,
            sample_max_value=1.5,
        ),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )


@tiny("amused")
def _() -> Any:
    return diffusers.AmusedPipeline(
        vqvae=diffusers.VQModel(
            block_out_channels=(8, 8, 8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 5,
            up_block_types=("UpDecoderBlock2D",) * 5,
            latent_channels=8,
            norm_num_groups=4,
            num_vq_embeddings=32,
            layers_per_block=1,
            lookup_from_codebook=True,
            mid_block_add_attention=False,
        ),
        tokenizer=clip_tokenizer(),
        text_encoder=clip_encoder(projection=True),
        transformer=diffusers.UVit2DModel(
            hidden_size=16,
            cond_embed_dim=WIDTH,
            micro_cond_encode_dim=2,
            micro_cond_embed_dim=10,
            encoder_hidden_size=WIDTH,
            vocab_size=33,
            codebook_size=32,
            in_channels=16,
            block_out_channels=16,
            num_res_blocks=1,
            block_num_heads=2,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=32,
            sample_size=8,
        ),
        scheduler=diffusers.AmusedScheduler(mask_token_id=32),
    )
