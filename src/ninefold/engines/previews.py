"""Small pictures of unfinished latents."""

from __future__ import annotations

import math
from inspect import signature
from typing import Any

from ninefold.core.progress import PreviewMaker
from ninefold.engines.autoencoders import autoencoder, decoded
from ninefold.engines.diffusers_internals import packs_latents, unpacked_latents
from ninefold.engines.latent_start import denoising_pipe
from ninefold.imaging.types import Pixels

#: Latents are shrunk to decode to about this many pixels a side: previews are looked at small,
#: and a full autoencoder stays quick too.
_SIDE = 128


def preview_maker(pipe: Any, latents: Any, width: int, height: int) -> PreviewMaker | None:
    """A function that decodes the latents at low size when called, or None where it cannot.

    The picture is uint8 RGB with the image's proportions; nothing is computed until asked for.
    """
    pipe = denoising_pipe(pipe)
    if autoencoder(pipe) is None or latents is None or not latents.is_floating_point():
        return None  # tokens, of aMUSEd, are no latents
    latents = latents[:1].detach()
    return lambda: _decode(pipe, latents, width, height)


def _decode(pipe: Any, latents: Any, width: int, height: int) -> Pixels:
    from torch.nn.functional import interpolate

    grid = _grid(pipe, latents, width, height)
    if (longest := max(width, height)) > _SIDE:
        grid = interpolate(grid, scale_factor=_SIDE / longest, mode="area")
    return decoded(pipe, grid)


def _grid(pipe: Any, latents: Any, width: int, height: int) -> Any:
    """Latents of one image as a grid of cells (1, C, h, w)."""
    if latents.ndim == 3 and packs_latents(pipe):
        size = _painted_size(pipe, latents.shape[1], width, height)
        latents = unpacked_latents(pipe, latents, *size)
    if latents.ndim == 3:  # cells row by row
        down = round(math.sqrt(latents.shape[1] * height / width))
        return latents.transpose(1, 2).unflatten(2, (down, -1))
    if latents.ndim == 5:  # with frames: before the channels or behind, or channels last
        channels_last = latents.shape[1] == 1 and latents.shape[2] * width == (
            latents.shape[3] * height
        )
        if not channels_last:
            return latents.flatten(1, 2)
        model: Any = autoencoder(pipe)  # Kandinsky 5 lays a reference behind what is denoised
        return latents[:, 0, ..., : model.config.latent_channels].movedim(-1, 1)
    return latents


def _painted_size(pipe: Any, patches: int, width: int, height: int) -> tuple[int, int]:
    """The size of an image of so many patches of 2 x 2 cells: the one asked for, or of a pipeline
    that takes none the nearest in shape."""
    if "width" in signature(type(pipe).__call__).parameters:
        return width, height
    side, shape = 2 * pipe.vae_scale_factor, math.log(width / height)
    across = min(
        (count for count in range(1, patches + 1) if patches % count == 0),
        key=lambda count: abs(math.log(count * count / patches) - shape),
    )
    return across * side, patches // across * side
