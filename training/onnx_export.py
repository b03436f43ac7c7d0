"""ONNX export with dynamic picture sizes and metadata."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import torch
from torch import nn


def export(
    model: nn.Module,
    channels: int,
    size: int,
    path: Path,
    names: tuple[str, str],
    axes: tuple[str, str, str] | tuple[str, str],
    metadata: dict[str, str],
) -> None:
    """Write a one-input, one-output model whose batch, height and width are free."""
    temporary = path.with_suffix(".part")
    example = torch.rand(1, channels, size, size)
    dynamic = {names[0]: {0: "batch", 2: axes[0], 3: axes[1]}, names[1]: {0: "batch"}}
    dynamic[names[1]].update({2: axes[2]} if len(axes) == 3 else {2: "out_height", 3: "out_width"})
    torch.onnx.export(
        model,
        (example,),
        str(temporary),
        input_names=[names[0]],
        output_names=[names[1]],
        dynamic_axes=dynamic,
        opset_version=17,
        dynamo=False,
    )
    proto = onnx.load(str(temporary))
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto)
    onnx.save(proto, str(temporary))
    os.replace(temporary, path)
