"""Exported upscalers of every order of axes, range of values, type, size and count of channels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.imaging.types import Pixels

onnx = pytest.importorskip("onnx")

UNIT, BYTES, SIGNED = (0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)


def upscaler(
    path: Path,
    *,
    factor: int = 2,
    takes: tuple[float, float] = UNIT,
    gives: tuple[float, float] = UNIT,
    nhwc: bool = False,
    kind: str = "FLOAT",
    channels: int = 3,
    size: tuple[Any, Any] = ("h", "w"),
    batch: Any = 1,
    multiple: int = 1,
    blurs: bool = False,
    metadata: dict[str, str] | None = None,
) -> str:
    """Repeats pixels; values outside of its range are cut off, as a network's would be wrong."""
    from onnx import TensorProto, helper, numpy_helper

    node = helper.make_node
    constants: dict[str, Any] = {
        "low": np.float32(takes[0]),
        "span": np.float32(takes[1] - takes[0]),
        "nought": np.float32(0),
        "one": np.float32(1),
        "out_low": np.float32(gives[0]),
        "out_span": np.float32(gives[1] - gives[0]),
        "scales": np.array([1, 1, factor, factor], np.float32),
    }
    nodes = [node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT)]
    last = "numbers"

    def then(kind: str, name: str, *more: str, **attributes: Any) -> None:
        nonlocal last
        nodes.append(node(kind, [last, *more], [name], **attributes))
        last = name

    if nhwc:
        then("Transpose", "planes", perm=[0, 3, 1, 2])
    if multiple > 1:  # fails where a side is no multiple
        constants["blocks"] = np.array([0, 0, -1, multiple, 0], np.int64)
        constants["whole"] = np.array([0, 0, -1], np.int64)
        for name, axes in (("a", [0, 1, 3, 2]), ("b", [0, 1, 3, 2])):
            nodes.append(node("Shape", [last], [f"shape_{name}"]))
            constants[f"pieces_{name}"] = np.array([0, 0, 0, -1, multiple], np.int64)
            then("Reshape", f"pieces_of_{name}", f"pieces_{name}")
            then("Reshape", f"again_{name}", f"shape_{name}")
            then("Transpose", f"turned_{name}", perm=axes)
    then("Sub", "above", "low")
    then("Div", "unit", "span")
    then("Clip", "cut", "nought", "one")
    if blurs:
        kernel = np.zeros((channels, channels, 3, 3), np.float32)
        kernel[range(channels), range(channels)] = 1 / 9
        constants["kernel"] = kernel
        then("Conv", "blurred", "kernel", pads=[1] * 4)
    nodes.append(
        node(
            "Resize",
            [last, "", "scales"],
            ["large"],
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    )
    last = "large"
    then("Mul", "spanned", "out_span")
    then("Add", "raised", "out_low")
    if nhwc:
        then("Transpose", "turned_back", perm=[0, 2, 3, 1])
    then("Cast", "out", to=getattr(TensorProto, kind))
    shape: Sequence[Any] = (batch, *size, channels) if nhwc else (batch, channels, *size)
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("images", getattr(TensorProto, kind), shape)],
        [helper.make_tensor_value_info("out", getattr(TensorProto, kind), None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, metadata or {})
    onnx.save(made, path)
    return str(path)


def engine() -> OnnxUpscaleEngine:
    return OnnxUpscaleEngine(EngineResources(EngineSettings(threads=1)))


def noise(height: int = 21, width: int = 34) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bytes in and out": {"takes": BYTES, "gives": BYTES},
    "-1 to 1": {"takes": SIGNED, "gives": SIGNED},
    "unit in, bytes out": {"gives": BYTES},
    "bytes in, unit out": {"takes": BYTES},
    "channels last": {"nhwc": True},
    "channels last, of bytes": {"nhwc": True, "kind": "UINT8", "takes": BYTES, "gives": BYTES},
    "float16": {"kind": "FLOAT16"},
    "three times": {"factor": 3},
    "eight times": {"factor": 8},
    "with alpha": {"channels": 4},
    "one size": {"size": (16, 16)},
    "one oblong size": {"size": (12, 20)},
    "one size, larger than the image": {"size": (64, 64)},
    "a batch of two": {"batch": 2},
    "any batch": {"batch": "n"},
    "multiples of eight": {"multiple": 8},
    "all at once": {
        "nhwc": True, "size": (16, 24), "takes": BYTES, "gives": BYTES, "factor": 4, "batch": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_enlarges_alike(tmp_path: Path, form: str) -> None:
    options = FORMS[form]
    model = upscaler(tmp_path / "u.onnx", **options)
    factor = options.get("factor", 2)
    assert engine().scale(model) == factor
    image = noise()
    made = engine().upscale(model, image)
    assert made.dtype == np.uint8
    expected = image.repeat(factor, 0).repeat(factor, 1)
    assert made.shape == expected.shape
    assert np.abs(made.astype(int) - expected).max() <= (1 if "float16" in form else 0)


def test_a_model_of_grey_enlarges_the_luma_alone(tmp_path: Path) -> None:
    from PIL import Image

    model = upscaler(tmp_path / "u.onnx", channels=1)
    image = np.asarray(Image.fromarray(noise(4, 6)).resize((60, 40), Image.Resampling.BICUBIC))
    made = engine().upscale(model, image)
    luma = np.asarray(Image.fromarray(image).convert("L")).repeat(2, 0).repeat(2, 1)
    # Colours that RGB cannot hold are cut off, so that some luma moves.
    assert np.abs(np.asarray(Image.fromarray(made).convert("L")).astype(int) - luma).mean() < 2
    assert np.abs(made.astype(int) - image.repeat(2, 0).repeat(2, 1)).mean() < 4


def test_tiles_of_one_size_leave_no_seam(tmp_path: Path) -> None:
    """A network that looks a pixel around: tiles overlap, so only the image's edge is an edge."""
    fixed = upscaler(tmp_path / "f.onnx", blurs=True, size=(24, 24))
    free = upscaler(tmp_path / "u.onnx", blurs=True)
    assert (engine().margin(fixed), engine().margin(free)) == (3, 1)
    for image in (noise(50, 71), noise(24, 24), noise(24, 25)):
        whole, tiled = engine().upscale(free, image), engine().upscale(fixed, image)
        assert np.array_equal(whole, tiled)


@pytest.mark.parametrize("margin", ["0", "11", "300"])
def test_a_declared_margin_never_leaves_tiles_without_room(tmp_path: Path, margin: str) -> None:
    model = upscaler(tmp_path / "u.onnx", size=(16, 16), metadata={"margin": margin})
    image = noise(40, 33)
    assert np.array_equal(engine().upscale(model, image), image.repeat(2, 0).repeat(2, 1))


def test_a_file_that_is_cut_short_is_one_message(tmp_path: Path) -> None:
    model = Path(upscaler(tmp_path / "u.onnx"))
    model.write_bytes(model.read_bytes()[:300])
    with pytest.raises(ModelError, match=r"u\.onnx is no readable ONNX model"):
        engine().scale(str(model))
