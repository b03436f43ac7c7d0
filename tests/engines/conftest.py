"""Engines over the built-in models, and a tiny diffusers folder with random weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.engines import builtin
from ninefold.engines.defaults import build_engines
from ninefold.engines.diffusion import ImageToImage, Inpaint, TextToImage
from ninefold.engines.engine_set import EngineSet
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Mask, Pixels
from ninefold.testing import fake_engines
from ninefold.testing.helpers import Recorder

__all__ = ["Recorder", "from_image", "inpaint", "needs_builtin", "text"]

HAS_BUILTIN = (builtin.ROOT / "models.json").is_file()
needs_builtin = pytest.mark.skipif(not HAS_BUILTIN, reason="the built-in models are not there")


@pytest.fixture(scope="session")
def real_engines(tmp_path_factory: pytest.TempPathFactory) -> EngineSet:
    loras = tmp_path_factory.mktemp("loras")
    return build_engines(EngineSettings(device="cpu", loras=loras))


@pytest.fixture(
    params=["fake", pytest.param("real", marks=[needs_builtin, pytest.mark.slow])],
)
def engines(request: pytest.FixtureRequest) -> EngineSet:
    if request.param == "fake":
        return fake_engines()
    found: EngineSet = request.getfixturevalue("real_engines")
    return found


@pytest.fixture(scope="session")
def picture() -> Pixels:
    down, across = np.mgrid[0:64, 0:64] / 63
    unit = np.stack([down, across, 1 - down], axis=2)
    pixels: Pixels = np.rint(unit * 255).astype(np.uint8)
    return pixels


@pytest.fixture(scope="session")
def half_mask() -> Mask:
    mask = np.zeros((64, 64), np.float32)
    mask[:, 32:] = 1
    return mask


def text(**changes: Any) -> TextToImage:
    return TextToImage(**(_BASE | changes))


def from_image(image: Pixels, **changes: Any) -> ImageToImage:
    return ImageToImage(**({**_BASE, "image": image, "strength": 0.5} | changes))


def inpaint(image: Pixels, mask: Mask, **changes: Any) -> Inpaint:
    return Inpaint(**({**_BASE, "image": image, "mask": mask, "strength": 0.9} | changes))


_BASE: dict[str, Any] = {
    "model": "poster",
    "prompt": "a red house",
    "negative_prompt": "",
    "width": 64,
    "height": 64,
    "steps": 3,
    "guidance_scale": 3.0,
    "scheduler": "default",
    "seed": 7,
}


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder of random weights, a few hundred kilobytes."""
    return _tiny(tmp_path_factory.mktemp("models") / "tiny", "StableDiffusionPipeline")


@pytest.fixture(scope="session")
def tiny_xl_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same for SDXL: two text encoders and a pooled embedding."""
    return _tiny(tmp_path_factory.mktemp("models") / "tiny-xl", "StableDiffusionXLPipeline")


@pytest.fixture(scope="session")
def tiny_deep_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first one with latents of six channels, which no inpainting pipeline takes."""
    return _tiny(tmp_path_factory.mktemp("models") / "tiny-deep", "StableDiffusionPipeline", 6)


def _tiny(folder: Path, pipeline: str, channels: int = 4) -> Path:
    import diffusers as untyped
    import torch

    diffusers: Any = untyped
    torch.manual_seed(0)
    is_xl = pipeline == "StableDiffusionXLPipeline"
    extra: dict[str, Any] = {}
    if is_xl:
        extra = {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "projection_class_embeddings_input_dim": 6 * 8 + 16,
        }
    parts: dict[str, Any] = {
        "unet": diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=channels,
            out_channels=channels,
            layers_per_block=1,
            block_out_channels=(8, 16),
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=32 if is_xl else 16,
            attention_head_dim=2,
            norm_num_groups=4,
            **extra,
        ),
        "vae": diffusers.AutoencoderKL(
            block_out_channels=(8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            norm_num_groups=4,
            latent_channels=channels,
            sample_size=64,
        ),
        "scheduler": diffusers.DDIMScheduler(
            beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
        ),
        "tokenizer": _tokenizer(),
        "text_encoder": _encoder(with_projection=False),
    }
    if is_xl:
        parts["tokenizer_2"] = _tokenizer()
        parts["text_encoder_2"] = _encoder(with_projection=True)
    else:
        parts |= {"safety_checker": None, "feature_extractor": None}
        parts["requires_safety_checker"] = False
    getattr(diffusers, pipeline)(**parts).save_pretrained(folder)
    return folder


def _tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = [chr(code) for code in range(33, 127)]
    vocabulary = [*letters, *(f"{letter}</w>" for letter in letters)]
    names = {name: index for index, name in enumerate(vocabulary)}
    start, end = len(names), len(names) + 1
    return CLIPTokenizer(
        vocab=names | {"<|startoftext|>": start, "<|endoftext|>": end},
        merges=[],
        model_max_length=77,
    )


def _encoder(with_projection: bool) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    build: Callable[[Any], Any] = CLIPTextModelWithProjection if with_projection else CLIPTextModel
    return build(
        CLIPTextConfig(
            vocab_size=190,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            projection_dim=16,
            bos_token_id=188,
            eos_token_id=189,
            pad_token_id=189,
        )
    )


class RecordingLock:
    """Stands in for the lock under which models are loaded."""

    holders = 0

    def __enter__(self) -> None:
        self.holders += 1

    def __exit__(self, *_: object) -> None:
        self.holders -= 1
