"""Cuts the subject out; in no preset."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.model_refs import ModelRef
from ninefold.core.stage import StageParams
from ninefold.core.values import Json
from ninefold.engines.matting import BUILTIN, MATTING
from ninefold.files.store import read_alpha, read_image, write_image
from ninefold.imaging import masks, mattes
from ninefold.imaging.alpha import lay_on, parse_colour
from ninefold.imaging.types import Alpha, Mask, Pixels
from ninefold.slots import IMAGE
from ninefold.stages.base import Colour, EngineStage


class MatteParams(StageParams):
    """Parameters of `matte`."""

    matting: Annotated[str, ModelRef(MATTING.name)] | None = Field(
        None, description="A matting model's name or .onnx file; by default the built-in one."
    )
    threshold: float = Field(
        0.5, ge=0.01, le=0.99, description="How sure the model must be of a pixel to keep it."
    )
    feather: float = Field(
        0.0, ge=0, le=128, description="Sigma in pixels by which the edge is softened."
    )
    min_part: float = Field(
        0.002,
        ge=0,
        le=1,
        description="Connected parts with less of the image's area are left out, as specks.",
    )
    keep_largest: bool = Field(False, description="Keep the largest connected part alone.")
    invert: bool = Field(False, description="Keep the background instead of the subject.")
    background: Colour | None = Field(
        None, description="Lay it on this colour (a name of CSS or #rrggbb); by default on nothing."
    )


class MatteStage(EngineStage[MatteParams]):
    """Cuts the subject out of its background, which becomes transparent or one colour."""

    name = "matte"
    params_type = MatteParams
    usual_steps = 0.5
    requires = (IMAGE,)
    provides = (IMAGE,)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image`."""
        await run_blocking(context, self._run, context)
        return context

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The model's hash, and what runs it."""
        return {
            "model": self.engines[MATTING].hash(self.params.matting or BUILTIN),
            "engines": dict(self.engines.versions),
        }

    def _run(self, context: PipelineContext) -> None:
        engine, model = self.engines[MATTING], self.params.matting or BUILTIN
        before = context[IMAGE]
        image, alpha = read_image(context, before), read_alpha(context, before)
        coverage = self._shaped(engine.matte(model, image))
        context.progress.step(1, 1)
        if masks.paints(coverage):
            image, alpha = self._cut(context, image, alpha, coverage)
        else:
            context.warn(self.name, "nothing was found to cut out; the image stayed as it was.")
        record = write_image(
            context, self.name, self.artifact_name("generated_matte"), image, alpha
        )
        context[IMAGE] = record
        context.add_metadata(
            self.name,
            matting=model,
            matting_hash=engine.hash(model),
            kept=round(float(coverage.mean()), 4),
            size=list(record.size),
        )

    def _shaped(self, coverage: Mask) -> Mask:
        """What is kept of each pixel."""
        params = self.params
        coverage = mattes.with_threshold(coverage, params.threshold)
        coverage = mattes.large_parts(coverage, params.min_part, largest=params.keep_largest)
        if not masks.paints(coverage):
            return coverage
        if params.invert:
            coverage = masks.invert(coverage)
        return masks.blur(coverage, params.feather)

    def _cut(
        self, context: PipelineContext, image: Pixels, before: Alpha | None, coverage: Mask
    ) -> tuple[Pixels, Alpha | None]:
        """Colours and alpha of what is kept; what was transparent stays so."""
        if before is not None:
            coverage = coverage * (before.astype(np.float32) / np.float32(255))
        colours, alpha = mattes.cut_out(image, coverage)
        if self.params.background is None:
            return colours, alpha
        context.add_metadata(self.name, background=self.params.background)
        return lay_on(colours, alpha, parse_colour(self.params.background)), None
