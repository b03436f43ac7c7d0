"""All texts that a file carries, wherever its format keeps them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from ninefold.files.embed import PARAMETERS, RECORD, RECORD_KEYWORD, XMP_KEYWORD, own_text
from ninefold.files.exif import read_exif, read_exif_texts
from ninefold.files.formats import ImageFormat
from ninefold.files.opening import ImageLimits, open_image
from ninefold.files.png import read_text
from ninefold.files.readers.stealth import MAX_PIXELS, read_stealth
from ninefold.files.readers.values import read_json
from ninefold.files.signed_record import SignedRecord, read_signed_record
from ninefold.files.xmp import parse_packet

#: Texts of EXIF that say what they are, as ComfyUI's nodes for WebP and JPEG write them.
_NAMED = re.compile(r"\s*(prompt|workflow|parameters)\s*:\s*(?=[{\"\w])", re.IGNORECASE)


@dataclass(frozen=True)
class Carriers:
    """What a file says in words; texts by PNG keyword, or as EXIF's fields name themselves."""

    format: ImageFormat
    width: int
    height: int
    texts: Mapping[str, str] = field(default_factory=dict)
    #: EXIF's user comment.
    comment: str = ""
    #: EXIF's other texts, by exiftool's names.
    exif: Mapping[str, str] = field(default_factory=dict)
    #: XMP properties by their names without a prefix; lists as their first item.
    xmp: Mapping[str, str] = field(default_factory=dict)
    #: Whether the texts came from the lowest bits of the pixels.
    hidden: bool = False
    #: Where the record came from, if no text of the file has it.
    signed: SignedRecord | None = None

    @property
    def parameters(self) -> str:
        """What most tools write: one text, in PNG's chunk of that name or in the user comment."""
        return self.texts.get(PARAMETERS) or self.comment

    def places(self) -> list[str]:
        """Where texts were found, for people."""
        if self.hidden:
            return ["the lowest bits of its pixels"]
        elsewhere = (XMP_KEYWORD,) if self.signed is None else (XMP_KEYWORD, RECORD_KEYWORD)
        found = [f"PNG text {name}" for name in list(self.texts)[:20] if name not in elsewhere]
        found += ["EXIF UserComment"] if self.comment else []
        found += [f"EXIF {name}" for name in self.exif]
        found += ["XMP"] if self.xmp else []
        if self.signed is not None:
            other = "" if self.signed.whole else ", which was signed with another form of this file"
            found.append(f"its C2PA manifest{other}")
        return found


def read_carriers(data: bytes, limits: ImageLimits) -> Carriers:
    """The texts of a file, without decoding its pixels; raises `ValueError` for what is none of
    the formats, is corrupt or too large."""
    with open_image(data, limits) as image:
        kind = ImageFormat(str(image.format).lower())
        block = image.info.get("exif")
        block = block if isinstance(block, bytes) else b""
        width, height = image.size
        packet = image.info.get("xmp")
    texts = read_text(data) if kind is ImageFormat.PNG else {}
    comment = read_exif(block).comment
    with suppress(ValueError):  # of ours, which may go on in JPEG's extension of XMP
        if kind is not ImageFormat.PNG and (record := own_text(data, packet, RECORD)) is not None:
            texts[RECORD_KEYWORD] = record
            comment = comment or own_text(data, packet, PARAMETERS)
    signed = None
    if RECORD_KEYWORD not in texts:
        with suppress(ValueError):
            signed = read_signed_record(data, kind)
    if signed is not None:
        texts[RECORD_KEYWORD] = signed.text
    xmp = texts.get(XMP_KEYWORD) or packet
    exif = read_exif_texts(block)
    for text in exif.values():
        if found := _NAMED.match(text):
            texts.setdefault(found[1].lower(), text[found.end() :])
    return Carriers(
        kind,
        width,
        height,
        texts=texts,
        comment=comment or "",
        exif=exif,
        xmp=_properties(xmp.encode("utf-8", "replace") if isinstance(xmp, str) else xmp),
        signed=signed,
    )


def hidden_carriers(data: bytes, plain: Carriers, limits: ImageLimits) -> Carriers | None:
    """The same with what the pixels hide, which have to be decoded for it; None where that is
    nothing. Raises `ValueError` where they are corrupt."""
    lossless = plain.format is ImageFormat.PNG or b"VP8L" in data[:64]
    if not lossless or plain.width * plain.height > MAX_PIXELS:
        return None
    with open_image(data, limits) as image:
        text = read_stealth(image)
    if text is None:
        return None
    value = read_json(text)
    # NovelAI hides what its text chunks hold, by their keywords.
    fields = value.items() if isinstance(value, dict) and "Comment" in value else ()
    found = {str(key): item for key, item in fields if isinstance(item, str)}
    return replace(plain, texts=found or {PARAMETERS: text}, comment="", hidden=True)


def _properties(packet: object) -> dict[str, str]:
    """The properties of an XMP packet, of whatever namespace; none where it cannot be read."""
    found: dict[str, str] = {}
    if not isinstance(packet, bytes):
        return found
    with suppress(ValueError):
        for description in parse_packet(packet):
            for name, value in description.attrib.items():
                found.setdefault(_local(name), value)
            for child in description:
                if text := _first_text(child):
                    found.setdefault(_local(child.tag), text)
    return found


def _first_text(element: ElementTree.Element) -> str:
    """The text of a property, or of the first item of its list."""
    for item in element.iter():
        if item.text and item.text.strip():
            return item.text
    return ""


def _local(name: str) -> str:
    return name.rpartition("}")[2]
