"""Where metadata lives in each format: infotext and XMP, written and read back.

Infotext: PNG text chunk `parameters`, elsewhere the EXIF user comment. XMP: PNG iTXt
`XML:com.adobe.xmp`, elsewhere the format's own place for it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from ninefold.files.exif import read_exif, write_exif
from ninefold.files.infotext import Infotext, format_infotext, parse_infotext
from ninefold.files.jxl import load_metadata
from ninefold.files.opening import ImageLimits, open_image
from ninefold.files.png import read_text
from ninefold.files.scrub import is_prompt_key, is_secret_key, scrub_prompt, scrub_text
from ninefold.files.xmp import Xmp, format_xmp

PARAMETERS = "parameters"
XMP_KEYWORD = "XML:com.adobe.xmp"


class MetadataLevel(StrEnum):
    """How much a published file tells about itself."""

    FULL = "full"
    """Infotext and XMP."""
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


@dataclass(frozen=True)
class Carried:
    """Metadata ready for a file: the infotext as text, the XMP as a packet."""

    parameters: str | None = None
    xmp: bytes | None = None

    @property
    def exif(self) -> bytes | None:
        """The EXIF block for formats that carry the infotext there."""
        return write_exif(self.parameters) if self.parameters is not None else None


def carry(metadata: EmbeddedMetadata) -> Carried:
    """`metadata` cut down to its level, with absolute paths and secrets taken out.

    Raises ValueError for infotext that cannot be written (see `format_infotext`).
    """
    if metadata.level is MetadataLevel.NONE:
        return Carried()
    parameters = None
    xmp = metadata.xmp
    if metadata.level is MetadataLevel.MINIMAL:
        xmp = replace(xmp, prompt=None, prompt_writer=None) if xmp else None
    elif metadata.infotext:
        parameters = format_infotext(_scrub_infotext(metadata.infotext)).replace("\0", "")
    return Carried(parameters, format_xmp(_scrub_xmp(xmp)) if xmp else None)


def read_parameters(data: bytes, limits: ImageLimits | None = None) -> str | None:
    """The raw generation text of an image file, or None where it has none.

    Raises ValueError where `data` is no image that can be read, or its header is corrupt.
    """
    with open_image(data, limits) as image:
        load_metadata(image)
        text = read_text(data).get(PARAMETERS) if image.format == "PNG" else None
        return read_exif(image.info.get("exif") or b"").comment if text is None else text


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
        load_metadata(image)
        packet = image.info.get("xmp")
        return packet if isinstance(packet, bytes) else None


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
