"""PNG without a library where Pillow costs too much: a fast writer, and the text chunks.

Format: W3C PNG, third edition; zlib streams: RFC 1950.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from ninefold.files.png_filters import best_filtered, sub_filtered

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = len(SIGNATURE) + 25  # the signature and the IHDR chunk
_STRIP_BYTES = 1 << 20
#: Bytes of all texts of a file together, once they are inflated, and how many there may be.
_MAX_TEXT, _MAX_TEXTS = 32 << 20, 1000
_ADLER_BASE = 65_521
#: How much larger than its body an inflated text can be, about.
_LARGEST_RATIO = 1032
_MAX_THREADS = 4
_COLOUR_TYPES = {3: 2, 4: 6}


def write_png(pixels: NDArray[np.uint8], *, small: bool = False) -> bytes:
    """A PNG file of `pixels` (uint8, RGB or RGBA), at OpenCV's speed and size or better.

    Filter Sub on every row, deflate level 1 with run lengths only: what OpenCV does. With `small`
    each row takes the filter that suits it, which costs about twice the time.

    Strips of about 1 MiB are compressed in parallel; their borders depend on the width alone, so
    the bytes do not depend on the number of cores. They may differ between versions of the
    system's zlib.
    """
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels).reshape(height, width * channels)
    step = max(1, _STRIP_BYTES // (width * channels))
    starts = range(0, height, step)

    def deflate(start: int) -> tuple[bytes, int, int]:
        strip = rows[start : start + step]
        if small:
            above = rows[start - 1] if start else np.zeros_like(rows[0])
            filtered = best_filtered(strip, above, channels)
        else:
            filtered = sub_filtered(strip, channels)
        raw = filtered.data
        deflater = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_RLE)
        ending = zlib.Z_FINISH if start + step >= height else zlib.Z_SYNC_FLUSH
        return deflater.compress(raw) + deflater.flush(ending), zlib.adler32(raw), raw.nbytes

    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[channels], 0, 0, 0)
    parts = [SIGNATURE, _chunk(b"IHDR", header)]
    checksum = 1
    opening = b"\x78\x01"
    for compressed, adler, length in _in_order(deflate, starts):
        parts.append(_chunk(b"IDAT", opening + compressed))
        checksum = _join_adler(checksum, adler, length)
        opening = b""
    parts += [_chunk(b"IDAT", struct.pack(">I", checksum)), _chunk(b"IEND", b"")]
    return b"".join(parts)


def add_text(png: bytes, texts: Mapping[str, str], *, utf8: Collection[str] = ()) -> bytes:
    """`png` with one text chunk per entry, right after its header.

    Keywords are 1 to 79 Latin-1 characters. A text goes into tEXt where Latin-1 holds it and its
    keyword is none of `utf8`, else into an uncompressed iTXt (ComfyUI reads no compressed one).
    NUL, which neither chunk can hold, is left out.
    """
    chunks = b"".join(
        _text_chunk(key, text.replace("\0", ""), "utf-8" if key in utf8 else "latin-1")
        for key, text in texts.items()
    )
    return png[:_HEADER_END] + chunks + png[_HEADER_END:]


def read_text(png: bytes) -> dict[str, str]:
    """Every text of `png` by keyword (tEXt, zTXt, iTXt), the first where a keyword repeats.

    A tEXt that is UTF-8 is read so: many write it, whatever the format says. A chunk that does not
    decode is left out, and so is what goes beyond 32 MiB or 1,000 texts in all. Raises ValueError
    where the file is no PNG.
    """
    if not png.startswith(SIGNATURE):
        raise ValueError("PNG text: expected a PNG file, got other bytes; check the file")
    texts: dict[str, str] = {}
    left = _MAX_TEXT
    for kind, body in _chunks(png, (b"tEXt", b"zTXt", b"iTXt")):
        key = body[:80].partition(b"\0")[0].decode("latin-1")
        if not key or key in texts or len(texts) == _MAX_TEXTS or len(body) > left:
            continue
        try:
            data, codec = _text_of_chunk(kind, body, left)
            texts[key] = data.decode(codec)
        except (ValueError, zlib.error):
            left -= _LARGEST_RATIO * len(body)  # as much may have been inflated in vain
            continue
        left -= len(data)
    return texts


def add_srgb(png: bytes) -> bytes:
    """`png` with the chunk `sRGB` (perceptual intent), right after its header."""
    return png[:_HEADER_END] + _chunk(b"sRGB", b"\0") + png[_HEADER_END:]


def find_chunk(png: bytes, kind: bytes) -> bytes | None:
    """The body of the first chunk called `kind` before the pixels; None where there is none."""
    if not png.startswith(SIGNATURE):
        return None
    found, body = next(_chunks(png, (kind, b"IDAT")), (b"", b""))
    return body if found == kind else None


def bit_depth(png: bytes) -> int | None:
    """Bits a sample in the file; None where it is no PNG."""
    return png[24] if png.startswith(SIGNATURE) and len(png) > 24 else None


def _in_order(
    job: Callable[[int], tuple[bytes, int, int]], starts: range
) -> Iterator[tuple[bytes, int, int]]:
    workers = min(len(starts), os.cpu_count() or 1, _MAX_THREADS)
    if workers == 1:
        yield from map(job, starts)
        return
    with ThreadPoolExecutor(workers, "png") as pool:
        yield from pool.map(job, starts)


def _join_adler(first: int, second: int, length: int) -> int:
    """The Adler-32 of two pieces joined, `length` bytes being the second's (RFC 1950, 9)."""
    low = ((first & 0xFFFF) + (second & 0xFFFF) - 1) % _ADLER_BASE
    high = ((first >> 16) + (second >> 16) + length * ((first & 0xFFFF) - 1)) % _ADLER_BASE
    return high << 16 | low


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _text_chunk(key: str, text: str, encoding: str) -> bytes:
    keyword = key.encode("latin-1") + b"\0"
    if encoding == "latin-1":
        with suppress(UnicodeEncodeError):
            latin = text.encode("latin-1")
            if _codec(latin) == "latin-1" or latin.isascii():
                return _chunk(b"tEXt", keyword + latin)
    return _chunk(b"iTXt", keyword + b"\0\0\0\0" + text.encode("utf-8", "replace"))


def _chunks(png: bytes, kinds: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    at = len(SIGNATURE)
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        kind = png[at + 4 : at + 8]
        if at + 12 + length > len(png) or kind == b"IEND":
            return
        if kind in kinds:
            yield kind, png[at + 8 : at + 8 + length]
        at += 12 + length


def _text_of_chunk(kind: bytes, body: bytes, most: int) -> tuple[bytes, str]:
    """The encoded text of a chunk, and its codec."""
    _keyword, _, rest = body.partition(b"\0")
    if kind == b"tEXt":
        return rest, _codec(rest)
    if kind == b"zTXt":
        text = _inflate(rest[1:], most)
        return text, _codec(text)
    compressed = rest[:1] == b"\1"
    _language, _, rest = rest[2:].partition(b"\0")
    _translated, _, text = rest.partition(b"\0")
    return _inflate(text, most) if compressed else text, "utf-8"


def _codec(text: bytes) -> str:
    """How a text that should be Latin-1 is encoded."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8"


def _inflate(data: bytes, most: int) -> bytes:
    inflater = zlib.decompressobj()
    text = inflater.decompress(data, most)
    if not inflater.eof:
        raise ValueError(f"expected a whole text of at most {most} bytes")
    return text
