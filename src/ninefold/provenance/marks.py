"""What a file says of itself without a signature: anyone can write it, and anyone remove it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

from ninefold.files.embed import read_infotext, read_parameters, read_xmp
from ninefold.files.formats import ImageFormat, sniff
from ninefold.files.opening import ImageLimits
from ninefold.files.png import read_text
from ninefold.files.xmp import parse_xmp
from ninefold.provenance.report import MarkReport

_LONGEST = 200
#: PNG texts that are some tool's own, and what they are called.
_PNG_TEXTS = {
    "invokeai_metadata": "invokeai",
    "invokeai_graph": "invokeai",
    "sd-metadata": "invokeai",
    "Dream": "invokeai",
    "fooocus_scheme": "fooocus",
}
_REMOTE = re.compile(rb"provenance\s*(?:=\s*[\"']|>)\s*(https?://[^\"'<\s]{1,500})")


def read_marks(data: bytes, limits: ImageLimits) -> list[MarkReport]:
    """The unsigned marks of a file; what is damaged is none."""
    readers: tuple[Callable[[], Iterator[MarkReport]], ...] = (
        lambda: _xmp_marks(data),
        lambda: _infotext_marks(data, limits),
        lambda: _png_marks(data) if sniff(data) is ImageFormat.PNG else iter(()),
    )
    found: list[MarkReport] = []
    for read in readers:
        try:
            found += read()
        except ValueError:
            continue
    return found


def _xmp_marks(data: bytes) -> Iterator[MarkReport]:
    packet = read_xmp(data)
    if packet is None:
        return
    if (remote := _REMOTE.search(packet)) is not None:
        address = remote[1].decode("ascii", "replace")[:_LONGEST]
        yield _mark("c2pa-remote", f"a C2PA manifest elsewhere, at {address}; it was not fetched")
    if (xmp := parse_xmp(packet)) is not None:
        system = (xmp.system or "").strip()
        by = f", by {system[:_LONGEST]}" if system else ""
        yield MarkReport(
            kind="iptc",
            by_ninefold=system.lower() == "ninefold",
            text=f"IPTC digital source type {xmp.source_type.value}{by}",
        )


def _infotext_marks(data: bytes, limits: ImageLimits) -> Iterator[MarkReport]:
    text = read_parameters(data, limits) or ""
    if text.lstrip().startswith("{"):
        if "sui_image_params" in text:
            yield _mark("swarmui", "generation parameters as SwarmUI writes them")
        elif _is_object(text):
            yield _mark("parameters", "generation parameters as JSON")
        return
    info = read_infotext(data)
    if info is None or "Steps" not in info.fields:
        return
    version = info.fields.get("Version", "").strip()
    if version.startswith("ninefold"):
        yield MarkReport(kind="ninefold", by_ninefold=True, text=f"infotext of {version[:80]}")
    else:
        by = f", version {version[:80]}" if version else ""
        yield _mark("a1111", f"generation parameters as AUTOMATIC1111 writes them{by}")


def _png_marks(data: bytes) -> Iterator[MarkReport]:
    texts = read_text(data)
    if any(_is_object(texts.get(key, "")) for key in ("prompt", "workflow")):
        yield _mark("comfyui", "a graph of ComfyUI")
    for key, kind in _PNG_TEXTS.items():
        if key in texts:
            yield _mark(kind, f"PNG text {key}")
    if texts.get("Software", "").strip().lower() == "novelai":
        yield _mark("novelai", "PNG text Software: NovelAI")
    if "ninefold" in texts:
        yield MarkReport(kind="ninefold", by_ninefold=True, text="a record of ninefold's")


def _is_object(text: str) -> bool:
    if not text.lstrip().startswith("{") or len(text) > 8 << 20:
        return False
    try:
        return isinstance(json.loads(text), dict)
    except RecursionError:  # only JSON goes so deep
        return True
    except ValueError:
        return False


def _mark(kind: str, text: str) -> MarkReport:
    return MarkReport(kind=kind, by_ninefold=False, text=text)
