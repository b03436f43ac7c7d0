"""ninefold's own files: the record of how the image was made, and infotext beside it."""

from __future__ import annotations

from dataclasses import replace

from ninefold.files.infotext import parse_infotext
from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import Generation
from ninefold.files.readers.infotext_tools import from_infotext
from ninefold.files.readers.values import MAX_INFOTEXT, as_text, read_object

#: Where the record lies: PNG's text of that name, elsewhere a property of XMP.
KEYWORD, PROPERTY = "ninefold", "record"


def read_own(carriers: Carriers) -> Generation | None:
    """What ninefold says; None where there is no record of its own."""
    record = read_object(carriers.texts.get(KEYWORD) or carriers.xmp.get(PROPERTY))
    if not read_object(record.get("config")) and "schema" not in record:
        return None
    text = carriers.parameters
    info = parse_infotext(text) if text and len(text) <= MAX_INFOTEXT else None
    found = from_infotext(info) if info is not None and info.fields else Generation(tool="ninefold")
    version = as_text(read_object(record.get("versions")).get("ninefold"))
    return replace(
        found, tool="ninefold", version=version or found.version, record=record, dialect="ninefold"
    )
