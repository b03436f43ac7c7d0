"""Text in the lowest bits of pixels, as NovelAI and the extension "stealth pnginfo" write it.

Layout, bit by bit from the top of the first column downwards, then the next column: a signature of
fifteen letters, the length of what follows in bits (32 bits, big-endian), and the text in UTF-8,
compressed by gzip where the signature says so. One bit a pixel in alpha, or three in RGB.
"""

from __future__ import annotations

import zlib
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Largest image whose pixels are looked through, and longest text that comes of them.
MAX_PIXELS, MAX_TEXT = 24 << 20, 4 << 20
_SIGNATURE, _LENGTH = 15, 4
_COMPRESSED = {
    b"stealth_pnginfo": False,
    b"stealth_pngcomp": True,
    b"stealth_rgbinfo": False,
    b"stealth_rgbcomp": True,
}


def read_stealth(image: Image.Image) -> str | None:
    """The hidden text of an RGB or RGBA image, or None where there is none.

    Decodes the pixels; raises what Pillow does where they are corrupt.
    """
    if image.mode not in ("RGB", "RGBA") or image.width * image.height > MAX_PIXELS:
        return None
    image.load()
    for channels in ("A", "RGB") if image.mode == "RGBA" else ("RGB",):
        head = _bytes(image, channels, _SIGNATURE + _LENGTH)
        compressed = _COMPRESSED.get(head[:_SIGNATURE])
        if compressed is None or (b"rgb" in head[:_SIGNATURE]) != (channels == "RGB"):
            continue
        length = int.from_bytes(head[_SIGNATURE:], "big") // 8
        start = _SIGNATURE + _LENGTH
        if length > MAX_TEXT or start + length > image.width * image.height * len(channels) // 8:
            return None
        data = _bytes(image, channels, start + length)[start:]
        return _text(_inflated(data) if compressed else data)
    return None


def _bytes(image: Image.Image, channels: str, count: int) -> bytes:
    """The first `count` bytes in the lowest bits, of as many columns as hold them."""
    columns = min(image.width, -(-count * 8 // (image.height * len(channels))))
    part = image.crop((0, 0, columns, image.height))
    pixels: NDArray[np.uint8] = np.asarray(part.getchannel("A") if channels == "A" else part)
    bits = pixels.reshape(image.height, columns, -1)[..., : len(channels)] & 1
    return np.packbits(bits.transpose(1, 0, 2).reshape(-1)[: count * 8]).tobytes()[:count]


def _inflated(data: bytes) -> bytes | None:
    with suppress(zlib.error):
        inflater = zlib.decompressobj(wbits=31)
        text = inflater.decompress(data, MAX_TEXT)
        return text if inflater.eof else None
    return None


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode("utf-8", "replace").strip("\0") or None
