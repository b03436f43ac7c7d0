"""Changing sizes, and choosing them."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ninefold.imaging.arrays import check_mask, check_pixels
from ninefold.imaging.types import Mask, Pixels

Method = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
"""Pillow's resampling filters; all but nearest widen when they shrink, so nothing aliases."""

_FILTERS: dict[Method, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

#: Filters that stand beside super-resolution models wherever an upscaler is named.
RESAMPLERS: Mapping[str, Method] = {"lanczos": "lanczos", "nearest": "nearest"}


def resize(pixels: Pixels, width: int, height: int, method: Method = "lanczos") -> Pixels:
    """Resample to height x width x 3; the same size gives back `pixels` itself."""
    check_pixels(pixels)
    if pixels.shape[:2] == _checked(width, height):
        return pixels
    return np.array(Image.fromarray(pixels).resize((width, height), _filter(method)))


def resample_grey(
    plane: NDArray[np.uint8], width: int, height: int, method: Method = "lanczos"
) -> NDArray[np.uint8]:
    """Resample H x W bytes; the same size gives back `plane` itself."""
    if plane.shape == _checked(width, height):
        return plane
    return np.array(Image.fromarray(plane).resize((width, height), _filter(method)))


def resize_mask(mask: Mask, width: int, height: int, method: Method = "bilinear") -> Mask:
    """Resample a float plane, in its own range; the same size gives back `mask` itself."""
    check_mask(mask)
    if mask.shape == _checked(width, height):
        return mask
    return np.array(Image.fromarray(mask).resize((width, height), _filter(method)))


def centre_crop(pixels: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """The largest middle part of the shape of `width` x `height`, at its own scale.

    `pixels` (height x width, with or without channels) itself where it has that shape already, to
    the nearest pixel.
    """
    down, across = pixels.shape[:2]
    _checked(width, height)
    _checked(across, down)
    factor = min(across / width, down / height)
    kept_across, kept_down = max(1, round(width * factor)), max(1, round(height * factor))
    if (kept_across, kept_down) == (across, down):
        return pixels
    left, top = (across - kept_across) // 2, (down - kept_down) // 2
    return np.ascontiguousarray(pixels[top : top + kept_down, left : left + kept_across])


def round_to_multiple(
    value: float, multiple: int, rounding: Literal["nearest", "up", "down"] = "nearest"
) -> int:
    """A positive multiple of `multiple` near `value`, never less than `multiple` itself.

    Nearest rounds halves up. Raises ValueError for a multiple below one.
    """
    if multiple < 1:
        raise ValueError(f"expected a multiple of at least 1, got {multiple}")
    ratio = value / multiple
    if rounding == "nearest":
        count = math.floor(ratio + 0.5)
    else:
        count = math.ceil(ratio) if rounding == "up" else math.floor(ratio)
    return max(1, count) * multiple


def fit_size(
    width: int,
    height: int,
    *,
    area: float | None = None,
    side: float | None = None,
    multiple: int = 8,
) -> tuple[int, int]:
    """(width, height) of nearly the same aspect with about `area` pixels, or longest side `side`.

    Both sides are rounded to the nearest multiple of `multiple`. Raises ValueError unless exactly
    one of area and side is given and all are positive.
    """
    _checked(width, height)
    if (area is None) == (side is None):
        raise ValueError(f"expected either an area or a side, got area={area} and side={side}")
    if area is not None:
        factor = math.sqrt(_positive("area", area) / (width * height))
    else:
        factor = _positive("side", side or 0) / max(width, height)
    return round_to_multiple(width * factor, multiple), round_to_multiple(height * factor, multiple)


def _positive(name: str, value: float) -> float:
    if not 0 < value < math.inf:
        raise ValueError(f"{name}: expected a positive number, got {value}")
    return value


def _checked(width: int, height: int) -> tuple[int, int]:
    if width < 1 or height < 1:
        raise ValueError(f"expected a size of at least 1 x 1, got {width} x {height}")
    return height, width


def _filter(method: Method) -> Image.Resampling:
    if method not in _FILTERS:
        raise ValueError(f"expected a method of {', '.join(_FILTERS)}, got {method!r}")
    return _FILTERS[method]
