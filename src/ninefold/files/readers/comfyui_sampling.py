"""How one of ComfyUI's samplers was set: KSampler and its kin, or the parts of SamplerCustom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ninefold.files.readers.comfyui_graph import Link, Node
from ninefold.files.readers.comfyui_text import Texts
from ninefold.files.readers.values import as_text

#: Schedules of nodes that are one themselves.
_SCHEDULES = {
    "KarrasScheduler": "karras",
    "ExponentialScheduler": "exponential",
    "PolyexponentialScheduler": "exponential",
    "SDTurboScheduler": "sgm_uniform",
    "BetaSamplingScheduler": "beta",
    "AlignYourStepsScheduler": "align_your_steps",
    "OptimalStepsScheduler": "optimal_steps",
}
#: Samplers of nodes that are one themselves.
_SAMPLERS = {
    "SamplerEulerAncestral": "euler_ancestral",
    "SamplerEulerAncestralCFGPP": "euler_ancestral_cfg_pp",
    "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde",
    "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral",
    "SamplerDPMPP_SDE": "dpmpp_sde",
    "SamplerLMS": "lms",
}
_SEEDS = ("seed", "noise_seed", "noise")
_MOST_SIGMAS = 20


@dataclass(frozen=True)
class Sampling:
    """What a sampler was given; None and empty where it is not said."""

    seed: int | None = None
    steps: int | None = None
    guidance_scale: float | None = None
    sampler: str = ""
    schedule: str = ""
    denoise: float | None = None
    #: Steps between which it ran.
    start: int | None = None
    end: int | None = None
    model: Link | None = None
    positive: Link | None = None
    negative: Link | None = None
    #: The nodes that its image came from, the nearest first, where no sampler is before it.
    before: tuple[Node, ...] = ()
    #: What it enlarges itself.
    own_enlargement: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, Any]:
        """Its numbers and names."""
        names = ("seed", "steps", "guidance_scale", "sampler", "schedule", "denoise")
        return {name: value for name in names if (value := getattr(self, name)) not in (None, "")}


def is_sampler(node: Node) -> bool:
    """Whether a node runs a diffusion model on an image or latent; detailers do on parts."""
    if "Detailer" in node.type or node.link("bbox_detector") is not None:
        return False
    seeded = any(name in node.inputs for name in _SEEDS)
    run = any(name in node.inputs for name in ("steps", "sigmas", "guider"))
    return seeded and run and any(name in node.inputs for name in ("model", "guider", "pipe"))


def sampling_of(texts: Texts, node: Node) -> Sampling:
    """How a sampler was set, itself or by the nodes that it is made of."""
    graph = texts.graph
    guider = graph.node(node.link("guider")) or node
    noise = graph.node(node.link("noise")) or node
    sampler = graph.node(node.link("sampler"))
    sigmas = _sigmas(texts, node)
    schedule = node if sigmas is None else sigmas
    texts.used |= {item.id for item in (guider, noise, sampler, schedule) if item is not None}
    end = texts.whole(node, "end_at_step")
    steps = texts.whole(schedule, "steps")
    name = texts.text(node.inputs.get("sampler_name"))
    if sampler is not None:
        name = texts.text(sampler.inputs.get("sampler_name")) or _SAMPLERS.get(sampler.type, "")
    enlarged: dict[str, Any] = {}
    if (factor := texts.number(node, "upscale_by")) is not None:
        enlarged["factor"] = factor
    if (loader := graph.node(node.link("upscale_model"))) is not None:
        texts.used.add(loader.id)
        enlarged["upscaler"] = as_text(loader.inputs.get("model_name"))
    return Sampling(
        seed=texts.whole(noise, "noise_seed", "seed"),
        steps=steps,
        guidance_scale=texts.number(guider, "cfg", "cfg_conds"),
        sampler=name,
        schedule=texts.text(schedule.inputs.get("scheduler")) or _SCHEDULES.get(schedule.type, ""),
        denoise=texts.number(schedule, "denoise"),
        start=texts.whole(node, "start_at_step"),
        end=None if end is None or (steps is not None and end >= steps) else end,
        model=guider.link("model") or node.link("model", "pipe"),
        positive=guider.link("positive", "conditioning", "cond1") or node.link("positive", "pipe"),
        negative=guider.link("negative", "uncond"),
        own_enlargement=enlarged,
    )


def _sigmas(texts: Texts, node: Node) -> Node | None:
    """The node that made the noise levels, past those that split or bend them."""
    found = texts.graph.node(node.link("sigmas"))
    for _ in range(_MOST_SIGMAS):
        if found is None or "steps" in found.inputs or found.link("sigmas") is None:
            break
        texts.used.add(found.id)
        found = texts.graph.node(found.link("sigmas"))
    return found
