"""Detection and upscaling on small ONNX models made here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import InputError, ModelError
from ninefold.engines.onnx_detection import OnnxDetectionEngine
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings

onnx = pytest.importorskip("onnx")

SETTINGS = EngineSettings(threads=1)


def save(path: Path, nodes: list[Any], constants: dict[str, Any], metadata: dict[str, str]) -> str:
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, "h", "w"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return str(path)


def detector(path: Path, rows: list[list[float]], **metadata: str) -> str:
    """A detector that finds the same candidates in every image."""
    from onnx import helper

    reported = {"names": "{0: 'cat', 1: 'dog'}", "imgsz": "[64, 64]", "stride": "32"} | metadata
    found = np.array(rows, np.float32).T[None]
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["found", "nothing"], ["out"]),
    ]
    return save(path, nodes, {"found": found, "zero": np.float32(0)}, reported)


def upscaler(path: Path, radius: int, factor: int = 2, **metadata: str) -> str:
    """Averages over a square, then repeats pixels: what it reaches is known."""
    from onnx import helper

    side = 2 * radius + 1
    kernel = np.zeros((3, 3, side, side), np.float32)
    for channel in range(3):
        kernel[channel, channel] = 1 / side**2
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["blurred"], pads=[radius] * 4),
        helper.make_node(
            "Resize",
            ["blurred", "", "scales"],
            ["out"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        ),
    ]
    scales = np.array([1, 1, factor, factor], np.float32)
    return save(path, nodes, {"kernel": kernel, "scales": scales}, metadata)


def test_boxes_come_back_in_the_images_pixels(tmp_path: Path) -> None:
    # 128 x 64 becomes 64 x 32 within a 64 x 32 input: half size, no padding.
    model = detector(tmp_path / "d.onnx", [[16, 16, 8, 8, 0.9, 0.1]])
    engine = OnnxDetectionEngine(EngineResources(SETTINGS))
    (found,) = engine.detect(model, np.zeros((64, 128, 3), np.uint8), 0.5)
    assert found.label == "cat"
    assert found.score == pytest.approx(0.9)
    assert (found.left, found.top, found.right, found.bottom) == (24, 24, 40, 40)


def test_padding_is_taken_off_and_boxes_end_at_the_border(tmp_path: Path) -> None:
    # 64 x 40 is fitted into 64 x 64 with 12 rows of padding above.
    model = detector(tmp_path / "d.onnx", [[60, 32, 20, 20, 0.2, 0.8]])
    (found,) = OnnxDetectionEngine(EngineResources(SETTINGS)).detect(
        model, np.zeros((40, 64, 3), np.uint8), 0.5
    )
    assert (found.label, found.left, found.right) == ("dog", 50, 64)
    assert (found.top, found.bottom) == (10, 30)


def test_overlaps_of_one_label_are_removed_and_of_another_kept(tmp_path: Path) -> None:
    rows = [
        [32, 32, 20, 20, 0.7, 0.0],
        [33, 32, 20, 20, 0.9, 0.0],
        [32, 33, 20, 20, 0.0, 0.8],
        [10, 10, 8, 8, 0.6, 0.0],
        [50, 10, 8, 8, 0.3, 0.0],
    ]
    model = detector(tmp_path / "d.onnx", rows)
    found = OnnxDetectionEngine(EngineResources(SETTINGS)).detect(
        model, np.zeros((64, 64, 3), np.uint8), 0.5
    )
    reported = [(item.label, round(item.score, 2)) for item in found]
    assert reported == [("cat", 0.9), ("dog", 0.8), ("cat", 0.6)]


def test_detectors_without_labels_or_in_another_layout_are_reported(tmp_path: Path) -> None:
    engine = OnnxDetectionEngine(EngineResources(SETTINGS))
    image = np.zeros((64, 64, 3), np.uint8)
    nameless = detector(tmp_path / "a.onnx", [[1, 1, 1, 1, 1, 1]], names="")
    with pytest.raises(ModelError, match="names"):
        engine.labels(nameless)
    other = detector(tmp_path / "b.onnx", [[1, 1, 1, 1, 1, 1]], names="{0: 'cat'}")
    with pytest.raises(ModelError, match="a layout of YOLO"):
        engine.detect(other, image, 0.5)
    with pytest.raises(InputError, match="image"):
        engine.detect(other, image[:0], 0.5)


def test_labels_beside_a_model_may_change_and_differ(tmp_path: Path) -> None:
    engine = OnnxDetectionEngine(EngineResources(SETTINGS))
    model, twin = (
        detector(tmp_path / name, [[1, 1, 1, 1, 1, 1]], names="") for name in ("a.onnx", "b.onnx")
    )
    (tmp_path / "a.txt").write_text("cat\ndog\n")
    (tmp_path / "b.txt").write_text("bird\nfish\n")
    assert engine.labels(model) == ("cat", "dog")
    assert engine.labels(twin) == ("bird", "fish")
    (tmp_path / "a.txt").write_text("horse\ncow\n")
    assert engine.labels(model) == ("horse", "cow")
    (tmp_path / "a.txt").unlink()
    with pytest.raises(ModelError, match="names"):
        engine.labels(model)


def test_models_of_the_users_folders_are_tried_out(tmp_path: Path) -> None:
    for folder in ("adetailer", "ESRGAN"):
        (tmp_path / folder).mkdir()
    detector(tmp_path / "adetailer" / "nameless.onnx", [[1, 1, 1, 1, 1, 1]], names="")
    nodes = [onnx.helper.make_node("ReduceMean", ["images"], ["out"], keepdims=0)]
    save(tmp_path / "ESRGAN" / "mean.onnx", nodes, {}, {})
    resources = EngineResources(EngineSettings(threads=1, model_folders=(tmp_path,)))
    detection, upscaling = OnnxDetectionEngine(resources), OnnxUpscaleEngine(resources)
    assert "nameless" in detection.models()
    assert "mean" in upscaling.models()
    with pytest.raises(ModelError, match="names"):
        detection.check("nameless")
    with pytest.raises(ModelError, match="output"):
        upscaling.check("mean")


def test_pickles_and_rubbish_are_refused(tmp_path: Path) -> None:
    engine = OnnxDetectionEngine(EngineResources(SETTINGS))
    with pytest.raises(ModelError, match="yolo export"):
        engine.hash(str(tmp_path / "face_yolov8n.pt"))
    (tmp_path / "bad.onnx").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="no readable ONNX"):
        engine.labels(str(tmp_path / "bad.onnx"))


@pytest.mark.parametrize(("radius", "factor"), [(0, 2), (1, 4), (5, 3)])
def test_scale_and_margin_are_measured(tmp_path: Path, radius: int, factor: int) -> None:
    model = upscaler(tmp_path / "u.onnx", radius, factor)
    engine = OnnxUpscaleEngine(EngineResources(SETTINGS))
    assert engine.scale(model) == factor
    assert engine.margin(model) == radius


def test_a_declared_margin_is_believed(tmp_path: Path) -> None:
    model = upscaler(tmp_path / "u.onnx", 1, margin="9")
    assert OnnxUpscaleEngine(EngineResources(SETTINGS)).margin(model) == 9


def test_values_survive(tmp_path: Path) -> None:
    model = upscaler(tmp_path / "u.onnx", 0)
    image = np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8)
    made = OnnxUpscaleEngine(EngineResources(SETTINGS)).upscale(model, image)
    assert np.array_equal(made, image.repeat(2, 0).repeat(2, 1))


def test_a_model_of_no_upscaling_layout_is_reported(tmp_path: Path) -> None:
    model = detector(tmp_path / "d.onnx", [[1, 1, 1, 1, 1, 1]])
    with pytest.raises(ModelError, match="output"):
        OnnxUpscaleEngine(EngineResources(SETTINGS)).scale(model)


def test_nobody_is_reported_of_what_runs_here(tmp_path: Path) -> None:
    model = upscaler(tmp_path / "u.onnx", 0)
    home = tmp_path / "home"
    home.mkdir()
    # Told of these, the library keeps quiet by itself.
    quiet = ("CI", "ORT_RUNNING_UNIT_TESTS", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    around = {name: value for name, value in os.environ.items() if name not in quiet}
    code = (
        "from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine\n"
        "from ninefold.engines.resources import EngineResources\n"
        "from ninefold.engines.settings import EngineSettings\n"
        f"print(OnnxUpscaleEngine(EngineResources(EngineSettings(threads=1))).scale({model!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**around, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "2\n"
    assert list(home.iterdir()) == []  # where it keeps a number for this machine
