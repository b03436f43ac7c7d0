"""Detectors in the YOLO-v8 export layout, on ONNX Runtime.

Input: 1 x 3 x height x width, 0 to 1, sides multiples of the stride. Output: 1 x (4 + classes)
x candidates, each a box (centre x, centre y, width, height, in input pixels) and one score a
class. Metadata: `names`, `imgsz` and `stride`, as ultralytics' exporter writes them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import InputError, ModelError
from ninefold.engines.detection import DETECTION, Detection
from ninefold.engines.onnx_session import OnnxModel, OnnxModels
from ninefold.engines.resources import EngineResources
from ninefold.imaging.types import Pixels

#: Boxes of one label that share more of their union than this are one thing.
_IOU = 0.5
#: Ultralytics' grey for what the image does not cover.
_PADDING = 114
_MAX_CANDIDATES = 3000
#: How far outside of 0 to 1 a score may lie by rounding, in float16 too.
_ROUNDING = 0.01
#: Pixels; models in use look at 320 to 1536, in strides of 8 to 64. More is a mistake.
_MAX_SIDE, _MAX_STRIDE = 4096, 256


class OnnxDetectionEngine:
    """Fulfils `DetectionEngine`. Deterministic, and safe to call from any thread."""

    name = "onnx_detection"
    kind = DETECTION

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is opened until it is asked for."""
        files = {"detector": "detector/detector.onnx"}
        self._models = OnnxModels(DETECTION.model, files, resources)
        #: Labels of the models whose output was looked at, by the SHA-256 of their files.
        self._labels: dict[str, tuple[str, ...]] = {}

    def models(self) -> tuple[str, ...]:
        """`detector`, the built-in one; a path of an `.onnx` file works too."""
        return self._models.names()

    def accepts(self, model: str) -> bool:
        """Whether it is the built-in one, or an `.onnx` file."""
        return self._models.accepts(model)

    def check(self, model: str) -> None:
        """Raise `ModelError` for a file that is not there; one of the user's is tried out."""
        if model in self.models():
            self.hash(model)
        else:
            self.labels(model)

    def hash(self, model: str) -> str:
        """First ten hex digits of the SHA-256 of the weights; raises `ModelError`."""
        return self._models.sha256(model)[:10]

    def labels(self, model: str) -> tuple[str, ...]:
        """What the detector can find.

        The model is tried on an empty image first: raises `ModelError` where what it gives is not
        in the YOLO-v8 layout.
        """
        key = self._models.sha256(model)
        if key not in self._labels:
            with self._models.use(model) as opened:
                self._labels[key] = _checked_labels(opened)
        return self._labels[key]

    def detect(self, model: str, image: Pixels, confidence: float) -> Sequence[Detection]:
        """Everything found with at least `confidence`, best first, overlaps of a label removed."""
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(f"image: expected height x width x 3, got {image.shape}.")
        labels = self.labels(model)
        with self._models.use(model) as opened:
            batch, scale, left, top = _letterbox(image, *_input_size(opened, image))
            output = opened.run(batch)
        _check_layout(opened, output, labels)
        rows = output[0].T
        scores, classes = rows[:, 4:].max(axis=1), rows[:, 4:].argmax(axis=1)
        kept = np.flatnonzero(scores >= confidence)
        # Stable, so that equal scores keep the model's order.
        kept = kept[np.argsort(-scores[kept], kind="stable")][:_MAX_CANDIDATES]
        centre, half = rows[kept, :2], rows[kept, 2:4] / 2
        corners = np.concatenate([centre - half, centre + half], axis=1)
        corners = (corners - [left, top, left, top]) / scale
        height, width = image.shape[:2]
        corners = np.clip(corners, 0, [width, height, width, height])
        return tuple(
            Detection(labels[classes[kept[i]]], float(scores[kept[i]]), *map(float, corners[i]))
            for i in _suppressed(corners, classes[kept])
            if corners[i, 2] > corners[i, 0] and corners[i, 3] > corners[i, 1]
        )


def _checked_labels(model: OnnxModel) -> tuple[str, ...]:
    labels = _labels(model)
    task = model.metadata.get("task", "detect")
    if task != "detect":
        raise _wrong_layout(model, labels, f"a model for the task {task!r}")
    _longest(model)
    side = 2 * _stride(model)
    height, width = (fixed or side for fixed in model.input_shape[2:])
    output = model.run(np.full((1, 3, height, width), _PADDING / 255, np.float32))
    _check_layout(model, output, labels)
    scores = output[0, 4:]
    if scores.size and (scores.min() < -_ROUNDING or scores.max() > 1 + _ROUNDING):
        raise _wrong_layout(
            model, labels, f"scores from {float(scores.min()):g} to {float(scores.max()):g}"
        )
    return labels


def _check_layout(model: OnnxModel, output: Any, labels: Sequence[str]) -> None:
    """Raise `ModelError` for an output that is not one of boxes and scores."""
    shape = tuple(getattr(output, "shape", ()))
    if len(shape) == 3 and shape[:2] == (1, 4 + len(labels)) and model.outputs == 1:
        return
    got = f"one of {' x '.join(map(str, shape)) or 'no shape'}"
    if model.outputs > 1:
        got = f"{model.outputs} outputs (of a segmentation model, perhaps), the first {got}"
    elif len(shape) == 3 and shape[2] == 6:
        got += " (of an end-to-end model: export it with nms=False, end2end=False)"
    elif len(shape) == 3 and shape[2] in (4 + len(labels), 5 + len(labels)):
        got += " (of YOLO-v5, or turned round)"
    raise _wrong_layout(model, labels, got)


def _wrong_layout(model: OnnxModel, labels: Sequence[str], got: str) -> ModelError:
    return ModelError(
        f"{model.name}: expected one output of 1 x {4 + len(labels)} x candidates (boxes, and "
        f"scores from 0 to 1 for {len(labels)} labels), got {got}. Use a detection model in the "
        "YOLO-v8 layout."
    )


def _labels(model: OnnxModel) -> tuple[str, ...]:
    names = model.literal("names")
    if isinstance(names, dict) and names and all(str(key).isdecimal() for key in names):
        return tuple(str(names[key]) for key in sorted(names, key=int))
    if isinstance(names, (list, tuple)) and names:
        return tuple(map(str, names))
    raise ModelError(
        f"{model.name}: its metadata has no `names` (labels by number). Export it with "
        "ultralytics, or add them."
    )


def _input_size(model: OnnxModel, image: Pixels) -> tuple[int, int]:
    """Height and width of the network's input: fixed by it, or the image's shape within imgsz."""
    fixed_height, fixed_width = model.input_shape[2:]
    longest, stride = _longest(model), _stride(model)
    height, width = image.shape[:2]
    scale = longest / max(height, width)

    def rounded(side: int) -> int:
        blocks: int = math.ceil(round(side * scale) / stride)
        return max(1, blocks) * stride

    return fixed_height or rounded(height), fixed_width or rounded(width)


def _longest(model: OnnxModel) -> int:
    """The longer side of what it looks at, in pixels; raises `ModelError`."""
    return model.whole_number("imgsz", 640, _MAX_SIDE)


def _stride(model: OnnxModel) -> int:
    return model.whole_number("stride", 32, _MAX_STRIDE)


def _letterbox(
    image: Pixels, height: int, width: int
) -> tuple[NDArray[np.float32], float, int, int]:
    """The image fitted into height x width on grey; its scale, and its left and top there."""
    from PIL import Image

    scale = min(width / image.shape[1], height / image.shape[0])
    inner = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    fitted = Image.fromarray(image).resize(inner, Image.Resampling.BILINEAR)
    canvas = np.full((height, width, 3), _PADDING, np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = np.asarray(fitted)
    batch = canvas.transpose(2, 0, 1)[None].astype(np.float32) / 255
    return np.ascontiguousarray(batch), scale, left, top


def _suppressed(corners: NDArray[np.float32], classes: NDArray[np.int64]) -> list[int]:
    """Greedy non-maximum suppression within each class; corners come best first."""
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    alive = np.ones(len(corners), bool)
    kept: list[int] = []
    for i in range(len(corners)):
        if not alive[i]:
            continue
        kept.append(i)
        overlap = np.minimum(corners[i, 2:], corners[:, 2:]) - np.maximum(
            corners[i, :2], corners[:, :2]
        )
        shared = np.prod(np.clip(overlap, 0, None), axis=1)
        union = areas[i] + areas - shared
        alive &= ~((classes == classes[i]) & (shared > _IOU * union))
    return kept
