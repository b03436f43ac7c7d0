"""What size the image that a stage gets has, and whether a mask fits it."""

from __future__ import annotations

from collections.abc import Iterator

from ninefold.core.context import PipelineContext
from ninefold.core.errors import InputError
from ninefold.core.values import ImageRecord
from ninefold.imaging.masks import same_shape
from ninefold.slots import IMAGE, MASK


def size_before(context: PipelineContext, size: tuple[int, int] | None) -> tuple[int, int] | None:
    """The size of the image that a stage gets: `size`, or that of the image that was given."""
    given: ImageRecord | None = context.get(IMAGE)
    return given.size if size is None and given is not None else size


def mask_problems(context: PipelineContext, size: tuple[int, int]) -> Iterator[str]:
    """Whether the mask that was given, if any, has the shape of an image of `size`."""
    mask = context.get(MASK)
    if mask is not None and not same_shape(mask.size, size):
        yield (
            f"mask: expected the shape of the image, {size[0]}x{size[1]} or another size of that "
            f"aspect ratio, got {mask.width}x{mask.height}. Crop or pad the mask."
        )


def check_mask_shape(context: PipelineContext, size: tuple[int, int]) -> None:
    """Raise `InputError` for a mask of another shape than the image that is yet to be made.

    Where an image was given, the mask goes with that, and is scaled as it is.
    """
    if IMAGE not in context and (problems := tuple(mask_problems(context, size))):
        raise InputError(problems[0])
