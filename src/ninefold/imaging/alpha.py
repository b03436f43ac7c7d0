"""Transparency: laying on a colour, and colours for what shows none.

Alpha is straight: colours are those of the thing itself, not multiplied by its coverage.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor

from ninefold.imaging.arrays import check_pixels, describe
from ninefold.imaging.resize import Method, resample_grey
from ninefold.imaging.types import Alpha, Mask, Pixels

RGB = tuple[int, int, int]

WHITE: RGB = (255, 255, 255)
OPAQUE = 255


def parse_colour(text: str) -> RGB:
    """`#rgb`, `#rrggbb`, `rgb(1, 2, 3)` or a name of CSS as three values of 0..255.

    Raises ValueError for all else, transparent colours too.
    """
    try:
        found: tuple[int, ...] = ImageColor.getrgb(text.strip())
    except ValueError:
        found = ()
    if len(found) != 3:  # four values are transparent
        raise ValueError(f"expected a colour such as white or #ffcc00, got {text[:40]!r}")
    return found[0], found[1], found[2]


def check_alpha(alpha: NDArray[np.uint8], pixels: Pixels) -> None:
    """Raise ValueError unless `alpha` is H x W uint8, of the size of `pixels`."""
    check_pixels(pixels)
    if alpha.dtype != np.uint8 or alpha.shape != pixels.shape[:2]:
        raise ValueError(f"alpha: expected uint8 of the image's size, got {describe(alpha)}")


def join(pixels: Pixels, alpha: Alpha | None) -> NDArray[np.uint8]:
    """H x W x 4 RGBA, or `pixels` themselves where alpha is None: all is opaque."""
    if alpha is None:
        return pixels
    check_alpha(alpha, pixels)
    return np.dstack([pixels, alpha])


def split(layers: NDArray[np.uint8]) -> tuple[Pixels, Alpha | None]:
    """H x W x 3 or x 4 as colours, and alpha where there is any that is not opaque."""
    if layers.shape[2] == 3:
        return layers, None
    alpha = np.ascontiguousarray(layers[..., 3])
    return np.ascontiguousarray(layers[..., :3]), None if alpha.min() == OPAQUE else alpha


def lay_on(pixels: Pixels, alpha: Alpha, colour: RGB = WHITE) -> Pixels:
    """The image over a plain colour (Porter and Duff's "over"), rounded to nearest."""
    check_alpha(alpha, pixels)
    wide = alpha[..., None].astype(np.uint16)
    ground = np.array(colour, np.uint16)
    # 255 * 255 + 127 is just under 2**16.
    mixed = pixels * wide + ground * (255 - wide) + np.uint16(127)
    laid: Pixels = (mixed // 255).astype(np.uint8)
    return laid


def cover(below: Alpha, above: Mask) -> Alpha:
    """The alpha of an image under something whose coverage is 0..1: the union of both."""
    top = np.rint(above * np.float32(255)).astype(np.uint16)
    union: Alpha = (top + (below * (255 - top) + np.uint16(127)) // 255).astype(np.uint8)
    return union


def resize_alpha(alpha: Alpha, width: int, height: int, method: Method = "lanczos") -> Alpha:
    """Resample to height x width; the same size gives back `alpha` itself."""
    return resample_grey(alpha, width, height, method)


def visible_colours(pixels: Pixels, alpha: Alpha) -> Pixels:
    """Colours from beside it in place of those that are fully transparent; the others stay.

    So whatever looks at the neighbours of a pixel (resampling, sharpening, a model) meets the
    thing's own colours at its edge, and what was hidden stays hidden.
    """
    known = np.where(alpha > 0, np.uint8(OPAQUE), np.uint8(0))
    return spread_colours(pixels, known)


def spread_colours(pixels: Pixels, known: Alpha) -> Pixels:
    """Where `known` is 0 colours from nearby where it is 255, a mix between; no change at 255.

    The pull-push pyramid of Gortler et al., "The Lumigraph", 1996. Where nothing is known at all,
    everything becomes mid-grey.
    """
    check_alpha(known, pixels)
    if known.min() == OPAQUE:
        return pixels
    if not known.any():
        return np.full_like(pixels, 128)
    levels = [Image.fromarray(join(pixels, known))]
    while max(levels[-1].size) > 1 and _alpha_of(levels[-1]).getextrema()[0] != OPAQUE:
        levels.append(_halved(levels[-1]))
    found = levels.pop().convert("RGB")
    for level in reversed(levels):
        found = found.resize(level.size, Image.Resampling.BILINEAR)
        found.paste(level.convert("RGB"), mask=_alpha_of(level))
    return np.array(found)


def _halved(level: Image.Image) -> Image.Image:
    """Half the size; Pillow weighs colours by alpha. What is known in part counts as known."""
    width, height = ((side + 1) // 2 for side in level.size)
    half = level.resize((width, height), Image.Resampling.BOX)
    half.putalpha(_alpha_of(half).point(lambda value: min(255, value * 4)))
    return half


def _alpha_of(image: Image.Image) -> Image.Image:
    return image.getchannel("A")
