"""What the tiny models of several families are built of: tokenizers, text encoders, decoders."""

from __future__ import annotations

from typing import Any

#: Printable ASCII without the space.
LETTERS = [chr(code) for code in range(33, 127)]
#: Width of what text encoders hand on.
WIDTH = 16


def clip_tokenizer(length: int = 77) -> Any:
    """CLIP's, over single letters."""
    from transformers import CLIPTokenizer

    names = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS)]
    names += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {name: index for index, name in enumerate(names)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=length)


def clip_encoder(projection: bool = False, width: int = WIDTH, length: int = 77) -> Any:
    """CLIP's text encoder, with the projection of a pooled embedding where asked for."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    build: Any = CLIPTextModelWithProjection if projection else CLIPTextModel
    return build(
        CLIPTextConfig(
            vocab_size=2 * len(LETTERS) + 2,
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=3,
            num_attention_heads=2,
            projection_dim=width,
            max_position_embeddings=length,
            bos_token_id=2 * len(LETTERS),
            eos_token_id=2 * len(LETTERS) + 1,
            pad_token_id=2 * len(LETTERS) + 1,
        )
    )


def t5_tokenizer(length: int = 512) -> Any:
    """T5's (a unigram model), over single letters."""
    from transformers import T5Tokenizer

    special = ["<pad>", "</s>", "<unk>"]
    vocabulary = [(name, 0.0) for name in special]
    vocabulary += [("▁", -2.0), *((letter, -3.0) for letter in LETTERS)]
    return T5Tokenizer(vocab=vocabulary, extra_ids=0, model_max_length=length)


def t5_encoder(width: int = WIDTH) -> Any:
    """T5's encoder."""
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(
            vocab_size=len(LETTERS) + 4,
            d_model=width,
            d_kv=width // 2,
            d_ff=2 * width,
            num_layers=2,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
    )


def image_vae(channels: int = 4, **changes: Any) -> Any:
    """Stable Diffusion's variational autoencoder: 8 pixels a side for one position."""
    from diffusers import AutoencoderKL

    build: Any = AutoencoderKL
    levels = 4
    return build(
        **{
            "block_out_channels": (8,) * levels,
            "down_block_types": ("DownEncoderBlock2D",) * levels,
            "up_block_types": ("UpDecoderBlock2D",) * levels,
            "norm_num_groups": 4,
            "latent_channels": channels,
            "sample_size": 64,
            **changes,
        }
    )


def flow_scheduler(**config: Any) -> Any:
    """The scheduler of flow-matching models."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    build: Any = FlowMatchEulerDiscreteScheduler
    return build(**config)


def qwen_vae() -> Any:
    """Qwen-Image's variational autoencoder, made of a video's."""
    from diffusers import AutoencoderKLQwenImage

    build: Any = AutoencoderKLQwenImage
    return build(
        base_dim=8,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )


def flux2_vae() -> Any:
    """FLUX.2's variational autoencoder, whose latents are normalised after patching."""
    from diffusers import AutoencoderKLFlux2

    build: Any = AutoencoderKLFlux2
    vae = build(
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        latent_channels=32,
        norm_num_groups=4,
        sample_size=64,
    )
    vae.bn.running_mean.normal_(std=0.2)
    vae.bn.running_var.uniform_(0.5, 1.5)
    return vae


def deep_vae() -> Any:
    """Sana's autoencoder: 32 pixels a side for one position."""
    from diffusers import AutoencoderDC

    build: Any = AutoencoderDC
    levels = 6
    return build(
        latent_channels=8,
        attention_head_dim=4,
        encoder_block_out_channels=(8,) * levels,
        decoder_block_out_channels=(8,) * levels,
        encoder_layers_per_block=(1,) * levels,
        decoder_layers_per_block=(1,) * levels,
        encoder_qkv_multiscales=((),) * levels,
        decoder_qkv_multiscales=((),) * levels,
        upsample_block_type="interpolate",
        downsample_block_type="stride_conv",
        scaling_factor=0.41407,
    )
