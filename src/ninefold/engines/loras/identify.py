"""What a LoRA file says of itself in its header: what it is for, its form and rank."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ninefold.core.errors import ModelError
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.file_memory import FileStamp
from ninefold.engines.loras.reading import split_name
from ninefold.engines.weight_headers import read_safetensors

#: How `ss_base_model_version` of kohya's scripts or `modelspec.architecture` begin, and the family.
_DECLARED = (
    (r"stable-diffusion-xl|sdxl", "SDXL"),
    (r"stable-diffusion-v?3|sd_?3", "Stable Diffusion 3"),
    (r"stable-diffusion-v?2|sd_?(?:v_?)?2", "Stable Diffusion 2"),
    (r"stable-diffusion-v?1|sd_?(?:v_?)?1", "Stable Diffusion 1"),
    (r"flux-?_?2", "FLUX.2"),
    (r"flux", "FLUX.1"),
    (r"chroma", "Chroma"),
    (r"qwen", "Qwen-Image"),
    (r"z-?_?image", "Z-Image"),
    (r"lumina-?_?(?:image-?)?2", "Lumina 2"),
    (r"hidream", "HiDream-I1"),
    (r"auraflow|aura-?_?flow", "AuraFlow"),
    (r"pixart", "PixArt"),
    (r"sana", "Sana"),
    (r"kolors", "Kolors"),
    (r"cogview4", "CogView4"),
    (r"stable-cascade|cascade", "Stable Cascade"),
    (r"hunyuan-?_?dit", "Hunyuan-DiT"),
    (r"hunyuan-?_?image", "HunyuanImage"),
    (r"wan|hunyuan-?_?video|ltx", "a video model"),
)

#: Layers that only one family has; the first that fits. Dots are underscores here.
_KEYS = (
    (r"joint_blocks_\d", "Stable Diffusion 3"),
    (r"joint_transformer_blocks_\d", "AuraFlow"),
    (r"double_stream_modulation|single_transformer_blocks_\d+_attn_to_qkv_mlp_proj", "FLUX.2"),
    (r"double_blocks_\d|single_blocks_\d|single_transformer_blocks_\d", "FLUX.1"),
    (r"transformer_blocks_\d+_(?:img|txt)_(?:mlp|mod)", "Qwen-Image"),
    (r"transformer_blocks_\d+_attn_add_[qkv]_proj", "Stable Diffusion 3"),
    (r"double_stream_blocks|single_stream_blocks", "HiDream-I1"),
    (r"layers_\d+_attention_to_[qkv]", "Z-Image"),
    (r"layers_\d+_attn_to_[qkv]", "Lumina 2"),
    (r"lora_te2_|text_encoder_2|add_embedding|label_emb", "SDXL"),
)

#: Inputs of a UNet's cross-attention to the prompt: as wide as the embeddings that it reads.
_WIDTHS = {
    768: "Stable Diffusion 1",
    1024: "Stable Diffusion 2",
    2048: "SDXL",
    1280: "SDXL refiner",
}
_CROSS = re.compile(r"attn2[._]to_[kv]$")

#: Families that a header can tell; of LoRAs for others it says nothing.
_TOLD = frozenset(base for _, base in (*_DECLARED, *_KEYS)) | frozenset(_WIDTHS.values())

#: Entries that hold a title.
_TITLES = ("modelspec.title", "ss_output_name")

_FORMS = (
    ("lora_down", "LoRA"),
    ("hada_w1_a", "LoHa"),
    ("lokr_w1", "LoKr"),
    ("lokr_w1_a", "LoKr"),
    ("oft_blocks", "OFT"),
    ("diff", "difference"),
)
#: Tensors of which one side is the rank, and which.
_RANKS = {"lora_down": 0, "hada_w1_b": 0, "lokr_w2_b": 0, "lokr_w1_b": 0}


@dataclass(frozen=True)
class LoraInfo:
    """What a LoRA is, as far as its header says."""

    #: The family of models that it is for, as `engines.families` names them, Stable Diffusion 1 and
    #: 2 apart; empty where nothing tells.
    base: str
    #: LoRA, DoRA, LoCon, LoHa, LoKr, OFT or difference; empty for a form that is not known.
    format: str
    #: Largest rank; 0 where there is none.
    rank: int
    #: Whether it changes text encoders, too.
    text_encoders: bool = False
    #: What its header calls it.
    titles: tuple[str, ...] = ()


def identify_lora(path: Path) -> LoraInfo:
    """Read a LoRA's header, once until the file changes; no weights are read.

    Raises `ModelError` for a file that is cut short, no safetensors file, or no LoRA.
    """
    return _identified(path, FileStamp.of(path))


@lru_cache(maxsize=256)
def _identified(path: Path, stamp: FileStamp) -> LoraInfo:
    header = read_safetensors(path)
    names, metadata, shapes = tuple(header.tensors), header.metadata, header.shapes
    parts = {key: split for key in names if (split := split_name(key))}
    if not parts:
        raise ModelError(
            f"{path.name} is no LoRA: none of its {len(names)} tensors has a name as LoRAs have "
            "them. Put models into a folder of their own and name them with --model."
        )
    matrices = (key for key, (_, kind) in parts.items() if kind in _RANKS)
    if flat := next((key for key in matrices if len(shapes[key]) < 2), None):
        raise ModelError(
            f"{path.name} is a damaged LoRA: {flat} has the shape {list(shapes[flat])}, where a "
            "matrix belongs. Download or convert it again."
        )
    kinds = {kind for _, kind in parts.values()}
    form = next((form for kind, form in _FORMS if kind in kinds), "")
    if form == "LoRA" and any(
        len(shapes[key]) == 4 and shapes[key][2] > 1
        for key, (_, kind) in parts.items()
        if kind == "lora_down"
    ):
        form = "LoCon"
    if "dora_scale" in kinds:
        form = "DoRA" if form in ("LoRA", "LoCon") else f"{form} with DoRA"
    ranks = [shapes[key][_RANKS[kind]] for key, (_, kind) in parts.items() if kind in _RANKS]
    return LoraInfo(
        base=_base(parts, shapes, metadata),
        format=form,
        rank=max(ranks, default=0),
        text_encoders=any(re.match(r"lora_te|text_encoder", key) for key in names),
        titles=tuple(filter(None, map(metadata.get, _TITLES))),
    )


def check_fit(name: str, path: Path, model: ModelInfo) -> None:
    """Raise `ModelError` for a LoRA of another family than `model`, as far as its header tells."""
    base, bases = identify_lora(path).base, model.family.adapter_bases
    fits = base in bases or base == model.family.name
    if base and not fits and _TOLD.intersection(bases):
        raise ModelError(
            f"LoRA {name!r} is for {base}, and {model.name} is of the family {model.family.name}. "
            f"Use one for {' or '.join(bases)}, or another model."
        )


def _base(
    parts: Mapping[str, tuple[str, str]],
    shapes: Mapping[str, tuple[int, ...]],
    metadata: Mapping[str, str],
) -> str:
    for field in ("modelspec.architecture", "ss_base_model_version"):
        declared = metadata.get(field, "").lower()
        for pattern, base in _DECLARED:
            if re.match(pattern, declared):
                return base
    for key, (layer, kind) in parts.items():
        if _CROSS.search(layer) and kind in ("lora_down", "hada_w1_b"):
            width = shapes[key][1]
            if width in _WIDTHS:
                return _WIDTHS[width]
    layers = {layer.replace(".", "_") for layer, _ in parts.values()}
    for pattern, base in _KEYS:
        if any(re.search(pattern, layer) for layer in layers):
            return base
    return ""
