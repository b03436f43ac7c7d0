"""Families made of a prior and a decoder, and Kandinsky 3."""

from __future__ import annotations

from typing import Any

import diffusers as untyped

from tests.tiny_models.parts import (
    LETTERS,
    WIDTH,
    clip_encoder,
    clip_tokenizer,
    t5_encoder,
    t5_tokenizer,
)
from tests.tiny_models.registry import tiny
from tests.tiny_models.stable_diffusion import unet

diffusers: Any = untyped


def movq() -> Any:
    """Kandinsky's decoder: 8 pixels a side for one position."""
    return diffusers.VQModel(
        block_out_channels=(32, 32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        norm_type="spatial",
        num_vq_embeddings=16,
        vq_embed_dim=4,
    )


def image_encoder() -> Any:
    """CLIP's image encoder."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            projection_dim=WIDTH,
            image_size=32,
            patch_size=8,
        )
    )


def kandinsky_unet(**changes: Any) -> Any:
    """The UNet of Kandinsky 2."""
    return unet(
        16,
        **{
            "sample_size": 64,
            "in_channels": 4,
            "out_channels": 8,
            "down_block_types": ("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            "up_block_types": ("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            "mid_block_type": "UNetMidBlock2DSimpleCrossAttn",
            "encoder_hid_dim": WIDTH,
            "attention_head_dim": 4,
            "resnet_time_scale_shift": "scale_shift",
            **changes,
        },
    )


def kandinsky_2() -> dict[str, Any]:
    """What Kandinsky 2.1 and 2.2 have in common: decoder and prior."""
    from transformers import CLIPImageProcessor

    return {
        "movq": movq(),
        "prior_prior": diffusers.PriorTransformer(
            num_attention_heads=2, attention_head_dim=8, num_layers=1, embedding_dim=WIDTH
        ),
        "prior_image_encoder": image_encoder(),
        "prior_text_encoder": clip_encoder(projection=True),
        "prior_tokenizer": clip_tokenizer(),
        "prior_scheduler": diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", num_train_timesteps=1000
        ),
        "prior_image_processor": CLIPImageProcessor(size=32, crop_size=32),
    }


@tiny("kandinsky-2.1")
def _() -> Any:
    from diffusers.pipelines.kandinsky.text_encoder import MCLIPConfig, MultilingualCLIP
    from transformers import XLMRobertaTokenizer

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "▁"]
    vocabulary = [(name, -2.0) for name in [*special, *LETTERS]]
    return diffusers.KandinskyCombinedPipeline(
        text_encoder=MultilingualCLIP(
            MCLIPConfig(
                numDims=WIDTH,
                transformerDimensions=WIDTH,
                vocab_size=len(vocabulary),
                hidden_size=WIDTH,
                intermediate_size=2 * WIDTH,
                num_hidden_layers=2,
                num_attention_heads=2,
                max_position_embeddings=80,
            )
        ),
        tokenizer=XLMRobertaTokenizer(vocab=vocabulary, model_max_length=77),
        unet=kandinsky_unet(
            encoder_hid_dim_type="text_image_proj",
            addition_embed_type="text_image",
            cross_attention_dim=WIDTH,
        ),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        **kandinsky_2(),
    )


@tiny("kandinsky-2.2")
def _() -> Any:
    return diffusers.KandinskyV22CombinedPipeline(
        unet=kandinsky_unet(addition_embed_type="image", encoder_hid_dim_type="image_proj"),
        scheduler=diffusers.DDPMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            clip_sample=False,
            variance_type="learned_range",
        ),
        **kandinsky_2(),
    )


@tiny("kandinsky-3")
def _() -> Any:
    return diffusers.Kandinsky3Pipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_encoder(),
        unet=diffusers.Kandinsky3UNet(
            time_embedding_dim=16,
            groups=2,
            attention_head_dim=4,
            layers_per_block=3,
            block_out_channels=(16, 32),
            cross_attention_dim=16,
            encoder_hid_dim=WIDTH,
        ),
        scheduler=diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", clip_sample=False),
        movq=movq(),
    )


def cascade(channels: int, conditioning: int, **changes: Any) -> Any:
    """A stage of Stable Cascade."""
    return diffusers.StableCascadeUNet(
        **{
            "in_channels": channels,
            "out_channels": channels,
            "timestep_ratio_embedding_dim": 8,
            "conditioning_dim": conditioning,
            "block_out_channels": (16, 16),
            "num_attention_heads": (2, 2),
            "down_num_layers_per_block": (1, 1),
            "up_num_layers_per_block": (1, 1),
            "clip_text_pooled_in_channels": WIDTH,
            **changes,
        }
    )


@tiny("cascade", vqgan=["wuerstchen", "PaellaVQModel"])
def _() -> Any:
    from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel

    return diffusers.StableCascadeCombinedPipeline(
        tokenizer=clip_tokenizer(),
        text_encoder=clip_encoder(projection=True),
        decoder=cascade(
            4, 16, patch_size=2, effnet_in_channels=16, timestep_conditioning_type=("sca",)
        ),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
        vqgan=PaellaVQModel(bottleneck_blocks=1, embed_dim=8, num_vq_embeddings=16),
        prior_prior=cascade(16, 16, clip_text_in_channels=WIDTH, clip_image_in_channels=WIDTH),
        prior_text_encoder=clip_encoder(projection=True),
        prior_tokenizer=clip_tokenizer(),
        prior_scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


@tiny(
    "wuerstchen",
    decoder=["wuerstchen", "WuerstchenDiffNeXt"],
    vqgan=["wuerstchen", "PaellaVQModel"],
    prior_prior=["wuerstchen", "WuerstchenPrior"],
)
def _() -> Any:
    from diffusers.pipelines.deprecated.wuerstchen import PaellaVQModel
    from diffusers.pipelines.deprecated.wuerstchen.modeling_wuerstchen_diffnext import (
        WuerstchenDiffNeXt,
    )
    from diffusers.pipelines.deprecated.wuerstchen.modeling_wuerstchen_prior import WuerstchenPrior

    return diffusers.WuerstchenCombinedPipeline(
        tokenizer=clip_tokenizer(),
        text_encoder=clip_encoder(),
        decoder=WuerstchenDiffNeXt(
            c_cond=WIDTH,
            c_hidden=[16, 16],
            nhead=[-1, 2],
            blocks=[1, 1],
            level_config=["CT", "CTA"],
            clip_embd=WIDTH,
            inject_effnet=[False, True],
            effnet_embd=16,
        ),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
        vqgan=PaellaVQModel(bottleneck_blocks=1, embed_dim=8, num_vq_embeddings=16),
        prior_tokenizer=clip_tokenizer(),
        prior_text_encoder=clip_encoder(),
        prior_prior=WuerstchenPrior(c_in=16, c=16, c_cond=WIDTH, c_r=8, depth=1, nhead=2),
        prior_scheduler=diffusers.DDPMWuerstchenScheduler(),
    )
