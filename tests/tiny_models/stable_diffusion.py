"""Stable Diffusion 1 to 3, with what was made of them: Turbo, LCM, refiner, edit models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers as untyped

from tests.tiny_models.parts import (
    LETTERS,
    clip_encoder,
    clip_tokenizer,
    flow_scheduler,
    image_vae,
    t5_encoder,
    t5_tokenizer,
)
from tests.tiny_models.registry import tiny

diffusers: Any = untyped

#: Betas of Stable Diffusion.
NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


def unet(width: int, **changes: Any) -> Any:
    """A UNet with cross-attention over embeddings of `width`; native at 64 pixels."""
    return diffusers.UNet2DConditionModel(
        **{
            "sample_size": 8,
            "layers_per_block": 1,
            "block_out_channels": (8, 16),
            "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
            "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
            "cross_attention_dim": width,
            "attention_head_dim": 2,
            "norm_num_groups": 4,
            **changes,
        }
    )


def pndm(**config: Any) -> Any:
    """The scheduler that Stable Diffusion 1 and 2 ship with."""
    return diffusers.PNDMScheduler(
        **{"skip_prk_steps": True, "set_alpha_to_one": False, **NOISE, **config}
    )


def euler(**config: Any) -> Any:
    """The scheduler that SDXL ships with."""
    return diffusers.EulerDiscreteScheduler(**{**NOISE, **config})


def stable_diffusion(pipeline: str = "StableDiffusionPipeline", **parts: Any) -> Any:
    """Stable Diffusion 1, with other parts where they are given."""
    return getattr(diffusers, pipeline)(
        **{
            "vae": image_vae(),
            "text_encoder": clip_encoder(),
            "tokenizer": clip_tokenizer(),
            "unet": unet(16),
            "scheduler": pndm(),
            "safety_checker": None,
            "feature_extractor": None,
            "requires_safety_checker": False,
            **parts,
        }
    )


def xl_unet(width: int = 32, ids: int = 6, **changes: Any) -> Any:
    """SDXL's UNet: as many numbers beside the time (sizes, crop, or aesthetic score) as `ids`."""
    return unet(
        width,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=8 * ids + 16,
        **changes,
    )


def stable_diffusion_xl(**parts: Any) -> Any:
    """SDXL, with other parts where they are given."""
    return diffusers.StableDiffusionXLPipeline(
        **{
            "vae": image_vae(scaling_factor=0.13025),
            "text_encoder": clip_encoder(),
            "text_encoder_2": clip_encoder(projection=True),
            "tokenizer": clip_tokenizer(),
            "tokenizer_2": clip_tokenizer(),
            "unet": xl_unet(),
            "scheduler": euler(),
            **parts,
        }
    )


@tiny("sd15")
def _() -> Any:
    return stable_diffusion()


@tiny("sdxl")
def _() -> Any:
    return stable_diffusion_xl()


@tiny("sd3")
def _() -> Any:
    return diffusers.StableDiffusion3Pipeline(
        transformer=diffusers.SD3Transformer2DModel(
            sample_size=8,
            in_channels=16,
            out_channels=16,
            num_layers=2,  # ControlNets act in none that is the last
            attention_head_dim=8,
            num_attention_heads=2,
            joint_attention_dim=32,
            caption_projection_dim=16,
            pooled_projection_dim=32,
            pos_embed_max_size=96,
        ),
        scheduler=flow_scheduler(shift=3.0),
        vae=image_vae(16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False),
        text_encoder=clip_encoder(projection=True),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_encoder(projection=True),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_encoder(32),
        tokenizer_3=t5_tokenizer(),
    )


@tiny("sd2")
def _() -> Any:
    return stable_diffusion(
        unet=unet(16, sample_size=12), scheduler=pndm(prediction_type="v_prediction")
    )


@tiny("sd-turbo")
def _() -> Any:
    return stable_diffusion(scheduler=euler(timestep_spacing="trailing"))


@tiny("sd-inpainting")
def _() -> Any:
    return stable_diffusion("StableDiffusionInpaintPipeline", unet=unet(16, in_channels=9))


@tiny("instruct-pix2pix")
def _() -> Any:
    return stable_diffusion("StableDiffusionInstructPix2PixPipeline", unet=unet(16, in_channels=8))


@tiny("sd-controlnet")
def _() -> Any:
    network = unet(16)
    net = diffusers.ControlNetModel.from_unet(
        network, conditioning_embedding_out_channels=(8, 8, 8, 8)
    )
    return stable_diffusion("StableDiffusionControlNetPipeline", unet=network, controlnet=net)


@tiny("lcm")
def _() -> Any:
    return stable_diffusion(
        "LatentConsistencyModelPipeline",
        unet=unet(16, time_cond_proj_dim=8),
        scheduler=diffusers.LCMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
        ),
    )


@tiny("sdxl-turbo")
def _() -> Any:
    return stable_diffusion_xl(
        unet=xl_unet(sample_size=64),
        scheduler=diffusers.EulerAncestralDiscreteScheduler(**NOISE, timestep_spacing="trailing"),
    )


@tiny("sdxl-lightning")
def _() -> Any:
    return stable_diffusion_xl(scheduler=euler(timestep_spacing="trailing"))


@tiny("sdxl-refiner")
def _() -> Any:
    return diffusers.StableDiffusionXLImg2ImgPipeline(
        vae=image_vae(scaling_factor=0.13025),
        text_encoder=None,
        text_encoder_2=clip_encoder(projection=True),
        tokenizer=None,
        tokenizer_2=clip_tokenizer(),
        unet=xl_unet(16, ids=5),
        scheduler=euler(),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
    )


@tiny("sdxl-pix2pix")
def _() -> Any:
    parts = stable_diffusion_xl().components
    pipeline = diffusers.StableDiffusionXLInstructPix2PixPipeline
    names = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler")
    return pipeline(**{name: parts[name] for name in names}, unet=xl_unet(in_channels=8))


def chatglm_tokenizer() -> Any:
    """ChatGLM's, whose words a file of sentencepiece holds."""
    import io
    from tempfile import mkdtemp

    import sentencepiece
    from diffusers.pipelines.kolors.tokenizer import ChatGLMTokenizer

    words = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(LETTERS)]),
        model_writer=words,
        vocab_size=len(LETTERS) + 5,
        model_type="char",
        character_coverage=1.0,
        minloglevel=2,
    )
    # It copies the file when it is saved, so that must stay.
    path = Path(mkdtemp()) / "tokenizer.model"
    path.write_bytes(words.getvalue())
    return ChatGLMTokenizer(str(path))


@tiny("kolors")
def _() -> Any:
    import torch
    from diffusers.pipelines.kolors.text_encoder import ChatGLMConfig, ChatGLMModel

    text_encoder = ChatGLMModel(
        ChatGLMConfig(
            num_layers=2,
            padded_vocab_size=len(LETTERS) + 20,
            hidden_size=16,
            ffn_hidden_size=32,
            kv_channels=8,
            num_attention_heads=2,
            add_qkv_bias=True,
            multi_query_attention=True,
            multi_query_group_num=1,
            original_rope=True,
        )
    )
    for weight in text_encoder.parameters():  # which it leaves as they lie in memory
        torch.nn.init.normal_(weight, std=0.2)
    return diffusers.KolorsPipeline(
        vae=image_vae(scaling_factor=0.13025),
        text_encoder=text_encoder,
        tokenizer=chatglm_tokenizer(),
        unet=xl_unet(16, encoder_hid_dim=16, encoder_hid_dim_type="text_proj"),
        scheduler=euler(),
    )
