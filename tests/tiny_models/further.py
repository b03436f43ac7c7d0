"""Hunyuan, FIBO, ERNIE, PRX, OmniGen, Z-Image Omni and latent diffusion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers as untyped

from tests.tiny_models.language import (
    byte_tokenizer,
    config,
    gemma_tokenizer,
    mistral_encoder,
    qwen3_encoder,
    qwen_vl_encoder,
)
from tests.tiny_models.parts import (
    LETTERS,
    WIDTH,
    clip_encoder,
    flow_scheduler,
    flux2_vae,
    image_vae,
    t5_encoder,
    t5_tokenizer,
)
from tests.tiny_models.qwen import qwen3_vl_encoder, qwen_processor
from tests.tiny_models.registry import tiny
from tests.tiny_models.stable_diffusion import NOISE, unet
from tests.tiny_models.transformers import flux_vae

diffusers: Any = untyped


def bert_tokenizer() -> Any:
    """BERT's, over single letters."""
    from transformers import BertTokenizer

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    names = [*special, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    return BertTokenizer(
        vocab={name: index for index, name in enumerate(names)}, model_max_length=77
    )


def bert_encoder() -> Any:
    """BERT."""
    from transformers import BertConfig, BertModel

    return BertModel(
        BertConfig(
            vocab_size=5 + 2 * len(LETTERS),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=2,
        )
    )


def byt5_encoder() -> tuple[Any, Any]:
    """T5's encoder and tokenizer over bytes."""
    from transformers import ByT5Tokenizer, T5Config, T5EncoderModel

    shape = {"d_model": WIDTH, "d_kv": 8, "d_ff": 2 * WIDTH, "num_layers": 2, "num_heads": 2}
    return T5EncoderModel(T5Config(vocab_size=384, **shape)), ByT5Tokenizer()


def hunyuan_dit(**transformer: Any) -> dict[str, Any]:
    """The parts of Hunyuan-DiT."""
    return {
        "vae": image_vae(),
        "text_encoder": bert_encoder(),
        "tokenizer": bert_tokenizer(),
        "text_encoder_2": t5_encoder(),
        "tokenizer_2": t5_tokenizer(256),
        "transformer": diffusers.HunyuanDiT2DModel(
            **{
                "sample_size": 8,
                "num_layers": 4,  # ControlNets act in less than half of them
                "patch_size": 2,
                "attention_head_dim": 8,
                "num_attention_heads": 2,
                "in_channels": 4,
                "hidden_size": 16,
                "cross_attention_dim": WIDTH,
                "cross_attention_dim_t5": WIDTH,
                "pooled_projection_dim": 16,
                "use_style_cond_and_image_meta_size": False,
                **transformer,
            }
        ),
        "scheduler": diffusers.DDPMScheduler(
            beta_start=0.00085,
            beta_end=0.03,
            beta_schedule="scaled_linear",
            prediction_type="v_prediction",
            steps_offset=1,
        ),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


@tiny("hunyuan-dit")
def _() -> Any:
    return diffusers.HunyuanDiTPipeline(**hunyuan_dit())


def hunyuan_image(guider: Any, **transformer: Any) -> Any:
    """HunyuanImage 2.1; its guiders are parts of the model."""
    byt5, byt5_tokens = byt5_encoder()
    return diffusers.HunyuanImagePipeline(
        transformer=diffusers.HunyuanImageTransformer2DModel(
            **{
                "in_channels": 8,
                "out_channels": 8,
                "num_attention_heads": 2,
                "attention_head_dim": 16,
                "num_layers": 1,
                "num_single_layers": 1,
                "num_refiner_layers": 1,
                "text_embed_dim": WIDTH,
                "text_embed_2_dim": WIDTH,
                "rope_axes_dim": (8, 8),
                **transformer,
            }
        ),
        scheduler=flow_scheduler(shift=5.0),
        vae=diffusers.AutoencoderKLHunyuanImage(
            in_channels=3,
            out_channels=3,
            latent_channels=8,
            block_out_channels=(32, 32, 32, 32, 32, 32),
            layers_per_block=1,
            spatial_compression_ratio=32,
            sample_size=64,
            scaling_factor=0.75289,
        ),
        text_encoder=qwen_vl_encoder(layers=3),
        tokenizer=byte_tokenizer(),
        text_encoder_2=byt5,
        tokenizer_2=byt5_tokens,
        guider=guider,
        ocr_guider=guider,
    )


@tiny("hunyuan-image")
def _() -> Any:
    return hunyuan_image(diffusers.AdaptiveProjectedMixGuidance(guidance_scale=3.5))


@tiny("hunyuan-image-distilled")
def _() -> Any:
    return hunyuan_image(None, guidance_embeds=True, use_meanflow=True)


@tiny("bria-fibo")
def _() -> Any:
    from transformers import SmolLM3Config, SmolLM3ForCausalLM

    return diffusers.BriaFiboPipeline(
        transformer=diffusers.BriaFiboTransformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=2 * WIDTH,
            axes_dims_rope=[4, 6, 6],
            text_encoder_dim=WIDTH,
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=diffusers.AutoencoderKLWan(
            base_dim=8,
            decoder_base_dim=8,
            z_dim=16,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
        ),
        text_encoder=SmolLM3ForCausalLM(
            # The token of a blank prompt has the number 128000.
            SmolLM3Config(**config(vocab_size=128_001, num_hidden_layers=2))
        ),
        tokenizer=byte_tokenizer(),
    )


@tiny("bria-fibo-2")
def _() -> Any:
    return diffusers.BriaFibo2Pipeline(
        transformer=diffusers.BriaFibo2Transformer2DModel(
            in_channels=32,
            dim=32,
            n_layers=6,
            n_refiner_layers=1,
            n_heads=2,
            cap_feat_dim=3 * WIDTH,
            injection_layer_ids=(0, 1, 2, 3, 4),
            perceiver_num_layers=1,
            min_num_gist_tokens=8,
            max_num_gist_tokens=16,
            gist_step=8,
            axes_dims=(4, 6, 6),
            axes_lens=(2048, 128, 128),
        ),
        scheduler=flow_scheduler(use_dynamic_shifting=True),
        vae=flux2_vae(),
        text_encoder=qwen3_vl_encoder(36),
        processor=qwen_processor(3),
    )


@tiny("z-image-omni")
def _() -> Any:
    from transformers import Siglip2ImageProcessorPil, Siglip2VisionConfig, Siglip2VisionModel

    eyes: Any = Siglip2VisionModel
    return diffusers.ZImageOmniPipeline(
        transformer=diffusers.ZImageTransformer2DModel(
            in_channels=16,
            dim=32,
            n_layers=1,
            n_refiner_layers=1,
            n_heads=2,
            n_kv_heads=2,
            cap_feat_dim=WIDTH,
            siglip_feat_dim=WIDTH,
            axes_dims=[4, 6, 6],
            axes_lens=[2048, 64, 64],
        ),
        scheduler=flow_scheduler(shift=6.0),
        vae=flux_vae(),
        text_encoder=qwen3_encoder(),
        tokenizer=byte_tokenizer(),
        siglip=eyes(
            Siglip2VisionConfig(
                hidden_size=WIDTH,
                intermediate_size=2 * WIDTH,
                num_hidden_layers=1,
                num_attention_heads=2,
                num_patches=16,
                patch_size=16,
            )
        ),
        siglip_processor=Siglip2ImageProcessorPil(max_num_patches=16, patch_size=16),
    )


@tiny("ernie-image")
def _() -> Any:
    return diffusers.ErnieImagePipeline(
        transformer=diffusers.ErnieImageTransformer2DModel(
            hidden_size=32,
            num_attention_heads=2,
            num_layers=1,
            ffn_hidden_size=32,
            text_in_dim=WIDTH,
            rope_axes_dim=(4, 6, 6),
        ),
        vae=flux2_vae(),
        text_encoder=mistral_encoder(2).model,
        tokenizer=byte_tokenizer(),
        scheduler=flow_scheduler(shift=3.0),
    )


def t5_gemma() -> Any:
    """T5Gemma's encoder."""
    from diffusers.pipelines.prx import T5GemmaEncoder
    from transformers import T5GemmaConfig

    module = config(
        vocab_size=len(LETTERS) + 6,
        query_pre_attn_scalar=8,
        sliding_window=64,
        bos_token_id=2,
        eos_token_id=1,
        pad_token_id=0,
    )
    build: Any = T5GemmaEncoder
    whole = T5GemmaConfig(encoder=module, decoder=module)
    encoder = build(whole.encoder)
    save = encoder.save_pretrained

    def save_pretrained(folder: str | Path, **options: Any) -> None:
        save(folder, **options)
        whole.save_pretrained(folder)  # it ships with the config of encoder and decoder

    encoder.save_pretrained = save_pretrained
    return encoder


def prx_transformer(**changes: Any) -> Any:
    """PRX's transformer."""
    return diffusers.PRXTransformer2DModel(
        **{
            "in_channels": 16,
            "context_in_dim": WIDTH,
            "hidden_size": 32,
            "num_heads": 2,
            "depth": 1,
            "axes_dim": [8, 8],
            **changes,
        }
    )


@tiny("prx", text_encoder=["transformers", "T5GemmaEncoder"])
def _() -> Any:
    return diffusers.PRXPipeline(
        transformer=prx_transformer(),
        scheduler=flow_scheduler(shift=3.0),
        text_encoder=t5_gemma(),
        tokenizer=gemma_tokenizer(),
        vae=flux_vae(),
    )


@tiny("prx-pixel")
def _() -> Any:
    return diffusers.PRXPixelPipeline(
        transformer=prx_transformer(
            in_channels=3, patch_size=16, bottleneck_size=16, resolution_embeds=True
        ),
        scheduler=flow_scheduler(shift=3.0),
        text_encoder=qwen3_encoder(),
        tokenizer=byte_tokenizer(),
    )


@tiny("latent-diffusion")
def _() -> Any:
    return diffusers.LDMTextToImagePipeline(
        vqvae=image_vae(),
        bert=clip_encoder(),
        tokenizer=bert_tokenizer(),
        unet=unet(16),
        scheduler=diffusers.DDIMScheduler(**NOISE, clip_sample=False, set_alpha_to_one=False),
    )
