"""Which diffusers pipeline runs which kind of control model, as data.

Read in diffusers 0.42.1. A family without a line here cannot be steered by pictures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ninefold.engines.families import Task

_ALL: frozenset[Task] = frozenset({"text", "image", "inpaint"})
_TEXT: frozenset[Task] = frozenset({"text"})


@dataclass(frozen=True)
class ControlPipelines:
    """The pipelines of one family for one class of networks."""

    #: The family's text-to-image pipeline, without `Pipeline`.
    base: str
    #: Class of the network; `IPAdapter` for those, which are put on the family's own pipelines.
    network: str
    #: Pipelines by what they start from, one from text always; empty for the family's own.
    pipelines: Mapping[Task, str]
    #: Whether several networks may act at once.
    several: bool = True
    #: Whether a part of the steps may be left out at the beginning, and at the end.
    starts: bool = True
    ends: bool = True
    #: The pipelines in which an IP-Adapter may act beside the network.
    with_ip_adapter: frozenset[Task] = frozenset()


def _three(start: str, end: str = "") -> dict[Task, str]:
    """The three pipelines of a family that has them all."""
    return {
        "text": f"{start}{end}Pipeline",
        "image": f"{start}{end}Img2ImgPipeline",
        "inpaint": f"{start}{end}InpaintPipeline",
    }


_TABLE = (
    ControlPipelines(
        "StableDiffusion",
        "ControlNetModel",
        _three("StableDiffusionControlNet"),
        with_ip_adapter=_ALL,
    ),
    ControlPipelines(
        "StableDiffusionXL",
        "ControlNetModel",
        _three("StableDiffusionXLControlNet"),
        with_ip_adapter=_ALL,
    ),
    ControlPipelines(
        "StableDiffusionXL",
        "ControlNetUnionModel",
        _three("StableDiffusionXLControlNetUnion"),
        with_ip_adapter=_ALL,
    ),
    ControlPipelines(
        "Flux", "FluxControlNetModel", _three("FluxControlNet"), with_ip_adapter=_TEXT
    ),
    ControlPipelines(
        "StableDiffusion3",
        "SD3ControlNetModel",
        {"text": "StableDiffusion3ControlNetPipeline"},
        with_ip_adapter=_TEXT,
    ),
    ControlPipelines(
        "QwenImage", "QwenImageControlNetModel", {"text": "QwenImageControlNetPipeline"}
    ),
    ControlPipelines(
        "ZImage",
        "ZImageControlNetModel",
        {"text": "ZImageControlNetPipeline"},
        several=False,
        starts=False,
        ends=False,
    ),
    ControlPipelines(
        "HunyuanDiT",
        "HunyuanDiT2DControlNetModel",
        {"text": "HunyuanDiTControlNetPipeline"},
        starts=False,
        ends=False,
    ),
    ControlPipelines(
        "Sana",
        "SanaControlNetModel",
        {"text": "SanaControlNetPipeline"},
        several=False,
        starts=False,
        ends=False,
    ),
    ControlPipelines(
        "StableDiffusion",
        "T2IAdapter",
        {"text": "StableDiffusionAdapterPipeline"},
        starts=False,
        ends=False,
    ),
    ControlPipelines(
        "StableDiffusionXL",
        "T2IAdapter",
        {"text": "StableDiffusionXLAdapterPipeline"},
        starts=False,
        with_ip_adapter=_TEXT,
    ),
    ControlPipelines("StableDiffusion", "IPAdapter", {}),
    ControlPipelines("StableDiffusionXL", "IPAdapter", {}),
    ControlPipelines("Flux", "IPAdapter", {}),
    ControlPipelines("StableDiffusion3", "IPAdapter", {}, several=False, starts=False),
)
_BY_NAMES = {(item.base, item.network): item for item in _TABLE}

#: Classes of networks that a config may name, those of IP-Adapters aside.
NETWORKS = tuple(dict.fromkeys(item.network for item in _TABLE if item.network != "IPAdapter"))

#: Pipelines of another name whose networks are those of a family above.
_SAME = {"LatentConsistencyModel": "StableDiffusion"}
_FORMS = ("Img2Img", "Inpaint")

#: Keys of a network's config that must equal those of the diffusion model's, by their names there.
_UNET = {
    "cross_attention_dim": "cross_attention_dim",
    "block_out_channels": "block_out_channels",
    "in_channels": "out_channels",
}
_TRANSFORMER = {
    name: name
    for name in (
        "joint_attention_dim",
        "pooled_projection_dim",
        "num_attention_heads",
        "attention_head_dim",
        "caption_channels",
        "cross_attention_dim",
        "dim",
    )
}
WIDTHS: dict[str, Mapping[str, str]] = {
    **dict.fromkeys(NETWORKS, _TRANSFORMER),
    "ControlNetModel": _UNET,
    "ControlNetUnionModel": _UNET,
    "T2IAdapter": {"channels": "block_out_channels"},
}
#: Keys of a diffusion model's config that are compared.
BASE_WIDTHS = frozenset(_UNET.values()) | frozenset(_TRANSFORMER.values())

#: Modes of union models by number, as they were trained: those of xinsir's for SDXL, of which the
#: first has six, and those of InstantX and Shakker Labs for FLUX.1.
_SDXL_MODES: dict[str, int] = {
    "pose": 0,
    "depth": 1,
    "soft_edge": 2,
    "scribble": 2,
    "canny": 3,
    "lineart": 3,
    "normal": 4,
    "segment": 5,
    "tile": 6,
    "inpaint": 7,
}
_FLUX_MODES: dict[str, int] = {
    "canny": 0,
    "tile": 1,
    "depth": 2,
    "blur": 3,
    "pose": 4,
    "gray": 5,
    "low_quality": 6,
}
MODES: dict[str, Mapping[str, int]] = {
    "ControlNetUnionModel": _SDXL_MODES,
    "FluxControlNetModel": _FLUX_MODES,
}


def control_pipelines(base: str, network: str) -> ControlPipelines | None:
    """The pipelines of a family for a class of networks; None where there are none."""
    return _BY_NAMES.get((base, network))


def pipeline_name(base: str, network: str, task: Task, with_adapter: bool) -> tuple[str, Task]:
    """The pipeline's class for a task, beside an IP-Adapter or not, and what it starts from: from
    text where there is none for the task. To be asked where there are `control_pipelines`."""
    found = _BY_NAMES[base, network]
    if task not in found.pipelines or (with_adapter and task not in found.with_ip_adapter):
        task = "text"
    return found.pipelines[task], task


def base_of_class(pipeline_class: str) -> str | None:
    """The family of a diffusers pipeline class, as `ControlPipelines.base` names it; None for one
    that cannot be steered."""
    name = pipeline_class.removesuffix("Pipeline")
    for form in _FORMS:
        name = name.removesuffix(form)
    name = _SAME.get(name, name)
    return name if any(item.base == name for item in _TABLE) else None
