"""ninefold's own files: the record of how the image was made, and infotext beside it."""

from __future__ import annotations

from dataclasses import replace

from ninefold.files.embed import RECORD, RECORD_KEYWORD
from ninefold.files.readers.carriers import Carriers
from ninefold.files.readers.generation import Generation
from ninefold.files.readers.infotext_tools import read_infotext_tools
from ninefold.files.readers.values import as_text, read_object


def read_own(carriers: Carriers) -> Generation | None:
    """What ninefold says; None where there is no record of its own."""
    record = read_object(carriers.texts.get(RECORD_KEYWORD) or carriers.xmp.get(RECORD))
    if not read_object(record.get("config")) and "schema" not in record:
        return None
    found = read_infotext_tools(carriers) or Generation(tool="ninefold")
    versions = read_object(read_object(record.get("environment")).get("versions"))
    version = as_text(versions.get("ninefold")) or found.version
    return replace(found, tool="ninefold", version=version, record=record, dialect="ninefold")
