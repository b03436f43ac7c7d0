"""The third stage: the same image, worked over once more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.slots import Slot
from ninefold.engines.checks import area_problems, nearest_sizes
from ninefold.engines.diffusion import ImageToImage
from ninefold.files.store import read_alpha, read_image, read_mask, write_image
from ninefold.imaging.masks import paste
from ninefold.imaging.resize import resize_mask
from ninefold.imaging.types import Pixels
from ninefold.slots import IMAGE, MASK, PROMPT, REFINED_PATH, SEED, TILING
from ninefold.stages.base import CONDITIONING, DiffusionStage
from ninefold.stages.parameters import SamplingParams
from ninefold.stages.sizes import check_mask_shape, size_before

#: Denoising strength by refinement level; level 0 leaves the image as it is.
STRENGTHS = (0.0, 0.15, 0.25, 0.35, 0.5)


class RefinerParams(SamplingParams):
    """Parameters of `refiner`."""

    refinement_level: int = Field(
        2,
        ge=0,
        le=len(STRENGTHS) - 1,
        description="How much is worked over: 0 nothing, 1 texture, 4 shapes too.",
    )


class RefinerStage(DiffusionStage[RefinerParams]):
    """Works over the whole image with the same model or a refiner model."""

    name = "refiner"
    params_type = RefinerParams
    task = "image"
    usual_steps = 6.0
    important = ("refinement_level", "model", "steps")
    requires = (IMAGE,)
    accepts = (PROMPT, SEED, MASK, TILING, *CONDITIONING)
    provides = (IMAGE, REFINED_PATH)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image` and `refined_path`."""
        await run_blocking(context, self._run, context)
        return context

    @property
    def changes_image(self) -> bool:
        """Not at level 0."""
        return self.params.refinement_level > 0

    def ignored_inputs(self, present: Collection[Slot[Any]]) -> Mapping[Slot[Any], str]:
        """A mask, at the level that changes nothing."""
        ignored = super().ignored_inputs(present)
        if self.params.refinement_level:
            return ignored
        return {
            **ignored,
            MASK: f"{self.name} does nothing at refinement_level 0. Raise it, or leave it out.",
        }

    def output_size(
        self, context: PipelineContext, size: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """The same; raises `InputError` for one that the model cannot do, or another mask's."""
        size = size_before(context, size)
        if size is None or not self.params.refinement_level:
            return size
        info = self.model_info(context)
        if any(nearest_sizes(side, info) != (side,) for side in size):
            raise InputError(
                f"{self.name}: expected an image whose sides are multiples of {info.size_multiple} "
                f"from {info.min_size} to {info.max_size}, which {info.name} can do, got "
                f"{size[0]}x{size[1]}. Put text_to_image before it, use the restorer, or scale it."
            )
        if problems := tuple(area_problems(*size, info)):
            raise InputError(f"{self.name}: {problems[0]}")
        check_mask_shape(context, size)
        return size

    def _run(self, context: PipelineContext) -> None:
        level = self.params.refinement_level
        before = context[IMAGE]
        source = read_image(context, before)
        image = self._refined(context, source, STRENGTHS[level]) if level else source
        name = self.artifact_name("generated_refined")
        record = write_image(context, self.name, name, image, read_alpha(context, before))
        context[IMAGE] = record
        context[REFINED_PATH] = record.path
        context.add_metadata(
            self.name, refinement_level=level, strength=STRENGTHS[level], size=list(record.size)
        )

    def _refined(self, context: PipelineContext, source: Pixels, strength: float) -> Pixels:
        info = self.model_info(context)
        height, width = source.shape[:2]
        request = ImageToImage(
            **self.conditioning(context, info),
            seed=context.get(SEED) or 0,
            width=width,
            height=height,
            image=source,
            strength=strength,
            control=self.control(context, (width, height), source),
            tiling=self.kept_tiling(context, info),
        )
        result = self.generate(context, request, context.progress)
        self.note(context, result.record)
        given_mask = context.get(MASK)
        if given_mask is None:
            return result.image
        mask = resize_mask(read_mask(context, given_mask), width, height)
        return paste(source, result.image, mask)
