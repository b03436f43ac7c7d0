"""Images in base64, and how A1111 makes them fit."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote

import numpy as np

from ninefold.core.errors import InputError
from ninefold.files.opening import ImageLimits
from ninefold.imaging.masks import mask_from_pixels
from ninefold.imaging.resize import centre_crop, resize
from ninefold.imaging.types import Mask, Pixels
from ninefold.server.sent_images import SentImage

#: `resize_mode` of img2img.
STRETCH, CROP, FILL = 0, 1, 2
_URL_SAFE = str.maketrans("-_", "+/")


def from_base64(text: str, where: str) -> bytes:
    """The bytes of an image given in base64 or as a data URL; raises `InputError`.

    Read as Python's `b64decode` does without `validate`, which is how A1111 reads it: line breaks
    and all else outside the alphabet are skipped. Beyond that the URL-safe alphabet is taken, and
    padding may be missing.
    """
    head = text[:8].strip().lower()
    if head.startswith(("http://", "https:/")):
        raise InputError(f"{where}: expected the image itself in base64, got an address.")
    if head.startswith("data:"):
        kind, comma, text = text.partition(",")
        if not comma or not kind.strip().lower().endswith(";base64"):
            raise InputError(f"{where}: expected a data URL in base64, got another one.")
        if "%" in text:
            text = unquote(text)
    plain = text.translate(_URL_SAFE).encode("ascii", "ignore")
    try:
        data = base64.b64decode(plain + b"===")  # more than is needed is ignored
    except binascii.Error:  # one letter too many, which holds no whole byte
        raise InputError(f"{where}: expected base64, got text that is not.") from None
    if not data:
        raise InputError(f"{where}: expected an image in base64, got nothing.")
    return data


def image_of(text: str, where: str, limits: ImageLimits) -> SentImage:
    """An image given in base64; raises `InputError`."""
    return SentImage.decode(from_base64(text, where), limits, where)


def mask_of(mask: SentImage, *, inverted: bool) -> Mask:
    """1 where to paint, 0 elsewhere: white, or opaque where the mask has transparent parts."""
    if mask.alpha is None:
        grey = mask_from_pixels(mask.pixels)
    else:
        grey = mask.alpha.astype(np.float32) / np.float32(255)
    found: Mask = (grey > 0.5).astype(np.float32)
    return 1 - found if inverted else found


def fitted(pixels: Pixels, width: int, height: int, mode: int) -> Pixels:
    """The image cut or extended to the shape of `width` x `height`; stretching is left to others.

    Cropping keeps the middle; filling goes on with the pixels at the edge.
    """
    if mode == CROP:
        return centre_crop(pixels, width, height)
    if mode == FILL:
        down, across = pixels.shape[:2]
        factor = min(width / across, height / down)
        inner = max(1, round(across * factor)), max(1, round(down * factor))
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        around = (
            (top, height - inner[1] - top),
            (left, width - inner[0] - left),
            (0, 0),
        )
        return np.pad(resize(pixels, *inner), around, mode="edge")
    return pixels


def resized(pixels: Pixels, width: int, height: int, mode: int) -> Pixels:
    """The image at `width` x `height`: stretched, cut or extended."""
    return resize(fitted(pixels, width, height, mode), width, height)
