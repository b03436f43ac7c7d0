"""The tensors of a LoRA file, put in order by layer and called by kohya's names."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Ends of tensor names, and what they are in kohya's. What is before them is the layer's name.
_ENDS = (
    (
        r"\.lora_down\.weight|\.lora_A(?:\.\w+)?\.weight|[._]lora(?:_linear_layer)?\.down\.weight",
        "lora_down",
    ),
    (
        r"\.lora_up\.weight|\.lora_B(?:\.\w+)?\.weight|[._]lora(?:_linear_layer)?\.up\.weight",
        "lora_up",
    ),
    (r"\.lora_mid\.weight", "lora_mid"),
    (r"\.dora_scale|\.lora_magnitude_vector(?:\.\w+)?(?:\.weight)?", "dora_scale"),
    (r"\.(?:lora_B(?:\.\w+)?\.bias|diff_b)", "diff_b"),
    (r"\.(alpha|diff|rescale|oft_blocks)", ""),
    (r"\.(hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2))", ""),
)
_END = re.compile("|".join(f"(?P<e{index}>{end})$" for index, (end, _) in enumerate(_ENDS)))

#: Layers of attention as diffusers wrote them before it used peft.
_PROCESSOR = (
    (re.compile(r"\.processor\.to_out$"), ".to_out.0"),
    (re.compile(r"\.processor\.(to_[qkv]|add_[qkv]_proj|to_add_out)$"), r".\1"),
    (re.compile(r"(self_attn)\.to_([qkv])$"), r"\1.\2_proj"),
    (re.compile(r"(self_attn)\.to_out$"), r"\1.out_proj"),
)


@dataclass(frozen=True)
class Ordered:
    """Tensors by layer and kohya's name, and names of tensors that are of no known form."""

    layers: Mapping[str, Mapping[str, Any]]
    unknown: tuple[str, ...]


def ordered(tensors: Mapping[str, Any]) -> Ordered:
    """Group what a file holds by layer."""
    layers: dict[str, dict[str, Any]] = defaultdict(dict)
    unknown = []
    for key, tensor in tensors.items():
        split = split_name(key)
        if split is None:
            unknown.append(key)
        else:
            layers[split[0]][split[1]] = tensor
    return Ordered(layers, tuple(unknown))


def split_name(key: str) -> tuple[str, str] | None:
    """The layer that a tensor belongs to, and what of it the tensor is, in kohya's names."""
    match = _END.search(key)
    if match is None:
        return None
    kind = next(index for index in range(len(_ENDS)) if match[f"e{index}"] is not None)
    layer = key[: match.start()]
    for pattern, replacement in _PROCESSOR:
        layer = pattern.sub(replacement, layer)
    return layer, _ENDS[kind][1] or match[f"e{kind}"].removeprefix(".")


def default_scales(metadata: Mapping[str, str]) -> Mapping[str, float]:
    """Alpha by rank for each part of a pipeline, as diffusers and peft write it into the header."""
    try:
        config = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        return {}
    found = {}
    for key, alpha in config.items():
        part, dot, name = key.rpartition(".")
        rank = config.get(f"{part}{dot}r")
        if (
            name == "lora_alpha"
            and isinstance(alpha, int | float)
            and isinstance(rank, int)
            and rank
        ):
            root = config.get(f"{part}{dot}use_rslora")
            found[part] = alpha / (rank**0.5 if root else rank)
    return found
