"""Units of the ControlNet extension as entries of `control`.

Source: `internal_controlnet/args.py` and `scripts/external_code.py` of sd-webui-controlnet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ninefold.core.errors import InputError
from ninefold.core.problems import problems_of
from ninefold.core.values import Json
from ninefold.files.opening import ImageLimits
from ninefold.server.sdapi import images
from ninefold.server.sdapi.controlnet_modules import MODULES, THRESHOLDS, Made, made_by
from ninefold.server.sdapi.model_catalog import ModelCatalog, RequestIssues
from ninefold.server.sent_images import SentImage

SCRIPT = "controlnet"
#: Most units of one request.
MAX_UNITS = 8
#: The most that `tile_resample` makes a picture smaller; what is over that asks for nothing.
_MOST_SMALLER = 8
#: Kinds of pictures in the extension's words, without spaces, for union models.
_MODES = {
    "openpose": "pose",
    "depth": "depth",
    "softedge": "soft_edge",
    "scribble": "scribble",
    "canny": "canny",
    "hardedge": "canny",
    "lineart": "lineart",
    "mlsd": "canny",
    "normalmap": "normal",
    "segmentation": "segment",
    "tile": "tile",
    "inpaint": "inpaint",
}
#: Passes of a hires fix in which a unit acts, in the extension's order.
_Passes = Literal["both", "low res only", "high res only"]
_PASSES: tuple[_Passes, ...] = ("both", "low res only", "high res only")
#: The stages that units act on, and the pass that each is.
_PAINTING: dict[str, _Passes] = {
    "text_to_image": "low res only",
    "detailer": "low res only",
    "restorer": "high res only",
}
_RESIZE = ("just resize", "crop and resize", "resize and fill")
_OLD_RESIZE = ("", "scale to fit (inner fit)", "envelope (outer fit)")
_BALANCED = ("balanced", "0")
#: What is done only where it is said to be, and needs no word here.
_SILENT = frozenset(
    {"low_vram", "lowvram", "save_detected_map", "is_ui", "input_mode", "guessmode"}
)


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


def _plain(text: str) -> str:
    """A choice in small letters; of `HiResFixOption.LOW_RES_ONLY` what stands after the point."""
    return text.rpartition(".")[2].replace("_", " ").strip().lower()


def _joined(text: str) -> str:
    """A name in small letters, without what words are joined by."""
    return text.lower().replace(" ", "").replace("_", "").replace("-", "")


def _passes(value: Any) -> Any:
    """`hr_option` by name, by the name of the extension's constant, or by number."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return value
    numbers = {str(number): name for number, name in enumerate(_PASSES)}
    return numbers.get(str(value).strip(), _plain(str(value)))


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
    hr_option: Annotated[_Passes, BeforeValidator(_passes)] = "both"
    union_control_type: str | None = Field(None, max_length=200)

    @property
    def on(self) -> bool:
        """Whether it asks for anything."""
        return self.enabled and self.weight > 0 and self.guidance_end > self.guidance_start

    @property
    def picture(self) -> tuple[Any, Any]:
        """Its own image and mask, as they were sent."""
        if isinstance(self.image, Mapping):
            return self.image.get("image"), self.mask or self.image.get("mask")
        return self.image, self.mask

    @property
    def made(self) -> Made | None:
        """What its module makes of the picture; None where that cannot be done."""
        return made_by(self.module)


@dataclass(frozen=True)
class SteeringEntry:
    """What one unit asks for."""

    #: Its place in the request.
    where: str
    #: The entry of `control`.
    params: Json
    passes: _Passes = "both"

    def acts_on(self, stage: Json) -> bool:
        """Whether the stage paints, in a pass of the unit's."""
        painting = _PAINTING.get(stage["stage"])
        return painting is not None and self.passes in ("both", painting)


@dataclass(frozen=True)
class Steering:
    """What the units of a request ask for."""

    entries: tuple[SteeringEntry, ...] = ()
    #: Their pictures.
    pictures: tuple[SentImage, ...] = ()

    def steered(self, stages: Sequence[Json], issues: RequestIssues) -> list[Json]:
        """The stages with the entries on those that paint; a unit that acts on none is reported."""
        for entry in self.entries:
            if not any(map(entry.acts_on, stages)):
                issues.warn(entry.where, "has no effect: nothing is painted where it would act.")
        found: list[Json] = []
        for stage in stages:
            control = [entry.params for entry in self.entries if entry.acts_on(stage)]
            params = stage.get("params", {})
            found.append({**stage, "params": {**params, "control": control}} if control else stage)
        return found


def control_units(
    scripts: Mapping[str, Any] | None,
    size: tuple[int, int] | None,
    catalog: ModelCatalog,
    limits: ImageLimits,
    issues: RequestIssues,
    *,
    has_source: bool = False,
    hires: bool = False,
) -> Steering:
    """What the script `controlnet` asks for, for a first image of `size`.

    A unit without a picture takes the source where there is one. `hr_option` counts where a hires
    pass is asked for alone, as in the extension.
    """
    entries: list[SteeringEntry] = []
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
        entries.append(SteeringEntry(where, entry, unit.hr_option if hires else "both"))
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
            elif unit.enabled:
                why = "its weight is 0" if unit.weight == 0 else "it ends before it starts"
                issues.warn(where, f"was left out: {why}.")


def _entry(unit: Unit, catalog: ModelCatalog, issues: RequestIssues, where: str) -> Json:
    entry: Json = {
        "model": _model(unit, catalog, issues, f"{where}.model"),
        "preprocess": _preprocess(unit, issues, f"{where}.module"),
        "strength": unit.weight,
        "start": unit.guidance_start,
        "end": unit.guidance_end,
    }
    if entry["preprocess"] == "canny":
        given = (unit.threshold_a, unit.threshold_b)
        low, high = (
            round(value) if value >= 0 else usual
            for value, usual in zip(given, THRESHOLDS, strict=True)
        )
        entry |= {"low_threshold": min(low, high), "high_threshold": max(low, high)}
    if entry["model"] is not None and (modes := catalog.modes_of(entry["model"])):
        # Said of union models alone; others have one mode.
        mode = _mode(unit, modes, issues, f"{where}.union_control_type")
        entry |= {} if mode is None else {"mode": mode}
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


def _preprocess(unit: Unit, issues: RequestIssues, where: str) -> str:
    if unit.made is None:
        issues.refuse(
            where,
            f"{unit.module!r} cannot be done here. Send the picture that it makes, with module "
            f"none; here are {', '.join(MODULES)}.",
        )
        return "none"
    if unit.made == "inverted" and not unit.picture[0]:
        issues.refuse(
            where,
            f"{unit.module!r} needs an image of its own here. Give the unit one, or leave it out.",
        )
    return unit.made if unit.made in ("canny", "soft_edge") else "none"


def _mode(unit: Unit, modes: Sequence[str], issues: RequestIssues, where: str) -> str | None:
    """What the picture shows: as the unit says, or by its module or the model's name."""
    asked = _joined(_plain(unit.union_control_type or ""))
    if asked not in ("", "none", "unknown"):
        found = (_MODES | {_joined(mode): mode for mode in modes}).get(asked)
        if found in modes:
            return found
        issues.refuse(
            where, f"expected one of {', '.join(modes)}, got {unit.union_control_type!r}."
        )
        return None
    for text in map(_joined, (unit.module, unit.model)):
        for word, mode in _MODES.items():
            if word in text and mode in modes:
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
    text, mask = unit.picture
    if mask:
        issues.refuse(f"{where}.mask", "cannot be used here. Leave it out.")
    if not text:
        return None
    if not isinstance(text, str):
        issues.refuse(f"{where}.image", "expected an image in base64.")
        return None
    sent = images.image_of(text, f"{where}.image", limits).flattened()
    pixels = sent.pixels
    if unit.made == "inverted":
        pixels = 255 - pixels
    if size is not None and unit.resize_mode != images.STRETCH and unit.made != "seen_whole":
        pixels = images.fitted(pixels, *size, unit.resize_mode)
    return sent.with_pixels(pixels)


def _tell(unit: Unit, entry: Json, issues: RequestIssues, where: str) -> None:
    """What a unit asks for that is done another way, or not."""
    if _plain(unit.control_mode) not in _BALANCED:
        issues.warn(f"{where}.control_mode", f"{unit.control_mode!r} was taken for Balanced.")
    if entry["preprocess"] == "soft_edge":
        issues.warn(f"{where}.module", "soft edges are gradients of the image, not a network's.")
    if entry["preprocess"] != "none" and not unit.pixel_perfect and unit.processor_res > 0:
        issues.warn(f"{where}.processor_res", "edges are made at the image's own size.")
    if _joined(unit.module).startswith("tile") and 1 < unit.threshold_a <= _MOST_SMALLER:
        issues.warn(f"{where}.threshold_a", "the picture was not made smaller first.")
    for name in unit.model_extra or ():
        if name not in _SILENT:
            issues.warn(f"{where}.{name[:80]}", "is unknown and was left out.")
