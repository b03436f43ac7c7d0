"""Super-resolution on ONNX Runtime: 1 x 3 x h x w in, 0 to 1, and 1 x 3 x sh x sw out."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import InputError, ModelError
from ninefold.engines.onnx_session import OnnxModel, OnnxModels
from ninefold.engines.resources import EngineResources
from ninefold.engines.upscaling import UPSCALING
from ninefold.imaging.types import Pixels

#: The margin is looked for up to this many pixels; a model that reaches further is given this.
_MAX_MARGIN = 32
_CONTEXT = 40
#: A declared margin beyond this is a mistake.
_MAX_DECLARED = 512
#: What a model is tried on: a level from 0 to 1, height and width. Large enough for windowed
#: attention, and of three shapes, since a fixed output fits one of them.
_TRIALS = ((0.5, 16, 16), (0.0, 16, 32), (1.0, 32, 16))
_MAX_SCALE = 16
#: How far the mean may be off; networks overshoot at borders, and 0 to 255 is off by 127.
_MOST_OFF = 0.35
#: A quarter of one of 255 grey levels: what no eye and no rounding shows.
_VISIBLE = 0.25 / 255


class OnnxUpscaleEngine:
    """Fulfils `UpscaleEngine`. Deterministic, and safe to call from any thread."""

    name = "onnx_upscaling"
    kind = UPSCALING

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is opened until it is asked for."""
        files = {"2x": "upscaler/x2.onnx", "4x": "upscaler/x4.onnx"}
        self._models = OnnxModels(UPSCALING.model, files, resources)
        self._scales: dict[str, int] = {}
        self._margins: dict[str, int] = {}
        self._lock = threading.Lock()

    def models(self) -> tuple[str, ...]:
        """`2x` and `4x`, the built-in ones; a path of an `.onnx` file works too."""
        return self._models.names()

    def accepts(self, model: str) -> bool:
        """Whether it is a built-in one, or an `.onnx` file."""
        return self._models.accepts(model)

    def check(self, model: str) -> None:
        """Raise `ModelError` for a file that is not there; one of the user's is tried out."""
        if model in self.models():
            self.hash(model)
        else:
            self.scale(model)

    def hash(self, model: str) -> str:
        """First ten hex digits of the SHA-256 of the weights; raises `ModelError`."""
        return self._models.sha256(model)[:10]

    def scale(self, model: str) -> int:
        """The factor of the model, found by running it on tiny images.

        Raises `ModelError` for what is no super-resolution model: see `_scale`.
        """
        key = self._models.sha256(model)
        with self._lock:
            if key not in self._scales:
                with self._models.use(model) as opened:
                    self._scales[key] = _scale(opened)
            return self._scales[key]

    def margin(self, model: str) -> int:
        """How far an image's edge reaches into it, in input pixels; raises `ModelError`.

        Taken from the metadata key `margin` where the model declares it, else measured: the
        farthest pixel whose value changes by a quarter of a grey level or more when noise
        continues beyond the edge; at most 32.
        """
        scale, key = self.scale(model), self._models.sha256(model)
        with self._lock:
            if key not in self._margins:
                with self._models.use(model) as opened:
                    declared = opened.literal("margin")
                    usable = isinstance(declared, int) and 0 <= declared <= _MAX_DECLARED
                    self._margins[key] = declared if usable else _margin(opened, scale)
            return self._margins[key]

    def upscale(self, model: str, image: Pixels) -> Pixels:
        """The whole image at once; raises `InputError` or `ModelError`."""
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(f"image: expected height x width x 3, got {image.shape}.")
        batch = np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)
        batch /= 255
        scale = self.scale(model)
        with self._models.use(model) as opened:
            output = _enlarged(opened, batch, scale)
        # In place: at 4x each copy of the result is 48 times the source's bytes.
        np.clip(output, 0, 1, out=output)
        output *= 255
        np.rint(output, out=output)
        return np.ascontiguousarray(output.astype(np.uint8).transpose(1, 2, 0))


def _run(model: OnnxModel, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    output = model.run(batch)
    if output.ndim != 4 or output.shape[:2] != (1, 3):
        raise ModelError(
            f"{model.name}: expected an output of 1 x 3 x height x width, got {output.shape}."
        )
    image: NDArray[np.float32] = output[0]
    return image


def _enlarged(model: OnnxModel, batch: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """3 x height x width, `scale` times as large as the batch; raises `ModelError`."""
    output = _run(model, batch)
    height, width = batch.shape[2:]
    if output.shape[1:] != (height * scale, width * scale):
        raise ModelError(
            f"{model.name}: expected {width}x{height} to become {scale} times as large, got "
            f"{output.shape[2]}x{output.shape[1]}."
        )
    return output


def _scale(model: OnnxModel) -> int:
    """The factor by which three plain images of three shapes all grow.

    Raises `ModelError` where that is not one whole number from 2 to 16, the model takes one size
    only, or its output is not about as bright as its input, on the scale from 0 to 1.
    """
    if any(side is not None for side in model.input_shape[2:]):
        raise ModelError(
            f"{model.name} takes one size only ({model.input_shape[2:]}). Export it with dynamic "
            "height and width."
        )
    scales: set[int] = set()
    for level, height, width in _TRIALS:
        output = _run(model, np.full((1, 3, height, width), level, np.float32))
        high, wide = output.shape[1:]
        scales.add(high // height)
        if (high, wide) != (high // height * height, high // height * width) or len(scales) > 1:
            raise ModelError(
                f"{model.name}: expected whole-number magnification, got {wide}x{high} from "
                f"{width}x{height}."
            )
        if not 2 <= high // height <= _MAX_SCALE:
            raise ModelError(
                f"{model.name}: expected an upscaler, which makes {width}x{height} 2 to "
                f"{_MAX_SCALE} times as large, got {wide}x{high}. Choose another model."
            )
        brightness = float(output.mean())
        if abs(brightness - level) > _MOST_OFF:
            raise ModelError(
                f"{model.name}: expected values from 0 to 1, and a plain image of {level:g} to "
                f"stay near that, got {brightness:g}. Export it so that it takes and gives values "
                "from 0 to 1 (not 0 to 255)."
            )
    return scales.pop()


def _margin(model: OnnxModel, scale: int) -> int:
    side = _MAX_MARGIN + 8
    reach = 0
    for noise in _probes(side + _CONTEXT):
        whole = _enlarged(model, noise, scale)[:, _CONTEXT * scale :, _CONTEXT * scale :]
        alone = _enlarged(model, np.ascontiguousarray(noise[:, :, _CONTEXT:, _CONTEXT:]), scale)
        # Far edges are cut alike in both, so they cancel out; what is left hangs on the near ones.
        rows, columns = np.nonzero(np.abs(whole - alone).max(axis=0) > _VISIBLE)
        depth = int(np.minimum(rows, columns).max(initial=-1)) + 1
        reach = max(reach, min(-(-depth // scale), _MAX_MARGIN))
    return reach


def _probes(side: int) -> list[NDArray[np.float32]]:
    draw = np.random.default_rng(9)
    fine = draw.random((1, 3, side, side), np.float32)
    coarse = draw.random((1, 3, -(-side // 8), -(-side // 8)), np.float32)
    return [fine, coarse.repeat(8, 2).repeat(8, 3)[:, :, :side, :side]]
