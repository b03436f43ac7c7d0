"""The header of a JPEG XL codestream: size, depth and colours, read without decoding.

The library gives a profile only where one is embedded; most files name their colours in the header
instead. Source: ISO/IEC 18181-1, annexes B (U32, Enum), D (SizeHeader) and E (ImageMetadata).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from ninefold.files.formats import RefusedError

T = TypeVar("T")

_Point = tuple[float, float]

_D65: _Point = (0.3127, 0.3290)
_WHITES: dict[int, _Point] = {1: _D65, 10: (1 / 3, 1 / 3), 11: (0.314, 0.351)}
_PRIMARIES: dict[int, tuple[_Point, _Point, _Point]] = {
    1: ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_CUSTOM, _ALPHA, _SPOT, _CFA = 2, 0, 2, 5
_RGB, _GREY, _XYB = 0, 1, 2
_SRGB_WHITE, _SRGB_PRIMARIES, _SRGB_CURVE = 1, 1, 13
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE = ((1, 9), (1, 13), (1, 18), (1, 30))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))


@dataclass(frozen=True)
class JxlColours:
    """Colours that a header names: white and primaries in CIE x, y.

    `curve` is H.273's number of the transfer function, `gamma` the exponent where it is a plain
    power; `primaries` is None for grey.
    """

    white: _Point
    primaries: tuple[_Point, _Point, _Point] | None
    curve: int
    gamma: float | None = None


@dataclass(frozen=True)
class JxlHeader:
    """`width` and `height` are of the pixels as they are shown, upright; `bits` are a sample's.

    `colours` is None for sRGB (grey of that curve too) and where a profile is embedded.
    """

    width: int
    height: int
    grey: bool
    alpha: bool
    bits: int
    colours: JxlColours | None


def read_header(codestream: bytes) -> JxlHeader:
    """What the codestream's first bytes say. Raises ValueError where they are cut or invalid."""
    if not codestream.startswith(b"\xff\x0a"):
        raise ValueError("JPEG XL: expected a codestream, got other bytes; export the file again")
    bits = _Bits(codestream[2:])
    height, width = _size(bits)
    if bits.flag():  # all of it default
        return JxlHeader(width, height, False, False, 8, None)
    if bits.flag():
        if bits.read(3) >= 4:  # orientations 5 to 8 swap the sides
            width, height = height, width
        _skip_extra_fields(bits)
    depth = _depth(bits)
    bits.flag()
    alpha = False
    for _ in range(bits.choose((0, 0), (1, 0), (2, 4), (1, 12))):
        alpha |= _extra_channel(bits)
    bits.flag()  # whether it is coded in XYB
    grey, colours = _colours(bits)
    return JxlHeader(width, height, grey, alpha, depth, colours)


class _Bits:
    """Bits from the least significant on."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data[:4096], "little")
        self._left = 8 * min(len(data), 4096)

    def read(self, count: int) -> int:
        if count > self._left:
            raise ValueError("JPEG XL: expected a whole header, got one cut short; copy it again")
        found = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return found

    def flag(self) -> bool:
        return bool(self.read(1))

    def choose(self, *ways: tuple[int, int]) -> int:
        """A U32: one of four ways, each an offset and a number of bits."""
        offset, count = ways[self.read(2)]
        return offset + self.read(count)

    def signed(self) -> int:
        packed = self.choose((0, 19), (524_288, 19), (1_048_576, 20), (2_097_152, 21))
        return packed // 2 if packed % 2 == 0 else -(packed + 1) // 2


def _size(bits: _Bits) -> tuple[int, int]:
    eighths = bits.flag()
    height = 8 * (1 + bits.read(5)) if eighths else bits.choose(*_SIDE)
    ratio = bits.read(3)
    if ratio:
        over, under = _RATIOS[ratio]
        return height, height * over // under
    return height, 8 * (1 + bits.read(5)) if eighths else bits.choose(*_SIDE)


def _skip_extra_fields(bits: _Bits) -> None:
    if bits.flag():
        _size(bits)
    if bits.flag():  # of a preview
        raise RefusedError(
            "image: expected a JPEG XL file without an embedded preview, got one; export it again"
        )
    if bits.flag():
        bits.choose((100, 0), (1000, 0), (1, 10), (1, 30))
        bits.choose((1, 0), (1001, 0), (1, 8), (1, 10))
        bits.choose((0, 0), (0, 3), (0, 16), (0, 32))
        bits.flag()


def _depth(bits: _Bits) -> int:
    if not bits.flag():
        return bits.choose((8, 0), (10, 0), (12, 0), (1, 6))
    depth = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
    bits.read(4)
    return depth


def _extra_channel(bits: _Bits) -> bool:
    """Skip the description of a channel; whether it is alpha."""
    if bits.flag():
        return True
    kind = bits.choose(*_ENUM)
    _depth(bits)
    bits.choose((0, 0), (3, 0), (4, 0), (1, 3))
    for _ in range(bits.choose((0, 0), (0, 4), (16, 5), (48, 10))):
        bits.read(8)
    if kind == _ALPHA:
        bits.flag()
    elif kind == _SPOT:
        bits.read(64)
    elif kind == _CFA:
        bits.choose((1, 0), (0, 2), (3, 4), (19, 8))
    return kind == _ALPHA


def _colours(bits: _Bits) -> tuple[bool, JxlColours | None]:
    """Whether the picture is grey, and what its colours are."""
    if bits.flag():
        return False, None
    embedded = bits.flag()
    space = bits.choose(*_ENUM)
    if embedded or space not in (_RGB, _GREY):
        return space == _GREY, None
    white = bits.choose(*_ENUM)
    at = _point(bits) if white == _CUSTOM else _known(_WHITES, white, "white point")
    primaries, points = _SRGB_PRIMARIES, None
    if space == _RGB:
        primaries = bits.choose(*_ENUM)
        if primaries == _CUSTOM:
            points = (_point(bits), _point(bits), _point(bits))
        else:
            points = _known(_PRIMARIES, primaries, "primaries")
    gamma = bits.read(24) / 1e7 if bits.flag() else None
    curve = bits.choose(*_ENUM) if gamma is None else 0
    if (white, primaries, curve) == (_SRGB_WHITE, _SRGB_PRIMARIES, _SRGB_CURVE):
        return space == _GREY, None
    exponent = 1 / gamma if gamma else None
    return space == _GREY, JxlColours(at, points, curve, exponent)


def _point(bits: _Bits) -> _Point:
    return bits.signed() / 1e6, bits.signed() / 1e6


def _known(table: Mapping[int, T], number: int, what: str) -> T:
    if number not in table:
        raise RefusedError(
            f"image: expected colours that are known here, got {what} {number} (JPEG XL); export "
            "it as sRGB"
        )
    return table[number]
