"""Untrusted image files in, canonical arrays out.

Every function takes the file's bytes or its path, goes by content and never by suffix, turns the
picture upright by its EXIF orientation, takes the first frame of an animation, and raises
ValueError, with what was expected, got and the remedy, for anything that is not a whole file of one
of our formats within the limits, or whose colour profile cannot be used. Colours come out as sRGB,
by the profile that the file has (`profiles`); those of a file without one are taken as sRGB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ninefold.files.exif import read_exif
from ninefold.files.formats import ImageFormat
from ninefold.files.opening import ImageLimits, open_image, read_bytes
from ninefold.files.png import bit_depth
from ninefold.files.profiles import profile_of, to_srgb
from ninefold.imaging.alpha import OPAQUE, join, lay_on
from ninefold.imaging.types import Alpha, Pixels

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
_DEEPEST = 65_535
_BLACK = (0, 0, 0)


@dataclass(frozen=True)
class ImageInfo:
    """What a file's header says: sizes in pixels, upright; `mode` in Pillow's terms.

    `may_be_transparent` where it has alpha or a transparent colour, whether or not a pixel uses it.
    """

    format: ImageFormat
    width: int
    height: int
    mode: str
    may_be_transparent: bool


def probe(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> ImageInfo:
    """Read the header alone; the pixels may still turn out to be corrupt."""
    with open_image(read_bytes(source, limits), limits) as image:
        width, height = image.size
        if _orientation(image) in _SWAPS_SIDES:
            width, height = height, width
        kind = ImageFormat(str(image.format).lower())
        return ImageInfo(kind, width, height, image.mode, image.has_transparency_data)


def decode(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> Pixels:
    """Pixels as uint8, H x W x 3 RGB, writable; what is transparent is laid on white."""
    colours, alpha = decode_layers(source, limits)
    return colours if alpha is None else lay_on(colours, alpha)


def decode_layers(
    source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS
) -> tuple[Pixels, Alpha | None]:
    """Colours as `decode` gives them, whatever covers them, and alpha; None where all is opaque."""
    with _opened(source, limits) as (image, data):
        return layers_of(image, data)


def decode_rgba(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Pixels as uint8, H x W x 4 RGBA, writable; alpha is straight, 255 is opaque."""
    colours, alpha = decode_layers(source, limits)
    return join(colours, np.full(colours.shape[:2], OPAQUE, np.uint8) if alpha is None else alpha)


def decode_mask(source: bytes | Path, limits: ImageLimits = _DEFAULT_LIMITS) -> NDArray[np.float32]:
    """Brightness as float32, H x W, 0 (keep) to 1 (repaint), writable.

    Colours count by their ITU-R 601 luma in sRGB, 16-bit grey at its full depth, transparent as
    black.
    """
    with _opened(source, limits) as (image, data):
        return mask_of(image, data)


def layers_of(image: Image.Image, data: bytes = b"") -> tuple[Pixels, Alpha | None]:
    """A Pillow image as `decode_layers` gives it; `data` are the bytes of its file."""
    colours, alpha = _colours(image, data), _alpha(image, data)
    return colours, None if alpha is None or alpha.min() == OPAQUE else alpha


def mask_of(image: Image.Image, data: bytes = b"") -> NDArray[np.float32]:
    """The values of a Pillow image as `decode_mask` gives them; `data` as for `layers_of`."""
    alpha = _alpha(image, data)
    if _is_deep(image):
        mask = _deep_mask(image, data)
        # Straight alpha over black.
        return mask if alpha is None else np.where(alpha > 0, mask, np.float32(0))
    colours = _colours(image, data)
    if alpha is not None:
        colours = lay_on(colours, alpha, _BLACK)
    return np.array(Image.fromarray(colours).convert("L"), np.float32) / np.float32(255)


@contextmanager
def _opened(source: bytes | Path, limits: ImageLimits) -> Iterator[tuple[Image.Image, bytes]]:
    """The upright image and the bytes of its file."""
    data = read_bytes(source, limits)
    with open_image(data, limits) as image:
        yield _upright(image), data


def _orientation(image: Image.Image) -> int:
    if image.format == "JXL":  # its codestream has its own, by which it is decoded
        return 1
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


def _colours(image: Image.Image, data: bytes) -> NDArray[np.uint8]:
    """H x W x 3 in sRGB, whatever is transparent."""
    plain = _plain(image)
    if (profile := profile_of(image, data)) is not None:
        plain = to_srgb(plain, profile)
    return np.array(plain.convert("RGB"))


def _plain(image: Image.Image) -> Image.Image:
    """The same in mode L, RGB or CMYK, its alpha left out."""
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    if _is_deep(image):
        deep = np.array(image).clip(0, _DEEPEST).astype(np.uint32)
        return Image.fromarray(((deep + 128) // 257).astype(np.uint8))
    if image.mode in ("1", "LA", "La"):
        return image.convert("L")
    # By way of RGBA, since Pillow warns of a palette with transparent entries.
    return image.convert("RGBA").convert("RGB")


def _alpha(image: Image.Image, data: bytes) -> NDArray[np.uint8] | None:
    """H x W, 255 opaque; None where nothing is transparent by the file's own word."""
    key = image.info.get("transparency")
    if key is None or image.mode == "P":
        if not image.has_transparency_data:
            return None
        return np.array(image.convert("RGBA").getchannel("A"))
    depth = bit_depth(data) or 8
    samples = np.array(image.convert("L") if image.mode == "1" else image)
    # Pillow widens samples of fewer bits and narrows RGB's of more, but leaves the key as it is.
    if image.mode == "L" and depth < 8:
        key = key * 255 // ((1 << depth) - 1)
    elif image.mode == "RGB" and depth == 16:
        key = tuple(part >> 8 for part in key)
    seen = samples != np.asarray(key, samples.dtype)
    if seen.ndim == 3:
        seen = seen.any(axis=2)
    return np.where(seen, np.uint8(255), np.uint8(0))


def _is_deep(image: Image.Image) -> bool:
    """Whether this is 16-bit grey, which Pillow would clip and not scale."""
    return image.mode.startswith("I")


def _deep_mask(image: Image.Image, data: bytes) -> NDArray[np.float32]:
    values: NDArray[np.float32] = np.array(image, np.float32).clip(0, _DEEPEST)
    values /= np.float32(_DEEPEST)
    if (profile := profile_of(image, data)) is None:
        return values
    ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    levels = np.array(to_srgb(ramp, profile).convert("L"), np.float32)[0] / np.float32(255)
    found: NDArray[np.float64] = np.interp(values, np.linspace(0, 1, 256), levels)
    return found.astype(np.float32)
