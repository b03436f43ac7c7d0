"""Small pictures of unfinished latents."""

from __future__ import annotations

from typing import Any

from ninefold.core.progress import PreviewMaker
from ninefold.engines.diffusers_internals import packs_latents, unpacked_latents
from ninefold.imaging.types import Pixels

#: Latents are shrunk to decode to about this many pixels a side: previews are looked at small,
#: and a full autoencoder stays quick too.
_SIDE = 128


def preview_maker(pipe: Any, latents: Any, width: int, height: int) -> PreviewMaker | None:
    """A function that decodes the latents at low size when called, or None where it cannot.

    The picture is uint8 RGB with the image's proportions; nothing is computed until asked for.
    """
    if getattr(pipe, "vae", None) is None or latents is None:
        return None
    if latents.ndim == 3 and not packs_latents(pipe):
        return None
    latents = latents[:1].detach()
    return lambda: _decode(pipe, latents, width, height)


def _decode(pipe: Any, latents: Any, width: int, height: int) -> Pixels:
    import numpy as np
    import torch
    from torch.nn.functional import interpolate

    vae = pipe.vae
    with torch.no_grad():
        if latents.ndim == 3:
            latents = unpacked_latents(pipe, latents, width, height)
        if (longest := max(width, height)) > _SIDE and latents.ndim == 4:
            latents = interpolate(latents, scale_factor=_SIDE / longest, mode="area")
        scaled = latents / getattr(vae.config, "scaling_factor", 1.0)
        scaled = scaled + (getattr(vae.config, "shift_factor", None) or 0.0)
        decoded = vae.decode(scaled.to(vae.dtype), return_dict=False)[0].float()
        decoded = decoded.reshape(decoded.shape[1], *decoded.shape[-2:])
        unit = (decoded / 2 + 0.5).nan_to_num().clamp(0, 1).permute(1, 2, 0).cpu().numpy()
    picture: Pixels = np.round(unit * 255).astype(np.uint8)
    return picture
