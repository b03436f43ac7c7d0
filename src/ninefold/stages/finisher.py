"""The seventh stage: colour, tone and texture of the full-size image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.problems import problems_raised
from ninefold.core.stage import PipelineStage, StageParams
from ninefold.core.values import Json
from ninefold.engines.hashing import file_sha256
from ninefold.files.decode import decode_rgba
from ninefold.files.store import read_alpha, read_image, write_image
from ninefold.imaging import tone
from ninefold.imaging.alpha import join, split
from ninefold.imaging.colour import TransferMethod, transfer_colour
from ninefold.imaging.cube import parse_cube
from ninefold.imaging.lut import CubeLut, apply_lut
from ninefold.imaging.overlay import Anchor, apply_overlay
from ninefold.imaging.types import Pixels
from ninefold.slots import FINISHED_PATH, IMAGE, SEED, UNSCALED_IMAGE

T = TypeVar("T")

#: Largest .cube file that is read, in bytes: 65 entries a side are about 8 MB.
MAX_LUT_BYTES = 32 * 2**20


class FinisherParams(StageParams):
    """Parameters of `finisher`. Each one's default leaves the image as it is."""

    colour_transfer: float = Field(
        0.0, ge=0, le=1, description="How much of the colours of the un-upscaled image return."
    )
    colour_method: TransferMethod = Field(
        "wavelet",
        description="wavelet returns its large-scale colours, statistics its overall palette.",
    )
    brightness: float = Field(1.0, ge=0, le=4, description="Factor on all values.")
    contrast: float = Field(1.0, ge=0, le=4, description="Factor around the mean tone.")
    saturation: float = Field(1.0, ge=0, le=4, description="Factor; 0 is grey.")
    gamma: float = Field(
        1.0, ge=0.1, le=10, description="Above 1 lightens the middle tones, below 1 darkens them."
    )
    sharpness: float = Field(0.0, ge=0, le=5, description="Amount of the unsharp mask.")
    sharpness_radius: float = Field(1.0, ge=0.1, le=64, description="Its radius in pixels.")
    grain: float = Field(0.0, ge=0, le=1, description="Film grain, fixed by the seed.")
    grain_size: float = Field(1.0, ge=1, le=16, description="Width of a grain in pixels.")
    lut: Path | None = Field(None, description="A .cube file, 1D or 3D.")
    lut_amount: float = Field(1.0, ge=0, le=1, description="How much of the LUT is applied.")
    overlay: Path | None = Field(None, description="An image to lay on top, such as a logo.")
    overlay_place: Anchor = Field("bottom-right", description="Where the overlay goes.")
    overlay_scale: float | None = Field(
        None, gt=0, le=1, description="Its width as a part of the image's; by default its own."
    )
    overlay_margin: int = Field(0, ge=0, le=4096, description="Its distance to the edge.")
    overlay_opacity: float = Field(1.0, ge=0, le=1, description="1 covers what is below.")


class FinisherStage(PipelineStage[FinisherParams]):
    """Gives the image its final colours, tone, sharpness, grain and overlay."""

    name = "finisher"
    params_type = FinisherParams
    usual_steps = 0.5
    important = ("sharpness", "grain", "colour_transfer", "contrast", "saturation", "lut")
    requires = (IMAGE,)
    accepts = (UNSCALED_IMAGE, SEED)
    provides = (IMAGE, FINISHED_PATH)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image` and `finished_path`."""
        await run_blocking(context, self._run, context)
        return context

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the LUT and the overlay can be read."""
        yield from problems_raised(f"{self.name}.lut", self._lut)
        yield from problems_raised(f"{self.name}.overlay", self._overlay)

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The contents of its files."""
        files = {"lut": self.params.lut, "overlay": self.params.overlay}
        return {name: path and file_sha256(path) for name, path in files.items()}

    def _lut(self) -> CubeLut | None:
        return _read(f"{self.name}.lut", self.params.lut, lambda path: parse_cube(_text(path)))

    def _overlay(self) -> NDArray[np.uint8] | None:
        return _read(f"{self.name}.overlay", self.params.overlay, decode_rgba)

    def _run(self, context: PipelineContext) -> None:
        params = self.params
        lut, overlay = self._lut(), self._overlay()
        before = context[IMAGE]
        image, alpha = read_image(context, before), read_alpha(context, before)
        image = self._toned(context, image)
        if lut is not None:
            image = apply_lut(image, lut, params.lut_amount)
        image = tone.sharpen(image, params.sharpness, params.sharpness_radius)
        image = tone.film_grain(image, params.grain, context.get(SEED) or 0, params.grain_size)
        if overlay is not None:
            image, alpha = split(self._overlaid(join(image, alpha), overlay))
        name = self.artifact_name("generated_finished")
        record = write_image(context, self.name, name, image, alpha)
        context[IMAGE] = record
        context[FINISHED_PATH] = record.path
        changed = self.params.model_dump(exclude_defaults=True, exclude={"lut", "overlay"})
        for name, path in (("lut", params.lut), ("overlay", params.overlay)):
            if path is not None:
                changed |= {name: path.name, f"{name}_sha256": file_sha256(path)}
        context.add_metadata(self.name, **changed, size=list(record.size))

    def _toned(self, context: PipelineContext, image: Pixels) -> Pixels:
        params = self.params
        reference = context.get(UNSCALED_IMAGE)
        if params.colour_transfer and reference is not None:
            pixels = read_image(context, reference)
            image = transfer_colour(image, pixels, params.colour_transfer, params.colour_method)
        image = tone.brightness(image, params.brightness)
        image = tone.gamma(image, params.gamma)
        image = tone.contrast(image, params.contrast)
        return tone.saturation(image, params.saturation)

    def _overlaid(self, image: NDArray[np.uint8], overlay: NDArray[np.uint8]) -> NDArray[np.uint8]:
        params = self.params
        try:
            return apply_overlay(
                image,
                overlay,
                params.overlay_place,
                scale=params.overlay_scale,
                margin=params.overlay_margin,
                opacity=params.overlay_opacity,
            )
        except ValueError as error:
            raise InputError(f"{self.name}: {error}.") from None


def _read(where: str, path: Path | None, reader: Callable[[Path], T]) -> T | None:
    if path is None:
        return None
    try:
        return reader(path)
    except OSError as error:
        raise InputError(
            f"{where}: {path.name} cannot be read: {error.strerror or error}."
        ) from None
    except ValueError as error:
        raise InputError(f"{where}: {path.name}: {error}") from None


def _text(path: Path) -> str:
    if path.stat().st_size > MAX_LUT_BYTES:
        raise ValueError(f"expected at most {MAX_LUT_BYTES} bytes, got {path.stat().st_size}")
    return path.read_text(encoding="utf-8", errors="replace")
