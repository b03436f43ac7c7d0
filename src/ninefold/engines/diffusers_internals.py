"""What is used of diffusers beside its public names, all of it.

Read in diffusers 0.42.1 (`pipelines/pipeline_utils.py` and the pipelines of Flux and Qwen-Image);
`tests/engines/test_diffusers_internals.py` names what an upgrade has moved.
"""

from __future__ import annotations

from typing import Any

#: The version whose source these were read in.
READ_IN = "0.42.1"

#: Names by the class that has them; those of a pipeline's family are only on some.
NAMES = {
    "DiffusionPipeline": ("_get_signature_keys", "_execution_device"),
    "FluxPipeline": ("_unpack_latents",),
    "QwenImagePipeline": ("_unpack_latents",),
}


def part_names(pipeline_class: Any) -> tuple[set[str], set[str]]:
    """Names of the networks and other parts that a pipeline is made of, and of its options."""
    parts, options = pipeline_class._get_signature_keys(pipeline_class)
    return set(parts), set(options)


def execution_device(pipe: Any) -> Any:
    """The torch device that a pipeline computes on, also where its networks wait elsewhere."""
    return pipe._execution_device


def packs_latents(pipe: Any) -> bool:
    """Whether its latents are sequences of patches rather than grids of cells."""
    return hasattr(pipe, "_unpack_latents")


def unpacked_latents(pipe: Any, latents: Any, width: int, height: int) -> Any:
    """Latents (N, patches, channels) of an image of `width` x `height` pixels as a grid of cells;
    for a pipeline that `packs_latents`."""
    return pipe._unpack_latents(latents, height, width, pipe.vae_scale_factor)
