"""What a diffusion model's files say that control models must fit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ninefold.core.paths import ending
from ninefold.engines.control import ControlBase, Widths
from ninefold.engines.control_table import BASE_WIDTHS, base_of_class
from ninefold.engines.families import Configs, Family
from ninefold.engines.weight_headers import read_safetensors

#: Where the network lies in a folder.
_PARTS = ("unet", "transformer")


def control_base(family: Family, configs: Configs, path: Path) -> ControlBase | None:
    """Of a model of a family, with the configs of its parts; None where it cannot be steered."""
    named = base_of_class(family.text or family.inpaint or family.image or "")
    if named is None:
        return None
    for part in _PARTS:
        if config := configs(part):
            return ControlBase(named, base_widths(config))
    return ControlBase(named, _file_widths(path) if path.is_file() else ())


def base_widths(config: Mapping[str, Any]) -> Widths:
    """Of the config of a diffusion model's network, what control models are compared with."""
    return widths_of({name: name for name in BASE_WIDTHS}, config)


def widths_of(names: Mapping[str, str], config: Mapping[str, Any]) -> Widths:
    """What a config says under each of `names`, by its other name."""
    found: list[tuple[str, int | tuple[int, ...]]] = []
    for name, other in names.items():
        value = config.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            found.append((other, value))
        elif isinstance(value, list | tuple) and all(isinstance(item, int) for item in value):
            found.append((other, tuple(value)))
    return tuple(sorted(found))


def _file_widths(path: Path) -> Widths:
    """Of a single file, the width of what its UNet is given of the prompt."""
    if ending(path) != ".safetensors":
        return ()
    return tuple(
        ("cross_attention_dim", shape[1])
        for name, shape in read_safetensors(path).shapes.items()
        if name.startswith("model.diffusion_model.") and name.endswith("attn2.to_k.weight")
    )[:1]
