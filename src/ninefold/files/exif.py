"""The EXIF fields that matter here: texts, orientation, and the mark for Adobe RGB.

Read and written by hand: a corrupt block must never stop a good image from opening, and readers
of A1111's infotext expect a big-endian comment, which Pillow's EXIF class does not promise.
Layout: TIFF 6.0 section 2, Exif 2.32 section 4.6.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

_ORIENTATION = 0x0112
_EXIF_POINTER = 0x8769
_VERSION = 0x9000
_USER_COMMENT = 0x9286
_INTEROP_POINTER = 0xA005
_INTEROP_INDEX = 0x0001
_ADOBE_RGB = b"R03"
_UNICODE = b"UNICODE\0"
_JIS = b"JIS\0\0\0\0\0"
# So many bytes of UTF-16 are printable UTF-8 only where someone wants them to be.
_TOO_LONG_FOR_CHANCE = 16
_BYTE, _ASCII, _SHORT, _LONG, _UNDEFINED, _UTF8 = 1, 2, 3, 4, 7, 129
#: What JPEG and others put before the block.
EXIF_PREFIX = b"Exif\0\0"
#: Texts beside the user comment, by the names that exiftool has for them.
_TEXTS = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    0x013B: "Artist",
    0x927C: "MakerNote",
}

#: Raw values by tag: views into the block, for many may name the same bytes.
_Entries = Mapping[int, memoryview]


@dataclass(frozen=True)
class Exif:
    """`orientation` is 1 to 8 (1 is upright); `comment` is the decoded user comment, if any.

    `adobe_rgb` is how a camera says so where it embeds no profile.
    """

    orientation: int = 1
    comment: str | None = None
    adobe_rgb: bool = False


def write_exif(comment: str) -> bytes:
    """An EXIF block, with its `Exif` prefix, that holds `comment` as UTF-16, big-endian."""
    text = _UNICODE + comment.encode("utf-16-be", "replace")
    directory = 26
    head = b"MM\0*" + struct.pack(">I", 8)
    first = struct.pack(">HHHIII", 1, _EXIF_POINTER, _LONG, 1, directory, 0)
    values = directory + 2 + 2 * 12 + 4
    second = struct.pack(">HHHI4s", 2, _VERSION, _UNDEFINED, 4, b"0232")
    second += struct.pack(">HHIII", _USER_COMMENT, _UNDEFINED, len(text), values, 0)
    return EXIF_PREFIX + head + first + second + text


def read_exif(block: bytes) -> Exif:
    """What `block` says, with or without its `Exif` prefix; the defaults where it is corrupt."""
    tiff = _tiff(block)
    order, first, inner = _directories(tiff)
    try:
        interop = _pointed(tiff, order, inner, _INTEROP_POINTER)
        turned = first.get(_ORIENTATION, b"")
        orientation = struct.unpack(order + "H", turned[:2])[0] if len(turned) >= 2 else 1
    except struct.error:
        return Exif()
    value = inner.get(_USER_COMMENT) or first.get(_USER_COMMENT)  # some write it beside the size
    comment = _comment(bytes(value), order) if value else None
    adobe_rgb = bytes(interop.get(_INTEROP_INDEX, b"")[:8]).rstrip(b"\0 ") == _ADOBE_RGB
    return Exif(orientation if 1 <= orientation <= 8 else 1, comment, adobe_rgb)


def read_exif_texts(block: bytes) -> dict[str, str]:
    """The texts of `block` beside its user comment, by exiftool's names; none where it is corrupt.

    UTF-8, which EXIF's ASCII is to most writers, else Latin-1.
    """
    _, first, inner = _directories(_tiff(block))
    found = {}
    for tag, name in _TEXTS.items():
        value = bytes(first.get(tag) or inner.get(tag) or b"").strip(b"\0 ")
        if value:
            found[name] = _first_that_decodes(value, "utf-8", "latin-1")
    return found


def _tiff(block: bytes) -> memoryview:
    """The block without its `Exif` prefix, from which places in it count."""
    return memoryview(block)[len(EXIF_PREFIX) if block.startswith(EXIF_PREFIX) else 0 :]


def _directories(tiff: memoryview) -> tuple[str, _Entries, _Entries]:
    """The byte order, and the directories of the image and of EXIF; empty where it is corrupt."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]), "")
    if not order:
        return ">", {}, {}
    try:
        first = _directory(tiff, order, struct.unpack_from(order + "I", tiff, 4)[0])
        return order, first, _pointed(tiff, order, first, _EXIF_POINTER)
    except struct.error:
        return order, {}, {}


def _pointed(tiff: memoryview, order: str, entries: _Entries, tag: int) -> _Entries:
    """The directory that an entry points to; raises `struct.error` where it cannot be read."""
    if tag not in entries:
        return {}
    return _directory(tiff, order, struct.unpack(order + "I", entries[tag][:4])[0])


def _directory(tiff: memoryview, order: str, at: int) -> dict[int, memoryview]:
    """The raw values of one directory, by tag; only the types that are needed here."""
    # Pillow writes comments as bytes, not as the specification's undefined type.
    sizes = {_BYTE: 1, _ASCII: 1, _SHORT: 2, _LONG: 4, _UNDEFINED: 1, _UTF8: 1}
    entries: dict[int, memoryview] = {}
    (count,) = struct.unpack_from(order + "H", tiff, at)
    for index in range(count):
        place = at + 2 + 12 * index
        tag, kind, number = struct.unpack_from(order + "HHI", tiff, place)
        length = sizes.get(kind, 0) * number
        if length <= 4:
            start = place + 8
        else:
            (start,) = struct.unpack_from(order + "I", tiff, place + 8)
        if start + length <= len(tiff):
            entries[tag] = tiff[start : start + length]
    return entries


def _comment(value: bytes, order: str) -> str | None:
    """The text after its character code; all of it where a writer gave none."""
    code, text = value[:8].upper(), value[8:]
    if code == _UNICODE:
        decoded = text.decode() if _is_utf8(text.rstrip(b"\0")) else _utf16(text, order)
    elif code == _JIS:
        decoded = _first_that_decodes(text, "iso2022_jp", "shift_jis")
    else:
        rest = text if code in (b"ASCII\0\0\0", bytes(8)) else value
        decoded = _utf16(rest, order) if b"\0" in rest.strip(b"\0") else _narrow(rest)
    return decoded.strip("\0\ufeff") or None


def _is_utf8(text: bytes) -> bool:
    """Whether `text` is none of the UTF-16 that its code promises."""
    if len(text) < _TOO_LONG_FOR_CHANCE or b"\0" in text:
        return False
    try:
        return all(letter.isprintable() or letter in "\t\n\r" for letter in text.decode())
    except UnicodeDecodeError:
        return False


def _narrow(text: bytes) -> str:
    return _first_that_decodes(text, "utf-8", "latin-1").strip(" ")


def _first_that_decodes(text: bytes, *codecs: str) -> str:
    for codec in codecs:
        with suppress(UnicodeDecodeError):
            return text.decode(codec)
    return text.decode("utf-8", "replace")


def _utf16(text: bytes, order: str) -> str:
    """`text` in the byte order that makes sense: writers disagree on whether it is the block's."""
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return text.decode("utf-16", "replace")
    big, little = (text.decode(f"utf-16-{end}", "replace") for end in ("be", "le"))
    for mark in ("Negative prompt:", "Steps: "):
        if (mark in big) != (mark in little):
            return big if mark in big else little
    plain = [sum(letter.isascii() and letter.isprintable() for letter in t) for t in (big, little)]
    if plain[0] != plain[1]:
        return big if plain[0] > plain[1] else little
    return little if order == "<" else big
