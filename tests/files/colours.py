"""Colour profiles and PNG files made by hand, for tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

from ninefold.files.profiles import matrix_profile

D65 = (0.3127, 0.3290)
D50 = (0.34567, 0.35850)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
P3 = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
PROPHOTO = ((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))

DISPLAY_P3 = matrix_profile(P3, SRGB_CURVE, D65)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(
    size: tuple[int, int],
    depth: int,
    colour_type: int,
    rows: Sequence[bytes],
    *chunks: tuple[bytes, bytes],
) -> bytes:
    """A PNG file whose rows are given as they are stored."""
    header = struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header)]
    parts += [chunk(*item) for item in chunks]
    parts += [chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))]
    return b"".join([*parts, chunk(b"IEND", b"")])


def with_chunk(data: bytes, kind: bytes, body: bytes) -> bytes:
    """A PNG file with one more chunk after its header."""
    return data[:33] + chunk(kind, body) + data[33:]


def grey_profile(exponent: float) -> bytes:
    """A grey space of one exponent."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(exponent * 256)) + b"\0\0"
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve, b"wtpt": _white()})


def cmyk_profile() -> bytes:
    """A press with inks of its own (PCS Lab, one table of 2 x 2 x 2 x 2 corners)."""
    inks = {0: (55.0, -37.0, -50.0), 1: (48.0, 74.0, -3.0), 2: (89.0, -5.0, 93.0)}
    corners = b""
    for bits in range(16):
        used = [inks[ink] for ink in range(3) if bits >> (3 - ink) & 1]
        lightness = 95.0 if not used else min(ink[0] for ink in used) * 0.9 ** (len(used) - 1)
        a = sum(ink[1] for ink in used) / 2 if len(used) > 1 else sum(ink[1] for ink in used)
        b = sum(ink[2] for ink in used) / 2 if len(used) > 1 else sum(ink[2] for ink in used)
        if bits & 1:  # black on top
            lightness, a, b = lightness * 0.2, a * 0.1, b * 0.1
        corners += bytes([round(lightness * 2.55), round(a) + 128, round(b) + 128])
    identity = bytes(range(256))
    unit = b"".join(struct.pack(">i", 65_536 * (at % 4 == 0)) for at in range(9))
    table = b"mft1" + struct.pack(">IBBBx", 0, 4, 3, 2) + unit
    table += identity * 4 + corners + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table, b"wtpt": _white()})


def noise(
    height: int, width: int, seed: int = 1
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def _white() -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">iii", 63_190, 65_536, 54_061)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        value += b"\0" * (-len(value) % 4)
        table += name + struct.pack(">II", at + len(body), len(value))
        body += value
    head = struct.pack(">I4xI", at + len(body), 0x02400000) + kind + space + connection
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28
    head += struct.pack(">iii", 63_190, 65_536, 54_061)
    return head.ljust(128, b"\0") + table + body


def with_header(data: bytes, header: bytes) -> bytes:
    """A PNG file with another header chunk."""
    return data[:8] + chunk(b"IHDR", header) + data[33:]
