"""Matting: which pixels of an image are its subject, by segmentation models on ONNX Runtime.

Input: 1 x 3 x height x width, values scaled by the metadata `mean` and `std` (ImageNet's by
default, which the U2-Net and BiRefNet families expect). Output, the first of the model's:
1 x 1 x height x width or 1 x height x width, coverage from 0 to 1 or its logits. `imgsz` says at
about which size images are looked at, `stride` what sides are multiples of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import InputError, ModelError
from ninefold.engines.faults import FakeModels, fake_hash
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.engines.onnx_session import OnnxModel, OnnxModels
from ninefold.engines.resources import EngineResources
from ninefold.imaging.mattes import enlarge_along_edges
from ninefold.imaging.resize import fit_size, resize
from ninefold.imaging.types import Mask, Pixels

#: The model that ships.
BUILTIN = "matting"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
#: Pixels; models in use look at 320 to 1024, in strides of 8 to 64. More is a mistake.
_MAX_SIDE, _MAX_STRIDE = 4096, 256
#: How far outside of 0 to 1 coverage may lie by rounding, in float16 too.
_ROUNDING = 0.01


class MattingEngine(Engine, Protocol):
    """Tells the subject of an image from its background."""

    def matte(self, model: str, image: Pixels) -> Mask:
        """How much of each pixel the subject covers: height x width, 0 to 1."""


@dataclass(frozen=True)
class FakeMatting(FakeModels):
    """Takes an ellipse in the middle for the subject, half as wide and as high as the image."""

    names = (BUILTIN,)
    digest = fake_hash(3)

    def matte(self, model: str, image: Pixels) -> Mask:
        """The ellipse; raises `ModelError` for any other name."""
        self.check(model)
        self.faults.strike("matte")
        height, width = image.shape[:2]
        y, x = np.ogrid[0:height, 0:width]
        across, down = (x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5
        inside: Mask = ((across**2 + down**2) < 0.25**2).astype(np.float32)
        return inside


MATTING: EngineKind[MattingEngine] = EngineKind(
    "matting", MattingEngine, runs="matte", fake=FakeMatting
)


class OnnxMattingEngine:
    """Fulfils `MattingEngine`. Deterministic, and safe to call from any thread."""

    name = "onnx_matting"
    kind = MATTING

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is opened until it is asked for."""
        self._models = OnnxModels(MATTING.model, {BUILTIN: "matting/matting.onnx"}, resources)
        #: Whether models that were tried give logits, by the SHA-256 of their files.
        self._logits: dict[str, bool] = {}

    def models(self) -> tuple[str, ...]:
        """`matting`, the built-in one; a path of an `.onnx` file works too."""
        return self._models.names()

    def accepts(self, model: str) -> bool:
        """Whether it is the built-in one, or an `.onnx` file."""
        return self._models.accepts(model)

    def check(self, model: str) -> None:
        """Raise `ModelError` for a file that is not there; one of the user's is tried out."""
        self.hash(model)
        if not self._models.is_built_in(model):
            self._gives_logits(model)

    def hash(self, model: str) -> str:
        """The SHA-256 of the weights in hex; raises `ModelError`."""
        return self._models.sha256(model)

    def matte(self, model: str, image: Pixels) -> Mask:
        """How much of each pixel the subject covers; raises `InputError` or `ModelError`.

        Looked at in about the size that the model was made for; in a larger image the edge
        follows the image's colours.
        """
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(f"image: expected height x width x 3, got {image.shape}.")
        logits = self._gives_logits(model)
        with self._models.use(model) as opened:
            small = resize(image, *_input_size(opened, image), "box")
            values = _run(opened, _scaled(opened, small))
        coverage = 1 / (1 + np.exp(-values.clip(-30, 30))) if logits else values.clip(0, 1)
        return enlarge_along_edges(coverage.astype(np.float32), image)

    def _gives_logits(self, model: str) -> bool:
        """Found by running it on noise; raises `ModelError` for what is no matting model."""
        key = self._models.sha256(model)
        if key not in self._logits:
            with self._models.use(model) as opened:
                noise = np.random.default_rng(9).integers(0, 256, (64, 64, 3), np.uint8)
                tried = resize(noise, *_input_size(opened, noise))
                values = _run(opened, _scaled(opened, tried))
            self._logits[key] = bool(values.min() < -_ROUNDING or values.max() > 1 + _ROUNDING)
        return self._logits[key]


def _run(model: OnnxModel, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coverage or logits, height x width of the batch; raises `ModelError`."""
    output = model.run(batch)
    height, width = batch.shape[2:]
    if output.shape not in ((1, 1, height, width), (1, height, width)):
        raise ModelError(
            f"{model.name}: expected an output of 1 x 1 x {height} x {width} (coverage of each "
            f"pixel of the input), got {' x '.join(map(str, output.shape)) or 'no shape'}. Use a "
            "model that tells a subject from the background, such as U2-Net, exported to ONNX."
        )
    values: NDArray[np.float32] = output.reshape(height, width)
    return values


def _input_size(model: OnnxModel, image: Pixels) -> tuple[int, int]:
    """Width and height of the network's input: fixed by it, or the image's shape in its area."""
    fixed_height, fixed_width = model.input_shape[2:]
    height, width = image.shape[:2]
    side = model.whole_number("imgsz", 320, _MAX_SIDE)
    stride = model.whole_number("stride", 32, _MAX_STRIDE)
    fitted = fit_size(width, height, area=side * side, multiple=stride)
    return fixed_width or fitted[0], fixed_height or fitted[1]


def _scaled(model: OnnxModel, pixels: Pixels) -> NDArray[np.float32]:
    """The batch of one that a model takes; raises `ModelError` for metadata that say nothing."""
    mean, std = _three(model, "mean", _MEAN), _three(model, "std", _STD)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None], dtype=np.float32)


def _three(model: OnnxModel, key: str, default: tuple[float, ...]) -> NDArray[np.float32]:
    found = model.literal(key) if key in model.metadata else default
    usable = isinstance(found, (list, tuple)) and all(type(v) in (int, float) for v in found)
    if not usable or len(found) != 3 or (key == "std" and min(found) <= 0):
        raise ModelError(
            f"{model.name}: expected its metadata `{key}` to be three numbers, got "
            f"{model.metadata[key][:80]!r}. Export the model anew."
        )
    return np.array(found, np.float32)
