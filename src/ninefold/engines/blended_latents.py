"""Inpainting for models without a pipeline of their own for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ninefold.engines.diffusers_internals import (
    execution_device,
    hands_out_latents,
    packs_latents,
)
from ninefold.engines.diffusion import Inpaint


class LatentBlender:
    """Blends latents with the source outside the masks while an image-to-image call runs.

    After each step they become the source's own, with as much noise as the step left (blended
    latent diffusion, Avrahami et al. 2022). A cell that a mask only touches is free to change.
    """

    def __init__(self, pipe: Any, requests: Sequence[Inpaint]) -> None:
        """Encode the sources; `pipe` must be one that `can_blend` accepts."""
        import torch
        from PIL import Image
        from torch.nn.functional import adaptive_max_pool2d

        self._pipe = pipe
        device, vae = execution_device(pipe), pipe.vae
        images = [Image.fromarray(np.ascontiguousarray(item.image)) for item in requests]
        with torch.no_grad():
            pixels = pipe.image_processor.preprocess(images).to(device, vae.dtype)
            encoded = vae.encode(pixels)
        latents = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        shift = getattr(vae.config, "shift_factor", None) or 0.0
        self._source = (latents - shift) * getattr(vae.config, "scaling_factor", 1.0)
        own = self._source.shape[1:]
        noise = [
            torch.randn(own, generator=torch.Generator("cpu").manual_seed(item.seed))
            for item in requests
        ]
        self._noise = torch.stack(noise).to(device, self._source.dtype)
        masks = torch.stack([torch.from_numpy(item.mask > 0).float() for item in requests])
        self._free = adaptive_max_pool2d(masks[:, None], own[-2:]).to(device).bool()

    def blend(self, latents: Any, index: int) -> Any:
        """The latents (N, C, h, w) after step `index`, counted from 0."""
        import torch

        scheduler = self._pipe.scheduler
        left = self._pipe.num_timesteps - index - 1
        known = self._source
        if left > 0:
            timestep = scheduler.timesteps[-left].reshape(1).repeat(len(known))
            known = scheduler.add_noise(known, self._noise, timestep)
        return torch.where(self._free, latents, known.to(latents.dtype))


def can_blend(pipe: Any) -> bool:
    """Whether latents are a plain grid of cells that noise can be added to."""
    return (
        getattr(pipe, "vae", None) is not None
        and hasattr(pipe, "image_processor")
        and not packs_latents(pipe)
        and hasattr(pipe.scheduler, "add_noise")
        and hands_out_latents(pipe)
    )
