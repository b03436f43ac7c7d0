"""Units of the ControlNet extension as entries of `control`.

Source: `internal_controlnet/args.py` and `scripts/external_code.py` of sd-webui-controlnet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ninefold.core.errors import InputError
from ninefold.core.problems import problems_of
from ninefold.core.values import Json
from ninefold.files.opening import ImageLimits
from ninefold.server.sdapi import images
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sent_images import SentImage

SCRIPT = "controlnet"
#: Most units of one request.
MAX_UNITS = 8
#: Modules that can be named, and what is made of the picture; `none` takes it as it is.
MODULES: dict[str, str] = {
    "none": "none",
    "canny": "canny",
    "softedge_hed": "soft_edge",
    "softedge_pidinet": "soft_edge",
    "tile_resample": "none",
    "ip-adapter-auto": "none",
    "invert (from white bg & black line)": "none",
}
#: Older names, and those of one family.
_MODULE_STARTS = {
    "softedge": "soft_edge",
    "hed": "soft_edge",
    "pidinet": "soft_edge",
    "tile": "none",
    "ip-adapter": "none",
    "clip": "none",
    "invert": "none",
}
#: Kinds of pictures in the extension's words, for union models.
_MODES = {
    "openpose": "pose",
    "depth": "depth",
    "soft edge": "soft_edge",
    "softedge": "soft_edge",
    "scribble": "scribble",
    "canny": "canny",
    "hard edge": "canny",
    "lineart": "lineart",
    "normalmap": "normal",
    "segmentation": "segment",
    "tile": "tile",
    "inpaint": "inpaint",
}
_RESIZE = ("just resize", "crop and resize", "resize and fill")
_OLD_RESIZE = ("", "scale to fit (inner fit)", "envelope (outer fit)")
_BALANCED = ("balanced", "0")
#: What is done only where it is said to be, and needs no word here.
_SILENT = frozenset(
    {"low_vram", "lowvram", "save_detected_map", "is_ui", "input_mode", "guessmode"}
)
#: Canny's thresholds where a unit gives none.
_THRESHOLDS = (100, 200)


def _resize_mode(value: Any) -> Any:
    if isinstance(value, str):
        for names in (_RESIZE, _OLD_RESIZE):
            if value.lower() in names:
                return names.index(value.lower())
        if "scale to fit" in value.lower() or "outer fit" in value.lower():
            return images.CROP
    return value


def _words(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value


class Unit(BaseModel):
    """One unit, with the extension's names and defaults."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)

    enabled: bool = True
    module: str = Field("none", max_length=200)
    model: str = Field("None", max_length=300)
    weight: float = Field(1.0, ge=0, le=2)
    image: str | Mapping[str, Any] | None = Field(
        None, validation_alias=AliasChoices("image", "input_image")
    )
    mask: Any = Field(None, validation_alias=AliasChoices("mask", "mask_image"))
    resize_mode: Annotated[Literal[0, 1, 2], BeforeValidator(_resize_mode)] = 1
    processor_res: int = Field(-1, ge=-1, le=8192)
    threshold_a: float = Field(-1, ge=-1, le=255)
    threshold_b: float = Field(-1, ge=-1, le=255)
    guidance_start: float = Field(0.0, ge=0, le=1)
    guidance_end: float = Field(
        1.0, ge=0, le=1, validation_alias=AliasChoices("guidance_end", "guidance")
    )
    pixel_perfect: bool = False
    control_mode: Annotated[str, BeforeValidator(_words)] = "Balanced"
    hr_option: Annotated[str, BeforeValidator(_words)] = "Both"
    union_control_type: str | None = None

    @property
    def on(self) -> bool:
        """Whether it asks for anything."""
        return self.enabled and self.weight > 0 and self.guidance_end > self.guidance_start


@dataclass(frozen=True)
class Steering:
    """What the units of a request ask for."""

    #: Entries of `control`, and the passes of a hires fix in which each acts.
    entries: tuple[tuple[Json, str], ...] = ()
    #: Their pictures.
    pictures: tuple[SentImage, ...] = ()

    def steered(self, stages: Sequence[Json]) -> list[Json]:
        """The stages with the entries on those that paint: the first, and the pass after it."""
        found: list[Json] = []
        for stage in stages:
            passes = _PASSES.get(stage["stage"])
            entries = [entry for entry, option in self.entries if passes and option in passes]
            params = stage.get("params", {})
            found.append({**stage, "params": {**params, "control": entries}} if entries else stage)
        return found


#: The stages that units act on, and in which settings of `hr_option`.
_PASSES = {
    "text_to_image": ("both", "low"),
    "detailer": ("both", "low"),
    "restorer": ("both", "high"),
}


def control_units(
    scripts: Mapping[str, Any] | None,
    size: tuple[int, int] | None,
    catalog: ModelCatalog,
    limits: ImageLimits,
    issues: RequestIssues,
    *,
    has_source: bool = False,
) -> Steering:
    """What the script `controlnet` asks for, for a first image of `size`.

    A unit without a picture takes the source where there is one.
    """
    entries: list[tuple[Json, str]] = []
    pictures: dict[str, SentImage] = {}
    for where, unit in _units(scripts or {}, issues):
        entry = _entry(unit, catalog, issues, where)
        try:
            picture = _picture(unit, size, limits, issues, where)
        except InputError as error:
            issues.problems.append(str(error))
            continue
        if picture is not None:
            pictures[picture.id] = picture
            entry["image"] = picture.id
        elif not has_source:
            issues.refuse(f"{where}.image", "expected an image in base64, got none.")
        entries.append((entry, unit.hr_option.lower().split(" ")[0].replace("0", "both")))
    return Steering(tuple(entries), tuple(pictures.values()))


def entry_of(
    model: str, module: str | None, weight: float, start: float, end: float, where: str,
    catalog: ModelCatalog, issues: RequestIssues,
) -> Json:  # fmt: skip
    """An entry that is steered by what it starts from, as ADetailer has it."""
    unit = Unit(model=model, module=module or "none", weight=weight).model_copy(
        update={"guidance_start": start, "guidance_end": end}
    )
    return _entry(unit, catalog, issues, where)


def _units(scripts: Mapping[str, Any], issues: RequestIssues) -> Iterator[tuple[str, Unit]]:
    """Each unit that is on, with its place."""
    for name, script in scripts.items():
        if name.strip().lower() != SCRIPT:
            continue
        args = script.get("args", ()) if isinstance(script, Mapping) else script
        if not isinstance(args, Sequence) or isinstance(args, str):
            issues.refuse("alwayson_scripts.controlnet.args", "expected a list of units.")
            return
        if len(args) > MAX_UNITS:
            issues.refuse(
                "alwayson_scripts.controlnet.args", f"expected at most {MAX_UNITS} units."
            )
            return
        for number, item in enumerate(args):
            where = f"alwayson_scripts.controlnet.args.{number}"
            if not isinstance(item, Mapping):
                issues.refuse(where, "expected an object.")
                continue
            try:
                given = {str(key): value for key, value in item.items() if value is not None}
                unit = Unit.model_validate(given)
            except ValidationError as error:
                issues.problems += problems_of(error, where, Unit.model_fields)
                continue
            if unit.on:
                yield where, unit


def _entry(unit: Unit, catalog: ModelCatalog, issues: RequestIssues, where: str) -> Json:
    module = unit.module.strip().lower()
    entry: Json = {
        "model": _model(unit, catalog, issues, f"{where}.model"),
        "preprocess": _preprocess(module, issues, f"{where}.module"),
        "strength": unit.weight,
        "start": unit.guidance_start,
        "end": unit.guidance_end,
    }
    if entry["preprocess"] == "canny":
        given = (unit.threshold_a, unit.threshold_b)
        low, high = (
            round(value) if value >= 0 else usual
            for value, usual in zip(given, _THRESHOLDS, strict=True)
        )
        entry |= {"low_threshold": min(low, high), "high_threshold": max(low, high)}
    if (mode := _mode(unit, module)) is not None and entry["model"] is not None:
        # Said of union models alone; others have one mode.
        entry |= {"mode": mode} if mode in catalog.modes_of(entry["model"]) else {}
    _tell(unit, entry, issues, where)
    return entry


def _model(unit: Unit, catalog: ModelCatalog, issues: RequestIssues, where: str) -> str | None:
    if unit.model.strip().lower() in ("", "none"):
        issues.refuse(where, "expected a control model: modules without one are not at hand.")
        return None
    found = catalog.control_model(unit.model)
    if found is None:
        issues.unknown(where, unit.model, catalog.controls)
    return found


def _preprocess(module: str, issues: RequestIssues, where: str) -> str:
    if module in MODULES:
        return MODULES[module]
    for start, how in _MODULE_STARTS.items():
        if module.startswith(start):
            return how
    issues.refuse(
        where,
        f"{module!r} is a network that is not at hand. Send its picture, with module none; here "
        f"are {', '.join(MODULES)}.",
    )
    return "none"


def _mode(unit: Unit, module: str) -> str | None:
    """What the picture shows: as the unit says, or by its module or the model's name."""
    for text in (unit.union_control_type or "", module, unit.model):
        for word, mode in _MODES.items():
            if word in text.lower():
                return mode
    return None


def _picture(
    unit: Unit,
    size: tuple[int, int] | None,
    limits: ImageLimits,
    issues: RequestIssues,
    where: str,
) -> SentImage | None:
    """The picture of a unit in the shape of the image; None where it has none."""
    given, text, mask = unit.image, unit.image, unit.mask
    if isinstance(given, Mapping):
        text, mask = given.get("image"), mask or given.get("mask")
    if mask:
        issues.refuse(f"{where}.mask", "cannot be used here. Leave it out.")
    if not text:
        return None
    if not isinstance(text, str):
        issues.refuse(f"{where}.image", "expected an image in base64.")
        return None
    sent = images.image_of(text, f"{where}.image", limits).flattened()
    pixels = sent.pixels
    if unit.module.strip().lower().startswith("invert"):
        pixels = 255 - pixels
    if size is not None and unit.resize_mode != images.STRETCH and not _looks(unit):
        pixels = images.fitted(pixels, *size, unit.resize_mode)
    return sent if pixels is sent.pixels else SentImage.of_pixels(pixels)


def _looks(unit: Unit) -> bool:
    """Whether it looks at the picture as a whole, whatever its shape."""
    return unit.module.strip().lower().startswith(("ip-adapter", "clip"))


def _tell(unit: Unit, entry: Json, issues: RequestIssues, where: str) -> None:
    """What a unit asks for that is done another way, or not."""
    if unit.control_mode.lower() not in _BALANCED:
        issues.warn(f"{where}.control_mode", f"{unit.control_mode!r} was taken for Balanced.")
    if entry["preprocess"] == "soft_edge":
        issues.warn(f"{where}.module", "soft edges are gradients of the image, not a network's.")
    if entry["preprocess"] != "none" and not unit.pixel_perfect and unit.processor_res > 0:
        issues.warn(f"{where}.processor_res", "edges are made at the image's own size.")
    for name in unit.model_extra or ():
        if name not in _SILENT:
            issues.warn(f"{where}.{name[:80]}", "is unknown and was left out.")


def module_details(aliases: bool = False) -> Json:
    """What `/controlnet/module_list` says."""
    thresholds = [
        {"name": "Low Threshold", "min": 1, "max": 255, "value": _THRESHOLDS[0]},
        {"name": "High Threshold", "min": 1, "max": 255, "value": _THRESHOLDS[1]},
    ]
    details = {
        name: {"model_free": False, "sliders": thresholds if how == "canny" else []}
        for name, how in MODULES.items()
    }
    return {"module_list": list(MODULES), "module_detail": details}


def control_types(models: Sequence[str]) -> Json:
    """What `/controlnet/control_types` says: models and modules by kinds of pictures."""

    def kind(name: str, fits: Callable[[str], bool], modules: Sequence[str]) -> Json:
        found = [model for model in models if fits(model.lower())]
        return {
            name: {
                "module_list": list(modules),
                "model_list": ["None", *found],
                "default_option": modules[-1] if name != "All" else "none",
                "default_model": found[0] if found and name != "All" else "None",
            }
        }

    return {
        "control_types": {
            **kind("All", lambda _: True, tuple(MODULES)),
            **kind("Canny", lambda model: "canny" in model, ("none", "canny")),
            **kind(
                "SoftEdge",
                lambda model: "softedge" in model.replace("_", "") or "hed" in model,
                ("none", "softedge_pidinet"),
            ),
            **kind("Tile", lambda model: "tile" in model, ("none", "tile_resample")),
            **kind("IP-Adapter", lambda model: "ip" in model, ("none", "ip-adapter-auto")),
        }
    }
