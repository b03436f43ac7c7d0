"""Palettes: a kind of engine, the engine that reads them from files, and a fake for tests."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import ModelError
from ninefold.core.paths import expand_home
from ninefold.engines.faults import FakeModels, fake_hash
from ninefold.engines.hashing import file_sha256
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.engines.residency import ModelKey
from ninefold.engines.resources import EngineResources
from ninefold.imaging.types import Pixels

_FOLDER = Path(__file__).parent / "palettes"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")


class PaletteEngine(Engine, Protocol):
    """Paints images in few colours."""

    def recolour(self, model: str, image: Pixels) -> Pixels:
        """The image with each pixel in the nearest colour of the palette."""


class FakePalettes(FakeModels):
    """Turns colours round, in no time, and knows two palettes."""

    names = ("forest", "sunset")
    digest = fake_hash(9)

    def recolour(self, model: str, image: Pixels) -> Pixels:
        """The negative."""
        self.check(model)
        self.faults.strike("recolour")
        return 255 - image


PALETTE: EngineKind[PaletteEngine] = EngineKind(
    "palette", PaletteEngine, runs="recolour", fake=FakePalettes
)


class FilePalettes:
    """Reads palettes from JSON files: `{"colours": ["#0b1d51", "#ee6c4d"]}`."""

    name = "file_palettes"
    kind = PALETTE

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is read until it is asked for."""
        self._residency = resources.residency

    def models(self) -> tuple[str, ...]:
        """Those that ship; the path of a `.json` file works too."""
        return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))

    def accepts(self, model: str) -> bool:
        """Whether it is one of the names, or a `.json` file."""
        return model in self.models() or Path(model).suffix == ".json"

    def check(self, model: str) -> None:
        """Raise `ModelError` for what is no palette."""
        _read(self._path(model))

    def hash(self, model: str) -> str:
        """The SHA-256 of the file in hex; raises `ModelError`."""
        return file_sha256(self._path(model))

    def recolour(self, model: str, image: Pixels) -> Pixels:
        """The image with each pixel in the nearest colour; raises `ModelError`."""
        path = self._path(model)
        key = ModelKey(PALETTE.model, path.stem, (str(path), file_sha256(path)))
        used = self._residency.use(key, lambda: _read(path), lambda c: c.nbytes, shared=True)
        with used as colours:
            distances = [((image - colour) ** 2).sum(axis=2) for colour in colours]
            nearest = np.argmin(distances, axis=0)
            painted: Pixels = colours[nearest].astype(np.uint8)
            return painted

    def _path(self, model: str) -> Path:
        path = _FOLDER / f"{model}.json" if model in self.models() else expand_home(model)
        if path.suffix != ".json" or not path.is_file():
            names = ", ".join(self.models())
            raise ModelError(
                f"No palette {model!r}: expected {names}, or the path of a .json file."
            )
        return path


def _read(path: Path) -> NDArray[np.int32]:
    """The colours, one a row; raises `ModelError`."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path.name} cannot be read: {error}.") from error
    colours = document.get("colours") if isinstance(document, dict) else None
    if not isinstance(colours, list) or not colours or not all(map(_is_colour, colours)):
        raise ModelError(f'{path.name}: expected {{"colours": ["#0b1d51", ...]}}.')
    return np.array([_rgb(colour) for colour in colours], np.int32)


def _is_colour(value: object) -> bool:
    return isinstance(value, str) and _COLOUR.fullmatch(value) is not None


def _rgb(colour: str) -> list[int]:
    return list(bytes.fromhex(colour[1:]))
