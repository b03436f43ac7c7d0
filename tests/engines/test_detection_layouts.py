"""Detectors in every layout find the same known boxes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import ModelError, Pipeline, PipelineContext
from ninefold.engines.detection import DETECTION, Detection
from ninefold.engines.onnx_detection import OnnxDetectionEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.stages import DetailerStage
from ninefold.testing import fake_engines
from tests.engines.onnx_models import constant_model
from tests.support import picture, run

onnx = pytest.importorskip("onnx")

NAMES = "{0: 'cat', 1: 'dog', 2: 'bird'}"
#: Corners in the 64 x 64 input, score and class; the second overlaps the first and is worse.
FOUND = [
    (10.0, 20.0, 30.0, 40.0, 0.9, 0),
    (11.0, 20.0, 31.0, 40.0, 0.8, 0),
    (40.0, 8.0, 60.0, 28.0, 0.7, 2),
]
CORNERS = np.array([row[:4] for row in FOUND], np.float32)
SCORES = np.array([row[4] for row in FOUND], np.float32)
CLASSES = np.array([row[5] for row in FOUND], np.int64)
CENTRES = np.concatenate(
    [(CORNERS[:, :2] + CORNERS[:, 2:]) / 2, CORNERS[:, 2:] - CORNERS[:, :2]], 1
)
ONE_HOT = np.eye(3, dtype=np.float32)[CLASSES] * SCORES[:, None]
#: End-to-end models have removed overlaps themselves.
ALONE = [0, 2]
ROWS = np.concatenate([CORNERS, SCORES[:, None], CLASSES[:, None].astype(np.float32)], 1)[ALONE]
APART = {
    "labels": CLASSES[None, ALONE],
    "boxes": CORNERS[None, ALONE],
    "scores": SCORES[None, ALONE],
}

VERSION_FIVE = np.concatenate([CENTRES, np.ones((3, 1), np.float32), ONE_HOT], 1)[None]
VERSION_EIGHT = np.concatenate([CENTRES, ONE_HOT], 1)[None]
#: A prototype that is set on the left half of the input, at a quarter of its size.
PROTOTYPES = np.zeros((1, 32, 16, 16), np.float32)
PROTOTYPES[0, 0] = np.where(np.arange(16)[None, :] < 5, 9.0, -9.0)
PROTOTYPES[0, 1] = 9.0
COEFFICIENTS = np.zeros((3, 32), np.float32)
COEFFICIENTS[[0, 1], 0] = 1
COEFFICIENTS[2, 1] = 1
POINTS = np.array([[[12, 22, 0.9], [28, 38, 0.2]]] * 2 + [[[42, 10, 1], [58, 26, 0]]], np.float32)


def padded(rows: Any, count: int = 20) -> Any:
    rows = np.asarray(rows, np.float32)
    return np.concatenate(
        [rows, np.zeros((1, count - rows.shape[1], rows.shape[2]), np.float32)], 1
    )


LAYOUTS: dict[str, dict[str, Any]] = {
    "YOLO-v8": {"output0": VERSION_EIGHT.transpose(0, 2, 1)},
    "YOLO-v8, turned round": {"output0": VERSION_EIGHT},
    "RT-DETR of ultralytics": {"output0": VERSION_EIGHT / [64, 64, 64, 64, 1, 1, 1]},
    "YOLO-v5": {"output0": VERSION_FIVE},
    "YOLO-v10": {"output0": padded(ROWS[None])},
    "YOLO-v7 end to end": {"output": ROWS[:, [5, 0, 1, 2, 3, 5, 4]]},
    "RT-DETR, D-FINE": APART,
    "NMS inside": {
        "num_dets": np.array([[2]], np.int64),
        "det_boxes": padded(CORNERS[None, ALONE]),
        "det_scores": padded(SCORES[None, ALONE, None])[..., 0],
        "det_classes": np.pad(CLASSES[None, ALONE], ((0, 0), (0, 18))),
    },
}  # fmt: skip


def model(path: Path, outputs: Mapping[str, Any], **options: Any) -> str:
    arrays = {
        name: value if np.asarray(value).dtype == np.int64 else np.asarray(value, np.float32)
        for name, value in outputs.items()
    }
    metadata = {"names": NAMES, "imgsz": "64", "stride": "32"} | options.pop("metadata", {})
    return constant_model(path, arrays, metadata, **options)


def engine() -> OnnxDetectionEngine:
    return OnnxDetectionEngine(EngineResources(EngineSettings(threads=1)))


def boxes(found: Any) -> list[tuple[Any, ...]]:
    return [
        (i.label, round(i.score, 3), *(round(v, 2) for v in (i.left, i.top, i.right, i.bottom)))
        for i in found
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_boxes_of_every_layout(tmp_path: Path, layout: str) -> None:
    sizes = "orig_target_sizes" if layout == "RT-DETR, D-FINE" else None
    here = model(tmp_path / "d.onnx", LAYOUTS[layout], sizes_input=sizes)
    assert engine().labels(here) == ("cat", "dog", "bird")
    # 128 x 64 lies in the 64 x 32 input at half size; where the input is square, below grey.
    found = engine().detect(here, np.zeros((64, 64, 3), np.uint8), 0.3)
    assert boxes(found) == [("cat", 0.9, 10, 20, 30, 40), ("bird", 0.7, 40, 8, 60, 28)]
    wide = engine().detect(here, np.zeros((128, 128, 3), np.uint8), 0.8)
    assert boxes(wide) == [("cat", 0.9, 20, 40, 60, 80)]


@pytest.mark.parametrize("layout", ["v8", "v5", "end to end"])
def test_masks_are_given(tmp_path: Path, layout: str) -> None:
    rows = {
        "v8": np.concatenate([VERSION_EIGHT[0], COEFFICIENTS], 1).T[None],
        "v5": np.concatenate([VERSION_FIVE[0], COEFFICIENTS], 1)[None],
        "end to end": np.concatenate([ROWS, COEFFICIENTS[ALONE]], 1)[None],
    }[layout]
    outputs = {"output0": rows, "output1": PROTOTYPES}
    here = model(tmp_path / "d.onnx", outputs, metadata={"task": "segment"})
    cat, bird = engine().detect(here, np.zeros((64, 64, 3), np.uint8), 0.3)
    assert (cat.label, cat.left, cat.right) == ("cat", 10, 30)
    assert cat.mask is not None
    assert bird.mask is not None
    down, across = np.nonzero(cat.mask)
    # The prototype ends at a third of the width, inside the box.
    assert (across.min(), down.min(), down.max()) == (10, 20, 39)
    assert 18 <= across.max() <= 21
    assert bird.mask[8:28, 40:60].all()
    assert bird.mask.sum() == 400


@pytest.mark.parametrize(("numbers", "seen"), [(3, 0.9), (2, 1.0)])
def test_keypoints_are_given(tmp_path: Path, numbers: int, seen: float) -> None:
    one_class = ONE_HOT.max(axis=1, keepdims=True)
    points = POINTS[..., :numbers].reshape(3, -1)
    rows = np.concatenate([CENTRES, one_class, points], 1).T[None]
    metadata = {"task": "pose", "names": "{0: 'person'}", "kpt_shape": f"[2, {numbers}]"}
    here = model(tmp_path / "d.onnx", {"output0": rows}, metadata=metadata)
    person, other = engine().detect(here, np.zeros((128, 128, 3), np.uint8), 0.3)
    assert person.keypoints[0] == pytest.approx((24, 44, seen))
    assert len(other.keypoints) == 2


def test_an_input_of_another_order_or_of_bytes(tmp_path: Path) -> None:
    outputs = {"output0": VERSION_EIGHT.transpose(0, 2, 1)}
    for name, options in (
        ("nhwc", {"shape": (1, "h", "w", 3)}),
        ("bytes", {"kind": "UINT8"}),
        ("both", {"shape": (1, 64, 64, 3), "kind": "UINT8"}),
        ("batch", {"shape": (2, 3, 64, 64)}),
    ):
        here = model(tmp_path / f"{name}.onnx", outputs, **options)
        found = engine().detect(here, np.zeros((64, 64, 3), np.uint8), 0.8)
        assert boxes(found) == [("cat", 0.9, 10, 20, 30, 40)], name


def test_labels_may_stand_in_a_text_file_beside_the_model(tmp_path: Path) -> None:
    here = model(
        tmp_path / "d.onnx", APART, metadata={"names": ""}, sizes_input="orig_target_sizes"
    )
    with pytest.raises(ModelError, match=r"no `names`.*d\.txt beside it"):
        engine().labels(here)
    (tmp_path / "d.txt").write_text("cat\ndog\n\nbird\n")
    assert engine().labels(here) == ("cat", "dog", "bird")


@pytest.mark.parametrize(
    ("outputs", "metadata", "says"),
    [
        ({"a": np.zeros((1, 3, 80, 80, 8))}, {}, "got an output of 1 x 3 x 80 x 80 x 8"),
        ({"a": np.zeros((1, 9, 50)), "b": np.zeros((1, 9))}, {}, "outputs of 1 x 9 x 50, 1 x 9"),
        ({"a": np.full((1, 7, 9), 3.0)}, {}, "scores from 3 to 3"),
        ({"a": np.full((1, 7, 9), np.nan)}, {}, "no numbers"),
        ({"a": np.zeros((1, 39, 9))}, {"task": "segment"}, "got an output of 1 x 39 x 9"),
        ({"a": np.zeros((1, 7, 9))}, {"task": "pose"}, "`kpt_shape` to be .points, 2 or 3"),
        ({"a": np.zeros((1, 7, 9))}, {"task": "obb"}, "the task 'obb'"),
        ({"a": np.array([[[1, 1, 9, 9, 0.5, 7]]])}, {}, "got class 7 of 3 labels"),
    ],
)
def test_what_is_in_no_layout_is_refused_in_one_line(
    tmp_path: Path, outputs: dict[str, Any], metadata: dict[str, str], says: str
) -> None:
    here = model(tmp_path / "d.onnx", outputs, metadata=metadata)
    with pytest.raises(ModelError, match=says):
        engine().labels(here)


def test_the_detailer_paints_inside_the_mask(tmp_path: Path) -> None:
    class Segments(OnnxDetectionEngine):
        """Finds a triangle."""

        def labels(self, model: str) -> tuple[str, ...]:
            return ("house",)

        def detect(self, model: str, image: Any, confidence: float, words: Any = ()) -> Any:
            mask = np.tri(*image.shape[:2]) > 0
            mask[:, :20] = mask[100:] = mask[:, 100:] = mask[:20] = False
            return [Detection("house", 0.9, 20, 20, 100, 100, mask=mask)]

    source = picture(128, 128)
    stage = DetailerStage(
        engines=fake_engines().with_engines(
            DETECTION, Segments(EngineResources(EngineSettings(threads=1)))
        ),
        blur=0,
        dilate=0,
    )
    context = PipelineContext(tmp_path, prompt="a", image=source)
    run(Pipeline([stage]).execute(context))
    context.raise_for_error()
    from ninefold.files.store import read_image

    changed = (read_image(context, context["image"]) != source).any(axis=2)
    assert changed[80, 30]
    assert not changed[30, 80]  # in the box, outside of the mask
