"""The five file formats ninefold reads and writes, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class RefusedError(ValueError):
    """Our own refusal of a file, apart from the ValueErrors that Pillow and the system raise."""


class ImageFormat(StrEnum):
    """A file format, by the name that configs and the command line use."""

    PNG = "png"
    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"
    JXL = "jxl"


class Lossless(StrEnum):
    """Whether a format keeps every pixel."""

    ALWAYS = "always"
    OPTIONAL = "optional"
    NEVER = "never"


@dataclass(frozen=True)
class FormatInfo:
    """What a format can do.

    `suffixes` start with a dot, the usual one first; `max_side` is in pixels; `quality` is the
    default for lossy writing, 1 to 100 (None where the format has no such setting).
    """

    format: ImageFormat
    media_type: str
    suffixes: tuple[str, ...]
    lossless: Lossless
    alpha: bool
    max_side: int
    quality: int | None


FORMATS: Mapping[ImageFormat, FormatInfo] = MappingProxyType(
    {
        info.format: info
        for info in (
            FormatInfo(
                ImageFormat.PNG, "image/png", (".png",), Lossless.ALWAYS, True, 2**31 - 1, None
            ),
            FormatInfo(
                ImageFormat.JPEG,
                "image/jpeg",
                (".jpg", ".jpeg", ".jpe", ".jfif"),
                Lossless.NEVER,
                False,
                65_500,  # libjpeg's JPEG_MAX_DIMENSION; the file format itself would hold 65,535
                92,
            ),
            FormatInfo(
                ImageFormat.WEBP, "image/webp", (".webp",), Lossless.OPTIONAL, True, 16_383, 90
            ),
            # Pillow always converts to YCbCr for AVIF, so quality 100 is still off by up to 2/255.
            # libavif writes longer sides and then refuses to read them.
            FormatInfo(
                ImageFormat.AVIF, "image/avif", (".avif",), Lossless.NEVER, True, 32_768, 80
            ),
            # Only with the extra `jxl`; the format itself would hold 2**30.
            FormatInfo(
                ImageFormat.JXL, "image/jxl", (".jxl",), Lossless.OPTIONAL, True, 32_768, 90
            ),
        )
    }
)


def image_format(name: str) -> ImageFormat:
    """The format called `name`: `png`, `jpeg`, `jpg`, `.jpg`, `image/jpeg`, in any case.

    Raises ValueError for any other name.
    """
    wanted = name.strip().lower()
    for info in FORMATS.values():
        suffixes = (*info.suffixes, *(suffix[1:] for suffix in info.suffixes))
        if wanted in (info.format.value, info.media_type, *suffixes):
            return info.format
    known = ", ".join(info.format.value for info in FORMATS.values())
    raise ValueError(f"image format: expected one of {known}; got {name!r}; choose one of those")


def sniff(data: bytes) -> ImageFormat | None:
    """The format that the first bytes of `data` declare, or None where it is none of those here."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ImageFormat.WEBP
    if data.startswith((b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")):
        return ImageFormat.JXL
    if data[4:8] == b"ftyp":
        # The size field counts the box header; a file may lead with a container brand (mif1).
        brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
        if any(brands[i : i + 4] in (b"avif", b"avis") for i in range(0, len(brands), 4)):
            return ImageFormat.AVIF
    return None


#: What other files start with, and how messages name them.
_FOREIGN = (
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF (or a camera's raw file)"),
    (b"MM\0*", "TIFF (or a camera's raw file)"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"8BPS", "Photoshop (PSD)"),
    (b"\0\0\1\0", "an icon (ICO)"),
    (b"%PDF", "PDF"),
    (b"qoif", "QOI"),
    (b"\x76\x2f\x31\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1aE\xdf\xa3", "a video (Matroska or WebM)"),
)
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def foreign_format(data: bytes) -> str | None:
    """What `data` seems to be where it is none of our formats, or None where nobody knows."""
    if data[4:8] == b"ftyp":
        heif = data[8:12] in _HEIF_BRANDS
        return "HEIC (a phone's photo: share or export it as JPEG)" if heif else "a video (MP4)"
    text = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        return "SVG, or other XML"
    if text.startswith((b"<html", b"<!doctype html")):
        return "an HTML page (of a download that failed, perhaps)"
    return next((name for start, name in _FOREIGN if data.startswith(start)), None)


def holds_manifest(data: bytes) -> bool:
    """Whether a file seems to carry a C2PA manifest: it is told by the names of its boxes."""
    return b"jumb" in data and b"c2pa" in data
