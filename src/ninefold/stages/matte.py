"""Cuts the subject out; in no preset."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.model_refs import ModelRef
from ninefold.core.stage import StageParams
from ninefold.core.values import Json
from ninefold.engines.hashing import unchanged
from ninefold.engines.matting import BUILTIN, MATTING
from ninefold.files.store import read_alpha, read_image, write_image
from ninefold.imaging import masks, mattes
from ninefold.imaging.alpha import lay_on, parse_colour
from ninefold.imaging.arrays import to_bytes
from ninefold.imaging.types import Alpha, Mask, Pixels
from ninefold.slots import IMAGE
from ninefold.stages.base import EngineStage
from ninefold.stages.parameters import Colour

#: What a transparent image is laid on for the model: neither as bright nor as dark as most.
_GREY = (128, 128, 128)
_NOTHING_LEFT = (
    "nothing would be left to see: what is kept is empty, lies where the image is transparent, or "
    "is thinner than the feather; the image stayed as it was."
)


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
    important = ("background", "feather", "matting")
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
        # What is hidden is no part of the picture that is looked at.
        seen = image if alpha is None else lay_on(image, alpha, _GREY)
        with unchanged(model, partial(engine.hash, model)) as digest:
            subject = self._subject(engine.matte(model, seen))
        context.progress.step(1, 1)
        coverage, kept = self._kept(subject), 1.0
        if not masks.paints(subject):
            context.warn(self.name, "nothing was found to cut out; the image stayed as it was.")
        elif not masks.paints(coverage if alpha is None else np.where(alpha > 0, coverage, 0)):
            context.warn(self.name, _NOTHING_LEFT)
        else:
            image, alpha = self._cut(context, image, alpha, coverage)
            kept = round(float(coverage.mean()), 4)
        record = write_image(
            context, self.name, self.artifact_name("generated_matte"), image, alpha
        )
        context[IMAGE] = record
        context.add_metadata(
            self.name,
            matting=model,
            matting_hash=digest,
            kept=kept,
            size=list(record.size),
        )

    def _subject(self, coverage: Mask) -> Mask:
        """How much of each pixel the subject covers, without haze and small parts."""
        params = self.params
        coverage = mattes.with_threshold(coverage, params.threshold)
        return mattes.large_parts(coverage, params.min_part, largest=params.keep_largest)

    def _kept(self, subject: Mask) -> Mask:
        """What is kept of each pixel."""
        coverage = masks.invert(subject) if self.params.invert else subject
        return masks.blur(coverage, self.params.feather)

    def _cut(
        self, context: PipelineContext, image: Pixels, before: Alpha | None, coverage: Mask
    ) -> tuple[Pixels, Alpha | None]:
        """Colours and alpha of what is kept; what was transparent stays so."""
        colours, alpha = mattes.cut_out(image, coverage)
        if before is not None:
            alpha = to_bytes(coverage * before.astype(np.float32))
        if self.params.background is None:
            return colours, alpha
        context.add_metadata(self.name, background=self.params.background)
        return lay_on(colours, alpha, parse_colour(self.params.background)), None
