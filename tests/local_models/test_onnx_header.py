"""What ONNX files say of themselves, read without their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold.core.errors import ModelError
from ninefold.engines.local_models.identity import identify
from ninefold.engines.local_models.onnx_header import OnnxHeader, read_onnx_header
from ninefold.engines.local_models.places import Place

onnx = pytest.importorskip("onnx")


def save(path: Path, outputs: list[list[int | str]], metadata: dict[str, str]) -> Path:
    helper: Any = onnx.helper
    floats = onnx.TensorProto.FLOAT
    weight = onnx.numpy_helper.from_array(np.zeros((1, 3, 1, 1), np.float32), "weight")
    image = helper.make_tensor_value_info("image", floats, [1, 3, "height", "width"])
    listed = helper.make_tensor_value_info("weight", floats, [1, 3, 1, 1])  # as older files do
    results = [
        helper.make_tensor_value_info(f"out{index}", floats, shape)
        for index, shape in enumerate(outputs)
    ]
    nodes = [helper.make_node("Add", ["image", "weight"], ["out0"])]
    graph = helper.make_graph(nodes, "graph", [image, listed], results, [weight])
    model = helper.make_model(graph)
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def test_metadata_and_shapes(tmp_path: Path) -> None:
    file = save(tmp_path / "a.onnx", [[1, 84, "anchors"], [1]], {"names": "{0: 'cat'}"})
    assert read_onnx_header(file) == OnnxHeader(
        {"names": "{0: 'cat'}"}, ((1, 3, None, None),), ((1, 84, None), (1,)), "float32"
    )


@pytest.mark.parametrize(
    ("outputs", "metadata", "kind"),
    [
        ([[1, 84, 8400]], {"names": "{0: 'cat'}", "license": "AGPL-3.0"}, "detector"),
        ([[1, 3, "h", "w"]], {}, "upscaler"),
        ([[1, 1, "h", "w"]], {"task": "matting"}, "other"),
        ([[1, 1000]], {}, "other"),
    ],
)
def test_kinds(
    tmp_path: Path, outputs: list[list[int | str]], metadata: dict[str, str], kind: str
) -> None:
    file = save(tmp_path / "a.onnx", outputs, metadata)
    found = identify(Place(file, "a", "test"))
    assert (found.kind, found.card.license) == (kind, metadata.get("license", ""))


@pytest.mark.parametrize("kept", [0, 1, 20, 100, -1])
def test_a_file_that_is_none_or_cut_short_is_refused(tmp_path: Path, kept: int) -> None:
    file = save(tmp_path / "a.onnx", [[1, 3, 4, 4]], {"names": "{0: 'cat'}"})
    file.write_bytes(file.read_bytes()[:kept])
    with pytest.raises(ModelError, match=r"a\.onnx is not a readable ONNX file"):
        read_onnx_header(file)


def test_noise_is_refused_whatever_it_is(tmp_path: Path) -> None:
    file = tmp_path / "a.onnx"
    for seed in range(200):
        file.write_bytes(np.random.default_rng(seed).bytes(200))
        with pytest.raises(ModelError, match="not a readable ONNX file"):
            read_onnx_header(file)
