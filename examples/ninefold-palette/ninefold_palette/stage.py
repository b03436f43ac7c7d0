"""Paints the image in the colours of a palette."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from ninefold import IMAGE, EngineStage, ModelRef, PipelineContext, StageParams
from ninefold.core.blocking import run_blocking
from ninefold.core.values import Json
from ninefold.files.store import read_alpha, read_image, write_image
from ninefold_palette.engine import PALETTE


class RecolourParams(StageParams):
    """Parameters of `recolour`."""

    palette: Annotated[str, ModelRef("palette")] = Field(
        "sunset", description="A palette's name or .json file."
    )
    strength: float = Field(1.0, ge=0, le=1, description="How much of the palette is mixed in.")


class RecolourStage(EngineStage[RecolourParams]):
    """Paints the image in the colours of a palette."""

    name = "recolour"
    params_type = RecolourParams
    requires = (IMAGE,)
    provides = (IMAGE,)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image`."""
        await run_blocking(context, self._run, context)
        return context

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """The palette's hash."""
        return {"palette": self.engines[PALETTE].hash(self.params.palette)}

    def _run(self, context: PipelineContext) -> None:
        source = context[IMAGE]
        image, share = read_image(context, source), self.params.strength
        painted = self.engines[PALETTE].recolour(self.params.palette, image)
        mixed = np.rint(image * (1 - share) + painted * share).astype(np.uint8)
        name = self.artifact_name("recoloured")
        record = write_image(context, self.name, name, mixed, read_alpha(context, source))
        context[IMAGE] = record
        palette_hash = self.engines[PALETTE].hash(self.params.palette)
        context.add_metadata(self.name, palette=self.params.palette, palette_hash=palette_hash)
