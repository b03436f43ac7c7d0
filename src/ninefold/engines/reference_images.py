"""Reference images in a diffusers call: what edit models change or combine as the prompt says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ninefold.engines.autoencoders import autoencoder
from ninefold.engines.diffusion import ImageToImage, TextToImage
from ninefold.engines.families import Family
from ninefold.engines.wrapped_methods import wrapped_method
from ninefold.imaging.resize import resize
from ninefold.imaging.types import Pixels


def references_of(request: TextToImage, family: Family) -> tuple[Pixels, ...]:
    """What a request shows to its model; the source to one that cannot do without."""
    if request.references or not isinstance(request, ImageToImage):
        return request.references
    # Its inpainting needs none: it runs where diffusers has one.
    needs = family.edit is not None and family.text is None and family.image is None
    return (request.image,) if needs else ()


@contextmanager
def encoded_as_loaded(pipe: Any, references: Collection[Pixels]) -> Iterator[None]:
    """Within the block the autoencoder takes the pixels of references in any number format: Z-Image
    Omni passes bfloat16, however its parts were loaded."""
    model: Any = autoencoder(pipe)
    if not references or not hasattr(model, "encode"):
        yield
        return
    dtype = next(model.parameters()).dtype

    def cast(encode: Callable[..., Any], pixels: Any, *args: Any, **options: Any) -> Any:
        return encode(pixels.to(dtype), *args, **options)

    with wrapped_method(model, "encode", cast):
        yield


def reference_arguments(
    references: Sequence[Pixels], size: tuple[int, int], accepted: Collection[str]
) -> dict[str, Any]:
    """How the references are passed to a pipeline whose call takes what is `accepted`.

    `size` is the width and height of the image that is made. Pipelines that take no size paint
    that of their reference, so it is brought to the size; others scale it to what they know.
    """
    from PIL import Image

    if not references:
        return {}
    if "width" not in accepted:
        references = [resize(image, *size) for image in references]
    images = [Image.fromarray(np.ascontiguousarray(image)) for image in references]
    # Kontext paints an area of its own, in the shape asked for.
    return {
        "image": images if len(images) > 1 else images[0],
        "max_area": size[0] * size[1],
    }
