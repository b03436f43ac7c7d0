"""What any tool said, as infotext: for clients that read nothing else."""

from __future__ import annotations

from ninefold.core.errors import UserError
from ninefold.engines.hashing import SHORT_HASH
from ninefold.engines.sampler_names import SchedulerName, find_schedule, find_scheduler
from ninefold.files.a1111 import as_text, cfg_fields
from ninefold.files.infotext import FEWEST_FIELDS, Infotext, format_hashes
from ninefold.files.readers import Generation
from ninefold.files.readers.generation import NamedModel
from ninefold.files.readers.infotext_tools import tagged_loras
from ninefold.prompts import resolve
from ninefold.prompts.conversion import convert
from ninefold.slots import MAX_PROMPT


def as_infotext(said: Generation) -> Infotext | None:
    """The same in AUTOMATIC1111's terms and syntax; None where it is too little to tell."""
    hires, refiner = said.hires, said.refiner
    sampler, schedule = _a1111_names(said.sampler, said.schedule)
    fields = as_text(
        {
            "Steps": said.steps,
            "Sampler": sampler or None,
            "Schedule type": schedule or None,
            **cfg_fields(said.guidance_scale, said.true_cfg_scale),
            "Seed": said.seed,
            "Size": f"{said.width}x{said.height}" if said.width and said.height else None,
            "Model hash": said.model.hash[:SHORT_HASH] or None,
            "Model": said.model.name or None,
            "VAE": said.vae or None,
            "Variation seed": said.variation_seed,
            "Variation seed strength": said.variation_strength,
            "Denoising strength": said.strength if hires is None else hires.strength,
            "Clip skip": said.clip_skip,
            "Tiling": True if said.tiling else None,
            "Hires upscale": None if hires is None or hires.width else hires.factor,
            "Hires resize": f"{hires.width}x{hires.height}" if hires and hires.width else None,
            "Hires steps": None if hires is None else hires.steps,
            "Hires upscaler": None if hires is None else hires.upscaler or None,
            "Refiner": None if refiner is None else _title(refiner.model),
            "Refiner switch at": None if refiner is None else refiner.switch,
            "Lora hashes": format_hashes({i.name: i.hash for i in said.loras if i.hash}) or None,
            "Version": f"{said.tool} {said.version}".strip(),
        }
    )
    if len(fields) < FEWEST_FIELDS:
        return None
    prompt = _prompt(said.prompt, said)
    named = tagged_loras(prompt)
    tags = (
        f"<lora:{item.name}:{1 if item.weight is None else item.weight:g}>"
        for item in said.loras
        if item.name not in named
    )
    text = " ".join(filter(None, (prompt, *tags)))
    return Infotext(text, _prompt(said.negative_prompt, said), fields)


def _prompt(text: str, said: Generation) -> str:
    """A prompt with weights as A1111 writes them."""
    if said.dialect == "a1111" or len(text) > MAX_PROMPT:
        return text
    converted = convert(text.replace("\0", ""), said.dialect).text
    try:
        found = resolve(converted, seed=0)
    except UserError:
        return text
    tags = (f"<lora:{lora.name}:{lora.weight:g}>" for lora in found.loras)
    return " ".join(filter(None, (found.text, *tags)))


def _a1111_names(sampler: str, schedule: str) -> tuple[str, str]:
    """A sampler and schedule of any tool by A1111's names; as they are where it has none."""
    found = find_scheduler(sampler, "automatic") if sampler else None
    if found is None or found.sampler.name == "default":
        return sampler, schedule
    if (asked := find_schedule(schedule) if schedule else None) is not None:
        found = SchedulerName(found.sampler, asked)
    name, kind = found.a1111
    return name, kind or schedule


def _title(model: NamedModel) -> str:
    return f"{model.name} [{model.hash[:SHORT_HASH]}]" if model.hash else model.name
