"""Checks and band-wise evaluation shared by the imaging modules."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from ninefold.imaging.types import Floats, Mask, Pixels

# Three float32 planes of this many pixels stay inside a core's cache, which makes band-wise
# evaluation several times faster than whole-image temporaries, and keeps memory flat.
BAND_PIXELS = 1 << 16

LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Rec. ITU-R BT.709, applied to encoded values."""


def check_pixels(pixels: NDArray[np.uint8], name: str = "pixels") -> None:
    """Raise ValueError unless `pixels` is a non-empty H x W x 3 uint8 array."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ValueError(
            f"{name}: expected a non-empty H x W x 3 uint8 array, got {describe(pixels)}"
        )


def check_mask(mask: NDArray[np.float32], name: str = "mask") -> None:
    """Raise ValueError unless `mask` is a non-empty H x W float32 array."""
    if mask.dtype != np.float32 or mask.ndim != 2 or not mask.size:
        raise ValueError(f"{name}: expected a non-empty H x W float32 array, got {describe(mask)}")


def check_same_size(first: Pixels, second: Pixels) -> None:
    """Raise ValueError unless both are pixels of one size."""
    check_pixels(first, "first image")
    check_pixels(second, "second image")
    if first.shape != second.shape:
        raise ValueError(
            f"expected two images of one size, got {describe(first)} and {describe(second)}"
        )


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raise ValueError unless `low <= value <= high`; NaN is refused too."""
    if not low <= value <= high:
        wanted = f"at least {low:g}" if high == float("inf") else f"{low:g} to {high:g}"
        raise ValueError(f"{name}: expected {wanted}, got {value!r}")


def describe(array: NDArray[np.generic]) -> str:
    """Shape and dtype in words for an error message."""
    return f"{' x '.join(map(str, array.shape)) or 'a scalar'} of {array.dtype}"


def row_bands(height: int, width: int, pixels: int = BAND_PIXELS) -> Iterator[slice]:
    """Slices of rows, top to bottom, each of about `pixels` pixels and at least one row."""
    step = max(1, pixels // width)
    for start in range(0, height, step):
        yield slice(start, min(start + step, height))


def to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Round to nearest (ties to even) and clip to 0..255; the shape stays."""
    rounded: NDArray[np.floating] = np.rint(values)
    np.clip(rounded, 0, 255, out=rounded)
    return rounded.astype(np.uint8)


def luma(pixels: Pixels) -> Floats:
    """BT.709 luma, H x W in 0..255. Same bits on every machine: no BLAS, one fixed order."""
    red, green, blue = (np.float32(weight) for weight in LUMA_WEIGHTS)
    total = pixels[..., 0] * red
    total += pixels[..., 1] * green
    total += pixels[..., 2] * blue
    return total.astype(np.float32, copy=False)


def plane_luma(planes: Floats) -> Floats:
    """Like `luma`, for 3 x H x W float planes in any range."""
    red, green, blue = (np.float32(weight) for weight in LUMA_WEIGHTS)
    total: Floats = planes[0] * red
    total += planes[1] * green
    total += planes[2] * blue
    return total


def map_planes(pixels: Pixels, function: Callable[[Floats, slice], Floats]) -> Pixels:
    """Apply a per-pixel function band by band.

    `function` gets 3 x rows x W float32 planes in 0..255, its own to overwrite, with the slice of
    rows that they are, and returns planes of that shape, which are rounded and clipped.
    """
    out = np.empty_like(pixels)
    height, width = pixels.shape[:2]
    for rows in row_bands(height, width):
        planes = np.moveaxis(pixels[rows], -1, 0).astype(np.float32, order="C")
        out[rows] = np.moveaxis(to_bytes(function(planes, rows)), 0, -1)
    return out


def map_levels(pixels: Pixels, levels: NDArray[np.floating]) -> Pixels:
    """Replace every value v by levels[v] (256 values, rounded and clipped)."""
    return to_bytes(levels)[pixels]


def blend(pixels: Pixels, changed: Pixels, amount: float) -> Pixels:
    """`pixels` at amount 0, `changed` at 1, a straight mix of encoded values between."""
    if amount == 0:
        return pixels
    if amount == 1:
        return changed
    out = np.empty_like(pixels)
    for rows in row_bands(*pixels.shape[:2]):
        base = pixels[rows].astype(np.float32)
        out[rows] = to_bytes(base + np.float32(amount) * (changed[rows] - base))
    return out


def spread(mask: Mask) -> Floats:
    """H x W as H x 3W, each value three times: lines up with pixels seen as H x 3W."""
    return np.repeat(mask, 3, axis=1)
