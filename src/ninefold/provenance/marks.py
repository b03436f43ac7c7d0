"""What a file says of itself without a signature: anyone can write it, and anyone remove it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ninefold.core.errors import InputError
from ninefold.files.opening import ImageLimits
from ninefold.files.readers import Carriers, Generation, read_file
from ninefold.files.readers.values import read_object
from ninefold.provenance.report import MarkReport

_LONGEST = 200
_OURS = "ninefold"
_ADDRESS = re.compile(r"https?://[^\s\"'<>]{1,500}")


def read_marks(data: bytes, limits: ImageLimits) -> list[MarkReport]:
    """The unsigned marks of a file; of what cannot be read there are none."""
    try:
        reading = read_file(data, limits)
    except InputError:
        return []
    return [*_xmp_marks(reading.carriers), *_generation_marks(reading.carriers, reading.generation)]


def _xmp_marks(carriers: Carriers) -> Iterator[MarkReport]:
    if address := _ADDRESS.search(carriers.xmp.get("provenance", "")):
        text = f"a C2PA manifest elsewhere, at {address[0][:_LONGEST]}; it was not fetched"
        yield MarkReport(kind="c2pa-remote", by_ninefold=False, text=text)
    source = carriers.xmp.get("DigitalSourceType", "").strip().rpartition("/")[2]
    if "lgorithmic" in source:  # the others say that it is a photo, a scan or a drawing
        system = carriers.xmp.get("AISystemUsed", "").strip()
        by = f", by {system[:_LONGEST]}" if system else ""
        yield MarkReport(
            kind="iptc",
            by_ninefold=system.lower() == _OURS,
            text=f"IPTC digital source type {source[:_LONGEST]}{by}",
        )


def _generation_marks(carriers: Carriers, generation: Generation | None) -> Iterator[MarkReport]:
    if generation is not None:
        ours = generation.tool == _OURS
        version = f" {generation.version[:_LONGEST]}" if generation.version else ""
        yield MarkReport(
            kind=generation.tool.lower(),
            by_ninefold=ours,
            text=f"how it was generated, as {generation.tool}{version} writes it",
        )
    elif any(read_object(carriers.texts.get(name)) for name in ("prompt", "workflow")):
        yield MarkReport(kind="comfyui", by_ninefold=False, text="a graph of ComfyUI")
