"""What the outputs of exported detectors mean: layouts in use, distinguished by their shapes.

Every layout is brought to one: boxes as corners in pixels of the network's input, a score and a
class for each, and what a layout has beside that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

#: Masks of YOLO's segmentation models are sums of this many prototypes.
_PROTOTYPES = 32
#: How far outside of 0 to 1 a score may lie by rounding, in float16 too.
_ROUNDING = 0.01
#: Boxes up to this far are parts of the input's sides, not pixels.
_NORMALISED = 1.5


class WrongLayoutError(ValueError):
    """The outputs are in no layout that is known; says what there was."""


@dataclass(frozen=True)
class Candidates:
    """What may have been found, in pixels of the network's input."""

    #: N x 4: left, top, right, bottom.
    corners: Array
    scores: Array
    classes: NDArray[np.int64]
    #: Whether overlaps are still to be removed.
    overlapping: bool = True
    #: N x 32, and 32 x mask height x mask width, for models that give masks.
    coefficients: Array | None = None
    prototypes: Array | None = None
    #: N x points x 3 (x, y, visibility) for models that give keypoints.
    keypoints: Array | None = None
    #: As the layout is called.
    layout: str = field(default="", compare=False)

    def chosen(self, rows: Any) -> Candidates:
        """Those of `rows` alone, in that order."""
        return replace(
            self,
            corners=self.corners[rows],
            scores=self.scores[rows],
            classes=self.classes[rows],
            coefficients=None if self.coefficients is None else self.coefficients[rows],
            keypoints=None if self.keypoints is None else self.keypoints[rows],
        )


@dataclass(frozen=True)
class Expected:
    """What a model's metadata say of its outputs."""

    #: How many classes it tells apart; None where nobody says.
    classes: int | None
    #: Points of a pose, and numbers for each; None for models of another task.
    keypoints: tuple[int, int] | None = None
    segments: bool = False
    #: Width and height of the input.
    size: tuple[int, int] = (0, 0)


def read_outputs(outputs: Mapping[str, Array], expected: Expected) -> Candidates:
    """The candidates of a batch of one; raises `WrongLayoutError`."""
    arrays = list(outputs.values())
    found = _apart(outputs) or _rows_of_seven(arrays) or _one_array(arrays, expected)
    if found is None:
        raise WrongLayoutError(f"got {_shapes(arrays)}")
    scores, classes = found.scores, found.classes
    if scores.size and (scores.min() < -_ROUNDING or scores.max() > 1 + _ROUNDING):
        raise WrongLayoutError(
            f"got scores from {float(scores.min()):g} to {float(scores.max()):g}"
        )
    if expected.classes is not None and classes.size and classes.max() >= expected.classes:
        raise WrongLayoutError(f"got class {int(classes.max())} of {expected.classes} labels")
    return _in_pixels(found, expected.size)


def _apart(outputs: Mapping[str, Array]) -> Candidates | None:
    """Boxes, scores and labels as outputs of their own: RT-DETR, D-FINE, DEIM, exports with NMS."""
    by_name = {name.lower(): array for name, array in outputs.items()}
    boxes = next(
        (a for n, a in by_name.items() if "box" in n and _is(a, 3) and a.shape[2] == 4), None
    )
    if boxes is None:
        return None
    count = boxes.shape[1]

    def one_a_box(*names: str) -> Array | None:
        return next(
            (
                array.reshape(-1)
                for name, array in by_name.items()
                if any(part in name for part in names)
                and array.shape in ((1, count), (1, count, 1))
            ),
            None,
        )

    scores, classes = one_a_box("score", "conf"), one_a_box("label", "class")
    if scores is None or classes is None:
        return None
    number = next((a for n, a in by_name.items() if n.startswith("num") and a.size == 1), None)
    kept = slice(count if number is None else int(number.reshape(-1)[0]))
    return Candidates(
        boxes[0][kept],
        scores[kept],
        classes[kept].round().astype(np.int64),
        overlapping=False,
        layout="boxes, scores and labels",
    )


def _rows_of_seven(arrays: Sequence[Array]) -> Candidates | None:
    """YOLO-v7's end-to-end export: image, corners, class and score in each row."""
    rows = arrays[0]
    if not _is(rows, 2) or rows.shape[1] != 7:
        return None
    return Candidates(
        rows[:, 1:5],
        rows[:, 6],
        rows[:, 5].round().astype(np.int64),
        False,
        layout="YOLO-v7 end to end",
    )


def _one_array(arrays: Sequence[Array], expected: Expected) -> Candidates | None:
    """One array of rows or columns, of YOLO's versions, and prototypes of masks."""
    found = arrays[0]
    masks = next((a[0] for a in arrays[1:] if _is(a, 4) and a.shape[1] == _PROTOTYPES), None)
    if not _is(found, 3) or found.shape[0] != 1 or (len(arrays) > 1 and masks is None):
        return None
    points = 0 if expected.keypoints is None else expected.keypoints[0] * expected.keypoints[1]
    extra = points or (_PROTOTYPES if masks is not None else 0)
    if expected.segments and masks is None:
        return None
    array, count = found[0], expected.classes
    width = 0 if count is None else 4 + count + extra
    if array.shape[1] == 6 + extra and _ends_to_end(array):
        read = _end_to_end(array)
    elif width and array.shape[1] == width + 1 and points == 0:
        read = _version_five(array, width - 4 - extra)
    elif width and array.shape[0] == width:
        read = _version_eight(array.T, width - 4 - extra)
    elif width and array.shape[1] == width:
        read = _version_eight(array, width - 4 - extra)
    else:
        return None
    if points and expected.keypoints is not None:
        keypoints = read.rest.reshape(-1, *expected.keypoints)
        if expected.keypoints[1] == 2:
            keypoints = np.concatenate([keypoints, np.ones_like(keypoints[..., :1])], axis=2)
        return replace(read.candidates, keypoints=keypoints)
    if masks is not None:
        return replace(read.candidates, coefficients=read.rest, prototypes=masks)
    return read.candidates


@dataclass(frozen=True)
class _Read:
    candidates: Candidates
    #: The columns that are not of boxes, scores and classes.
    rest: Array


def _ends_to_end(rows: Array) -> bool:
    """Whether rows are corners, a score and a class: the last is then a whole number."""
    classes, widths = rows[:, 5], rows[:, 2] - rows[:, 0]
    whole = bool((classes == np.round(classes)).all()) and bool((classes >= 0).all())
    return whole and bool((widths >= -1).all()) and not bool((rows[:, 4] > 1 + _ROUNDING).any())


def _end_to_end(rows: Array) -> _Read:
    classes = rows[:, 5].astype(np.int64)
    layout = "YOLO end to end"
    return _Read(Candidates(rows[:, :4], rows[:, 4], classes, False, layout=layout), rows[:, 6:])


def _version_five(rows: Array, count: int) -> _Read:
    """Centre and size, how sure it is that there is anything, and a score a class."""
    scores = rows[:, 5 : 5 + count] * rows[:, 4:5]
    return _Read(_best(rows[:, :4], scores, "YOLO-v5"), rows[:, 5 + count :])


def _version_eight(rows: Array, count: int) -> _Read:
    """Centre and size, and a score a class."""
    return _Read(_best(rows[:, :4], rows[:, 4 : 4 + count], "YOLO-v8"), rows[:, 4 + count :])


def _best(boxes: Array, scores: Array, layout: str) -> Candidates:
    centre, half = boxes[:, :2], boxes[:, 2:4] / 2
    corners = np.concatenate([centre - half, centre + half], axis=1)
    if not len(scores):
        return Candidates(corners, scores.reshape(0), np.zeros(0, np.int64), layout=layout)
    return Candidates(corners, scores.max(axis=1), scores.argmax(axis=1), layout=layout)


def _in_pixels(found: Candidates, size: tuple[int, int]) -> Candidates:
    """Boxes that are parts of the sides, as RT-DETR gives them, in pixels."""
    if not found.corners.size or np.abs(found.corners).max() > _NORMALISED:
        return found
    width, height = size
    return replace(found, corners=found.corners * np.array([width, height] * 2, np.float32))


def _is(array: Any, dimensions: int) -> bool:
    return bool(getattr(array, "ndim", 0) == dimensions)


def _shapes(arrays: Sequence[Any]) -> str:
    shapes = [" x ".join(map(str, np.shape(array))) or "no shape" for array in arrays]
    return f"an output of {shapes[0]}" if len(shapes) == 1 else f"outputs of {', '.join(shapes)}"
