"""What is used of diffusers beside its public names, all of it.

Read in diffusers 0.42.1 (`pipelines/pipeline_utils.py` and the pipelines of Flux and Qwen-Image);
`tests/engines/test_diffusers_internals.py` names what an upgrade has moved.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
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


@cache
def knows_class(name: str) -> bool:
    """Whether diffusers has a public class of that name; it is not imported for that, which takes
    seconds: all of them stand in the text of its `__init__.py`."""
    spec = find_spec("diffusers")
    if spec is None or spec.origin is None:
        return False
    return f'"{name}"' in Path(spec.origin).read_text(encoding="utf-8")


def component_class(library: str, name: str) -> Any:
    """The class of a component as `model_index.json` names it: of a package, or of a module beside
    diffusers' pipelines. Raises `AttributeError` for one that this version does not have."""
    pipelines = import_module("diffusers.pipelines")
    if not hasattr(pipelines, library) and find_spec(f"diffusers.pipelines.deprecated.{library}"):
        # Models name the module as it was; diffusers looks it up there, too, and has moved it.
        setattr(pipelines, library, import_module(f"diffusers.pipelines.deprecated.{library}"))
    if hasattr(pipelines, library):
        return getattr(getattr(pipelines, library), name)
    return getattr(import_module(library), name)


def is_quantised(network: Any) -> bool:
    """Whether a quantiser read a network, and put it where it belongs."""
    return getattr(network, "hf_quantizer", None) is not None


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
