"""LoRAs on a pipeline for one call: each changes what layers give, and leaves no trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines.hashing import check_unchanged, lora_hash
from ninefold.engines.loras.adapters import Adapter, Rows, build, moved, shape_of
from ninefold.engines.loras.blocks import block_weight, check_blocks
from ninefold.engines.loras.files import LoraFile
from ninefold.engines.loras.layers import Joined, Layer, Layers
from ninefold.engines.loras.reading import Ordered, default_scales, ordered
from ninefold.engines.weight_headers import read_safetensors

#: Names of layers that a warning shows.
_SHOWN = 3


@dataclass
class Change:
    """What a LoRA does to one layer."""

    layer: Layer
    adapter: Adapter
    #: Device and number format that the adapter is in.
    _place: object = None

    def adapter_for(self, given: Any) -> Adapter:
        """The adapter where, and in what, a layer computes: offloaded ones move between calls."""
        place = (given.device, given.dtype)
        if self._place != place:
            self.adapter, self._place = moved(self.adapter, *place), place
        return self.adapter


@dataclass(frozen=True)
class LoadedLora:
    """A LoRA, fitted to a pipeline."""

    changes: tuple[Change, ...]
    warnings: tuple[str, ...]


@contextmanager
def applied(
    pipe: Any, loras: Sequence[LoraFile], kept: dict[LoraFile, LoadedLora], warnings: list[str]
) -> Iterator[None]:
    """Put LoRAs on the pipeline's networks while the block runs, and take them off after it.

    `kept` holds those of the last call, read and fitted. What of a LoRA does not act is added to
    `warnings`. Raises `ModelError` where one does not fit the model.
    """
    layers = Layers(pipe)
    loaded = {lora: kept[lora] if lora in kept else load(layers, lora) for lora in loras}
    kept.clear()
    kept.update(loaded)
    by_module: dict[Any, list[tuple[Change, float]]] = {}
    for lora in loras:
        warnings += loaded[lora].warnings
        for change in loaded[lora].changes:
            weight = _weight(lora, change.layer, layers)
            if weight:
                by_module.setdefault(change.layer.module, []).append((change, weight))
    with ExitStack() as stack:
        for module, changes in by_module.items():
            hook = module.register_forward_hook(partial(_changed, changes))
            stack.callback(hook.remove)
        yield


def _changed(
    changes: Sequence[tuple[Change, float]], layer: Any, given: Sequence[Any], output: Any
) -> Any:
    result = output
    for change, weight in changes:
        adapter = change.adapter_for(given[0])
        result = result + adapter.change(layer, given[0], output) * weight
    return result


def _weight(lora: LoraFile, layer: Layer, layers: Layers) -> float:
    weight = lora.weight
    if layer.part.startswith("text_encoder") and lora.text_encoder_weight is not None:
        weight = lora.text_encoder_weight
    if lora.blocks:
        weight *= block_weight(lora.blocks, layer.part, layer.name, layers.levels)
    return weight


def load(layers: Layers, lora: LoraFile) -> LoadedLora:
    """Read a LoRA and fit it to a pipeline's layers; raises `ModelError` where it does not fit."""
    from safetensors.torch import load_file

    if lora.blocks:
        check_blocks(lora.blocks, f"LoRA {lora.name}", layers.network, layers.outputs)
    metadata = read_safetensors(lora.path).metadata
    tensors = load_file(lora.path)
    check_unchanged(f"LoRA {lora.name}", lora.hash, lora_hash(lora.path))
    found = ordered(tensors)
    changes, unplaced = _placed(layers, lora, found, default_scales(metadata))
    if unplaced and (converted := _converted(layers.pipe, tensors)) is not None:
        again = _placed(layers, lora, converted, {})
        if len(again[1]) < len(unplaced):
            found, (changes, unplaced) = converted, again
    if not changes:
        raise ModelError(
            f"LoRA {lora.name!r} holds no layer of {type(layers.pipe).__name__}. Use one made for "
            "this model."
        )
    left = (*unplaced, *found.unknown)
    if not left:
        return LoadedLora(changes, ())
    shown = ", ".join(left[:_SHOWN]) + (", ..." if len(left) > _SHOWN else "")
    warning = f"LoRA {lora.name}: {len(left)} of its parts have no place in this model: {shown}."
    return LoadedLora(changes, (warning,))


def _placed(
    layers: Layers, lora: LoraFile, found: Ordered, scales: Mapping[str, float]
) -> tuple[tuple[Change, ...], tuple[str, ...]]:
    """What a LoRA changes, and names of layers in its file that are not in the pipeline."""
    changes: list[Change] = []
    unplaced: list[str] = []
    for name, tensors in found.layers.items():
        targets = layers.find(name)
        if not targets:
            unplaced.append(name)
            continue
        prefix = name.partition(".")[0]
        adapter = build(tensors, scales.get(prefix, scales.get("")))
        if adapter is None:
            unplaced.append(name)
            continue
        joined = Joined([target.module for target in targets])
        _check_size(lora, name, joined if len(targets) > 1 else targets[0].module, adapter)
        changes += [Change(*pair) for pair in _parts(targets, joined, adapter)]
    return tuple(changes), tuple(unplaced)


def _parts(
    targets: Sequence[Layer], joined: Joined, adapter: Adapter
) -> Iterator[tuple[Layer, Adapter]]:
    if len(targets) == 1:
        yield targets[0], adapter
        return
    start = 0
    for target in targets:
        end = start + target.module.out_features
        yield target, Rows(adapter, joined, start, end)
        start = end


def _check_size(lora: LoraFile, name: str, layer: Any, adapter: Adapter) -> None:
    """Raise `ModelError` where an adapter is for a layer of another size."""
    outs, *others = shape_of(layer)
    ours, given = (outs, prod(others)), adapter.size
    if given[0] != ours[0] or given[1] not in (ours[1], None):
        raise ModelError(
            f"LoRA {lora.name!r} does not fit this model: {name} is {given[0]} x {given[1] or '?'} "
            f"there and {ours[0]} x {ours[1]} here. Use one made for this model."
        )


def _converted(pipe: Any, tensors: Mapping[str, Any]) -> Ordered | None:
    """The file in diffusers' names, where its family has another way to write it."""
    convert = getattr(type(pipe), "lora_state_dict", None)
    if convert is None:
        return None
    try:
        made = convert(dict(tensors))
    except Exception:  # many types, for files that it knows no names of
        return None
    return ordered(made[0] if isinstance(made, tuple) else made)
