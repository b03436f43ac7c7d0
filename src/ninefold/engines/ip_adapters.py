"""IP-Adapters: recognised by their tensors, read as diffusers takes them, and the image encoders
that they look through.

Layouts: `image_proj.*` and `ip_adapter.*` (tencent-ailab/IP-Adapter, InstantX), and
`ip_adapter_proj_model.*` and `double_blocks.*` (XLabs, FLUX.1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ninefold.core.errors import ModelError
from ninefold.engines.control import ControlInfo
from ninefold.engines.weight_headers import Shapes, read_safetensors

#: How tensors of the two parts begin, and the part's name in diffusers.
_PARTS = {
    "image_proj.": "image_proj",
    "ip_adapter_proj_model.": "image_proj",
    "ip_adapter.": "ip_adapter",
    "double_blocks.": "ip_adapter",
}
#: XLabs' names of what diffusers calls otherwise.
_RENAMED = {
    "ip_adapter_double_stream_k_proj": "to_k_ip",
    "ip_adapter_double_stream_v_proj": "to_v_ip",
    "processor.": "",
}
#: Tensors that look at a face's embedding rather than at an image.
_FACE_MARKS = ("image_proj.perceiver_resampler.proj_in.weight", "image_proj.proj.2.weight")
_FACE_LORA = ".to_k_lora.down.weight"
#: Where image encoders lie, beside an adapter's file and above it.
ENCODERS = ("image_encoder", "models/image_encoder", "sdxl_models/image_encoder", "clip_vision")


def ip_adapter_info(name: str, shapes: Shapes) -> ControlInfo | None:
    """What is known of an IP-Adapter, but for its hash; None where the tensors are of none.

    Raises `ModelError` for one that takes faces.
    """
    if not any(part.startswith(("image_proj.", "ip_adapter_proj_model.")) for part in shapes):
        return None
    if any(mark in shapes for mark in _FACE_MARKS) or any(
        part.endswith(_FACE_LORA) for part in shapes
    ):
        raise ModelError(
            f"{name} is an IP-Adapter for face embeddings (FaceID), which are not made here. Use "
            "one that takes the image itself."
        )
    if any(part.startswith("double_blocks.") for part in shapes):
        keys = [shape for part, shape in shapes.items() if part.endswith("k_proj.weight")]
        widths = (("joint_attention_dim", keys[0][1]),) if keys else ()
        return ControlInfo(name, "", "ip_adapter", "IPAdapter", ("Flux",), widths)
    if any(part.endswith("norm_ip.linear.weight") for part in shapes):
        return ControlInfo(name, "", "ip_adapter", "IPAdapter", ("StableDiffusion3",))
    keys = [shape for part, shape in shapes.items() if part.endswith("to_k_ip.weight")]
    if not keys:
        return None
    widths = (("cross_attention_dim", keys[0][1]),)
    bases = ("StableDiffusion", "StableDiffusionXL")
    return ControlInfo(name, "", "ip_adapter", "IPAdapter", bases, widths)


def read_ip_adapter(path: Path) -> dict[str, dict[str, Any]]:
    """The tensors of an IP-Adapter as `load_ip_adapter` of diffusers takes them."""
    from safetensors import safe_open

    found: dict[str, dict[str, Any]] = {"image_proj": {}, "ip_adapter": {}}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  # it is no mapping
            for prefix, part in _PARTS.items():
                if name.startswith(prefix):
                    plain = name.removeprefix(prefix)
                    for old, new in _RENAMED.items():
                        plain = plain.replace(old, new)
                    found[part][plain] = file.get_tensor(name)
                    break
    return found


def image_encoder_folder(name: str, path: Path, extra: Path) -> Path:
    """The folder of the image encoder that an IP-Adapter's file goes with.

    Looked for beside the file, in the folder above it, and in `extra`, the folder of control
    models: the first whose output is as wide as the adapter takes it. Raises `ModelError`.
    """
    wanted = _encoder_width(read_safetensors(path).shapes)
    tried = list(dict.fromkeys(_candidates(path, extra)))
    for folder in tried:
        if wanted in _widths_of(folder):
            return folder
    seen = f" Seen: {', '.join(folder.name for folder in tried)} of other widths." if tried else ""
    raise ModelError(
        f"{name} looks through an image encoder of width {wanted}, which is not at hand.{seen} Put "
        f"the folder image_encoder of its repository (config.json and model.safetensors) beside "
        f"{path.name}."
    )


def _candidates(path: Path, extra: Path) -> Iterator[Path]:
    for root in (path.parent, path.parent.parent, extra):
        for name in ENCODERS:
            if (root / name / "config.json").is_file():
                yield root / name


def _encoder_width(shapes: Shapes) -> int:
    """How wide the output of the image encoder must be."""
    for name in ("image_proj.proj.weight", "ip_adapter_proj_model.proj.weight"):
        if name in shapes:
            return shapes[name][1]
    for name in ("image_proj.proj_in.weight", "image_proj.proj.0.weight"):
        if name in shapes:
            return shapes[name][1]
    return 0


def _widths_of(folder: Path) -> tuple[int, ...]:
    """The widths that an encoder gives: of its summary and of its last but one layer."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError, RecursionError):
        return ()
    config = config.get("vision_config", config)
    sides = (config.get("projection_dim", 512), config.get("hidden_size", 768))
    return tuple(side for side in sides if isinstance(side, int))
