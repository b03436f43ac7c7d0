"""Watermarks: identifiers of eight bytes in the pixels of an image, invisible, and found again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ninefold.core.errors import InputError, ModelError
from ninefold.engines.faults import FakeModels, fake_hash
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.engines.resources import EngineResources
from ninefold.imaging import watermark
from ninefold.imaging.types import Pixels
from ninefold.imaging.watermark import embedding, finding

#: The watermark that ships.
BUILTIN = "ninefold"


@dataclass(frozen=True, slots=True)
class FoundWatermark:
    """A watermark in an image."""

    #: Eight bytes.
    identifier: bytes
    #: Bits that had to be corrected, of those that were sent.
    corrected: int
    #: How far it stands out from what images show by chance, in standard deviations.
    score: float


class WatermarkEngine(Engine, Protocol):
    """Puts identifiers into images, and finds them there."""

    def algorithm(self, model: str) -> str:
        """The name of the method for the C2PA assertion `c2pa.soft-binding`."""

    def size_problem(self, model: str, width: int, height: int) -> str | None:
        """Why an image of this size cannot be marked, with the remedy; None for one that can."""

    def embed(self, model: str, pixels: Pixels, identifier: bytes, strength: float) -> Pixels:
        """The image (height x width x 3) with eight bytes in it; `strength` is 1 as a rule.

        The same arguments give the same pixels. Raises `InputError` for an image that cannot be
        marked, and for other identifiers and strengths (0.25 to 2).
        """

    def find(self, model: str, pixels: Pixels) -> FoundWatermark | None:
        """The watermark in an image; None where there is none.

        Raises `InputError` for an image that is too small to tell.
        """


def find_any(engine: WatermarkEngine, pixels: Pixels) -> FoundWatermark | None:
    """The first of an engine's watermarks that is in an image; None where none is.

    Raises `InputError` for an image that is too small for all of them.
    """
    refusals = []
    for model in engine.models():
        try:
            if (found := engine.find(model, pixels)) is not None:
                return found
        except InputError as error:
            refusals.append(error)
    if refusals and len(refusals) == len(engine.models()):
        raise refusals[0]
    return None


@dataclass(frozen=True)
class FakeWatermark(FakeModels):
    """Writes the identifier into the last bits of the first values: any change destroys it."""

    names = (BUILTIN,)
    digest = fake_hash(5)

    def algorithm(self, model: str) -> str:
        """That of the built-in one; raises `ModelError` for any other name."""
        self.check(model)
        return watermark.ALGORITHM

    def size_problem(self, model: str, width: int, height: int) -> str | None:
        """Fits wherever there are as many values as bits."""
        self.check(model)
        if 3 * width * height >= 8 * len(_FAKE_NOTE) + 64:
            return None
        return f"expected an image of at least 7x7 pixels, got {width}x{height}."

    def embed(self, model: str, pixels: Pixels, identifier: bytes, strength: float) -> Pixels:
        """Whatever the strength; raises `InputError` or `ModelError`."""
        self.faults.strike("embed")
        _check_size(self.size_problem(model, pixels.shape[1], pixels.shape[0]))
        bits = np.unpackbits(np.frombuffer(_FAKE_NOTE + identifier, np.uint8))
        marked = pixels.copy()
        values = marked.reshape(-1)[: len(bits)]
        values[:] = values & 0xFE | bits
        return marked

    def find(self, model: str, pixels: Pixels) -> FoundWatermark | None:
        """What `embed` wrote; raises `InputError` or `ModelError`."""
        self.faults.strike("find")
        _check_size(self.size_problem(model, pixels.shape[1], pixels.shape[0]))
        bits = pixels.reshape(-1)[: 8 * len(_FAKE_NOTE) + 64] & 1
        content = np.packbits(bits).tobytes()
        if not content.startswith(_FAKE_NOTE):
            return None
        return FoundWatermark(content[len(_FAKE_NOTE) :], 0, 100.0)


_FAKE_NOTE = b"fakemark"

WATERMARK: EngineKind[WatermarkEngine] = EngineKind(
    "watermark", WatermarkEngine, runs="embed", fake=FakeWatermark
)


class SpreadSpectrumEngine:
    """Fulfils `WatermarkEngine` by `imaging/watermark`. Safe to call from any thread."""

    name = "spread_spectrum"
    kind = WATERMARK

    def __init__(self, resources: EngineResources) -> None:
        """Needs nothing."""

    def models(self) -> tuple[str, ...]:
        """`ninefold`."""
        return (BUILTIN,)

    def accepts(self, model: str) -> bool:
        """Whether it is `ninefold`."""
        return model == BUILTIN

    def check(self, model: str) -> None:
        """Raise `ModelError` for any other name."""
        if not self.accepts(model):
            raise ModelError(f"No watermark {model!r}: expected {BUILTIN}.")

    def hash(self, model: str) -> str:
        """Of the method and its revision, since there are no weights; raises `ModelError`."""
        self.check(model)
        made_by = f"{watermark.ALGORITHM} {watermark.REVISION}"
        return hashlib.sha256(made_by.encode()).hexdigest()

    def algorithm(self, model: str) -> str:
        """`io.ninefold.watermark.1`; raises `ModelError`."""
        self.check(model)
        return watermark.ALGORITHM

    def size_problem(self, model: str, width: int, height: int) -> str | None:
        """The image must be 256 pixels on the shorter side and no longer than four times that."""
        self.check(model)
        return embedding.size_problem(width, height)

    def embed(self, model: str, pixels: Pixels, identifier: bytes, strength: float) -> Pixels:
        """The image with the watermark; raises `InputError` or `ModelError`."""
        self.check(model)
        try:
            return embedding.embed(pixels, identifier, strength)
        except ValueError as error:
            raise InputError(f"watermark: {error}") from error

    def find(self, model: str, pixels: Pixels) -> FoundWatermark | None:
        """The watermark in an image; raises `InputError` or `ModelError`."""
        self.check(model)
        try:
            found = finding.find(pixels)
        except ValueError as error:
            raise InputError(f"watermark: {error}") from error
        if found is None:
            return None
        return FoundWatermark(found.identifier, found.errors, found.score)


def _check_size(problem: str | None) -> None:
    if problem is not None:
        raise InputError(f"watermark: {problem}")
