"""The fifth stage: more pixels."""

from __future__ import annotations

from itertools import count
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError, ModelError
from ninefold.core.model_refs import ModelRef
from ninefold.core.progress import PartialProgress, Progress
from ninefold.core.stage import StageParams
from ninefold.core.values import Json, Tiling
from ninefold.engines.hashing import check_unchanged
from ninefold.files.opening import OWN_LIMITS
from ninefold.files.store import read_alpha, read_image, write_image
from ninefold.imaging.alpha import resize_alpha
from ninefold.imaging.blending import blend_tiles
from ninefold.imaging.resize import RESAMPLERS, centre_crop, resize
from ninefold.imaging.tiles import Tile, plan_tiles
from ninefold.imaging.types import Pixels
from ninefold.slots import IMAGE, TILING, UNSCALED_IMAGE, UPSCALE_FACTOR, UPSCALED_PATH
from ninefold.stages.base import EngineStage
from ninefold.stages.sizes import size_before

#: Longest side of an image that is made, in pixels.
MAX_SIDE = OWN_LIMITS.max_side
MAX_FACTOR = 8.0

#: In `Annotated[str, ...]`, a parameter that names an upscaler or a filter.
UPSCALER_MODEL = ModelRef("upscaler", also=tuple(RESAMPLERS))


class UpscalerParams(StageParams):
    """Parameters of `upscaler`."""

    upscale_factor: float = Field(
        2.0, ge=1, le=MAX_FACTOR, description="How many times wider and higher the image becomes."
    )
    width: int | None = Field(
        None,
        ge=1,
        le=16384,
        description="With `height`, the size in pixels in place of `upscale_factor`.",
    )
    height: int | None = Field(None, ge=1, le=16384, description="See `width`.")
    fit: Literal["crop", "stretch"] = Field(
        "crop",
        description="How the image gets to the shape of `width` and `height`: what is too much is "
        "cut off, half on either side, or it is stretched.",
    )
    upscaler: Annotated[str, UPSCALER_MODEL] | None = Field(
        None,
        description="A super-resolution model's name or .onnx file, or the filter `lanczos` or "
        "`nearest`; by default the built-in model nearest to the factor. Passes are repeated until "
        "the factor is reached.",
    )
    tile: int = Field(256, ge=32, le=4096, description="Side of a tile, in source pixels.")
    overlap: int = Field(
        16, ge=0, le=512, description="Least overlap of tiles, in source pixels; never less than "
        "the model needs to leave no seam."
    )  # fmt: skip

    @model_validator(mode="after")
    def _both_sides(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("expected width and height, or neither; got one of them")
        return self

    def size(self, width: int, height: int) -> tuple[int, int]:
        """The size that an image of `width` x `height` becomes."""
        if self.width is not None and self.height is not None:
            return self.width, self.height
        return round(width * self.upscale_factor), round(height * self.upscale_factor)


class UpscalerStage(EngineStage[UpscalerParams]):
    """Enlarges the image with a super-resolution model, in overlapping tiles."""

    name = "upscaler"
    params_type = UpscalerParams
    usual_steps = 4.0
    important = ("upscale_factor", "upscaler")
    requires = (IMAGE,)
    accepts = (TILING,)
    provides = (IMAGE, UNSCALED_IMAGE, UPSCALED_PATH, UPSCALE_FACTOR)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image`, `unscaled_image`, `upscaled_path` and `upscale_factor`."""
        await run_blocking(context, self._run, context)
        return context

    def output_size(
        self, context: PipelineContext, size: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """As much larger as asked for; raises `InputError` where that is too large."""
        size = size_before(context, size)
        return None if size is None else self._enlarged_size(*size)

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The hashes of the models, and what runs them."""
        source = context.get(IMAGE)
        factor = self.params.upscale_factor if source is None else self._factor(*source.size)
        return {
            "models": self._hashes(self._passes(factor)),
            "engines": dict(self.engines.versions),
        }

    def _run(self, context: PipelineContext) -> None:
        source = context[IMAGE]
        width, height = self._enlarged_size(*source.size)
        factor = self._factor(*source.size)
        passes = self._passes(factor)
        hashes = self._hashes(passes)
        image, alpha = read_image(context, source), read_alpha(context, source)
        before = source
        if self.params.width is not None and self.params.fit == "crop":
            cut = centre_crop(image, width, height)
            if cut is not image:  # colours are later taken from what can be seen
                name = self.artifact_name("generated_cropped")
                alpha = None if alpha is None else centre_crop(alpha, width, height)
                before, image = write_image(context, self.name, name, cut, alpha), cut
        filtered = RESAMPLERS.get(self.params.upscaler or "")
        if filtered is None:
            for index, model in enumerate(passes):
                progress = PartialProgress(context.progress, index, len(passes))
                image = self._enlarged(image, model, progress, context.get(TILING) or "none")
        for used in zip(passes, hashes, self._hashes(passes), strict=True):
            check_unchanged(*used)
        if image.shape[:2] != (height, width):
            image = resize(image, width, height, filtered or "lanczos")
        if alpha is not None:  # models know colours alone
            alpha = resize_alpha(alpha, width, height, filtered or "lanczos")
        name = self.artifact_name("generated_upscaled")
        record = write_image(context, self.name, name, image, alpha)
        context[UNSCALED_IMAGE] = context.get(UNSCALED_IMAGE) or before
        context[IMAGE] = record
        context[UPSCALED_PATH] = record.path
        context[UPSCALE_FACTOR] = factor
        context.add_metadata(
            self.name,
            upscale_factor=factor,
            original_size=list(source.size),
            upscaled_size=list(record.size),
            upscalers=passes,
            upscaler_hashes=hashes,
            tile=self.params.tile,
        )

    def _enlarged_size(self, width: int, height: int) -> tuple[int, int]:
        """What an image of `width` x `height` becomes; raises `InputError` for too much."""
        wide, high = self.params.size(width, height)
        if self._factor(width, height) > MAX_FACTOR:
            raise InputError(
                f"{self.name}: expected at most {MAX_FACTOR:g} times the size of {width}x{height}, "
                f"got {wide}x{high}. Choose a smaller size."
            )
        if max(wide, high) > MAX_SIDE:
            raise InputError(
                f"{self.name}: expected at most {MAX_SIDE:,} pixels a side, got {wide}x{high}. "
                "Choose a smaller upscale_factor, or a smaller image."
            )
        return wide, high

    def _factor(self, width: int, height: int) -> float:
        """How far an image of `width` x `height` is enlarged."""
        if self.params.width is None:
            return self.params.upscale_factor
        wanted = self.params.size(width, height)
        return max(wanted[0] / width, wanted[1] / height)

    def _hashes(self, passes: list[str]) -> list[str]:
        """Of each model; a filter is its name. Raises `ModelError`."""
        engine = self.engines.upscaling
        return [name if name in RESAMPLERS else engine.hash(name) for name in passes]

    def _passes(self, factor: float) -> list[str]:
        """The models to run one after another until `factor` is reached or passed."""
        engine, chosen = self.engines.upscaling, self.params.upscaler
        if chosen is not None and chosen in RESAMPLERS:
            return [chosen] if factor > 1 else []
        # Those of the user's folders are used where they are asked for: trying all takes long, and
        # some of them may not run.
        own = frozenset(self.engines.local_models.names(UPSCALER_MODEL.kind))
        shipped = [name for name in engine.models() if name not in own]
        names = [chosen] if chosen else shipped or engine.models()
        by_scale = sorted((engine.scale(name), name) for name in names)
        passes: list[str] = []
        while factor > 1:
            scale, name = next((pair for pair in by_scale if pair[0] >= factor), by_scale[-1])
            if scale < 2:  # or this would never end
                raise ModelError(
                    f"{name}: expected an upscaler that enlarges by 2 or more, got {scale}."
                )
            passes.append(name)
            factor /= scale
        return passes

    def _enlarged(self, image: Pixels, model: str, progress: Progress, tiling: Tiling) -> Pixels:
        engine = self.engines.upscaling
        margin = engine.margin(model)
        overlap = max(self.params.overlap, 2 * margin)
        tile = max(self.params.tile, 2 * overlap)
        # Where edges meet, the model sees what lies beyond them, and that is cut off again.
        across, down = overlap * (tiling in ("x", "both")), overlap * (tiling in ("y", "both"))
        wrapped = image
        if across or down:
            wrapped = np.pad(image, ((down, down), (across, across), (0, 0)), mode="wrap")
        total = len(plan_tiles(wrapped.shape[1], wrapped.shape[0], tile, overlap))
        scale, (height, width) = engine.scale(model), image.shape[:2]
        number = count(1)

        def enlarge(pixels: Pixels, _: Tile) -> Pixels:
            result = engine.upscale(model, pixels)
            progress.step(next(number), total)
            return result

        done = blend_tiles(wrapped, tile, overlap, scale, enlarge, margin=margin)
        return np.ascontiguousarray(
            done[down * scale : (down + height) * scale, across * scale : (across + width) * scale]
        )
