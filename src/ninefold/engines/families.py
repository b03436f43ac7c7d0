"""What is usual for a family of diffusion models, where its files do not say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """Usual values: the native side in pixels, steps and guidance scale."""

    pipeline_class: str
    native: int
    steps: int
    guidance_scale: float


_OTHER = Family("", 1024, 30, 5.0)

# Longest prefix first: `StableDiffusionXLPipeline` also starts with `StableDiffusion`.
_FAMILIES = (
    Family("StableDiffusionXLPipeline", 1024, 30, 5.0),
    Family("StableDiffusion3Pipeline", 1024, 28, 7.0),
    Family("StableDiffusionPipeline", 512, 30, 7.5),
    Family("LatentConsistencyModelPipeline", 512, 4, 8.5),
    Family("FluxPipeline", 1024, 28, 3.5),
    Family("QwenImagePipeline", 1024, 30, 4.0),
    Family("ZImagePipeline", 1024, 9, 0.0),
    Family("PixArtAlphaPipeline", 1024, 20, 4.5),
    Family("PixArtSigmaPipeline", 1024, 20, 4.5),
    Family("SanaPipeline", 1024, 20, 4.5),
)

# A key that only checkpoints of one family hold, as original single files name it.
_MARKS = (
    ("conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight", "XLPipeline"),
    ("joint_blocks.0.context_block.attn.qkv.weight", "3Pipeline"),
    ("double_blocks.0.img_attn.qkv.weight", "FluxPipeline"),
)


def family_of_class(name: str) -> Family:
    """The family of a diffusers pipeline class, by the start of its name."""
    for family in _FAMILIES:
        if name.startswith(family.pipeline_class.removesuffix("Pipeline")):
            return family
    return _OTHER


def family_of_keys(keys: Collection[str]) -> Family:
    """The family of a single-file checkpoint by its tensor names; Stable Diffusion 1 if unsure."""
    for mark, ending in _MARKS:
        if any(key.endswith(mark) for key in keys):
            return next(f for f in _FAMILIES if f.pipeline_class.endswith(ending))
    return next(f for f in _FAMILIES if f.pipeline_class == "StableDiffusionPipeline")
