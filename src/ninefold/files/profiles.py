"""ICC profiles: what a file says of its colours, and those colours as sRGB.

Conversion is LittleCMS's (through Pillow), with the relative colorimetric intent and black point
compensation. Sources: ICC.1:2022, PNG third edition (11.3.2), ITU-T H.273 (coding points), sRGB
IEC 61966-2-1, Adobe RGB (1998), DCF 2.0 (interoperability index R03).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from io import BytesIO
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

from ninefold.files.exif import read_exif
from ninefold.files.formats import RefusedError
from ninefold.files.jxl_header import JxlColours
from ninefold.files.png import find_chunk

MAX_PROFILE = 8 << 20
"""Bytes; profiles of printing presses, the largest in use, have 1 to 4 MB."""

_Curve = tuple[float, ...]
_Primaries = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

_D65 = (0.3127, 0.3290)
_BT709: _Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
_P3: _Primaries = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
_BT2020: _Primaries = ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046))
_ADOBE: _Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
#: Parameters of an ICC parametric curve: an exponent alone, or type 3 (g, a, b, c, d).
_SRGB_CURVE: _Curve = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_LINEAR: _Curve = (1.0,)

#: H.273, tables 2 and 3. Viewers show the video curves of still images as sRGB's.
_CODED_PRIMARIES = {1: _BT709, 2: _BT709, 5: _BT709, 6: _BT709, 9: _BT2020, 12: _P3}
_CODED_CURVES = {
    **dict.fromkeys((1, 2, 6, 13, 14, 15), _SRGB_CURVE),
    4: (2.2,),
    5: (2.8,),
    8: _LINEAR,
}
#: ISO/IEC 18181-1, table E.7: H.273's numbers, but for 2 (unknown) and 17 (of cinemas).
_JXL_CURVES = {**_CODED_CURVES, 17: (2.6,)}
_HDR_CURVES = {16: "PQ", 18: "HLG"}

_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])
_REMEDY = "export it as sRGB, or remove the profile to have its values taken as sRGB"
_CLASSES = frozenset({"mntr", "scnr", "prtr", "spac"})


def matrix_profile(primaries: _Primaries, curve: _Curve, white: tuple[float, float]) -> bytes:
    """An ICC profile (version 4) of an RGB space; the same bytes every time.

    Chromaticities are CIE x, y. Raises ValueError for primaries on one line.
    """
    columns = np.array([_xyz(point) for point in primaries]).T
    try:
        matrix = columns * np.linalg.solve(columns, _xyz(white))
        cone = _BRADFORD @ _xyz(white)
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(_BRADFORD @ _D50 / cone) @ _BRADFORD @ matrix
    except np.linalg.LinAlgError:
        raise ValueError("expected three primaries that span a plane") from None
    kind = 0 if len(curve) == 1 else 3
    para = b"para" + struct.pack(">IHH", 0, kind, 0) + b"".join(map(_fixed, curve))
    tags = {
        b"desc": _text("sRGB" if (primaries, curve) == (_BT709, _SRGB_CURVE) else "RGB"),
        b"cprt": _text("CC0"),
        b"wtpt": _point(_D50),
        b"rXYZ": _point(adapted[:, 0]),
        b"gXYZ": _point(adapted[:, 1]),
        b"bXYZ": _point(adapted[:, 2]),
        b"rTRC": para,
        b"gTRC": para,
        b"bTRC": para,
    }
    at = 128 + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    table, body = [struct.pack(">I", len(tags))], b""
    for name, value in tags.items():
        place = places.setdefault(value, at + len(body))
        if place == at + len(body):
            body += value + b"\0" * (-len(value) % 4)
        table.append(name + struct.pack(">II", place, len(value)))
    head = struct.pack(
        ">I4xI4s4s4s12s4s28x", at + len(body), 0x04300000, b"mntr", b"RGB ", b"XYZ ",
        struct.pack(">6H", 2000, 1, 1, 0, 0, 0), b"acsp",
    )  # fmt: skip
    head += b"".join(map(_fixed, _D50))
    return head.ljust(128, b"\0") + b"".join(table) + body


def srgb_profile() -> bytes:
    """The profile of sRGB that goes into files: 430 bytes or so."""
    return _SRGB


def profile_of(image: Image.Image, data: bytes = b"") -> bytes | None:
    """The profile of an image's colours, or None where they are sRGB or nothing is said.

    In the order of precedence: an ICC profile, JPEG XL's header, coding points (PNG's `cICP`,
    AVIF's `nclx`), PNG's `sRGB`, `gAMA` and `cHRM`, and a camera's mark for Adobe RGB in EXIF.
    `data` are the bytes of the file. Raises ValueError for a profile that is broken, too large, or
    for high dynamic range.
    """
    info: Mapping[Any, Any] = image.info
    if "icc_profile" in info:
        profile = info["icc_profile"]
        if profile is None:  # Pillow's word for one that it could not put together
            raise RefusedError(
                f"image: expected a whole colour profile, got one that is damaged; {_REMEDY}"
            )
        return bytes(profile) or None
    if isinstance(colours := info.get("colours"), JxlColours):
        return _profile_of_header(colours)
    if (points := _coding_points(data)) is not None:
        return _profile_of_points(*points)
    if "srgb" in info:
        return None
    if "gamma" in info or "chromaticity" in info:
        return _profile_of_chunks(info.get("gamma"), info.get("chromaticity"))
    exif = info.get("exif")
    if isinstance(exif, bytes) and read_exif(exif).adobe_rgb:
        return matrix_profile(_ADOBE, (563 / 256,), _D65)
    return None


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """`image` (mode L, RGB or CMYK) as RGB in sRGB.

    Grey pixels under an RGB profile are taken as its neutral colours, and neutral RGB pixels under
    a grey profile as grey. Raises ValueError for a profile that cannot be read or used.
    """
    space = _space(profile)
    if space == "RGB " and image.mode == "L":
        image = image.convert("RGB")
    elif space == "GRAY" and image.mode == "RGB" and _neutral(image):
        image = image.getchannel(0)
    wanted = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
    if image.mode != wanted:
        raise RefusedError(
            f"image: expected a colour profile for {image.mode} pixels, got one for "
            f"{space.strip() or 'nothing'}; {_REMEDY}"
        )
    if image.mode == "RGB" and _is_srgb(profile):
        return image
    converted = ImageCms.applyTransform(image, _transform(profile, image.mode))
    return cast(Image.Image, converted)  # None only where it is done in place


def _space(profile: bytes) -> str:
    opened = _opened(profile).profile
    if opened.device_class not in _CLASSES:
        raise _unusable(f"one of class {opened.device_class!r}")
    return str(opened.xcolor_space)


def _opened(profile: bytes) -> ImageCms.ImageCmsProfile:
    if len(profile) > MAX_PROFILE:
        raise RefusedError(
            f"image: expected a colour profile of at most {MAX_PROFILE:,} bytes, got "
            f"{len(profile):,}; {_REMEDY}"
        )
    try:
        return ImageCms.ImageCmsProfile(BytesIO(_without_float_tags(profile)))
    except Exception as error:
        raise _unusable("one that is damaged") from error


def _without_float_tags(profile: bytes) -> bytes:
    """The profile with its tags `D2B0` to `D2B3` renamed.

    LittleCMS prefers them, and they may chain any number of steps: a small file could keep a
    processor busy for hours. Every profile has other tags for the same (ICC.1, 8.3 to 8.5).
    """
    (count,) = struct.unpack_from(">I", profile, 128)
    cleaned = bytearray(profile)
    for at in range(132, min(132 + 12 * count, len(profile) - 11), 12):
        if profile[at : at + 3] == b"D2B":
            cleaned[at : at + 3] = b"xxx"
    return bytes(cleaned)


def _unusable(got: str) -> RefusedError:
    return RefusedError(f"image: expected a colour profile that can be used, got {got}; {_REMEDY}")


@lru_cache(8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    try:
        return ImageCms.buildTransform(
            _opened(profile),
            _opened(_SRGB),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except ImageCms.PyCMSError as error:
        raise _unusable(f"one that LittleCMS refuses ({error})") from error


@lru_cache(8)
def _is_srgb(profile: bytes) -> bool:
    """Whether no colour moves by more than rounding: one of the many profiles of sRGB."""
    steps = np.linspace(0, 255, 9).round()
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    greys = np.repeat(np.arange(256.0)[None, :, None], 3, axis=2)
    probe = np.concatenate([cube, greys], axis=1).astype(np.uint8)
    seen = ImageCms.applyTransform(Image.fromarray(probe), _transform(profile, "RGB"))
    return bool(np.abs(np.asarray(seen, np.int16) - probe).max() <= 1)


def _neutral(image: Image.Image) -> bool:
    pixels = np.asarray(image)
    return bool((pixels[..., :2] == pixels[..., 1:]).all())


def _coding_points(data: bytes) -> tuple[int, int] | None:
    """Primaries and transfer characteristics, as a PNG or AVIF file codes them."""
    if (chunk := find_chunk(data, b"cICP")) is not None:
        return (chunk[0], chunk[1]) if len(chunk) == 4 else None
    if data[4:8] == b"ftyp" and (at := data.find(b"colrnclx", 0, 1 << 16)) >= 0:
        primaries, curve = struct.unpack_from(">HH", data.ljust(at + 12, b"\0"), at + 8)
        return primaries, curve
    return None


def _profile_of_points(primaries: int, curve: int) -> bytes | None:
    _refuse_hdr(curve)
    if primaries not in _CODED_PRIMARIES or curve not in _CODED_CURVES:
        raise RefusedError(
            "image: expected colours that are known here, got coding points "
            f"{primaries}/{curve} (H.273); export it as sRGB"
        )
    found = _CODED_PRIMARIES[primaries], _CODED_CURVES[curve]
    return None if found == (_BT709, _SRGB_CURVE) else matrix_profile(*found, _D65)


def _refuse_hdr(curve: int) -> None:
    if curve in _HDR_CURVES:
        raise RefusedError(
            "image: expected standard dynamic range, got an HDR image "
            f"({_HDR_CURVES[curve]}); export it as an SDR image in sRGB"
        )


def _profile_of_header(colours: JxlColours) -> bytes:
    """The profile of what the header of a JPEG XL file names."""
    _refuse_hdr(colours.curve)
    curve = _JXL_CURVES.get(colours.curve) if colours.gamma is None else (colours.gamma,)
    if curve is None or not 0.1 <= curve[0] <= 10:
        raise _unusable(f"the curve {colours.gamma or colours.curve} (JPEG XL)")
    try:
        return matrix_profile(colours.primaries or _BT709, curve, colours.white)
    except (ValueError, ZeroDivisionError, struct.error) as error:
        raise _unusable("primaries that make no colour space (JPEG XL)") from error


def _profile_of_chunks(gamma: Any, chromaticity: Any) -> bytes | None:
    """PNG's `gAMA` (an encoding exponent) and `cHRM` (white, red, green, blue); either may lack."""
    curve = (1 / gamma,) if gamma else _SRGB_CURVE
    # sRGB written as chunks: its exponent is a rounded one, and its curve is meant.
    if abs(curve[0] - 2.2) < 0.02:
        curve = _SRGB_CURVE
    white, primaries = _D65, _BT709
    if chromaticity:
        points: Sequence[tuple[float, float]] = [
            (chromaticity[at], chromaticity[at + 1]) for at in (0, 2, 4, 6)
        ]
        if not all(y > 0 for _, y in points):
            raise _unusable("chromaticities of zero (cHRM)")
        white, primaries = points[0], (points[1], points[2], points[3])
    if not 0.1 <= curve[0] <= 10:
        raise _unusable(f"an exponent of {curve[0]:g} (gAMA)")
    try:
        return matrix_profile(primaries, curve, white)
    except (ValueError, struct.error) as error:
        raise _unusable("chromaticities that make no colour space (cHRM)") from error


def _xyz(point: tuple[float, float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _fixed(value: float) -> bytes:
    """s15Fixed16Number."""
    return struct.pack(">i", round(value * 65_536))


def _point(value: Any) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(float(part)) for part in value)


def _text(value: str) -> bytes:
    text = value.encode("utf-16-be")
    return b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(text), 28) + text


_SRGB = matrix_profile(_BT709, _SRGB_CURVE, _D65)
