"""Detection: things found in images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ninefold.engines.faults import FakeModels, fake_hash, random_from
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.imaging.types import Pixels

Covered = NDArray[np.bool_]

_FAKE = "detector"
_FAKE_LABELS = ("face", "house")


@dataclass(frozen=True)
class Detection:
    """One thing found in an image; the box is in pixels, right and bottom exclusive."""

    label: str
    score: float
    left: float
    top: float
    right: float
    bottom: float
    #: Which of the image's pixels it covers, for models that say so: height x width.
    mask: Covered | None = field(default=None, repr=False, compare=False)
    #: Points of a pose as x, y and how surely it is seen (0 to 1), in the model's order.
    keypoints: tuple[tuple[float, float, float], ...] = ()


class DetectionEngine(Engine, Protocol):
    """Finds things in images."""

    def labels(self, model: str) -> tuple[str, ...]:
        """What the detector can find; empty for one that finds what words say."""

    def detect(
        self, model: str, image: Pixels, confidence: float, words: Sequence[str] = ()
    ) -> Sequence[Detection]:
        """Everything found with at least `confidence` (0 to 1), best first, overlaps removed.

        `words` say what to find, for a detector without labels; others are not given any.
        """


@dataclass(frozen=True)
class FakeDetection(FakeModels):
    """Finds a face and a house in every image, where the image's bytes put them."""

    names = (_FAKE,)
    digest = fake_hash(1)

    def labels(self, model: str) -> tuple[str, ...]:
        """`face` and `house`."""
        self.check(model)
        return _FAKE_LABELS

    def detect(
        self, model: str, image: Pixels, confidence: float, words: Sequence[str] = ()
    ) -> Sequence[Detection]:
        """A face of score 0.9 and a house of 0.8, as far as `confidence` lets them through."""
        self.check(model)
        self.faults.strike("detect")
        height, width = image.shape[:2]
        draw = random_from(image.tobytes())
        found = []
        for label, score, share in (("face", 0.9, 0.25), ("house", 0.8, 0.4)):
            box_width, box_height = max(1.0, width * share), max(1.0, height * share)
            left, top = draw.random(2) * (width - box_width, height - box_height)
            box = (float(left), float(top), float(left + box_width), float(top + box_height))
            found.append(Detection(label, score, *box))
        return tuple(item for item in found if item.score >= confidence)


DETECTION: EngineKind[DetectionEngine] = EngineKind(
    "detection", DetectionEngine, runs="detect", model="detector", fake=FakeDetection
)
