"""The C2PA manifest store of an image file: where it lies, and what of it no hash covers.

A manifest store is a tree of JUMBF boxes. Signature and hashes cover what is in them, but neither
the boxes' sizes and labels nor the padding beside the signature, nor the header that the image
format puts before them. `unsigned_changes` compares those with what the standards ask for.

Sources: C2PA 2.4, 11 and A.3; JUMBF, ISO/IEC 19566-5; COSE, RFC 9052.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Generator, Iterator
from dataclasses import dataclass

from ninefold.files.cbor import Tagged, decode_cbor
from ninefold.files.formats import ImageFormat

#: Chunks, segments or boxes of a file above which C2PA's reader takes seconds.
MOST_PARTS = {
    ImageFormat.PNG: 12_000,
    ImageFormat.JPEG: 20_000,
    ImageFormat.WEBP: 20_000,
    ImageFormat.AVIF: 2_000,
    ImageFormat.JXL: 2_000,
}
_C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
#: What follows the four letters of a box type that JUMBF names by UUID.
_UUID_TAIL = bytes.fromhex("00110010800000aa00389b71")
_LABELS = {
    b"c2pa": {b"c2pa"},
    b"c2as": {b"c2pa.assertions"},
    b"c2cl": {b"c2pa.claim", b"c2pa.claim.v2"},
    b"c2cs": {b"c2pa.signature"},
    b"c2vc": {b"c2pa.credentials"},
    b"c2db": {b"c2pa.databoxes"},
}
#: Brands that AVIF's writers name; the hash of an AVIF file leaves its first box out.
_BRANDS = {b"avif", b"avis", b"mif1", b"msf1", b"miaf", b"MA1A", b"MA1B", b"iso8", b"tmap"}
#: The number of a box instance (JPEG XT, ISO/IEC 18477-3) that the library for C2PA writes.
_INSTANCE = b"\x02\x11"
_UNPROTECTED = {"pad", "pad2", "sigTst", "sigTst2", "rVals", 33, "x5chain"}
_MOST_DEPTH, _MOST_BOXES = 16, 20_000
#: AVIF's boxes that hold boxes, and the bytes before those.
_CONTAINERS = {b"meta": 4, b"moov": 0, b"trak": 0, b"mdia": 0, b"minf": 0, b"stbl": 0, b"dinf": 0}
_CONTAINERS |= {b"iprp": 0, b"ipco": 0, b"edts": 0, b"moof": 0, b"traf": 0, b"mvex": 0, b"udta": 0}
_CONTAINERS |= {b"grpl": 0, b"iref": 4, b"iinf": 6, b"dref": 8, b"stsd": 8}


@dataclass(frozen=True)
class FoundStore:
    """A manifest store, and what is wrong with the part of the file that holds it."""

    data: bytes
    changes: tuple[str, ...] = ()


class TooManyPartsError(ValueError):
    """A file of more chunks, segments or boxes than are worth looking through."""


def find_store(data: bytes, kind: ImageFormat) -> FoundStore | None:
    """The manifest store of a file, the first where there are several; None where there is none.

    A file that is cut short is read as far as it goes. Raises `TooManyPartsError`.
    """
    readers = {
        ImageFormat.PNG: _png_parts,
        ImageFormat.WEBP: _webp_parts,
        ImageFormat.AVIF: _avif_parts,
        ImageFormat.JXL: _jxl_parts,
    }
    if kind is ImageFormat.JPEG:
        return _jpeg_store(data)
    found = None
    for number, store in enumerate(readers[kind](data)):
        if number >= MOST_PARTS[kind]:
            raise _too_many(kind)
        found = found or store
    return found


def unsigned_changes(store: bytes) -> list[str]:
    """What is not as the standards ask for, where neither hash nor signature covers it."""
    try:
        return list(dict.fromkeys(_changes(store)))
    except (ValueError, struct.error, RecursionError):
        return ["the boxes of the manifest do not fit into each other"]


def _png_parts(data: bytes) -> Iterator[FoundStore | None]:
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        found = None
        if data[at + 4 : at + 8] == b"caBX":
            body = data[at + 8 : end - 4]
            good = zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
            wrong = () if good else ("the checksum of the PNG chunk that holds the manifest",)
            found = FoundStore(body, wrong)
        yield found
        at = end


def _webp_parts(data: bytes) -> Iterator[FoundStore | None]:
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        held = data[at : at + 4] == b"C2PA"
        yield FoundStore(data[at + 8 : at + 8 + size]) if held else None
        at += 8 + size + size % 2


def _avif_parts(data: bytes) -> Iterator[FoundStore | None]:
    waiting = [(0, len(data))]
    while waiting:
        at, end = waiting.pop()
        while at + 8 <= end:
            size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            head = 8
            if size == 1:
                size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
            size = size or end - at
            if size < head:
                break
            held = kind == b"uuid" and data[at + head : at + head + 16] == _C2PA_UUID
            yield _avif_store(data, at + head + 16, at + size) if held else None
            if kind in _CONTAINERS:
                waiting.append((at + head + _CONTAINERS[kind], min(at + size, end)))
            at += size


def _avif_store(data: bytes, start: int, end: int) -> FoundStore:
    body = data[start:end]
    purpose, _, rest = body[4:].partition(b"\0")
    changes = []
    if body[:4] != bytes(4) or purpose != b"manifest" or rest[:8] != bytes(8):
        changes.append("the header of the AVIF box of the manifest")
    opening = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    brands = {opening[at : at + 4] for at in range(8, len(opening), 4)}
    if opening[:4] not in _BRANDS or opening[4:8] != bytes(4) or not brands <= _BRANDS:
        changes.append("the brands that the AVIF file names")
    return FoundStore(rest[8:], tuple(changes))


def _jxl_parts(data: bytes) -> Iterator[FoundStore | None]:
    at = len(data) if data.startswith(b"\xff\x0a") else 0  # a bare codestream holds no boxes
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big") or len(data) - at
        if size == 1:
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:
            return
        body = data[at : at + size]
        yield FoundStore(body) if body[4:8] == b"jumb" and b"c2pa" in body[:64] else None
        at += size


def _jpeg_store(data: bytes) -> FoundStore | None:
    at, number = 2, 0
    pieces: list[bytes] = []
    good = True
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        if (number := number + 1) > MOST_PARTS[ImageFormat.JPEG]:
            raise _too_many(ImageFormat.JPEG)
        if data[at + 1] == 0xFF:  # a fill byte
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : end]
        if data[at + 1] == 0xEB and (body[12:16] == b"jumb" or (pieces and body[:2] == b"JP")):
            if not pieces:
                opening, length = body[:8], body[8:16]
            head = opening[:4] + struct.pack(">I", len(pieces) + 1) + length
            good = good and body[:16] == head and opening[:4] == b"JP" + _INSTANCE
            pieces.append(body[8:] if not pieces else body[16:])
        at = end
    if not pieces:
        return None
    store = b"".join(pieces)
    good = good and int.from_bytes(store[:4], "big") == len(store)
    return FoundStore(store, () if good else ("the headers of the JPEG segments of the manifest",))


def _too_many(kind: ImageFormat) -> TooManyPartsError:
    return TooManyPartsError(
        f"image: expected at most {MOST_PARTS[kind]:,} chunks or boxes, got more; export or copy "
        "it again"
    )


def _changes(store: bytes) -> Iterator[str]:
    boxes = 0
    waiting = [(store, 0, b"")]
    while waiting:
        level, depth, parent = waiting.pop()
        for kind, body in _boxes(level):
            if (boxes := boxes + 1) > _MOST_BOXES or depth > _MOST_DEPTH:
                raise ValueError
            if kind == b"jumb":
                (first, description), *_ = _boxes(body)
                if first != b"jumd":
                    raise ValueError
                uuid, label = yield from _description(description)
                waiting.append((body[8 + len(description) :], depth + 1, label or uuid[:4]))
            elif kind == b"cbor" and parent == b"c2pa.signature":
                yield from _cose_changes(body)


def _boxes(level: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and body of each box; raises ValueError unless they fill `level` to its last byte."""
    at = 0
    while at < len(level):
        size, kind = struct.unpack_from(">I4s", level, at)
        if size < 8 or at + size > len(level):
            raise ValueError
        yield kind, level[at + 8 : at + size]
        at += size


def _description(body: bytes) -> Generator[str, None, tuple[bytes, bytes]]:
    """Compare a description box; returns its UUID and its label."""
    uuid, toggles = body[:16], body[16]
    label, end, _private = body[17:].partition(b"\0")
    if toggles not in (0x03, 0x13) or not end:
        yield "the description of a box of the manifest"
    known = _LABELS.get(uuid[:4]) if uuid[4:] == _UUID_TAIL else None
    if known is not None and label not in known:
        yield "the label of a box of the manifest"
        label = min(known)
    return uuid, label


def _cose_changes(body: bytes) -> Iterator[str]:
    signed = decode_cbor(body)
    parts = signed.value if isinstance(signed, Tagged) else signed
    if not isinstance(parts, list) or len(parts) != 4 or not isinstance(parts[1], dict):
        raise ValueError
    for key, value in parts[1].items():
        if key not in _UNPROTECTED:
            yield "an entry beside the signature that the standard does not know"
        elif str(key).startswith("pad") and (not isinstance(value, bytes) or any(value)):
            yield "the padding beside the signature, which is not empty"
