"""What a model can and cannot do, in lines for people to read."""

from __future__ import annotations

from collections.abc import Iterator

from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.families import Family, Task
from ninefold.engines.sampler_table import SchedulerKind

_TASKS: dict[Task, str] = {
    "text": "a prompt",
    "image": "an image",
    "inpaint": "an image and a mask",
    "edit": "reference images",
}
_SCHEDULERS: dict[SchedulerKind, str] = {
    "noise": "any for noise schedules",
    "zero_snr": "those for noise schedules that end in noise alone",
    "flow": "those for flow matching",
    "own": "its own alone",
}


def capabilities(info: ModelInfo) -> tuple[tuple[str, str], ...]:
    """Names and values of what is known of a model, in the order in which they are shown."""
    return tuple(_lines(info))


def starts_by(family: Family, task: Task) -> str:
    """Who starts from that: `diffusers`, `ninefold`, or nobody (empty)."""
    if task not in family.tasks:
        return ""
    return "ninefold" if getattr(family, task) is None else "diffusers"


def _lines(info: ModelInfo) -> Iterator[tuple[str, str]]:
    family, guidance = info.family, info.family.guidance
    yield "family", family.name or "unknown"
    if info.recognised_by:
        yield "recognised by", info.recognised_by
    if not family.in_table:
        yield "note", "not in the table of families: values are those of diffusers' signature"
    starts = [_TASKS[task] for task in _TASKS if task in family.tasks]
    yield "starts from", ", ".join(starts) or "nothing that a stage has"
    if family.instead:
        yield "instead", f"it {family.instead}"
    width, height = info.native_size
    area = f", at most {info.max_area} pixels in all" if info.max_area else ""
    yield (
        "size",
        f"{width}x{height}; {info.min_size} to {info.max_size} in steps of "
        f"{info.size_multiple}{area}",
    )
    most = f", at most {family.max_steps}" if family.max_steps else ""
    yield "steps", f"{info.steps}{most}"
    acts = {
        "classifier_free": f"{info.guidance_scale:g}; off at {guidance.off:g} and below",
        "embedded": f"{info.guidance_scale:g}, embedded",
        "none": "none: a guidance scale does not act",
    }
    yield "guidance", acts[guidance.kind]
    yield "negative prompt", _negative_prompt(family)
    yield "schedulers", _SCHEDULERS[info.scheduler_kind]
    if info.control is not None:
        yield "control", f"models made for {info.control.family}"
    tokens = family.prompt_tokens
    yield "prompt", "any length, in chunks" if tokens is None else f"up to {tokens} tokens act"


def _negative_prompt(family: Family) -> str:
    guidance = family.guidance
    if guidance.kind == "classifier_free" and guidance.takes_negative:
        return f"acts at a guidance scale above {guidance.off:g}"
    if guidance.true_cfg_argument:
        return f"does not act unless true_cfg_scale is above {guidance.off:g}"
    return "does not act"
