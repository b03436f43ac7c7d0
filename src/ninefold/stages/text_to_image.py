"""The second stage: the first image."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import Annotated, Any

from pydantic import Field

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.problems import problems_raised
from ninefold.core.slots import Slot
from ninefold.core.values import ImageRecord, Json, Tiling
from ninefold.engines.checks import (
    area_problems,
    fitting_size,
    nearest_sizes,
    reference_problems,
    task_problems,
    tiling_problems,
)
from ninefold.engines.diffusion import Generated, ImageToImage, Inpaint, ModelInfo, TextToImage
from ninefold.engines.ensemble import ensemble_problems
from ninefold.engines.families import Task
from ninefold.files.store import read_alpha, read_image, read_mask, write_image
from ninefold.imaging.alpha import lay_on, resize_alpha
from ninefold.imaging.masks import paints, paste, same_shape
from ninefold.imaging.resize import resize, resize_mask
from ninefold.imaging.types import Alpha, Pixels
from ninefold.slots import (
    IMAGE,
    IMAGE_PATH,
    MASK,
    PROMPT,
    REFERENCES,
    SEED,
    TILING,
    resolve_seed,
)
from ninefold.stages.base import CONDITIONING, DiffusionStage, prompt_loras
from ninefold.stages.parameters import DIFFUSION_MODEL, SamplingParams
from ninefold.stages.sizes import size_before

_Images = Sequence[ImageRecord]


class TextToImageParams(SamplingParams):
    """Parameters of `text_to_image`."""

    width: int | None = Field(
        None,
        ge=16,
        le=8192,
        description="Pixels; by default the model's native width, or what fits a source image.",
    )
    height: int | None = Field(
        None,
        ge=16,
        le=8192,
        description="Pixels; by default the model's native height, or what fits a source image.",
    )
    strength: float = Field(
        0.6, gt=0, le=1, description="How far a source image may change: 1 replaces it."
    )
    refiner: Annotated[str, DIFFUSION_MODEL] | None = Field(
        None,
        description="A model that makes the last steps in place of the first, from its latents: "
        "SDXL's refiner, or another SDXL model. The refiner stage works over a finished image.",
    )
    handover: float = Field(
        0.8, gt=0, lt=1, description="Part of the schedule after which the refiner takes over."
    )
    tiling: Tiling = Field(
        "none",
        description="Edges that meet, so that the image can be laid beside itself: left and right "
        "(x), top and bottom (y), or both. For models with a UNet.",
    )
    allow_blank: bool = Field(
        False, description="Take a blank prompt, too: the model then paints what comes to it."
    )


class TextToImageStage(DiffusionStage[TextToImageParams]):
    """Paints an image from the prompt, or changes a source image, only inside a mask if given."""

    name = "text_to_image"
    params_type = TextToImageParams
    usual_steps = 20.0
    important = ("width", "height", "steps", "guidance_scale", "scheduler", "strength")
    requires = (PROMPT,)
    accepts = (SEED, IMAGE, MASK, REFERENCES, *CONDITIONING)
    provides = (IMAGE, IMAGE_PATH, SEED, TILING)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set `image`, `image_path`, `tiling` and, where nobody fixed it, `seed`."""
        if SEED not in context:
            context[SEED] = resolve_seed()
        await run_blocking(context, self._run, context)
        return context

    def is_missing(self, context: PipelineContext, slot: Slot[Any]) -> bool:
        """As every stage; but a blank prompt may be allowed."""
        if slot is PROMPT and self.params.allow_blank:
            return slot not in context
        return super().is_missing(context, slot)

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """Whether the model and the LoRAs are at hand, and it can do the size asked for."""
        yield from super().problems(context)
        yield from self.lora_problems(context, "prompt", prompt_loras(context))
        if any(self.model_problems(context)):
            return
        info = self.model_info(context)
        yield from self._refiner_problems(info)
        for problem in tiling_problems(self.params.tiling, info):
            yield f"{self.name}.{problem}"
        for name, side in (("width", self.params.width), ("height", self.params.height)):
            if side is not None and (nearest := nearest_sizes(side, info)) != (side,):
                yield (
                    f"{self.name}.{name}: expected a multiple of {info.size_multiple} from "
                    f"{info.min_size} to {info.max_size}, which {info.name} can do, got {side}. "
                    f"Nearest: {' or '.join(map(str, nearest))}."
                )

    def strength(self, context: PipelineContext) -> float | None:
        """That of image-to-image, where an image is given."""
        return self.params.strength if IMAGE in context else None

    def _refiner_problems(self, info: ModelInfo) -> Iterator[str]:
        """Whether the refiner is at hand, and can go on with what the model began."""
        where, refiner = f"{self.name}.refiner", self.params.refiner
        if refiner is None:
            return
        describe = self.engines.diffusion.describe
        unusable = tuple(problems_raised(where, lambda: describe(refiner)))
        yield from unusable
        if not unusable:
            for problem in ensemble_problems(info, describe(refiner)):
                yield f"{where}: {problem}"

    def ignored_inputs(self, present: Collection[Slot[Any]]) -> Mapping[Slot[Any], str]:
        """A mask, where there is no image that it could be laid on."""
        ignored = super().ignored_inputs(present)
        if IMAGE in present:
            return ignored
        return {
            **ignored,
            MASK: f"{self.name} takes a mask only with an image. Give one too, or leave it out.",
        }

    def output_size(
        self, context: PipelineContext, size: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """The size asked for, or what it comes to; raises `InputError` where that is none, and for
        a model that cannot start from what it is given."""
        info, source = self.model_info(context), size_before(context, size)
        references = context.get(REFERENCES) or ()
        width, height = self._size(info, self._shape(source, references))
        problems = (
            *chain.from_iterable(
                task_problems(task, info) for task in self._tasks(context, source, references)
            ),
            *reference_problems(len(references), info),
            *area_problems(width, height, info),
        )
        if self.params.refiner and source is not None:
            problems += (
                "refiner: expected no image to start from, got one. Leave one of them out, or put "
                "the refiner stage after this one.",
            )
        if problems:
            raise InputError("\n".join(f"{self.name}: {problem}" for problem in problems))
        return width, height

    def _tasks(
        self, context: PipelineContext, source: tuple[int, int] | None, references: _Images
    ) -> tuple[Task, ...]:
        """What the model starts from: references, a source, or the prompt alone."""
        edit: tuple[Task, ...] = ("edit",) if references else ()
        if source is None:
            return edit or ("text",)
        return (*edit, "inpaint" if MASK in context else "image")

    def _shape(self, source: tuple[int, int] | None, references: _Images) -> tuple[int, int] | None:
        """The size whose shape the image takes on: the source's, else the first reference's."""
        return references[0].size if source is None and references else source

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """As of every diffusion stage, and the refiner's hash; None where the seed is yet to be
        drawn."""
        found = super().fingerprint(context) if SEED in context else None
        if found is None or self.params.refiner is None:
            return found
        return {**found, "refiner": self.engines.diffusion.describe(self.params.refiner).hash}

    def _run(self, context: PipelineContext) -> None:
        info = self.model_info(context)
        self.warn_of_unknown_words(context, context[PROMPT], info)
        result = self._generate(context, info)
        alpha = self._alpha(context, result.image.shape[1], result.image.shape[0])
        name = self.artifact_name("generated")
        record = write_image(context, self.name, name, result.image, alpha)
        context[IMAGE] = record
        context[IMAGE_PATH] = record.path
        context[TILING] = self.params.tiling
        self.note(context, result.record)

    def _alpha(self, context: PipelineContext, width: int, height: int) -> Alpha | None:
        """The source's, at the image's size."""
        source = context.get(IMAGE)
        alpha = None if source is None else read_alpha(context, source)
        return None if alpha is None else resize_alpha(alpha, width, height)

    def _generate(self, context: PipelineContext, info: ModelInfo) -> Generated:
        what = self.conditioning(context, info) | {"seed": context[SEED]}
        what["tiling"] = self.params.tiling
        source, references = context.get(IMAGE), context.get(REFERENCES) or ()
        shape = self._shape(None if source is None else source.size, references)
        width, height = self._size(info, shape)
        if references:
            context.add_metadata(self.name, references=[item.sha256 for item in references])
            what["references"] = tuple(_on_white(context, item) for item in references)
        if self.params.refiner:
            what |= {"refiner": self.params.refiner, "handover": self.params.handover}
        if source is None:
            what |= {"width": width, "height": height}
            what |= {"control": self.control(context, (width, height))}
            return self.generate(context, TextToImage(**what), context.progress)
        context.add_metadata(self.name, strength=self.params.strength, source=source.sha256)
        if not same_shape(
            (width, height), source.size, slack=info.size_multiple / min(width, height)
        ):
            context.warn(
                self.name,
                f"image: {source.width}x{source.height} was stretched to {width}x{height}. To keep "
                "its shape, crop it, or leave out the width or the height.",
            )
        image = resize(read_image(context, source), width, height)
        what |= {"width": width, "height": height, "image": image}
        what |= {"strength": self.params.strength}
        what |= {"control": self.control(context, (width, height), image)}
        given_mask = context.get(MASK)
        if given_mask is None:
            return self.generate(context, ImageToImage(**what), context.progress)
        mask = resize_mask(read_mask(context, given_mask), width, height)
        if not paints(mask):
            context.warn(
                self.name,
                f"mask: nothing of it is left at {width}x{height}, so nothing was painted. Paint a "
                "larger place, or use the detailer, which paints the place alone.",
            )
        result = self.generate(context, Inpaint(**what, mask=mask), context.progress)
        return Generated(paste(image, result.image, mask), result.record)

    def _size(self, info: ModelInfo, source: tuple[int, int] | None) -> tuple[int, int]:
        """The size asked for; the source's shape gives what was not, else the model's native size.

        Raises `InputError` where the model can do no size of that shape.
        """
        width, height = self.params.width, self.params.height
        if source is None:
            return width or info.native_size[0], height or info.native_size[1]
        if width is not None and height is not None:
            return width, height
        if width is None and height is None:
            return fitting_size(source, info)
        across, down = source
        found = (
            width or _nearest((height or 0) * across / down, info),
            height or _nearest((width or 0) * down / across, info),
        )
        if not same_shape(found, source, slack=info.size_multiple / min(found)):
            raise InputError(
                f"{self.name}: {'width' if width else 'height'} {width or height} leaves no size "
                f"that has the image's shape, {across}x{down}, and that {info.name} can do "
                f"({info.min_size} to {info.max_size} pixels a side). Set both, or another one."
            )
        return found


def _on_white(context: PipelineContext, record: ImageRecord) -> Pixels:
    """A reference; models know no transparency."""
    pixels, alpha = read_image(context, record), read_alpha(context, record)
    return pixels if alpha is None else lay_on(pixels, alpha, (255, 255, 255))


def _nearest(side: float, info: ModelInfo) -> int:
    """The side nearest to `side`, in pixels, that the model can do."""
    return min(nearest_sizes(round(side), info), key=lambda size: abs(size - side))
