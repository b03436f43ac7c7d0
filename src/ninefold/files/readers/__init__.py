"""What tools write of how an image was made, read from the file: one module a tool.

`read_file` asks them in order; the first that knows what it sees answers. None decodes pixels, runs
code, follows a link or takes more than a bounded time, whatever is in the file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ninefold.core.errors import InputError
from ninefold.files.opening import ImageLimits, read_bytes
from ninefold.files.readers.carriers import Carriers, hidden_carriers, read_carriers
from ninefold.files.readers.civitai import read_civitai
from ninefold.files.readers.comfyui import read_comfyui
from ninefold.files.readers.draw_things import read_draw_things
from ninefold.files.readers.easy_diffusion import read_easy_diffusion
from ninefold.files.readers.fooocus import read_fooocus
from ninefold.files.readers.generation import Generation
from ninefold.files.readers.infotext_tools import read_infotext_tools
from ninefold.files.readers.invokeai import read_invokeai
from ninefold.files.readers.novelai import read_novelai
from ninefold.files.readers.own import read_own
from ninefold.files.readers.swarmui import read_swarmui

__all__ = ["READERS", "Carriers", "FileReading", "Generation", "read_file"]

_DEFAULT_LIMITS = ImageLimits()


@dataclass(frozen=True)
class Reader:
    """A tool's reader, and what it reads, for the documentation."""

    tool: str
    reads: str
    read: Callable[[Carriers], Generation | None]


#: The surest first: a chunk of a tool's own name before one that many share. Infotext beside a
#: ComfyUI graph is a node's summary of it, so the graph is asked before.
READERS: tuple[Reader, ...] = (
    Reader("ninefold", "its own record, with infotext beside it", read_own),
    Reader("SwarmUI", "JSON as `parameters`", read_swarmui),
    Reader("InvokeAI", "`Dream`, `sd-metadata`, `invokeai_metadata`", read_invokeai),
    Reader("Fooocus", "JSON as `parameters`, or infotext", read_fooocus),
    Reader("NovelAI", "`Comment`, and in the pixels", read_novelai),
    Reader("Civitai", "`extraMetadata` beside a graph; in infotext its resources", read_civitai),
    Reader("ComfyUI", "`prompt` and `workflow`", read_comfyui),
    Reader("Easy Diffusion", "one text a setting, or JSON", read_easy_diffusion),
    Reader("Draw Things", "JSON in XMP", read_draw_things),
    Reader(
        "AUTOMATIC1111, Forge, SD.Next",
        "infotext, in PNG's `parameters`, in EXIF, and in the pixels",
        read_infotext_tools,
    ),
)


@dataclass(frozen=True)
class FileReading:
    """A file's texts, and what the first tool says that knows them; None where none does."""

    carriers: Carriers
    generation: Generation | None


def read_file(data: bytes, limits: ImageLimits = _DEFAULT_LIMITS) -> FileReading:
    """What an image file says of how it was made.

    Its pixels are decoded only where no text of it does, to look for one in their lowest bits.
    Raises `InputError` where it is of no format read here, is corrupt or too large.
    """
    try:
        plain = read_carriers(read_bytes(data, limits), limits)
        if (found := _generation(plain)) is not None:
            return FileReading(plain, found)
        hidden = hidden_carriers(data, plain, limits)
    except ValueError as error:
        raise InputError(f"{str(error).rstrip('.')}.") from None
    found = None if hidden is None else _generation(hidden)
    return FileReading(plain if hidden is None else hidden, found)


def _generation(carriers: Carriers) -> Generation | None:
    found = (reader.read(carriers) for reader in READERS)
    return next((item for item in found if item is not None), None)
