"""Models of full size with random weights, made on the device, for `bench/gpu.py`.

Sizes are those of the models' published configs. Tokenizers are the tests': a prompt is other
tokens then, and as many for the networks wherever a pipeline pads it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ninefold.engines.loading import quiet
from tests.tiny_models.registry import build_tiny


@dataclass(frozen=True)
class Case:
    """A model and the run that figures of others are known of."""

    name: str
    #: The tiny model that gives the pipeline's class, scheduler and tokenizers.
    tiny: str
    steps: int
    guidance_scale: float
    negative_prompt: str
    #: Seconds for one image of 1024 x 1024 that are aimed at.
    aim: float
    networks: Mapping[str, Callable[[], Any]]
    #: Runs of the network a step.
    runs: int = 1


def build(case: Case, device: str, *, full: bool) -> Any:
    """The pipeline; where not `full`, the tiny one in float32."""
    import torch

    with quiet():
        pipe = build_tiny(case.tiny)
    pipe.set_progress_bar_config(disable=True)
    if not full:
        return pipe.to(device)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        for name, make in case.networks.items():
            setattr(pipe, name, None)  # the tiny one's memory first
            with torch.device(device), torch.no_grad():
                network = make().eval()
            pipe.register_modules(**{name: network})
    finally:
        torch.set_default_dtype(before)
    return pipe.to(device)


def parameters(case: Case) -> dict[str, int]:
    """Parameters of each network at full size, which needs no memory."""
    import torch

    found = {}
    for name, make in case.networks.items():
        with torch.device("meta"):
            found[name] = sum(weight.numel() for weight in make().parameters())
    return found


def _diffusers(name: str, **config: Any) -> Callable[[], Any]:
    def make() -> Any:
        import diffusers

        return getattr(diffusers, name)(**config)

    return make


def _transformers(name: str, config_name: str, **config: Any) -> Callable[[], Any]:
    def make() -> Any:
        import transformers

        return getattr(transformers, name)(getattr(transformers, config_name)(**config))

    return make


def _vae(channels: int, **config: Any) -> Callable[[], Any]:
    return _diffusers(
        "AutoencoderKL",
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=channels,
        **config,
    )


def _clip_l(name: str = "CLIPTextModel") -> Callable[[], Any]:
    return _transformers(
        name,
        "CLIPTextConfig",
        vocab_size=49408,
        hidden_size=768,
        intermediate_size=3072,
        num_hidden_layers=12,
        num_attention_heads=12,
        projection_dim=768,
    )


_CLIP_G = _transformers(
    "CLIPTextModelWithProjection",
    "CLIPTextConfig",
    vocab_size=49408,
    hidden_size=1280,
    intermediate_size=5120,
    num_hidden_layers=32,
    num_attention_heads=20,
    projection_dim=1280,
    hidden_act="gelu",
)
_T5_XXL = _transformers(
    "T5EncoderModel",
    "T5Config",
    vocab_size=32128,
    d_model=4096,
    d_kv=64,
    d_ff=10240,
    num_layers=24,
    num_heads=64,
    feed_forward_proj="gated-gelu",
)
_FLUX_VAE = _vae(
    16,
    scaling_factor=0.3611,
    shift_factor=0.1159,
    use_quant_conv=False,
    use_post_quant_conv=False,
)


def _flux(guided: bool) -> dict[str, Callable[[], Any]]:
    return {
        "transformer": _diffusers("FluxTransformer2DModel", guidance_embeds=guided),
        "vae": _FLUX_VAE,
        "text_encoder": _clip_l(),
        "text_encoder_2": _T5_XXL,
    }


CASES = (
    Case(
        "SDXL",
        "sdxl",
        steps=30,
        guidance_scale=5.0,
        negative_prompt="blurry",
        aim=1.45,
        networks={
            "unet": _diffusers(
                "UNet2DConditionModel",
                sample_size=128,
                block_out_channels=(320, 640, 1280),
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
                transformer_layers_per_block=(1, 2, 10),
                attention_head_dim=(5, 10, 20),
                cross_attention_dim=2048,
                use_linear_projection=True,
                addition_embed_type="text_time",
                addition_time_embed_dim=256,
                projection_class_embeddings_input_dim=2816,
            ),
            "vae": _vae(4, scaling_factor=0.13025),
            "text_encoder": _clip_l(),
            "text_encoder_2": _CLIP_G,
        },
    ),
    Case("FLUX.1-dev", "flux", 28, 3.5, "", 3.7, _flux(guided=True)),
    Case("FLUX.1-schnell", "flux-schnell", 4, 0.0, "", 0.6, _flux(guided=False)),
    Case(
        "Z-Image-Turbo",
        "z-image-turbo",
        steps=9,
        guidance_scale=0.0,
        negative_prompt="",
        aim=1.6,
        networks={
            "transformer": _diffusers("ZImageTransformer2DModel"),
            "vae": _FLUX_VAE,
            "text_encoder": _transformers(
                "Qwen3Model",
                "Qwen3Config",
                vocab_size=151936,
                hidden_size=2560,
                intermediate_size=9728,
                num_hidden_layers=36,
                num_attention_heads=32,
                num_key_value_heads=8,
                head_dim=128,
            ),
        },
    ),
    Case(
        "Qwen-Image",
        "qwen-image",
        steps=50,
        guidance_scale=4.0,
        negative_prompt=" ",
        aim=12.4,
        runs=2,
        networks={
            "transformer": _diffusers("QwenImageTransformer2DModel"),
            "vae": _diffusers("AutoencoderKLQwenImage"),
            "text_encoder": _transformers(
                "Qwen2_5_VLForConditionalGeneration",
                "Qwen2_5_VLConfig",
                text_config={
                    "vocab_size": 152064,
                    "hidden_size": 3584,
                    "intermediate_size": 18944,
                    "num_hidden_layers": 28,
                    "num_attention_heads": 28,
                    "num_key_value_heads": 4,
                },
                vision_config={"depth": 1, "hidden_size": 1280, "out_hidden_size": 3584},
            ),
        },
    ),
)
