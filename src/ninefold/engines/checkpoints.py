"""Networks read from single files: by diffusers' own conversions, tensor by tensor.

A safetensors file is mapped into memory, and what needs no other number format is used where it
lies: loading copies nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.core.paths import ending
from ninefold.engines.diffusers_internals import (
    component_class,
    empty_network,
    read_clip,
    read_gguf,
    read_t5,
)
from ninefold.engines.flux_layout import to_diffusers
from ninefold.engines.layouts import Component
from ninefold.engines.weight_headers import PICKLES, load_pickled

#: Classes whose first files are named alike.
_LIKE_FLUX = frozenset({"FluxTransformer2DModel", "ChromaTransformer2DModel"})
#: What is multiplied into a weight of eight bits, by the ends of names.
_SCALES = (".scale_weight", ".weight_scale")
#: What ComfyUI's runtime reads beside that, for products of eight bits, which are not made here.
_BESIDE = ("scaled_fp8", ".scale_input", ".input_scale", ".comfy_quant")
#: Second scales, of formats in which several weights share a byte.
_PACKED = (".weight_scale_2", ".absmax", ".quant_map")


@dataclass(frozen=True)
class Checkpoint:
    """A single file."""

    path: Path
    allow_pickle: bool = False

    @cached_property
    def tensors(self) -> Mapping[str, Any]:
        """Its tensors by name, mapped where the format allows."""
        if ending(self.path) in PICKLES:
            return load_pickled(self.path, self.allow_pickle)
        if ending(self.path) == ".gguf":
            return read_gguf(self.path)
        from safetensors.torch import load_file

        found: Mapping[str, Any] = load_file(self.path)
        return found

    def read(self, component: Component, folder: Path, dtype: Any) -> Any:
        """A network of the file, in a number format; `folder` holds its config by its name.

        Raises `ModelError` where tensors are missing.
        """
        network_class = component_class(component.package, component.class_name)
        place = {"config": str(folder), "subfolder": component.name}
        prefix = component.prefix or ""
        tensors = _part(self.tensors, prefix, self.path.name, dtype)
        if component.class_name.startswith("CLIPText"):
            network = read_clip(network_class, _named(tensors, prefix), dtype, **place)
        elif component.class_name == "T5EncoderModel":
            one, other = "transformer.shared.weight", "transformer.encoder.embed_tokens.weight"
            words = tensors.get(one, tensors.get(other))  # the same table, often stored once
            tensors |= {} if words is None else {one: words, other: words}
            network = read_t5(network_class, _named(tensors, prefix), dtype, **place)
        else:
            options = self._quantisation(dtype)
            names = frozenset(empty_network(network_class, folder / component.name).state_dict())
            tensors = _arranged(component, tensors, names)
            network = network_class.from_single_file(
                tensors, torch_dtype=dtype, local_files_only=True, **place, **options
            )
        _check_whole(
            component.name,
            [name for name, weight in network.named_parameters() if weight.is_meta],
        )
        return network.eval()  # which diffusers leaves out for T5, whose dropout then acts

    def _quantisation(self, dtype: Any) -> dict[str, Any]:
        """Of a GGUF file, weights stay as they are, and are unpacked for each product."""
        if ending(self.path) != ".gguf":
            return {}
        from diffusers import GGUFQuantizationConfig

        config: Any = GGUFQuantizationConfig
        return {"quantization_config": config(compute_dtype=dtype)}


def read_pickled(component: Component, network_class: Any, dtype: Any) -> Any:
    """A network of diffusers from files of its own that need unpickling; they are trusted."""
    network = empty_network(network_class, component.folder)
    weights: dict[str, Any] = {}
    for path in component.weights:
        weights |= load_pickled(path, allow_pickle=True)
    network.load_state_dict(weights, strict=False, assign=True)
    _check_whole(
        component.name, [name for name, weight in network.named_parameters() if weight.is_meta]
    )
    return network.to(dtype).eval()


def _arranged(
    component: Component, tensors: dict[str, Any], names: frozenset[str]
) -> dict[str, Any]:
    """The tensors as diffusers takes them: by its own `names`, or as it converts them."""
    if component.class_name in _LIKE_FLUX and "img_in.bias" in tensors:
        tensors = to_diffusers(tensors)
    missing, unknown = names - tensors.keys(), tensors.keys() - names
    # Z-Image's first layout has most names in common with diffusers' own, but not all.
    if not missing or (2 * len(missing) < len(names) and not unknown):
        _check_whole(component.name, sorted(missing))
        # No others, or diffusers would try to convert what needs it not.
        return {name: tensors[name] for name in names}
    if component.class_name == "UNet2DConditionModel":
        return _named(tensors, "model.diffusion_model.")
    if component.class_name.startswith("AutoencoderKL"):
        return _named(tensors, "first_stage_model.")
    return tensors


def _check_whole(name: str, missing: Sequence[str]) -> None:
    if missing:
        raise ModelError(
            f"its {name} lacks {len(missing)} of its tensors, such as {missing[0]}. The file is "
            f"incomplete, or the config of its {name} is of another model."
        )


def _part(tensors: Mapping[str, Any], prefix: str, name: str, dtype: Any) -> dict[str, Any]:
    """The tensors whose names begin so, without that, and without scales of eight bits."""
    found = {
        key.removeprefix(prefix): tensor
        for key, tensor in tensors.items()
        if key.startswith(prefix) and not key.endswith(_BESIDE)
    }
    if any(key.endswith(_PACKED) for key in found):
        raise ModelError(
            f"{name} packs several weights into a byte in a way that is not read here. Use an "
            "fp8, GGUF or 16-bit version of it."
        )
    for scales in _SCALES:
        for key in [key for key in found if key.endswith(scales)]:
            scale = found.pop(key)
            weight = key.removesuffix(scales) + ".weight"
            if weight in found:
                found[weight] = _scaled(found[weight], scale, dtype)
    return found


def _scaled(weight: Any, scale: Any, dtype: Any) -> Any:
    """A weight of eight bits times its scale: one for all of it, or one a row."""
    import torch

    wide = scale.to(torch.float32)
    if wide.numel() > 1:
        wide = wide.reshape(-1, *[1] * (weight.dim() - 1))
    return (weight.to(torch.float32) * wide).to(dtype)


def _named(tensors: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {f"{prefix}{key}": tensor for key, tensor in tensors.items()}
