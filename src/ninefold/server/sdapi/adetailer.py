"""ADetailer's units as detailer stages.

Source: `adetailer/args.py` and `mask.py` of Bing-su/adetailer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ninefold.core.problems import problems_of
from ninefold.core.values import Json
from ninefold.server.sdapi.controlnet import entry_of
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sdapi.samplers import scheduler_of
from ninefold.slots import MAX_PROMPT

#: What ADetailer's own models find, by a part of their names; None: what a unit names.
_FINDS: dict[str, str | None] = {
    "face": "face",
    "hand": "hand",
    "person": "person",
    "deepfashion": "clothes",
    "world": None,
}
_MODES = {"None": "separate", "Merge": "merge", "Merge and Invert": "invert"}


def _classes(value: Any) -> Any:
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    return value


class Unit(BaseModel):
    """One unit, with ADetailer's names and defaults."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    ad_model: str = "None"
    ad_model_classes: Annotated[list[str], BeforeValidator(_classes)] = []
    ad_tab_enable: bool = Field(
        True, validation_alias=AliasChoices("ad_tab_enable", "ad_tap_enable")
    )
    ad_prompt: str = Field("", max_length=MAX_PROMPT)
    ad_negative_prompt: str = Field("", max_length=MAX_PROMPT)
    ad_confidence: float = Field(0.3, ge=0, le=1)
    ad_mask_filter_method: Literal["Area", "Confidence"] = "Area"
    ad_mask_k: int = Field(0, ge=0, le=100)
    ad_mask_k_largest: int = Field(0, ge=0, le=100)
    ad_mask_min_ratio: float = Field(0, ge=0, le=1)
    ad_mask_max_ratio: float = Field(1, ge=0, le=1)
    ad_dilate_erode: int = Field(4, ge=-256, le=256)
    ad_x_offset: int = Field(0, ge=-4096, le=4096)
    ad_y_offset: int = Field(0, ge=-4096, le=4096)
    ad_mask_merge_invert: Literal["None", "Merge", "Merge and Invert"] = "None"
    ad_mask_blur: float = Field(4, ge=0, le=128)
    ad_denoising_strength: float = Field(0.4, ge=0, le=1)
    ad_inpaint_only_masked: bool = True
    ad_inpaint_only_masked_padding: int = Field(32, ge=0, le=4096)
    ad_use_inpaint_width_height: bool = False
    ad_inpaint_width: int = 512
    ad_inpaint_height: int = 512
    ad_use_steps: bool = False
    ad_steps: int = Field(28, ge=1, le=200)
    ad_use_cfg_scale: bool = False
    ad_cfg_scale: float = Field(7.0, ge=0, le=30)
    ad_use_checkpoint: bool = False
    ad_checkpoint: str | None = None
    ad_use_vae: bool = False
    ad_vae: str | None = None
    ad_use_sampler: bool = False
    ad_sampler: str = "DPM++ 2M Karras"
    ad_scheduler: str = "Use same scheduler"
    ad_use_noise_multiplier: bool = False
    ad_noise_multiplier: float = 1.0
    ad_use_clip_skip: bool = False
    ad_clip_skip: int = 1
    ad_restore_face: bool = False
    ad_controlnet_model: str = Field("None", max_length=300)
    ad_controlnet_module: str | None = Field("None", max_length=200)
    ad_controlnet_weight: float = Field(1.0, ge=0, le=2)
    ad_controlnet_guidance_start: float = Field(0.0, ge=0, lt=1)
    ad_controlnet_guidance_end: float = Field(1.0, gt=0, le=1)


@dataclass(frozen=True)
class Detailing:
    """What the always-on script asks for: one detailer for each unit that is on."""

    stages: tuple[Json, ...] = ()
    #: Whether they work on the source itself, and nothing else is done to it.
    alone: bool = False


def detailing(args: Any, sampling: Json, catalog: ModelCatalog, issues: RequestIssues) -> Detailing:
    """What `args`, those of the always-on script, ask for."""
    stages: list[Json] = []
    units = tuple(_units(args, issues))
    for number, unit in units:
        where = f"ADetailer.args.{number}"
        params = _params(unit, sampling, catalog, issues, where)
        if params is not None:
            stages.append({"stage": "detailer", "params": params})
    return Detailing(tuple(stages), bool(units) and len(args) > 1 and args[1] is True)


def _units(args: Any, issues: RequestIssues) -> Iterator[tuple[int, Unit]]:
    """Each unit that is on, with its place among the arguments."""
    if not isinstance(args, Sequence) or isinstance(args, str):
        issues.refuse("ADetailer.args", "expected a list.")
        return
    if args and args[0] is False:
        return
    for number, item in enumerate(args):
        if isinstance(item, bool):
            continue
        if not isinstance(item, Mapping):
            issues.refuse(f"ADetailer.args.{number}", "expected an object.")
            continue
        try:
            given = {str(name): value for name, value in item.items() if value is not None}
            unit = Unit.model_validate(given)
        except ValidationError as error:
            issues.problems += problems_of(error, f"ADetailer.args.{number}", Unit.model_fields)
            continue
        if unit.ad_model != "None" and unit.ad_tab_enable:
            yield number, unit


def _finder(
    unit: Unit, catalog: ModelCatalog, issues: RequestIssues, where: str
) -> tuple[str, Sequence[str]] | None:
    """The detector of a unit and the classes to take; None where it is left out."""
    name = unit.ad_model
    if (found := catalog.detector(name)) is not None:
        return found, unit.ad_model_classes
    kind = next((part for part in _FINDS if part in name.lower()), None)
    if kind is None:
        issues.unknown(where, name, catalog.detectors)
        return None
    label = _FINDS[kind]
    wanted = unit.ad_model_classes if label is None else [label]
    for detector in catalog.detectors:
        known = [item for item in wanted if item in catalog.labels_of(detector)]
        if known or not wanted:
            classes = f"classes {', '.join(known)}" if known else "every class"
            issues.warn(where, f"{name!r} is not at hand; {detector!r} was used, for {classes}.")
            return detector, known
    issues.warn(
        where,
        f"{name!r} is not at hand, and no detector finds {', '.join(wanted)}: this unit was left "
        "out.",
    )
    return None


def _params(
    unit: Unit, sampling: Json, catalog: ModelCatalog, issues: RequestIssues, where: str
) -> Json | None:
    """The parameters of a unit's detailer; None where it is left out."""

    def at(name: str) -> str:
        return f"{where}.{name}"

    finder = _finder(unit, catalog, issues, at("ad_model"))
    if unit.ad_denoising_strength == 0:
        issues.warn(at("ad_denoising_strength"), "0 changes nothing: this unit was left out.")
        return None
    if finder is None:
        return None
    params: Json = {
        **sampling,
        "detector": finder[0],
        "classes": list(finder[1]),
        "confidence": unit.ad_confidence,
        "order": unit.ad_mask_filter_method.lower(),
        "top_k": unit.ad_mask_k or unit.ad_mask_k_largest,
        "min_area": unit.ad_mask_min_ratio,
        "max_area": unit.ad_mask_max_ratio,
        "dilate": unit.ad_dilate_erode,
        "offset_x": unit.ad_x_offset,
        "offset_y": -unit.ad_y_offset,  # theirs goes up
        "mask_mode": _MODES[unit.ad_mask_merge_invert],
        "blur": unit.ad_mask_blur,
        "strength": unit.ad_denoising_strength,
        "padding_pixels": unit.ad_inpaint_only_masked_padding,
    }
    if unit.ad_prompt:
        params["prompt"] = _template(unit.ad_prompt, "{prompt}")
    if unit.ad_negative_prompt:
        params["negative_prompt"] = _template(unit.ad_negative_prompt, "{negative_prompt}")
    if unit.ad_use_steps:
        params["steps"] = unit.ad_steps
    if unit.ad_use_cfg_scale:
        params["guidance_scale"] = unit.ad_cfg_scale
    if unit.ad_use_checkpoint and unit.ad_checkpoint not in (None, "None", "Use same checkpoint"):
        params["model"] = catalog.model(str(unit.ad_checkpoint), at("ad_checkpoint"), issues)
    if unit.ad_use_sampler:
        params["scheduler"] = scheduler_of(
            unit.ad_sampler, unit.ad_scheduler, issues, at("ad_sampler")
        )
    if unit.ad_controlnet_model != "None":
        params["control"] = [
            entry_of(
                unit.ad_controlnet_model,
                unit.ad_controlnet_module,
                unit.ad_controlnet_weight,
                unit.ad_controlnet_guidance_start,
                unit.ad_controlnet_guidance_end,
                at("ad_controlnet"),
                catalog,
                issues,
            )
        ]
    _tell(unit, issues, at)
    return params


def _template(text: str, image: str) -> str:
    """A unit's prompt as a stage's; a part that is blank is the image's own, as in ADetailer."""
    parts = (part.strip() or image for part in text.replace("[PROMPT]", image).split("[SEP]"))
    return " [SEP] ".join(parts)


def _tell(unit: Unit, issues: RequestIssues, at: Any) -> None:
    """What a unit asks for that is not done."""
    if unit.ad_restore_face:
        issues.refuse(at("ad_restore_face"))
    if not unit.ad_inpaint_only_masked:
        issues.warn(at("ad_inpaint_only_masked"), "regions are painted at the model's own size.")
    if unit.ad_use_inpaint_width_height:
        issues.warn(at("ad_inpaint_width"), "regions are painted at the model's own size.")
    for name in ("vae", "noise_multiplier", "clip_skip"):
        if getattr(unit, f"ad_use_{name}"):
            issues.warn(at(f"ad_{name}"))
    for name in unit.model_extra or ():
        if name != "is_api":
            issues.warn(at(name), "is unknown and was left out.")
