"""Where metadata lives in each format: infotext, XMP and the record, written and read back.

Infotext: PNG text chunk `parameters`, elsewhere the EXIF user comment. XMP: PNG iTXt
`XML:com.adobe.xmp`, elsewhere the format's own place for it. The record of how the image was made:
PNG iTXt `ninefold`, elsewhere the XMP property `ninefold:record`. JPEG has room for 64 KB in one
place: what is longer goes on in an XMP extension, a long infotext too, as `ninefold:parameters`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

from ninefold.files import jpeg
from ninefold.files.exif import read_exif, write_exif
from ninefold.files.formats import ImageFormat
from ninefold.files.infotext import Infotext, format_infotext, parse_infotext
from ninefold.files.manifest import Manifest, read_manifest
from ninefold.files.opening import ImageLimits, open_image
from ninefold.files.png import read_text
from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text
from ninefold.files.signed_record import read_signed_record
from ninefold.files.xmp import Xmp, extension_of, format_xmp, has_own, own_property

PARAMETERS = "parameters"
XMP_KEYWORD = "XML:com.adobe.xmp"
#: PNG's keyword of the record, and its name in XMP.
RECORD_KEYWORD, RECORD = "ninefold", "record"
#: Longest record that files can hold, in bytes.
MAX_RECORD = 8 << 20
#: Most bytes of EXIF, with its prefix, and of an XMP packet that a JPEG file holds in one place.
_MAX_EXIF, _MAX_XMP = jpeg.MAX_SEGMENT, jpeg.MAX_SEGMENT - 29
#: Characters that JSON may hold as they are, and XML may not.
_NOT_XML = re.compile("[\ufffe\uffff]")


class MetadataLevel(StrEnum):
    """How much a published file tells about itself."""

    FULL = "full"
    """Infotext, XMP and the record of how the image was made."""
    MINIMAL = "minimal"
    """XMP alone, without prompts: that a model made it, and which program."""
    NONE = "none"
    """Nothing."""


@dataclass(frozen=True)
class EmbeddedMetadata:
    """What may go into a file, and how much of it does."""

    infotext: Infotext | None = None
    xmp: Xmp | None = None
    level: MetadataLevel = MetadataLevel.FULL
    #: Without what is of one run alone (`Manifest.record`).
    record: Manifest | None = None


@dataclass(frozen=True)
class Carried:
    """Metadata ready for a file: the infotext as text, the XMP, and the record as JSON."""

    parameters: str | None = None
    xmp: Xmp | None = None
    record: str | None = None

    @property
    def exif(self) -> bytes:
        """The EXIF block for formats that carry the infotext there; empty where there is none."""
        return write_exif(self.parameters) if self.parameters is not None else b""

    @property
    def packet(self) -> bytes:
        """The XMP packet without the record; empty where there is none."""
        return format_xmp(self.xmp) if self.xmp else b""

    @property
    def whole_packet(self) -> bytes:
        """The XMP packet with the record; empty where there is none of them."""
        return format_xmp(self.xmp, _own(record=self.record)) if self.xmp or self.record else b""

    def for_jpeg(self) -> tuple[bytes, bytes, bytes]:
        """EXIF, XMP packet, and an extension of it for what these have no room for."""
        exif, long = self.exif, _own(record=self.record)
        if len(exif) > _MAX_EXIF:
            exif, long = b"", _own(record=self.record, parameters=self.parameters)
        elif len(self.whole_packet) <= _MAX_XMP:
            return exif, self.whole_packet, b""
        extension = format_xmp(None, long)
        return exif, format_xmp(self.xmp, extension=jpeg.extension_guid(extension)), extension


def carry(metadata: EmbeddedMetadata) -> Carried:
    """`metadata` cut down to its level, with absolute paths and secrets taken out.

    Raises ValueError for infotext that cannot be written (see `format_infotext`).
    """
    if metadata.level is MetadataLevel.NONE:
        return Carried()
    parameters = record = None
    xmp = metadata.xmp
    if metadata.level is MetadataLevel.MINIMAL:
        xmp = replace(xmp, prompt=None, prompt_writer=None) if xmp else None
    else:
        if metadata.infotext:
            parameters = format_infotext(_scrub_infotext(metadata.infotext)).replace("\0", "")
        if metadata.record:
            record = metadata.record.record.to_json().decode()
    return Carried(parameters, _scrub_xmp(xmp) if xmp else None, record)


def read_parameters(data: bytes, limits: ImageLimits | None = None) -> str | None:
    """The raw generation text of an image file, or None where it has none.

    Raises ValueError where `data` is no image that can be read, or its header is corrupt.
    """
    with open_image(data, limits) as image:
        kind, packet = image.format, image.info.get("xmp")
        text = read_text(data).get(PARAMETERS) if kind == "PNG" else None
        text = read_exif(image.info.get("exif") or b"").comment if text is None else text
    if text is None and kind == "JPEG":
        with suppress(ValueError):
            return own_text(data, packet, PARAMETERS)
    return text


def read_infotext(data: bytes) -> Infotext | None:
    """The infotext of an image file, or None where it has none.

    Text that is a JSON object, as SwarmUI writes it, is no infotext: get it from
    `read_parameters`. Raises ValueError where `data` is no image that can be read, or its
    header is corrupt.
    """
    text = read_parameters(data)
    return None if text is None or _is_json_object(text) else parse_infotext(text)


def read_xmp(data: bytes) -> bytes | None:
    """The XMP packet of an image file, or None where it has none.

    Raises ValueError where `data` is no image that can be read, or its header is corrupt.
    """
    with open_image(data) as image:
        if image.format == "PNG":
            text = read_text(data).get(XMP_KEYWORD)
            return text.encode() if text else None
        packet = image.info.get("xmp")
        return packet if isinstance(packet, bytes) else None


def read_record(data: bytes) -> Manifest | None:
    """How the image of a file was made; None where the file has no record of ninefold's.

    It is what the file says; whether it is true, its signature tells. Where its texts were removed,
    the record is that in its C2PA manifest, if the signature holds. Raises ValueError where `data`
    is none of the formats, or its record is damaged or of another version.
    """
    with open_image(data) as image:
        kind, packet = ImageFormat(str(image.format).lower()), image.info.get("xmp")
    png = kind is ImageFormat.PNG
    text = read_text(data).get(RECORD_KEYWORD) if png else own_text(data, packet, RECORD)
    if text is None and (signed := read_signed_record(data, kind)) is not None:
        text = signed.text
    return None if text is None else read_manifest(text)


def own_text(data: bytes, packet: object, name: str) -> str | None:
    """A property of ninefold's in a file's XMP packet, or in JPEG's extension of it; None where it
    has none. Raises ValueError where they cannot be read."""
    if not isinstance(packet, bytes) or not has_own(packet):
        return None
    if (value := own_property(packet, name)) is not None or (guid := extension_of(packet)) is None:
        return value
    extension = jpeg.find_extension(data, guid)
    return None if extension is None else own_property(extension, name)


def _own(**properties: str | None) -> dict[str, str]:
    """Properties for XMP; of JSON the same in other characters, where XML cannot hold them."""
    return {
        name: _NOT_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", value)
        if name == RECORD
        else value
        for name, value in properties.items()
        if value is not None
    }


def _is_json_object(text: str) -> bool:
    text = text.strip()
    if not (text.startswith("{") and text.endswith("}")):
        return False
    try:
        return isinstance(json.loads(text), dict)
    except RecursionError:  # only JSON goes so deep
        return True
    except ValueError:
        return False


def _scrub_infotext(info: Infotext) -> Infotext:
    fields = {
        key: scrub_prompt(value) if is_prompt_key(key) else scrub_text(value)
        for key, value in info.fields.items()
        if not is_secret_key(key)
    }
    return Infotext(scrub_prompt(info.prompt), scrub_prompt(info.negative_prompt), fields)


def _scrub_xmp(xmp: Xmp) -> Xmp:
    def clean(value: str | None, scrub: Callable[[str], str] = scrub_text) -> str | None:
        return scrub(value) if value is not None else None

    return Xmp(
        xmp.source_type,
        clean(xmp.system),
        clean(xmp.system_version),
        clean(xmp.prompt, scrub_prompt),
        clean(xmp.prompt_writer),
    )
