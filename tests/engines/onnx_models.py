"""Tiny ONNX models that give the same arrays for every image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def constant_model(
    path: Path,
    outputs: Mapping[str, Any],
    metadata: Mapping[str, str] | None = None,
    *,
    shape: Sequence[Any] = (1, 3, "h", "w"),
    sizes_input: str | None = None,
    kind: str = "FLOAT",
) -> str:
    """A model of one image, and of its size where `sizes_input` names that input."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    inputs = [helper.make_tensor_value_info("images", getattr(TensorProto, kind), shape)]
    if sizes_input is not None:
        inputs.append(helper.make_tensor_value_info(sizes_input, TensorProto.INT64, ["n", 2]))
    constants: dict[str, Any] = {"zero": np.float32(0)}
    results = []
    for name, value in outputs.items():
        array = np.asarray(value)
        constants[f"{name}_value"] = array
        if array.dtype == np.int64:
            nodes.append(
                helper.make_node("Cast", ["nothing"], [f"{name}_zero"], to=TensorProto.INT64)
            )
            nodes.append(helper.make_node("Add", [f"{name}_value", f"{name}_zero"], [name]))
        else:
            nodes.append(helper.make_node("Add", [f"{name}_value", "nothing"], [name]))
        dtype = TensorProto.INT64 if array.dtype == np.int64 else TensorProto.FLOAT
        results.append(helper.make_tensor_value_info(name, dtype, None))
    initial = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "constant", inputs, results, initial)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(made, dict(metadata or {}))
    onnx.save(made, path)
    return str(path)
