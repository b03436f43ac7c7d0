"""The sixth stage: real detail at full size, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import count

from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.progress import PartialProgress
from ninefold.core.values import Json, Seams
from ninefold.engines.diffusion import ImageToImage, ModelInfo
from ninefold.files.store import read_alpha, read_image, write_image
from ninefold.imaging.blending import blend_tiles
from ninefold.imaging.boxes import Box
from ninefold.imaging.colour import transfer_colour
from ninefold.imaging.resize import resize, round_to_multiple
from ninefold.imaging.tiles import Tile, plan_tiles, seam_lines
from ninefold.imaging.types import Pixels
from ninefold.slots import (
    IMAGE,
    MAX_PROMPT,
    PROMPT,
    RESTORED_PATH,
    SEAMS,
    SEED,
    TILING,
    WILDCARDS,
    next_seed,
)
from ninefold.stages.base import CONDITIONING, LOST_TILING
from ninefold.stages.prompted import PromptedParams, PromptedStage


class RestorerParams(PromptedParams):
    """Parameters of `restorer`."""

    strength: float = Field(
        0.2, gt=0, le=1, description="How far each tile may change; low values add texture only."
    )
    tile: int | None = Field(
        None, ge=32, le=4096, description="Side of a tile in pixels; by default the native size."
    )
    overlap: float = Field(
        0.25, ge=0, le=0.5, description="Least overlap of tiles, as a part of a tile's side."
    )
    prompt: str = Field(
        "",
        max_length=MAX_PROMPT,
        description="What the tiles show; {prompt} is filled in, choices, wildcards and LoRA tags "
        "are as in the image's prompt. With the whole prompt even a tile "
        "of bare sky gets the subject.",
    )
    colour_fix: float = Field(
        1.0, ge=0, le=1, description="How much of each tile's large-scale colour is kept."
    )


class RestorerStage(PromptedStage[RestorerParams]):
    """Works over overlapping tiles of the full-size image and blends them without seams."""

    name = "restorer"
    params_type = RestorerParams
    task = "image"
    usual_steps = 16.0
    important = ("strength", "tile", "prompt")
    version = "2"
    requires = (IMAGE,)
    accepts = (PROMPT, SEED, WILDCARDS, TILING, *CONDITIONING)
    provides = (IMAGE, RESTORED_PATH, SEAMS)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image`, `restored_path` and `seams`."""
        await run_blocking(context, self._run, context)
        return context

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """As of every diffusion stage, and whether the model can do the tiles."""
        unusable = tuple(super().problems(context))
        yield from unusable
        if not unusable and self.params.tile is not None:
            info = self.model_info(context)
            most = min(info.max_size, math.isqrt(info.max_area) or info.max_size)
            if self.params.tile > most:
                yield (
                    f"{self.name}.tile: expected at most {most}, which {info.name} can do, got "
                    f"{self.params.tile}."
                )

    def _run(self, context: PipelineContext) -> None:
        info = self.model_info(context)
        parts = self.noted_prompts(context)
        own = self.own_prompt(context, info, parts["prompt"][0], parts["negative_prompt"][0])
        what = self.conditioning(context, info, own)
        before = context[IMAGE]
        image = read_image(context, before)
        height, width = image.shape[:2]
        side = self.params.tile or max(info.native_size)
        overlap = round(side * self.params.overlap)
        tiles = plan_tiles(width, height, side, overlap)
        number = count()

        def restore(pixels: Pixels, tile: Tile) -> Pixels:
            index = next(number)
            progress = PartialProgress(context.progress, index, len(tiles))
            return self._restored(context, info, what, pixels, tile, index, progress)

        restored = blend_tiles(image, side, overlap, 1, restore)
        if context.get(TILING) not in (None, "none"):
            self.warn_once(context, [f"{LOST_TILING} This stage paints tiles of it one by one."])
        name = self.artifact_name("generated_restored")
        record = write_image(context, self.name, name, restored, read_alpha(context, before))
        columns, rows = seam_lines(tiles)
        context[IMAGE] = record
        context[RESTORED_PATH] = record.path
        context[SEAMS] = Seams(width, height, columns, rows)
        context.add_metadata(
            self.name,
            prompt=own.text,
            negative_prompt=own.negative,
            strength=self.params.strength,
            size=list(record.size),
            tile=side,
            overlap=overlap,
            tiles=len(tiles),
        )

    def _restored(
        self,
        context: PipelineContext,
        info: ModelInfo,
        what: Json,
        pixels: Pixels,
        place: Tile,
        index: int,
        progress: PartialProgress,
    ) -> Pixels:
        height, width = pixels.shape[:2]
        # Tiles fit the model already, except along an axis shorter than one tile.
        model_width, model_height = (
            round_to_multiple(max(side, info.min_size), info.size_multiple, "up")
            for side in (width, height)
        )
        source = resize(pixels, model_width, model_height)
        request = ImageToImage(
            **what,
            seed=next_seed(context.get(SEED) or 0, index),
            width=model_width,
            height=model_height,
            image=source,
            strength=self.params.strength,
            control=self.control(context, (model_width, model_height), source, _box(place)),
        )
        result = self.generate(context, request, progress)
        if index == 0:
            self.note(context, result.record, "size")
        self.warn_once(context, result.record.warnings)
        tile = resize(result.image, width, height)
        return transfer_colour(tile, pixels, self.params.colour_fix)


def _box(tile: Tile) -> Box:
    return Box(tile.left, tile.top, tile.right, tile.bottom)
