"""The XMP packet that says a picture was made by AI, for readers of IPTC's properties.

Sources: XMP specification part 1 (ISO 16684-1), IPTC Photo Metadata Standard 2025.1.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from xml.sax.saxutils import escape

_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#: Namespace of ninefold's own properties: `record`, and `parameters` where EXIF has no room.
_NINEFOLD = "http://ns.ninefold.io/1.0/"
_NOTE = "http://ns.adobe.com/xmp/note/"
_EXTENDED = "HasExtendedXMP"
_MAX_PACKET = 16 << 20
_PROPERTIES = (
    ("AISystemUsed", "system"),
    ("AISystemVersionUsed", "system_version"),
    ("AIPromptInformation", "prompt"),
    ("AIPromptWriterName", "prompt_writer"),
)


class DigitalSourceType(StrEnum):
    """How a picture came about, in IPTC's terms."""

    TRAINED = "trainedAlgorithmicMedia"
    """Made by a model, from text or from another such picture."""
    COMPOSITE = "compositeWithTrainedAlgorithmicMedia"
    """A real photo with parts made by a model: inpainting, added detail."""
    ENHANCED = "algorithmicallyEnhanced"
    """A real photo, only enlarged or sharpened."""


@dataclass(frozen=True)
class Xmp:
    """What the packet says; the prompt and its writer are left out unless someone asks for them."""

    source_type: DigitalSourceType = DigitalSourceType.TRAINED
    system: str | None = None
    system_version: str | None = None
    prompt: str | None = None
    prompt_writer: str | None = None


def format_xmp(
    xmp: Xmp | None, own: Mapping[str, str] | None = None, extension: str | None = None
) -> bytes:
    """The packet, in UTF-8; characters that XML cannot hold are left out.

    `own` are properties of ninefold's, by name. `extension` is what a second packet is called that
    holds more (see `files.jpeg`).
    """
    properties = [] if xmp is None else list(_properties(xmp))
    properties += [(f"ninefold:{name}", value) for name, value in (own or {}).items()]
    if extension is not None:
        properties.append((f"xmpNote:{_EXTENDED}", extension))
    body = "\n   ".join(f"<{name}>{_escape(value)}</{name}>" for name, value in properties)
    spaces = {"Iptc4xmpExt": _IPTC, "ninefold": _NINEFOLD, "xmpNote": _NOTE}
    names = [name for name, _ in properties]
    if extension is not None:
        names.append("ninefold:")  # so that the packet says whose the extension is
    used = "".join(
        f' xmlns:{prefix}="{space}"'
        for prefix, space in spaces.items()
        if any(name.startswith(f"{prefix}:") for name in names)
    )
    return f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
 <rdf:RDF xmlns:rdf="{_RDF}">
  <rdf:Description rdf:about=""{used}>
   {body}
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="r"?>""".encode()


def parse_xmp(packet: bytes) -> Xmp | None:
    """What a packet says, or None where it names no source type that is known here.

    Raises ValueError as `parse_packet`.
    """
    found = _simple(packet)
    kind = found.get(f"{{{_IPTC}}}DigitalSourceType", "").rpartition("/")[2]
    if kind not in set(DigitalSourceType):
        return None
    values = {attribute: found.get(f"{{{_IPTC}}}{name}") for name, attribute in _PROPERTIES}
    return Xmp(DigitalSourceType(kind), **values)


def has_own(packet: bytes) -> bool:
    """Whether a packet, or its extension, may hold properties of ninefold's."""
    return _NINEFOLD.encode() in packet


def own_property(packet: bytes, name: str) -> str | None:
    """A property of ninefold's own in a packet; raises ValueError as `parse_packet`."""
    return _simple(packet).get(f"{{{_NINEFOLD}}}{name}")


def extension_of(packet: bytes) -> str | None:
    """What a packet's extension is called; raises ValueError as `parse_packet`."""
    return _simple(packet).get(f"{{{_NOTE}}}{_EXTENDED}")


def parse_packet(packet: bytes) -> Iterator[ElementTree.Element]:
    """The descriptions of a packet, whose attributes and children are its properties.

    Raises ValueError where it is over 16 MiB, is no XML, or declares entities (which can be made to
    grow without end).
    """
    if len(packet) > _MAX_PACKET:
        raise ValueError(f"XMP: expected at most {_MAX_PACKET} bytes, got {len(packet)}")
    if b"<!" in packet.replace(b"<!--", b""):
        raise ValueError("XMP: expected no document type or entities, got one; remove it")
    try:
        root = ElementTree.fromstring(packet.strip(b"\0\r\n\t "))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise ValueError(f"XMP: expected XML, got a packet that does not parse: {error}") from error
    yield from root.iter(f"{{{_RDF}}}Description")


def _simple(packet: bytes) -> dict[str, str]:
    """The properties of a packet that are text, by their names in full."""
    found: dict[str, str] = {}
    for description in parse_packet(packet):
        found |= {name: value for name, value in description.attrib.items() if value}
        found |= {child.tag: child.text for child in description if child.text}
    return found


def _properties(xmp: Xmp) -> Iterator[tuple[str, str]]:
    yield "Iptc4xmpExt:DigitalSourceType", f"{_SOURCE_TYPES}{xmp.source_type.value}"
    for name, attribute in _PROPERTIES:
        value: str | None = getattr(xmp, attribute)
        if value is not None:
            yield f"Iptc4xmpExt:{name}", value


def _escape(value: str) -> str:
    kept = "".join(letter for letter in value if _allowed(ord(letter)))
    return escape(kept, {"\r": "&#13;"})


def _allowed(code: int) -> bool:
    """XML 1.0, production 2 (Char)."""
    if code < 0x20:
        return code in (9, 10, 13)
    return not (0xD800 <= code <= 0xDFFF or code in (0xFFFE, 0xFFFF))
