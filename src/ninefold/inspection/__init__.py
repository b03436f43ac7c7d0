"""What an image file says of how it was made, whichever tool wrote it, and a config from that.

For the command line, the service and Python alike: `inspect_file` and `config_from_file`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path

from ninefold.config import PipelineConfig
from ninefold.core.errors import InputError
from ninefold.core.values import Json
from ninefold.engines.engine_set import EngineSet
from ninefold.files.infotext import Infotext, parse_infotext
from ninefold.files.opening import ImageLimits, read_bytes
from ninefold.files.readers import Generation, read_file
from ninefold.files.readers.values import MAX_INFOTEXT, read_object
from ninefold.inspection.config_builder import ConfigFromFile, build_config
from ninefold.inspection.infotext import as_infotext
from ninefold.inspection.model_finder import FoundModel, ModelFinder

__all__ = [
    "ConfigFromFile",
    "FileDescription",
    "FoundModel",
    "ModelFinder",
    "config_from_file",
    "inspect_file",
]

_DEFAULT_LIMITS = ImageLimits()
_NOTHING = (
    "says nothing of how it was made: no text that a known tool writes. Sites and editors often "
    "remove it; ask for the file as it was saved first"
)


@dataclass(frozen=True)
class FileDescription:
    """What a file says. Without anything to say, `generation` and `made` are None."""

    format: str
    #: Of the file, in pixels.
    width: int
    height: int
    #: Where texts were found, for people.
    places: tuple[str, ...]
    generation: Generation | None = None
    made: ConfigFromFile | None = None
    #: The text in the place that most tools use, as it is.
    parameters: str = ""

    @cached_property
    def own_infotext(self) -> Infotext | None:
        """The infotext that the file has itself."""
        text = self.parameters
        if not text or len(text) > MAX_INFOTEXT or read_object(text):
            return None
        return parse_infotext(text)

    @property
    def infotext(self) -> Infotext | None:
        """The same, or what another tool said in these terms."""
        if (own := self.own_infotext) is not None or self.generation is None:
            return own
        return as_infotext(self.generation)

    @property
    def silent(self) -> str:
        """Why there is nothing to tell; empty where there is something."""
        return _NOTHING if self.generation is None else ""

    def document(self) -> Json:
        """As JSON values, the same in the command line and the service."""
        made = self.made
        return {
            "format": self.format,
            "width": self.width,
            "height": self.height,
            "found_in": list(self.places),
            "generation": None if self.generation is None else self.generation.document(),
            "config": None if made is None else made.config.document(),
            "not_taken_over": [] if made is None else list(made.not_taken_over),
            "notes": [] if made is None else list(made.notes),
            "models": [] if made is None else [model.document() for model in made.models],
        }


def inspect_file(
    source: bytes | str | PathLike[str],
    engines: EngineSet | None = None,
    *,
    limits: ImageLimits = _DEFAULT_LIMITS,
    finder: ModelFinder | None = None,
) -> FileDescription:
    """What an image file says of how it was made; `source` is its path or its bytes.

    The models that it names are looked up among those of `engines`, by default the settings', or by
    a `finder`. Nothing is run or loaded, and pixels are decoded only to look for text in them.
    Raises `InputError` for what is no image of a format read here, is corrupt or too large.
    """
    data = source if isinstance(source, bytes) else _read(Path(source), limits)
    try:
        found = read_file(data, limits)
    except InputError as error:
        if isinstance(source, bytes):
            raise
        raise InputError(f"{Path(source)}: {str(error).removeprefix('image: ')}") from None
    carriers, generation = found.carriers, found.generation
    made = None
    if generation is not None:
        finder = finder or ModelFinder(engines or _default_engines())
        made = build_config(generation, (carriers.width, carriers.height), finder)
    return FileDescription(
        carriers.format.value,
        carriers.width,
        carriers.height,
        tuple(carriers.places()),
        generation,
        made,
        carriers.parameters,
    )


def config_from_file(
    source: bytes | str | PathLike[str], engines: EngineSet | None = None
) -> PipelineConfig:
    """A config for an image like that of a file, which `inspect_file` tells more of.

    Raises `InputError` as that does, and where the file says nothing.
    """
    found = inspect_file(source, engines)
    if found.made is None:
        name = "the file" if isinstance(source, bytes) else Path(source).name
        raise InputError(f"{name} {found.silent}.")
    return found.made.config


def _read(path: Path, limits: ImageLimits) -> bytes:
    try:
        return read_bytes(path, limits)
    except ValueError as error:
        raise InputError(f"{path}: {str(error).rstrip('.')}.") from None


def _default_engines() -> EngineSet:
    # Torch and its like, once they are needed.
    from ninefold.engines.defaults import default_engines

    return default_engines()
