"""Pixels to the latents that a pipeline denoises, by the autoencoder of whatever family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ninefold.core.errors import ModelError
from ninefold.engines.diffusers_internals import execution_device
from ninefold.imaging.types import Pixels

#: What pipelines call their autoencoder; those of Kandinsky, of Stable Cascade and of latent
#: diffusion have names of their own.
_NAMES = ("vae", "movq", "vqgan", "vqvae")
#: Pipelines whose patches of 2 x 2 are counted before the channels in them, rather than behind.
_PATCH_FIRST = frozenset({"Ideogram4Pipeline"})
#: Pipelines that leave out the shift in their autoencoder's config.
_UNSHIFTED = frozenset({"Kandinsky5T2IPipeline", "Kandinsky5I2IPipeline"})


def autoencoder(pipe: Any) -> Any | None:
    """What turns a pipeline's latents into pixels; None where it denoises pixels."""
    return next((part for name in _NAMES if (part := getattr(pipe, name, None)) is not None), None)


def encoded(pipe: Any, images: Sequence[Pixels]) -> Any:
    """The latents of images of one size (N, C, h, w; float32), scaled as the pipeline's denoiser
    takes them; of one without an autoencoder the pixels themselves, from -1 to 1. One by one, so
    that each gets the latents that it has alone."""
    import torch

    model = autoencoder(pipe)
    if model is None:
        rows = [torch.tensor(np.ascontiguousarray(image)).permute(2, 0, 1) for image in images]
        return torch.stack(rows).to(execution_device(pipe)).float() / 127.5 - 1
    if not hasattr(model, "encode"):
        raise ModelError(
            f"{type(pipe).__name__} has no autoencoder that encodes, so it cannot start from an "
            "image. Choose another model for the stages that start from one, or leave them out."
        )
    video, transparent = _takes_frames(model), getattr(model.config, "in_channels", 3) == 4
    rows = []
    with torch.no_grad(), _in_float32(model) as dtype:
        for image in images:
            pixels = torch.tensor(np.ascontiguousarray(image)).permute(2, 0, 1)[None]
            pixels = pixels.float() / 255 if _is_positive(model) else pixels.float() / 127.5 - 1
            if transparent:  # Qwen-Image 2.1: opaque everywhere
                pixels = torch.nn.functional.pad(pixels, (0, 0, 0, 0, 0, 1), value=1.0)
            pixels = pixels.to(execution_device(pipe), dtype)
            out = model.encode(pixels[:, :, None] if video else pixels)
            latents = _mode(out).float()
            rows.append(_scaled(pipe, latents[:, :, 0] if video else latents))
    return torch.cat(rows)


def decoded(pipe: Any, latents: Any) -> Pixels:
    """What the latents of one image (1, C, h, w), scaled as `encoded` scales them, are of."""
    import torch

    model: Any = autoencoder(pipe)
    with torch.no_grad(), _in_float32(model) as dtype:
        unscaled = _unscaled(pipe, latents.float()).to(dtype)
        # As Kandinsky does: its denoiser was trained on what is not rounded to a codebook.
        options = {"force_not_quantize": True} if hasattr(model, "quantize") else {}
        pixels = model.decode(unscaled, return_dict=False, **options)[0]
    pixels = pixels.float().reshape(-1, *pixels.shape[-2:])[:3]  # without transparency
    unit = pixels if _is_positive(model) else pixels / 2 + 0.5
    unit = unit.nan_to_num().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    picture: Pixels = np.round(unit * 255).astype(np.uint8)
    return picture


def _mode(out: Any) -> Any:
    for name in ("latents", "latent"):
        if hasattr(out, name):
            return getattr(out, name)
    return out.latent_dist.mode()


def _is_positive(model: Any) -> bool:
    """Whether its pixels go from 0 to 1 rather than from -1 to 1: those of Stable Cascade."""
    return hasattr(model.config, "scale_factor")


def _takes_frames(model: Any) -> bool:
    """Whether it encodes videos, of which an image is one frame: its kernels have three sides, or
    its config says what it does with time."""
    convolution = next(part for part in model.modules() if hasattr(part, "kernel_size"))
    return len(convolution.kernel_size) == 3 or hasattr(model.config, "temperal_downsample")


def _scaled(pipe: Any, latents: Any) -> Any:
    """Latents (N, C, h, w) as the denoiser was trained on them."""
    import torch

    model: Any = autoencoder(pipe)
    config = model.config
    if hasattr(model, "bn"):  # FLUX.2: patches of 2 x 2, each of whose channels is standardised
        patches: Any = torch.nn.functional.pixel_unshuffle(latents, 2)
        if type(pipe).__name__ in _PATCH_FIRST:
            patches = patches.unflatten(1, (-1, 4)).transpose(1, 2).flatten(1, 2)
        mean = model.bn.running_mean.view(1, -1, 1, 1).to(patches)
        variance = model.bn.running_var.view(1, -1, 1, 1).to(patches)
        return (patches - mean) / (variance + config.batch_norm_eps).sqrt()
    if hasattr(config, "scale_factor"):  # Stable Cascade
        return latents / config.scale_factor
    if hasattr(model, "quantize"):  # Kandinsky decodes its latents as they are
        return latents
    factor = getattr(config, "scaling_factor", None) or 1.0
    mean, deviation = _channels(pipe, latents)
    return (latents - mean) / deviation * factor


def _unscaled(pipe: Any, latents: Any) -> Any:
    """Latents (N, C, h, w) as the autoencoder decodes them, with a frame where it has frames."""
    import torch

    model: Any = autoencoder(pipe)
    config = model.config
    if hasattr(model, "bn"):
        mean = model.bn.running_mean.view(1, -1, 1, 1).to(latents)
        variance = model.bn.running_var.view(1, -1, 1, 1).to(latents)
        if latents.shape[1] < mean.shape[1]:  # FIBO 2, whose denoiser makes the patches
            latents = torch.nn.functional.pixel_unshuffle(latents, 2)
        patches = latents * (variance + config.batch_norm_eps).sqrt() + mean
        if type(pipe).__name__ in _PATCH_FIRST:
            patches = patches.unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2)
        return torch.nn.functional.pixel_shuffle(patches, 2)
    if hasattr(config, "scale_factor"):
        return latents * config.scale_factor
    if hasattr(model, "quantize"):
        return latents
    factor = getattr(config, "scaling_factor", None) or 1.0
    mean, deviation = _channels(pipe, latents)
    found = latents / factor * deviation + mean
    return found[:, :, None] if _takes_frames(model) else found


def _channels(pipe: Any, latents: Any) -> tuple[Any, Any]:
    """Mean and deviation of an autoencoder's latents, of each channel or of all."""
    import torch

    config = autoencoder(pipe).config  # type: ignore[union-attr]
    if type(pipe).__name__ in _UNSHIFTED:
        return 0.0, 1.0
    mean, deviation = (getattr(config, f"latents_{name}", None) for name in ("mean", "std"))
    if mean is None or deviation is None:
        return getattr(config, "shift_factor", None) or 0.0, 1.0
    values = (torch.tensor(item, device=latents.device) for item in (mean, deviation))
    mean, deviation = (item.view(1, -1, 1, 1) for item in values)
    return mean, deviation


@contextmanager
def _in_float32(model: Any) -> Iterator[Any]:
    """The dtype to encode in: float32 for the block where float16 would overflow."""
    import torch

    dtype = next(model.parameters()).dtype
    if dtype != torch.float16 or not getattr(model.config, "force_upcast", False):
        yield dtype
        return
    model.to(torch.float32)
    try:
        yield torch.float32
    finally:
        model.to(dtype)
