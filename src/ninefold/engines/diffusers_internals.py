"""What is used of diffusers beside its public names, all of it.

Read in diffusers 0.42.1 (`pipelines/pipeline_utils.py` and the pipelines of Flux and Qwen-Image);
`tests/engines/test_diffusers_internals.py` names what an upgrade has moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError

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


def read_clip(network_class: Any, tensors: dict[str, Any], dtype: Any, **config: str) -> Any:
    """CLIP's text encoder from the tensors of a single file, by their first names."""
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm as read

    return read(network_class, tensors, torch_dtype=dtype, local_files_only=True, **config)


def read_t5(network_class: Any, tensors: dict[str, Any], dtype: Any, **config: str) -> Any:
    """T5's encoder in the same way."""
    from diffusers.loaders.single_file_utils import create_diffusers_t5_model_from_checkpoint

    read: Any = create_diffusers_t5_model_from_checkpoint
    return read(network_class, tensors, torch_dtype=dtype, local_files_only=True, **config)


def read_gguf(path: Path) -> dict[str, Any]:
    """The tensors of a GGUF file, mapped: packed ones in the class that its quantiser takes."""
    import gguf
    import torch
    from diffusers.quantizers.gguf.utils import SUPPORTED_GGUF_QUANT_TYPES, GGUFParameter

    kinds = gguf.GGMLQuantizationType
    found: dict[str, Any] = {}
    for tensor in gguf.GGUFReader(path, "c").tensors:
        weights, kind = torch.from_numpy(tensor.data), tensor.tensor_type
        if kind in (kinds.F32, kinds.F16):
            found[tensor.name] = weights
        elif kind in SUPPORTED_GGUF_QUANT_TYPES:
            found[tensor.name] = GGUFParameter(weights, quant_type=kind)
        else:
            raise ModelError(
                f"{path.name} packs {tensor.name} as {kind.name}, which diffusers does not read. "
                "Use another quantisation, such as Q4_K or Q8_0."
            )
    return found


def empty_network(network_class: Any, folder: Path) -> Any:
    """A network of diffusers by the config in a folder, whose weights take no memory."""
    from accelerate import init_empty_weights

    config = network_class.load_config(str(folder), local_files_only=True)
    with init_empty_weights():
        return network_class.from_config(config)


def is_quantised(network: Any) -> bool:
    """Whether a quantiser read a network, and put it where it belongs."""
    return getattr(network, "hf_quantizer", None) is not None


def execution_device(pipe: Any) -> Any:
    """The torch device that a pipeline computes on, also where its networks wait elsewhere."""
    return pipe._execution_device


@contextmanager
def default_attention_kept() -> Iterator[None]:
    """Leave the attention backend of the process as it is while that of some networks is set, which
    in diffusers sets both."""
    registry = import_module("diffusers.models.attention_dispatch")._AttentionBackendRegistry
    before = registry._active_backend
    try:
        yield
    finally:
        registry._active_backend = before


def packs_latents(pipe: Any) -> bool:
    """Whether its latents are sequences of patches, or cells, rather than grids of cells."""
    return hasattr(pipe, "_unpack_latents")


def unpacked_latents(pipe: Any, latents: Any, width: int, height: int) -> Any:
    """Latents (N, patches, channels) of an image of `width` x `height` pixels as a grid of cells;
    for a pipeline that `packs_latents`."""
    unpack = getattr(pipe, "_unpack_latents_no_patch", None) or pipe._unpack_latents
    given = {
        "latents": latents,
        "height": height,
        "width": width,
        "vae_scale_factor": pipe.vae_scale_factor,
        "patch_size": getattr(pipe.transformer.config, "patch_size", 1),
    }
    return unpack(**{name: given[name] for name in signature(unpack).parameters})
