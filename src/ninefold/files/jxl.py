"""JPEG XL: its pixels by libjxl (the extra `jxl`), its container and metadata by our own code.

The library packs metadata with Brotli, which exiftool and most readers cannot unpack without more
packages, so what is written here lies in plain boxes. Source: ISO/IEC 18181-2.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from ninefold.files.exif import EXIF_PREFIX
from ninefold.files.formats import RefusedError
from ninefold.files.jxl_header import read_header

JXL_MISSING = (
    "expected the package pylibjxl for JPEG XL, which is not installed; "
    "run pip install 'ninefold[jxl]'"
)
_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_OPENING = _SIGNATURE + b"\0\0\0\x14ftypjxl \0\0\0\0jxl "
_BARE = b"\xff\x0a"
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
#: Boxes of metadata, by what Pillow calls it.
_CARRIERS = {b"Exif": "exif", b"xml ": "xmp"}
#: Bytes of metadata, once they are unpacked.
_MAX_METADATA = 16 << 20


def jxl_installed() -> bool:
    """Whether JPEG XL can be read and written here."""
    return importlib.util.find_spec("pylibjxl") is not None


def write_jxl(
    pixels: NDArray[np.uint8],
    quality: int | None,
    effort: int,
    exif: bytes | None = None,
    xmp: bytes | None = None,
) -> bytes:
    """A file of `pixels` (uint8, sRGB, RGB or RGBA); lossless where `quality` is None.

    `quality` 1 to 100 means what it does to cjxl, and 100 is lossless; `effort` is 1 (fast) to 9.
    The bytes do not depend on the number of cores. `exif` may have its prefix.

    Raises ValueError where the library is missing or fails.
    """
    library = _library()
    lossless = quality is None or quality == 100
    distance = 0.0 if quality is None else _distance(quality)
    try:
        stream = library.encode(
            np.ascontiguousarray(pixels), effort=effort, distance=distance, lossless=lossless
        )
    except RuntimeError as error:
        height, width = pixels.shape[:2]
        raise ValueError(
            f"jxl: the encoder failed on {width} x {height} pixels ({error}); "
            "write another format, such as PNG"
        ) from error
    parts = [_OPENING]
    if exif is not None:  # a TIFF block, after the place in it where it starts
        parts.append(_box(b"Exif", bytes(4) + exif.removeprefix(EXIF_PREFIX)))
    if xmp is not None:
        parts.append(_box(b"xml ", xmp))
    parts.append(_box(b"jxlc", stream))
    return b"".join(parts)


class JxlImageFile(ImageFile.ImageFile):
    """A JPEG XL file for Pillow: size and colours from the header, pixels when they are needed.

    `info` holds `exif`, `xmp` and `icc_profile` as Pillow's own readers have them, and as `colours`
    what the header names (`JxlColours`). Samples of more than 8 bits are narrowed to 8.
    Raises ValueError for an animation, of which the library shows the last frame alone.
    """

    format = "JXL"
    format_description = "JPEG XL"

    def _open(self) -> None:
        data = self.fp.read() if self.fp is not None else b""
        packed: dict[bytes, bytes] = {}
        pieces: list[bytes] = []
        for kind, body in _boxes(data):
            if kind in _CARRIERS:
                self.info.setdefault(_CARRIERS[kind], body)
            elif kind == b"brob":
                packed.setdefault(body[:4], body[4:])
            elif kind == b"jxlc":
                pieces.append(body)
            elif kind == b"jxlp":  # one of several, after its number
                pieces.append(body[4:])
        for kind in _CARRIERS.keys() & packed.keys():
            if (found := _unpacked(packed[kind])) is not None:
                self.info.setdefault(_CARRIERS[kind], found)
        if "exif" in self.info:
            self.info["exif"] = _exif(self.info["exif"])
        # The library sees the codestream alone: it would unpack boxes of any size.
        self._data = stream = b"".join(pieces)
        header = read_header(stream)
        known = _library().probe(self._data)
        if (known["width"], known["height"]) != (header.width, header.height):
            raise ValueError("JPEG XL: expected one size, got two; export the file again")
        if known["have_animation"]:
            raise RefusedError(
                "image: expected a still picture, got an animated JPEG XL file; export one frame"
            )
        self._size = header.width, header.height
        self._mode = _MODES[(1 if header.grey else 3) + header.alpha]
        if header.colours is not None:
            self.info["colours"] = header.colours

    def load(self) -> Any:
        """Decode the pixels, once."""
        if self._data:
            pixels, said = _library().decode(self._data, metadata=True)
            if said.get("icc"):
                self.info["icc_profile"] = said["icc"]
            self._data = b""
            channels = len(self.getbands())
            shape = (self.height, self.width, channels) if channels > 1 else self.size[::-1]
            if pixels.shape != shape:
                raise ValueError(f"expected pixels of shape {shape}, got {pixels.shape}")
            self.im = Image.fromarray(pixels).im
        return super().load()


def _library() -> Any:
    try:
        import pylibjxl
    except ImportError:
        raise ValueError(JXL_MISSING) from None
    return pylibjxl


def _distance(quality: int) -> float:
    """Butteraugli distance, by libjxl's `JxlEncoderDistanceFromQuality`."""
    if quality >= 100:
        return 0.0
    if quality >= 30:
        return 0.1 + (100 - quality) * 0.09
    return 53 / 3000 * quality * quality - 23 / 20 * quality + 25


def _box(kind: bytes, body: bytes) -> bytes:
    if len(body) + 8 < 1 << 32:
        return struct.pack(">I", len(body) + 8) + kind + body
    return struct.pack(">I4sQ", 1, kind, len(body) + 16) + body


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of every box; a bare codestream counts as one `jxlc`."""
    if data.startswith(_BARE):
        yield b"jxlc", data
        return
    at = 0
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, at + 8)
            start = at + 16
        end = at + length if length else len(data)
        if end < start or end > len(data):
            return
        yield kind, data[start:end]
        at = end


def _unpacked(body: bytes) -> bytes | None:
    """What Brotli packed; None where it is damaged or longer than metadata may be."""
    try:
        import brotli
    except ImportError:  # comes with the library, by the extra
        return None
    unpacker, left = brotli.Decompressor(), _MAX_METADATA
    parts: list[bytes] = []
    try:
        while not unpacker.is_finished() and left > 0:
            parts.append(unpacker.process(b"" if parts else body, output_buffer_limit=left))
            left -= len(parts[-1])
            if not parts[-1] and unpacker.can_accept_more_data():  # cut short
                return None
    except brotli.error:
        return None
    return b"".join(parts) if unpacker.is_finished() and left >= 0 else None


def _exif(body: bytes) -> bytes:
    """The TIFF block of an `Exif` box, where some writers leave out the offset before it."""
    if body[:4] in (b"II*\0", b"MM\0*", b"Exif"):
        return body
    offset = int.from_bytes(body[:4], "big")
    return body[4 + offset :]
