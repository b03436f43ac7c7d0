"""Pixels out as files of any format, with their metadata: the same bytes every time."""

from __future__ import annotations

from enum import StrEnum
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ninefold.files.embed import (
    PARAMETERS,
    RECORD_KEYWORD,
    XMP_KEYWORD,
    Carried,
    EmbeddedMetadata,
    carry,
)
from ninefold.files.formats import FORMATS, FormatInfo, ImageFormat, Lossless, image_format
from ninefold.files.jpeg import add_extension
from ninefold.files.jxl import write_jxl
from ninefold.files.png import add_srgb, add_text, write_png
from ninefold.files.profiles import srgb_profile

_NO_METADATA = EmbeddedMetadata()
_FULL_COLOUR_QUALITY = 90  # from here on a viewer sees JPEG's halved colour before its blocks
_AVIF_THREADS = 4  # its bytes depend on their number, so never on the machine's


class Compression(StrEnum):
    """What to spare where no pixel is lost; see `docs/decisions/` for the timings."""

    FAST = "fast"
    """Time: for artifacts between stages."""
    SMALL = "small"
    """Bytes: for files that are kept and sent."""


def encode(
    pixels: NDArray[np.uint8],
    format: ImageFormat | str,
    *,
    quality: int | None = None,
    lossless: bool = False,
    compression: Compression = Compression.SMALL,
    metadata: EmbeddedMetadata = _NO_METADATA,
) -> bytes:
    """A file of `pixels` (uint8, sRGB): H x W x 3, or x 4 with straight alpha.

    Where alpha is 0, WebP and AVIF may hold other colours than those given.
    `quality` is 1 to 100, the format's default where None; PNG ignores it, and so does lossless
    WebP. Equal input gives equal bytes with the same versions of Pillow and zlib, on any number of
    cores.

    Raises ValueError for other arrays, sizes, qualities and alpha that the format cannot hold,
    `lossless` where the format is always lossy, metadata too long for it, and JPEG XL where its
    library is not installed.
    """
    info = FORMATS[image_format(format)]
    _check(pixels, info, quality, lossless)
    carried = carry(metadata)
    if info.format is ImageFormat.PNG:
        return _png(pixels, compression, carried)
    if info.format is ImageFormat.JXL:
        return _jxl(pixels, None if lossless else quality or info.quality, compression, carried)
    options = _options(info, quality or info.quality, lossless, compression)
    if info.format is not ImageFormat.AVIF:  # Pillow writes sRGB's coding points there
        options["icc_profile"] = srgb_profile()
    exif, packet, extension = carried.exif, carried.whole_packet, b""
    if info.format is ImageFormat.JPEG:
        exif, packet, extension = carried.for_jpeg()
    data = _save(pixels, info.format, options | {"exif": exif, "xmp": packet})
    return add_extension(data, extension) if extension else data


def _png(pixels: NDArray[np.uint8], compression: Compression, carried: Carried) -> bytes:
    data = write_png(pixels, small=compression is Compression.SMALL)
    texts = {PARAMETERS: carried.parameters} if carried.parameters is not None else {}
    if carried.xmp is not None:
        texts[XMP_KEYWORD] = carried.packet.decode()
    if carried.record is not None:
        texts[RECORD_KEYWORD] = carried.record
    return add_srgb(add_text(data, texts, utf8=[RECORD_KEYWORD]))


def _jxl(
    pixels: NDArray[np.uint8], quality: int | None, compression: Compression, carried: Carried
) -> bytes:
    fast = compression is Compression.FAST
    effort = (1, 3) if quality is None else (3, 5)
    exif, packet = carried.exif or None, carried.whole_packet or None
    return write_jxl(pixels, quality, effort[not fast], exif, packet)


def _options(
    info: FormatInfo, quality: int | None, lossless: bool, compression: Compression
) -> dict[str, Any]:
    """Pillow's settings for a lossy format."""
    fast = compression is Compression.FAST
    quality = quality or 100
    if info.format is ImageFormat.JPEG:
        whole = quality >= _FULL_COLOUR_QUALITY
        return {
            "quality": quality,
            "subsampling": "4:4:4" if whole else "4:2:0",
            "optimize": not fast,
        }
    if info.format is ImageFormat.WEBP:
        effort = 20 if fast else 75
        return {
            "quality": effort if lossless else quality,
            "lossless": lossless,
            "method": 0 if fast else 4,
        }
    return {"quality": quality, "speed": 10 if fast else 8, "max_threads": _AVIF_THREADS}


def _save(pixels: NDArray[np.uint8], format: ImageFormat, options: dict[str, Any]) -> bytes:
    """The file's bytes; raises ValueError for metadata that is too long, and a failed encoder."""
    options = dict(options)
    while True:
        buffer = BytesIO()
        try:
            Image.fromarray(pixels).save(buffer, format.value.upper(), **options)
        except ValueError as error:  # what Pillow says of metadata, before it encodes
            raise ValueError(
                f"{format.value}: expected metadata that the format holds, got {error}; "
                "shorten the prompt, use the metadata level minimal, or write PNG"
            ) from error
        except (OSError, RuntimeError) as error:
            # To optimize, libjpeg needs a buffer for the whole file, whose size Pillow guesses too
            # small for noise. Without, it needs none.
            if options.pop("optimize", False):
                continue
            height, width = pixels.shape[:2]
            raise ValueError(
                f"{format.value}: the encoder failed on {width} x {height} pixels ({error}); "
                "write another format, such as PNG"
            ) from error
        return buffer.getvalue()


def _check(
    pixels: NDArray[np.uint8], info: FormatInfo, quality: int | None, lossless: bool
) -> None:
    name = info.format.value
    channels = pixels.shape[2] if pixels.ndim == 3 else 0
    if pixels.dtype != np.uint8 or channels not in (3, 4) or not pixels.size:
        raise ValueError(
            f"{name}: expected uint8 pixels of shape H x W x 3 or H x W x 4, got {pixels.dtype} of "
            f"shape {pixels.shape}; convert them first"
        )
    if channels == 4 and not info.alpha:
        raise ValueError(
            f"{name}: expected pixels without alpha, which the format cannot hold; lay them on a "
            "colour, or write png, webp, avif or jxl"
        )
    if max(pixels.shape) > info.max_side:
        raise ValueError(
            f"{name}: expected at most {info.max_side:,} pixels a side, got {pixels.shape[1]} x "
            f"{pixels.shape[0]}; write PNG or scale it down"
        )
    if quality is not None and not 1 <= quality <= 100:
        raise ValueError(f"{name}: expected a quality from 1 to 100, got {quality}; change it")
    if lossless and info.lossless is Lossless.NEVER:
        raise ValueError(f"{name}: expected a lossless format, got {name}; use png, webp or jxl")
