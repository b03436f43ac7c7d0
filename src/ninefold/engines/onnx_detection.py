"""Exported detectors on ONNX Runtime: YOLO's versions, RT-DETR, D-FINE and DEIM.

Input: one image, 0 to 1, sides multiples of the stride, and for some its size. What the outputs
mean is in `detection_layouts.py`. Metadata: `names`, `imgsz`, `stride`, `task` and `kpt_shape`, as
ultralytics' exporter writes them; a model without `names` may have a text file of the same name
beside it, `model.txt`, with a label a line.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ninefold.core.errors import InputError, ModelError
from ninefold.engines.detection import DETECTION, Detection
from ninefold.engines.detection_layouts import (
    Candidates,
    Expected,
    WrongLayoutError,
    read_outputs,
)
from ninefold.engines.file_memory import size_and_time
from ninefold.engines.letterbox import PADDING, Fit, covered, letterbox, suppressed
from ninefold.engines.onnx_session import OnnxModel, OnnxModels
from ninefold.engines.resources import EngineResources
from ninefold.imaging.types import Pixels

#: Boxes of one label that share more of their union than this are one thing.
_IOU = 0.5
_MAX_CANDIDATES = 3000
#: Pixels; models in use look at 320 to 1536, in strides of 8 to 64. More is a mistake.
_MAX_SIDE, _MAX_STRIDE = 4096, 256


class OnnxDetectionEngine:
    """Fulfils `DetectionEngine`. Deterministic, and safe to call from any thread."""

    name = "onnx_detection"
    kind = DETECTION

    def __init__(self, resources: EngineResources) -> None:
        """Nothing is opened until it is asked for."""
        files = {"detector": "detector/detector.onnx"}
        self._models = OnnxModels(DETECTION.model, files, resources, any_layout=True)
        #: Labels of the models whose output was looked at, by what they are read from.
        self._labels: dict[Hashable, tuple[str, ...]] = {}

    def models(self) -> tuple[str, ...]:
        """`detector`, the built-in one; a path of an `.onnx` file works too."""
        return self._models.names()

    def accepts(self, model: str) -> bool:
        """Whether it is the built-in one, or an `.onnx` file."""
        return self._models.accepts(model)

    def check(self, model: str) -> None:
        """Raise `ModelError` for a file that is not there; one of the user's is tried out."""
        if self._models.is_built_in(model):
            self.hash(model)
        else:
            self.labels(model)

    def hash(self, model: str) -> str:
        """The SHA-256 of the weights in hex; raises `ModelError`."""
        return self._models.sha256(model)

    def labels(self, model: str) -> tuple[str, ...]:
        """What the detector can find.

        The model is tried on an empty image first: raises `ModelError` where what it gives is not
        in a known layout.
        """
        path = self._models.path(model)
        key = (self._models.sha256(model), path, size_and_time(_labels_file(path)))
        if key not in self._labels:
            with self._models.use(model) as opened:
                self._labels[key] = _checked_labels(opened)
        return self._labels[key]

    def detect(
        self, model: str, image: Pixels, confidence: float, words: Sequence[str] = ()
    ) -> Sequence[Detection]:
        """Everything found with at least `confidence`, best first, overlaps of a label removed."""
        if image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise InputError(f"image: expected height x width x 3, got {image.shape}.")
        labels = self.labels(model)
        with self._models.use(model) as opened:
            batch, fit = letterbox(image, *_input_size(opened, image))
            found = _run(opened, batch, labels)
        kept = np.flatnonzero(found.scores >= confidence)
        # Stable, so that equal scores keep the model's order.
        kept = kept[np.argsort(-found.scores[kept], kind="stable")][:_MAX_CANDIDATES]
        found = found.chosen(kept)
        corners = fit.to_image(found.corners)
        if found.overlapping:
            alone = suppressed(corners, found.classes, _IOU)
            found, corners = found.chosen(alone), corners[alone]
        return tuple(
            _detection(found, i, corners[i], labels, fit)
            for i in range(len(corners))
            if corners[i, 2] > corners[i, 0] and corners[i, 3] > corners[i, 1]
        )


def _detection(
    found: Candidates, index: int, corners: NDArray[np.float32], labels: Sequence[str], fit: Fit
) -> Detection:
    left, top, right, bottom = map(float, corners)
    label, score = labels[found.classes[index]], float(found.scores[index])
    detection = Detection(label, score, left, top, right, bottom)
    if found.coefficients is not None and found.prototypes is not None:
        mask = covered(found.coefficients[index], found.prototypes, corners, fit)
        detection = replace(detection, mask=mask)
    if found.keypoints is not None:
        points = fit.points_to_image(found.keypoints[index])
        keypoints = tuple((float(x), float(y), float(seen)) for x, y, seen in points)
        detection = replace(detection, keypoints=keypoints)
    return detection


def _run(model: OnnxModel, batch: NDArray[np.float32], labels: Sequence[str]) -> Candidates:
    """What the model makes of a batch of one; raises `ModelError` for an output that is not of
    boxes and scores."""
    height, width = batch.shape[2:]
    sizes = np.array([[height, width]], np.int64)
    others = {
        name: sizes.reshape((1,) * (count - 1) + (2,)) for name, count in model.others.items()
    }
    expected = Expected(
        classes=len(labels),
        keypoints=_keypoints(model),
        segments=model.metadata.get("task") == "segment",
        size=(width, height),
    )
    values = batch * 255 if model.dtype == "uint8" else batch
    try:
        return read_outputs(model.run_all(values, **others), expected)
    except WrongLayoutError as error:
        raise ModelError(
            f"{model.name}: expected boxes and scores from 0 to 1 for {len(labels)} labels, in a "
            f"layout of YOLO (v5 to v12, with masks or keypoints, end to end), RT-DETR or D-FINE, "
            f"{error}. Export it as a detection model in one of these."
        ) from error


def _checked_labels(model: OnnxModel) -> tuple[str, ...]:
    labels = _labels(model)
    task = model.metadata.get("task", "detect")
    if task not in ("detect", "segment", "pose"):
        raise ModelError(
            f"{model.name}: expected a model that detects, got one for the task {task!r}. Export "
            "one for detection, segmentation or pose."
        )
    if len(model.others) > 1 or any(count > 2 for count in model.others.values()):
        raise ModelError(
            f"{model.name}: expected an image and at most its size as inputs, got also "
            f"{', '.join(model.others)}. Export the model anew."
        )
    _longest(model)
    side = 2 * _stride(model)
    height, width = (fixed or side for fixed in model.input_shape[2:])
    channels = model.input_shape[1] or 3
    if channels != 3:
        raise ModelError(f"{model.name}: expected an input of 3 channels, got {channels}.")
    found = _run(model, np.full((1, 3, height, width), PADDING / 255, np.float32), labels)
    if found.classes.size and found.classes.max() >= len(labels) > 0:
        raise ModelError(f"{model.name}: gave class {found.classes.max()} of {len(labels)} labels.")
    return labels


def _keypoints(model: OnnxModel) -> tuple[int, int] | None:
    """How many points a pose has, and numbers for each, as ultralytics writes it."""
    if model.metadata.get("task") != "pose":
        return None
    shape = model.literal("kpt_shape")
    usable = isinstance(shape, (list, tuple)) and all(type(value) is int for value in shape)
    if not usable or len(shape) != 2 or not 1 <= shape[0] <= 1000 or shape[1] not in (2, 3):
        raise ModelError(
            f"{model.name}: expected its metadata `kpt_shape` to be [points, 2 or 3], got "
            f"{model.metadata.get('kpt_shape', 'nothing')[:80]!r}. Export the model anew."
        )
    return int(shape[0]), int(shape[1])


def _labels(model: OnnxModel) -> tuple[str, ...]:
    names = model.literal("names")
    if isinstance(names, dict) and names and all(str(key).isdecimal() for key in names):
        return tuple(str(names[key]) for key in sorted(names, key=int))
    if isinstance(names, (list, tuple)) and names:
        return tuple(map(str, names))
    beside = _labels_file(model.path) if model.path is not None else None
    if beside is not None and beside.is_file():
        lines = beside.read_text(encoding="utf-8", errors="replace").splitlines()
        if found := tuple(line.strip() for line in lines if line.strip()):
            return found
    raise ModelError(
        f"{model.name}: its metadata has no `names` (labels by number). Export it with "
        f"ultralytics, or write them into {model.name}.txt beside it, a label a line."
    )


def _labels_file(model: Path) -> Path:
    """Where the labels of a model stand that does not know them itself."""
    return model.with_suffix(".txt")


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
