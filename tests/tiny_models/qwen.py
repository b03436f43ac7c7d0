"""Families with a language model that sees (Qwen's) as their text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers as untyped

from ninefold.engines.processors import reads_videos, without_videos
from tests.tiny_models.language import CHAT, byte_tokenizer, config, qwen_vl_encoder
from tests.tiny_models.parts import (
    WIDTH,
    clip_encoder,
    clip_tokenizer,
    flow_scheduler,
    flux2_vae,
    qwen_vae,
)
from tests.tiny_models.registry import tiny
from tests.tiny_models.transformers import flux_vae, qwen_image

diffusers: Any = untyped


def image_processor(**options: Any) -> Any:
    """Qwen's, at 4 tokens an image where nothing else is said."""
    from transformers import Qwen2VLImageProcessorPil

    build: Any = Qwen2VLImageProcessorPil
    return build(**{"min_pixels": 28 * 28, "max_pixels": 56 * 56, **options})


def qwen_processor(generation: int = 2, **images: Any) -> Any:
    """What prepares text and images for Qwen 2 or 3, saved in the files that it ships in."""
    import transformers

    processor_class: Any = getattr(transformers, f"Qwen{generation}VLProcessor")
    parts = {"image_processor": image_processor(**images), "tokenizer": byte_tokenizer()}
    if not reads_videos(processor_class):  # pragma: no cover - where torchvision is installed
        videos: Any = transformers.Qwen2VLVideoProcessor
        return processor_class(**parts, video_processor=videos(), chat_template=CHAT)
    processor = without_videos(processor_class, **parts, chat_template=CHAT)

    def save_pretrained(folder: str | Path, **_: Any) -> None:
        for part in parts.values():
            part.save_pretrained(folder)

    processor.save_pretrained = save_pretrained
    return processor


def qwen3_vl_encoder(layers: int = 3, *, bare: bool = False, patch: int = 14) -> Any:
    """Qwen 3 with eyes; `bare` without what makes words."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLModel

    build: Any = Qwen3VLModel if bare else Qwen3VLForConditionalGeneration
    return build(
        Qwen3VLConfig(
            text_config={
                **config(num_hidden_layers=layers),
                "rope_parameters": {
                    "rope_type": "default",
                    "rope_theta": 1e6,
                    "mrope_section": [2, 1, 1],
                    "mrope_interleaved": True,
                },
            },
            vision_config={
                "depth": 2,
                "hidden_size": WIDTH,
                "intermediate_size": 2 * WIDTH,
                "num_heads": 2,
                "out_hidden_size": WIDTH,
                "patch_size": patch,
                "num_position_embeddings": 16,
                "deepstack_visual_indexes": [0],
            },
            image_token_id=261,
            video_token_id=262,
            vision_start_token_id=259,
            vision_end_token_id=260,
        )
    )


@tiny("qwen-image-edit")
def _() -> Any:
    return diffusers.QwenImageEditPipeline(**qwen_image(), processor=qwen_processor())


@tiny("qwen-image-edit-plus")
def _() -> Any:
    return diffusers.QwenImageEditPlusPipeline(**qwen_image(), processor=qwen_processor())


@tiny("qwen-image-2.1")
def _() -> Any:
    return diffusers.QwenImage21Pipeline(
        transformer=diffusers.QwenImage21Transformer2DModel(
            in_channels=16,
            out_channels=16,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            context_in_dim=WIDTH,
            axes_dims_rope=(4, 6, 6),
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True, shift_terminal=0.02),
        vae=diffusers.AutoencoderKLQwenImage21(
            base_dim=8,
            decoder_base_dim=8,
            z_dim=16,
            dim_mult=[1, 1, 1, 1, 1],
            num_res_blocks=1,
            latents_mean=[0.1] * 16,
            latents_std=[1.5] * 16,
        ),
        # A token of an image stands for 32 x 32 pixels of it, as four of its latents do.
        text_encoder=qwen3_vl_encoder(patch=16),
        processor=qwen_processor(3, patch_size=16, max_pixels=2048 * 2048),
    )


@tiny("krea-2")
def _() -> Any:
    return diffusers.Krea2Pipeline(
        transformer=diffusers.Krea2Transformer2DModel(
            in_channels=64,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            num_key_value_heads=1,
            intermediate_size=32,
            timestep_embed_dim=16,
            text_hidden_dim=WIDTH,
            num_text_layers=2,
            text_num_attention_heads=2,
            text_num_key_value_heads=2,
            text_intermediate_size=32,
            num_layerwise_text_blocks=1,
            num_refiner_text_blocks=1,
            axes_dims_rope=(4, 6, 6),
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True, max_image_seq_len=6400),
        vae=qwen_vae(),
        text_encoder=qwen3_vl_encoder(bare=True),
        tokenizer=byte_tokenizer(),
        text_encoder_select_layers=(1, 2),
    )


def longcat(pipeline: str) -> Any:
    """LongCat-Image, to paint from text or to edit."""
    return getattr(diffusers, pipeline)(
        transformer=diffusers.LongCatImageTransformer2DModel(
            in_channels=64,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=WIDTH,
            pooled_projection_dim=WIDTH,
            axes_dims_rope=[4, 6, 6],
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=flux_vae(),
        text_encoder=qwen_vl_encoder(),
        tokenizer=byte_tokenizer(),
        text_processor=qwen_processor(),
    )


@tiny("longcat-image")
def _() -> Any:
    return longcat("LongCatImagePipeline")


@tiny("longcat-image-edit")
def _() -> Any:
    return longcat("LongCatImageEditPipeline")


@tiny("nucleus-image")
def _() -> Any:
    import torch

    transformer = diffusers.NucleusMoEImageTransformer2DModel(
        in_channels=64,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        axes_dims_rope=(4, 6, 6),
        dense_moe_strategy="all_moe",
        num_experts=2,
        moe_intermediate_dim=16,
        capacity_factors=2.0,
    )
    for name, weight in transformer.named_parameters():
        if "experts" in name:  # which it leaves as they lie in memory
            torch.nn.init.normal_(weight, std=0.2)
    return diffusers.NucleusMoEImagePipeline(
        transformer=transformer,
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=qwen_vae(),
        text_encoder=qwen3_vl_encoder(9),
        processor=qwen_processor(3),
    )


def dream_lite(pipeline: str) -> Any:
    """DreamLite, a UNet over the latents of a tiny autoencoder."""
    return getattr(diffusers, pipeline)(
        text_encoder=qwen3_vl_encoder(),
        tokenizer=byte_tokenizer(),
        processor=qwen_processor(3),
        vae=diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8, 8, 8),
            decoder_block_out_channels=(8, 8, 8, 8),
            num_encoder_blocks=(1, 1, 1, 1),
            num_decoder_blocks=(1, 1, 1, 1),
        ),
        unet=diffusers.DreamLiteUNetModel(
            sample_size=8,
            layers_per_block=1,
            block_out_channels=(8, 8, 16),
            cross_attention_dim=16,
            encoder_hid_dim=WIDTH,
            encoder_hid_dim_type="text_proj",
            attention_head_dim=8,
            norm_num_groups=4,
            addition_embed_type="time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=16,
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True),
    )


@tiny("dreamlite")
def _() -> Any:
    return dream_lite("DreamLitePipeline")


@tiny("dreamlite-mobile")
def _() -> Any:
    return dream_lite("DreamLiteMobilePipeline")


def kandinsky_5(pipeline: str, **transformer: Any) -> Any:
    """Kandinsky 5, to paint from text or to change an image."""
    return getattr(diffusers, pipeline)(
        transformer=diffusers.Kandinsky5Transformer3DModel(
            **{
                "in_visual_dim": 16,
                "out_visual_dim": 16,
                "in_text_dim": WIDTH,
                "in_text_dim2": WIDTH,
                "time_dim": 16,
                "model_dim": 32,
                "ff_dim": 32,
                "num_text_blocks": 1,
                "num_visual_blocks": 1,
                "axes_dims": (4, 6, 6),
                **transformer,
            }
        ),
        vae=flux_vae(),
        text_encoder=qwen_vl_encoder(),
        tokenizer=qwen_processor(),
        text_encoder_2=clip_encoder(),
        tokenizer_2=clip_tokenizer(),
        scheduler=flow_scheduler(shift=3.0),
    )


@tiny("kandinsky-5")
def _() -> Any:
    return kandinsky_5("Kandinsky5T2IPipeline")


@tiny("kandinsky-5-edit")
def _() -> Any:
    return kandinsky_5("Kandinsky5I2IPipeline", visual_cond=True)


@tiny("ideogram-4")
def _() -> Any:
    def network() -> Any:
        return diffusers.Ideogram4Transformer2DModel(
            in_channels=128,
            num_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            intermediate_size=32,
            adaln_dim=16,
            llm_features_dim=13 * WIDTH,
            mrope_section=(4, 2, 2),
        )

    return diffusers.Ideogram4Pipeline(
        scheduler=flow_scheduler(),
        vae=flux2_vae(),
        text_encoder=qwen3_vl_encoder(36, bare=True),
        tokenizer=byte_tokenizer(),
        transformer=network(),
        unconditional_transformer=network(),
    )
