"""Untrusted image files in, canonical arrays out.

Every function takes the file's bytes or its path, goes by content and never by suffix, turns the
picture upright by its EXIF orientation, takes the first frame of an animation, and raises
ValueError, with what was expected, got and the remedy, for anything that is not a whole PNG, JPEG,
WebP or AVIF file within the limits. Colour profiles are not applied: values are taken as sRGB.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ninefold.files.exif import read_exif
from ninefold.files.formats import ImageFormat
from ninefold.files.opening import ImageLimits, open_image, read_bytes

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SWAPS_SIDES = (5, 6, 7, 8)
_DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True)
class ImageInfo:
    """What a file's header says: sizes in pixels, upright; `mode` in Pillow's terms."""

    format: ImageFormat
    width: int
    height: int
    mode: str


def probe(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> ImageInfo:
    """Read the header alone; the pixels may still turn out to be corrupt."""
    with open_image(read_bytes(source, limits), limits) as image:
        width, height = image.size
        if _orientation(image) in _SWAPS_SIDES:
            width, height = height, width
        return ImageInfo(ImageFormat(str(image.format).lower()), width, height, image.mode)


def decode(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Pixels as uint8, H x W x 3 RGB, writable; what is transparent is laid on white."""
    with open_image(read_bytes(source, limits), limits) as image:
        upright = _upright(image)
        if not _transparent(upright):
            return np.array(_to_eight_bits(upright).convert("RGB"))
        return _lay_on(np.array(_to_rgba(upright)), 255)


def decode_rgba(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Pixels as uint8, H x W x 4 RGBA, writable; alpha is straight, 255 is opaque."""
    with open_image(read_bytes(source, limits), limits) as image:
        return np.array(_to_rgba(_upright(image)))


def decode_mask(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> NDArray[np.float32]:
    """Brightness as float32, H x W, 0 (keep) to 1 (repaint), writable.

    Colours count by their ITU-R 601 luma, 16-bit grey at its full depth, transparent as black.
    """
    with open_image(read_bytes(source, limits), limits) as image:
        upright = _upright(image)
        if _is_deep(upright):
            return np.array(upright, np.float32) / np.float32(65_535)
        if _transparent(upright):
            upright = Image.fromarray(_lay_on(np.array(_to_rgba(upright)), 0))
        return np.array(upright.convert("L"), np.float32) / np.float32(255)


def _orientation(image: Image.Image) -> int:
    block = image.info.get("exif")
    return read_exif(block).orientation if isinstance(block, bytes) else 1


def _upright(image: Image.Image) -> Image.Image:
    # Loaded first: a PNG may keep its EXIF block behind its pixels.
    image.load()
    turn = _UPRIGHT.get(_orientation(image))
    if turn is None:
        return image
    turned = image.transpose(turn)
    turned.info |= image.info
    return turned


def _transparent(image: Image.Image) -> bool:
    return image.has_transparency_data and not _is_deep(image)


def _is_deep(image: Image.Image) -> bool:
    """Whether this is 16-bit grey, which Pillow would clip and not scale."""
    return image.mode.startswith("I")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if not _is_deep(image):
        return image
    deep = np.array(image).astype(np.uint32)
    return Image.fromarray(((deep + 128) // 257).astype(np.uint8))


def _to_rgba(image: Image.Image) -> Image.Image:
    return _to_eight_bits(image).convert("RGBA")


def _lay_on(rgba: NDArray[np.uint8], ground: int) -> NDArray[np.uint8]:
    """Straight alpha over a grey ground (Porter and Duff's "over"), rounded to nearest."""
    alpha = rgba[..., 3:].astype(np.uint16)
    # 255 * 255 + 127 is just under 2**16.
    mixed = rgba[..., :3] * alpha + np.uint16(ground) * (255 - alpha) + np.uint16(127)
    return (mixed // 255).astype(np.uint8)
