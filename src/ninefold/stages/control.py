"""Pictures that steer a stage which paints: its parameter `control`, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, UserError
from ninefold.core.model_refs import ModelRef
from ninefold.core.problems import suggest
from ninefold.core.stage import StageParams
from ninefold.core.values import ImageRecord
from ninefold.engines.control import CONTROL, AskedControl, Control, ControlInfo, control_problems
from ninefold.engines.diffusion import ModelInfo
from ninefold.engines.engine_set import EngineSet
from ninefold.files.store import read_image
from ninefold.imaging.boxes import Box
from ninefold.imaging.edges import INSTALL, Preprocess, can_preprocess, preprocessed
from ninefold.imaging.masks import same_shape
from ninefold.imaging.resize import resize
from ninefold.imaging.types import Pixels
from ninefold.slots import CONTROL_IMAGES, IMAGE

#: In `Annotated[str, ...]`, a parameter that names a control model.
CONTROL_MODEL = ModelRef("control")
#: Names the image that the stage starts from.
SOURCE = "source"
#: How far a picture's shape may be off the image's before it is reported: as a part, and in pixels,
#: by which sizes are rounded.
_SLACK, _SLACK_PIXELS = 0.02, 16


class ControlParams(StageParams):
    """A model that steers the painting by a picture, and the picture."""

    model: Annotated[str, CONTROL_MODEL] = Field(
        description="A ControlNet, T2I-Adapter or IP-Adapter: a name, folder, file or hub name."
    )
    image: str = Field(
        SOURCE,
        min_length=1,
        max_length=4096,
        description="The picture: a file on the command line, the id of an upload in requests, a "
        "name in the input `control_images`; or `source`, the image that the stage starts from "
        "(the detailer's region, the restorer's tile).",
    )
    preprocess: Preprocess = Field(
        "none",
        description="What is made of the picture first: edges by Canny's method, or soft ones.",
    )
    low_threshold: int = Field(
        100, ge=0, le=255, description="Where Canny's edges end: the least gradient."
    )
    high_threshold: int = Field(
        200, ge=0, le=255, description="Where Canny's edges begin: the least gradient."
    )
    mode: str | None = Field(
        None,
        max_length=40,
        description="What the picture shows, for a union model: canny, depth, pose, tile and such.",
    )
    strength: float = Field(1.0, ge=0, le=2, description="How strongly it acts; 1 is as trained.")
    start: float = Field(0.0, ge=0, lt=1, description="Part of the steps before it acts.")
    end: float = Field(
        1.0, gt=0, le=1, description="Part of the steps after which it acts no more."
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start >= self.end:
            raise ValueError(f"expected start below end, got {self.start:g} and {self.end:g}")
        if self.low_threshold > self.high_threshold:
            raise ValueError(
                "expected low_threshold at most high_threshold, got "
                f"{self.low_threshold} and {self.high_threshold}"
            )
        return self

    @property
    def made_by(self) -> str:
        """How the picture is made, for metadata."""
        if self.preprocess != "canny":
            return self.preprocess
        return f"canny {self.low_threshold} {self.high_threshold}"


Warn = Callable[[str], object]


def named_images(entries: Sequence[ControlParams]) -> tuple[str, ...]:
    """The pictures that entries name, each once; not the source."""
    return tuple(dict.fromkeys(entry.image for entry in entries if entry.image != SOURCE))


def entry_problems(
    entries: Sequence[ControlParams],
    context: PipelineContext,
    info: ModelInfo,
    engines: EngineSet,
    has_source: bool,
) -> Iterator[str]:
    """What would stop entries later, each after the number of its entry."""
    asked: list[AskedControl] = []
    numbers: list[int] = []
    for number, entry in enumerate(entries):
        yield from (f"{number}.{text}" for text in _picture_problems(entry, context, has_source))
        try:
            known = engines[CONTROL].info(entry.model)
        except UserError:  # reported with the other models that are not at hand
            continue
        if entry.preprocess != "none" and known.kind == "ip_adapter":
            yield (
                f"{number}.preprocess: {known.name} is an IP-Adapter, which looks at the image "
                "itself. Leave it out."
            )
        asked.append(AskedControl(known, entry.start, entry.end, _mode(entry, known)))
        numbers.append(number)
    for place, text in control_problems(info.name, info.control, asked):
        yield f"{numbers[place]}: {text}"


def control_of(
    entries: Sequence[ControlParams],
    context: PipelineContext,
    engines: EngineSet,
    size: tuple[int, int],
    source: Pixels | None = None,
    crop: Box | None = None,
    warn: Warn = lambda _: None,
) -> tuple[Control, ...]:
    """The entries of a request of `size` (width, height), with their pictures.

    `source` is what the request starts from. Where that is a part of an image, `crop` says which:
    pictures of the image are then cut to it, but for those that IP-Adapters look at.
    """
    found = []
    for entry in entries:
        known = engines[CONTROL].info(entry.model)
        whole = known.kind == "ip_adapter"
        record = _record(entry, context)
        if entry.image == SOURCE and source is not None:
            pixels = source
        else:
            pixels = read_image(context, record)
            if not whole:
                _check_shape(
                    pixels, size if crop is None else context[IMAGE].size, known.name, warn
                )
                pixels = pixels if crop is None else _part(pixels, context[IMAGE].size, crop)
        if not whole:
            low, high = entry.low_threshold, entry.high_threshold
            pixels = preprocessed(resize(pixels, *size), entry.preprocess, low, high)
        found.append(
            Control(
                entry.model,
                pixels,
                strength=entry.strength,
                start=entry.start,
                end=entry.end,
                mode=_mode(entry, known),
                preprocess=entry.made_by,
                source=record.sha256,
            )
        )
    return tuple(found)


def _picture_problems(
    entry: ControlParams, context: PipelineContext, has_source: bool
) -> Iterator[str]:
    pictures = context.get(CONTROL_IMAGES) or {}
    if entry.image == SOURCE and not has_source:
        yield "image: expected a picture, for there is no image to start from. Name one."
    elif entry.image != SOURCE and entry.image not in pictures:
        known = suggest(entry.image, pictures) or " Give it as the input `control_images`."
        yield f"image: no picture {entry.image!r} was given.{known}"
    if entry.preprocess != "none" and not can_preprocess():
        yield f"preprocess: {INSTALL}"


def _record(entry: ControlParams, context: PipelineContext) -> ImageRecord:
    """The picture of an entry; raises `InputError` where it was not given."""
    pictures = context.get(CONTROL_IMAGES) or {}
    record = context.get(IMAGE) if entry.image == SOURCE else pictures.get(entry.image)
    if not isinstance(record, ImageRecord):
        raise InputError(f"control: no picture {entry.image!r} was given. Give control_images.")
    return record


def _mode(entry: ControlParams, info: ControlInfo) -> str | None:
    """The mode of a union model; what the picture was made into says so, too."""
    if entry.mode is None and entry.preprocess in info.modes:
        return entry.preprocess
    return entry.mode


def _part(pixels: Pixels, size: tuple[int, int], crop: Box) -> Pixels:
    """The part of a picture that lies over `crop` of an image of `size`."""
    height, width = pixels.shape[:2]
    across, down = width / size[0], height / size[1]
    left, top = int(crop.left * across), int(crop.top * down)
    right = max(math.ceil(crop.right * across), left + 1)
    bottom = max(math.ceil(crop.bottom * down), top + 1)
    return np.ascontiguousarray(pixels[top:bottom, left:right])


def _check_shape(pixels: Pixels, size: tuple[int, int], name: str, warn: Warn) -> None:
    """Warn where a picture is stretched to an image of `size`."""
    height, width = pixels.shape[:2]
    if not same_shape((width, height), size, slack=max(_SLACK, _SLACK_PIXELS / min(size))):
        warn(
            f"control: the picture of {name}, {width}x{height}, was stretched to "
            f"{size[0]}x{size[1]}. Crop or pad it to the image's shape."
        )


def fingerprint_of(entries: Sequence[ControlParams], engines: EngineSet) -> dict[str, Any]:
    """What a result depends on beside the entries and their pictures; empty without any."""
    if not entries:
        return {}
    return {"control": [engines[CONTROL].hash(entry.model) for entry in entries]}
