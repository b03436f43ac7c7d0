"""JPEG's application segments, for metadata that is too long for one of them.

Source: ISO 16684-3 (XMP specification part 3), 1.1.3.1, extended XMP.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator

#: Most bytes that one segment holds, without its marker and its length.
MAX_SEGMENT = 65_533
_START = b"\xff\xd8"
_APP1 = 0xE1
_APPLICATION, _SCAN, _END = range(0xE0, 0xF0), 0xDA, 0xD9
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_HEAD = struct.Struct(">32sII")
_PORTION = 65_400
_MAX_EXTENSION = 16 << 20


def extension_guid(extension: bytes) -> str:
    """What the main XMP packet calls `extension` by: its MD5, as the standard asks."""
    return hashlib.md5(extension, usedforsecurity=False).hexdigest().upper()


def add_extension(jpeg: bytes, extension: bytes) -> bytes:
    """`jpeg` with `extension`, an XMP packet of any length, in segments after its first ones."""
    at = len(_START)
    for start, marker, body in _segments(jpeg):
        if marker not in _APPLICATION:
            break
        at = start + 4 + len(body)
    guid = extension_guid(extension).encode()
    portions = b"".join(
        _segment(
            _EXTENSION
            + _HEAD.pack(guid, len(extension), offset)
            + extension[offset : offset + _PORTION]
        )
        for offset in range(0, len(extension), _PORTION)
    )
    return jpeg[:at] + portions + jpeg[at:]


def find_extension(jpeg: bytes, guid: str) -> bytes | None:
    """The extension that the main packet calls `guid`; None where it is missing.

    Raises ValueError where a part of it is missing, or it is not what it was.
    """
    portions: dict[int, bytes] = {}
    length = 0
    for _, marker, body in _segments(jpeg):
        if marker != _APP1 or not body.startswith(_EXTENSION):
            continue
        head = body[len(_EXTENSION) :][: _HEAD.size]
        if len(head) < _HEAD.size:
            continue
        name, length_, offset = _HEAD.unpack(head)
        if name.decode("latin-1").upper() == guid.upper():
            portions[offset] = body[len(_EXTENSION) + _HEAD.size :]
            length = length_
    if not portions:
        return None
    found = b"".join(portions[offset] for offset in sorted(portions))
    if length > _MAX_EXTENSION or len(found) != length or extension_guid(found) != guid.upper():
        raise ValueError(
            f"XMP extension: expected {length} bytes of MD5 {guid}, got {len(found)} others; the "
            "file was damaged or changed"
        )
    return found


def _segment(body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body


def _segments(jpeg: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Place, marker and body of each segment before the first scan."""
    at = len(_START)
    while jpeg[:2] == _START and at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker = jpeg[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker in (_SCAN, _END) or length < 2 or at + 2 + length > len(jpeg):
            return
        yield at, marker, jpeg[at + 4 : at + 2 + length]
        at += 2 + length
