"""Files that want to crash, hang or fill whoever reads them, made from a seed."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ninefold.files.exif import write_exif
from tests.provenance.signing import plain, signed

_UUID_TAIL = bytes.fromhex("00110010800000aa00389b71")
_LENGTHS = (0, 1, 2, 7, 8, 0x7FFF, 0xFFFF, 1 << 24, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class HostileFile:
    """A file and how it came about."""

    name: str
    data: bytes


def box(kind: bytes, body: bytes) -> bytes:
    """A box of JUMBF or of ISO's base media format."""
    return struct.pack(">I", 8 + len(body)) + kind + body


def description(kind: bytes, label: bytes) -> bytes:
    """The description that begins a superbox."""
    return box(b"jumd", kind + _UUID_TAIL + b"\x03" + label + b"\0")


def chunk(kind: bytes, body: bytes) -> bytes:
    """A chunk of PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks: bytes) -> bytes:
    """A PNG with more chunks behind its header."""
    data = plain()
    return data[:33] + b"".join(chunks) + data[33:]


def store_of(*manifests: bytes) -> bytes:
    """A manifest store."""
    return box(b"jumb", description(b"c2pa", b"c2pa") + b"".join(manifests))


def manifest(claim: bytes, signature: bytes = b"\xd2\x84\x40\xa0\xf6\x40") -> bytes:
    """A manifest with nothing but a claim and a signature, in CBOR."""
    parts = (
        (b"c2as", b"c2pa.assertions", b""),
        (b"c2cl", b"c2pa.claim.v2", box(b"cbor", claim)),
        (b"c2cs", b"c2pa.signature", box(b"cbor", signature)),
    )
    boxes = [box(b"jumb", description(kind, label) + body) for kind, label, body in parts]
    return box(b"jumb", description(b"c2ma", b"urn:c2pa:x") + b"".join(boxes))


def with_claim(claim: bytes) -> bytes:
    """A PNG whose manifest has this claim."""
    return png_with(chunk(b"caBX", store_of(manifest(claim))))


def nested(depth: int) -> bytes:
    """Superboxes inside each other."""
    head = description(b"c2ma", b"urn:c2pa:x")
    size, parts = len(head), [head]
    for _ in range(depth):
        size += 8
        parts.append(struct.pack(">I4s", size, b"jumb"))
        parts.append(head)
        size += len(head)
    return b"".join(reversed(parts))


def exif_loop() -> bytes:
    """EXIF whose directories lead to themselves."""
    entry = struct.pack("<HHII", 0x8769, 4, 1, 8)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + struct.pack("<I", 8)


def xmp(packet: str) -> bytes:
    """The chunk of an XMP packet."""
    return chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet.encode())


def remote(address: str) -> bytes:
    """A PNG whose XMP says that its manifest lies elsewhere."""
    return png_with(
        xmp(
            '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
            'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
            'xmlns:dcterms="http://purl.org/dc/terms/" rdf:about="" '
            f'dcterms:provenance="{address}"/></rdf:RDF></x:xmpmeta>'
        )
    )


def _bombs() -> Iterator[tuple[str, Callable[[], bytes]]]:
    laughs = "".join(f'<!ENTITY l{n} "{"&l" + str(n - 1) + ";"}">' * 1 for n in range(1, 9))
    packet = f'<!DOCTYPE x [<!ENTITY l0 "{"lol" * 1000}">{laughs}]><x>{"&l8;" * 1000}</x>'
    deep = "<a>" * 50_000 + "</a>" * 50_000
    zeros = zlib.compress(bytes(64 << 20), 9)
    yield "nested boxes", lambda: png_with(chunk(b"caBX", nested(20_000)))
    yield (
        "deep claim",
        lambda: png_with(chunk(b"caBX", store_of(manifest(b"\x81" * 50_000 + b"\0")))),
    )
    yield (
        "deep map",
        lambda: png_with(chunk(b"caBX", store_of(manifest(b"\xa1a" * 50_000 + b"\0")))),
    )
    yield (
        "deep signature",
        lambda: png_with(chunk(b"caBX", store_of(manifest(b"\xa0", b"\x81" * 50_000 + b"\0")))),
    )
    yield (
        "long array",
        lambda: png_with(
            chunk(b"caBX", store_of(manifest(b"\x9b" + struct.pack(">Q", 1 << 60) + b"\0")))
        ),
    )
    yield (
        "long text",
        lambda: png_with(
            chunk(b"caBX", store_of(manifest(b"\x7b" + struct.pack(">Q", 1 << 40) + b"\0")))
        ),
    )
    yield (
        "many manifests",
        lambda: png_with(chunk(b"caBX", store_of(*(manifest(b"\xa0") for _ in range(2_000))))),
    )
    yield "many stores", lambda: png_with(chunk(b"caBX", store_of()) * 2_000)
    yield "many chunks", lambda: png_with(chunk(b"tEXt", b"a\0b") * 11_000)
    yield "far too many chunks", lambda: png_with(chunk(b"tEXt", b"a\0b") * 200_000)
    yield (
        "manifest and many chunks",
        lambda: png_with(
            chunk(b"caBX", store_of(manifest(b"\xa0"))), chunk(b"tEXt", b"a\0b") * 11_000
        ),
    )
    yield "many boxes", lambda: signed(form="AVIF") + box(b"free", b"") * 1_900
    yield "far too many boxes", lambda: signed(form="AVIF") + box(b"free", b"") * 100_000
    yield "boxes in boxes", lambda: signed(form="AVIF") + box(b"moov", box(b"free", b"") * 100_000)
    yield (
        "boxes in an unknown box",
        lambda: (
            signed(form="AVIF")
            + box(b"trak", box(b"mdia", box(b"minf", box(b"stbl", box(b"free", b"") * 50_000))))
        ),
    )
    yield (
        "segments",
        lambda: signed(form="JPEG")[:2] + b"\xff\xe5\0\x04ab" * 19_000 + signed(form="JPEG")[2:],
    )
    yield "XML bomb", lambda: png_with(xmp(packet))
    yield "deep XML", lambda: png_with(xmp(deep))
    yield "EXIF loop", lambda: png_with(chunk(b"eXIf", exif_loop()[6:]))
    yield "EXIF loop in JPEG", lambda: plain("JPEG", exif=exif_loop())
    yield "huge EXIF comment", lambda: plain("WEBP", exif=write_exif("a" * 60_000))
    yield (
        "compressed texts",
        lambda: png_with(*(chunk(b"zTXt", b"k%d\0\0" % n + zeros) for n in range(20))),
    )
    yield "deep JSON", lambda: png_with(chunk(b"tEXt", b"prompt\0" + b'{"a":' * 100_000))
    yield (
        "long infotext",
        lambda: png_with(chunk(b"tEXt", b"parameters\0a\nSteps: 1, " + b"A: b, " * 100_000)),
    )


BOMBS = dict(_bombs())


def mutated(seed: int) -> HostileFile:
    """A file of one of the four formats, cut, spliced or changed at up to sixteen places."""
    rng = random.Random(seed)
    form = rng.choice(("PNG", "JPEG", "WEBP", "AVIF"))
    generator = rng.choice(("ninefold", "Photo Editor"))
    data = bytearray(_sample(form, generator) if rng.random() < 0.8 else plain(form))
    other = _sample(rng.choice(("PNG", "JPEG", "WEBP", "AVIF")), "ninefold")
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if not data:
            break
        start = max(0, data.find(b"jumb") - 8) if rng.random() < 0.7 else 0
        at = rng.randrange(start, len(data)) if start < len(data) else 0
        match rng.randrange(8):
            case 0:
                data[at] ^= 1 << rng.randrange(8)
            case 1:
                data[at] = rng.randrange(256)
            case 2:
                data[at : at + 4] = struct.pack(">I", rng.choice((*_LENGTHS, len(data) * 2)))
            case 3:
                del data[at : at + rng.randrange(1, 200)]
            case 4:
                data[at:at] = rng.randbytes(rng.randrange(1, 64))
            case 5:
                source = rng.randrange(len(data))
                data[at:at] = data[source : source + rng.randrange(1, 2000)]
            case 6:
                del data[at:]
            case _:
                source = rng.randrange(len(other))
                length = rng.randrange(200)
                data[at : at + length] = other[source : source + length]
    return HostileFile(f"mutated {form} {seed}", bytes(data))


_samples: dict[tuple[str, str], bytes] = {}


def _sample(form: str, generator: str) -> bytes:
    """A signed file, the same each time: signatures are random."""
    key = form, generator
    if key not in _samples:
        _samples[key] = signed(form=form, generator=generator)
    return _samples[key]
