"""What was done to an image, in AUTOMATIC1111's terms: the settings of its infotext.

Source: `modules/processing.py` and `modules/infotext_utils.py` of stable-diffusion-webui,
`adetailer/args.py` of Bing-su/adetailer, and `scripts/infotext.py` of sd-webui-controlnet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ninefold.core.values import Json
from ninefold.engines.generation_record import GenerationRecord, UsedControl
from ninefold.engines.hashing import SHORT_HASH
from ninefold.engines.sampler_names import find_scheduler
from ninefold.files.infotext import FEWEST_FIELDS, Infotext, format_hashes

#: The ControlNet extension's names of what a picture was made into, and of what pictures show.
_MODULES = {"soft_edge": "softedge_pidinet"}
_UNION_TYPES = {
    "pose": "OpenPose",
    "depth": "Depth",
    "soft_edge": "Soft Edge",
    "scribble": "Soft Edge",
    "canny": "Hard Edge",
    "lineart": "Hard Edge",
    "normal": "Normal Map",
    "segment": "Segmentation",
    "tile": "Tile",
    "inpaint": "Inpaint",
}
#: How ADetailer ends the keys of its first units.
ORDINALS = ("", " 2nd", " 3rd", *(f" {number}th" for number in range(4, 11)))


@dataclass(frozen=True)
class UpscaleRecord:
    """What an upscaler did; sizes are width and height in pixels."""

    factor: float
    upscalers: tuple[str, ...]
    before: tuple[int, int]
    after: tuple[int, int]

    @property
    def reshaped(self) -> bool:
        """Whether it made another shape, which a factor does not tell."""
        return tuple(round(side * self.factor) for side in self.before) != self.after


@dataclass(frozen=True)
class DetailRecord:
    """What a detailer painted."""

    #: None where it painted inside a mask that was given.
    detector: str | None
    strength: float
    #: The prompt of each region, with its LoRA tags.
    prompts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ImageHistory:
    """All that infotext has names for."""

    prompt: str
    negative_prompt: str
    #: The image's own.
    seed: int | None
    #: The first diffusion pass; None where no diffusion model ran.
    first: GenerationRecord | None = None
    refiner: GenerationRecord | None = None
    restorer: GenerationRecord | None = None
    upscale: UpscaleRecord | None = None
    details: Sequence[DetailRecord] = ()
    #: Hashes of the LoRAs of all passes, by name.
    loras: Mapping[str, str]
    #: Hashes of the textual inversions, by name.
    embeddings: Mapping[str, str] = field(default_factory=dict)
    #: The program that made it.
    version: str


def infotext_of(history: ImageHistory) -> Infotext | None:
    """The infotext of an image; None where there is too little to tell."""
    first = history.first
    fields = _upscaled(history.upscale, alone=True) if first is None else _diffused(history, first)
    fields["Version"] = history.version
    known = as_text(fields)
    if len(known) < FEWEST_FIELDS:
        return None
    return Infotext(history.prompt, history.negative_prompt, known)


def sampling_fields(record: GenerationRecord) -> dict[str, Any]:
    """How a diffusion pass was run; None for what does not apply."""
    found = find_scheduler(record.scheduler)
    if found is None or found.sampler.name == "default":  # the model's own has no name of A1111's
        name, schedule = record.scheduler, None
    else:
        name, schedule = found.a1111
    return {
        "Steps": record.steps,
        "Sampler": name,
        "Schedule type": schedule,
        **cfg_fields(record.guidance_scale, record.true_cfg_scale),
        "Seed": record.seed,
        "Size": "{}x{}".format(*record.size),
        "Model hash": record.model_hash[:SHORT_HASH],
        "Model": record.model,
        "Tiling": None if record.tiling == "none" else True,
    }


def cfg_fields(guidance_scale: float | None, true_cfg_scale: float | None) -> dict[str, Any]:
    """The scales of guidance, in Forge's words where there are two."""
    if true_cfg_scale in (None, 1):
        return {"CFG scale": guidance_scale}
    return {"CFG scale": true_cfg_scale, "Distilled CFG Scale": guidance_scale}


def as_text(fields: Mapping[str, Any]) -> dict[str, str]:
    """Settings as infotext writes them; those of None are left out."""
    return {key: _number(value) for key, value in fields.items() if value is not None}


def upscale_record(entry: Json) -> UpscaleRecord | None:
    """What an upscaler's metadata says; None where there was none."""
    if "upscale_factor" not in entry:
        return None
    before, after = entry["original_size"], entry["upscaled_size"]
    return UpscaleRecord(
        entry["upscale_factor"],
        tuple(entry.get("upscalers", ())),
        (before[0], before[1]),
        (after[0], after[1]),
    )


def detail_record(entry: Json) -> DetailRecord | None:
    """What a detailer's metadata says; None where it painted nothing."""
    if not entry.get("regions"):
        return None
    prompts = (
        " ".join((region["prompt"], *(_tag(lora) for lora in region.get("loras", ()))))
        for region in entry["regions"]
    )
    return DetailRecord(entry.get("detector"), entry["strength"], tuple(prompts))


def _diffused(history: ImageHistory, first: GenerationRecord) -> dict[str, Any]:
    """The settings of the first diffusion pass, and those of the passes after it."""
    restorer = history.restorer
    fields = sampling_fields(first)
    if first.seed is None:
        fields["Seed"] = history.seed
    strength = first.strength
    if strength is None and restorer is not None:
        strength = restorer.strength
    return {
        **fields,
        "Denoising strength": strength,
        **_upscaled(history.upscale, alone=False),
        "Hires steps": None if restorer is None else restorer.steps_run,
        **_refined(history.refiner, first),
        **_detailed(history),
        **_steered(first.control),
        "Lora hashes": format_hashes(history.loras) or None,
        "TI hashes": format_hashes(history.embeddings) or None,
    }


def _upscaled(record: UpscaleRecord | None, *, alone: bool) -> dict[str, Any]:
    """A1111 calls it a hires pass after diffusion, and postprocessing where it stands alone."""
    if record is None:
        return {}
    names = ", ".join(record.upscalers) or None
    if alone:
        return {"Postprocess upscale by": record.factor, "Postprocess upscaler": names}
    if record.reshaped:
        return {"Hires upscaler": names, "Hires resize": "{}x{}".format(*record.after)}
    return {"Hires upscale": record.factor, "Hires upscaler": names}


def _refined(record: GenerationRecord | None, first: GenerationRecord) -> dict[str, Any]:
    """A1111 names the part of the steps that came before the refiner: one that took over in the
    first pass, else one that worked over the finished image."""
    if first.refiner is not None:
        name, digest, switch = first.refiner, first.refiner_hash, first.handover
    elif record is not None and record.strength is not None:
        name, digest, switch = record.model, record.model_hash, 1 - record.strength
    else:
        return {}
    return {"Refiner": f"{name} [{digest[:SHORT_HASH]}]", "Refiner switch at": round(switch, 4)}


def _steered(entries: Sequence[UsedControl]) -> dict[str, Any]:
    """What steered the first pass, as the ControlNet extension writes its units."""
    return {f"ControlNet {number}": _unit(entry) for number, entry in enumerate(entries)}


def _unit(entry: UsedControl) -> str:
    how, *thresholds = entry.preprocess.split()
    fields = {
        "Module": _MODULES.get(how, how),
        "Model": f"{entry.model} [{entry.hash[:8]}]",
        "Weight": entry.strength,
        **dict(zip(("Threshold A", "Threshold B"), thresholds, strict=False)),
        "Guidance Start": entry.start,
        "Guidance End": entry.end,
        "Pixel Perfect": True,
        "Control Mode": "Balanced",
    }
    if entry.mode is not None:
        known = _UNION_TYPES.get(entry.mode)
        fields["Union Control Type"] = known or entry.mode.replace("_", " ").title()
    return ", ".join(f"{name}: {value}" for name, value in fields.items())


def _detailed(history: ImageHistory) -> dict[str, Any]:
    """Each detailer that painted, by ADetailer's keys, or that it painted a mask that was given."""
    fields: dict[str, Any] = {}
    for record, ending in zip(history.details, ORDINALS, strict=False):
        if record.detector is None:
            fields["Inpaint area"] = "Only masked"
            continue
        fields[f"ADetailer model{ending}"] = record.detector
        fields[f"ADetailer prompt{ending}"] = _own_prompt(record.prompts, history.prompt)
        fields[f"ADetailer denoising strength{ending}"] = record.strength
    return fields


def _own_prompt(prompts: Sequence[str], image: str) -> str | None:
    """The prompts of a detailer's regions; None where they are the image's."""
    if len(set(prompts)) == 1:
        prompts = prompts[:1]
    return None if list(prompts) == [image] else " [SEP] ".join(prompts)


def _tag(lora: Json) -> str:
    return f"<lora:{lora['name']}:{lora['weight']:g}>"


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
