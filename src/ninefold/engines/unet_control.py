"""Configs of ControlNets for UNets that come as a file without one, recognised by their tensors.

The sizes are those of the ControlNets that Stable Diffusion 1, 2 and XL are steered by; other ones
come with a config.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ninefold.engines.weight_headers import Shapes

#: Where a tensor lies in files of the original layout, and one that only those have.
ORIGINAL_PREFIX, ORIGINAL_MARK = "control_model.", "zero_convs.0.0.weight"
_MARKS = ("controlnet_cond_embedding.conv_in.weight", ORIGINAL_MARK)
_UNION_MARK = "task_embedding"
_CROSS_ATTENTION = "attn2.to_k.weight"

_SHARED: dict[str, Any] = {
    "in_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "conditioning_embedding_out_channels": [16, 32, 96, 256],
}
_FOUR_BLOCKS: dict[str, Any] = {
    "block_out_channels": [320, 640, 1280, 1280],
    "down_block_types": [*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"],
}
#: By the width of what the network is given of the prompt.
_BY_WIDTH: dict[int, dict[str, Any]] = {
    768: {**_FOUR_BLOCKS, "attention_head_dim": 8},
    1024: {
        **_FOUR_BLOCKS,
        "attention_head_dim": [5, 10, 20, 20],
        "use_linear_projection": True,
    },
    2048: {
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", *["CrossAttnDownBlock2D"] * 2],
        "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20],
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
}


def is_original(shapes: Shapes) -> bool:
    """Whether a ControlNet has the tensor names of its authors rather than those of diffusers."""
    return any(name.removeprefix(ORIGINAL_PREFIX) == ORIGINAL_MARK for name in shapes)


def unet_control_config(shapes: Shapes) -> Mapping[str, Any] | None:
    """The config of a ControlNet in diffusers' terms; None where the tensors are of none that is
    known."""
    names = {name.removeprefix(ORIGINAL_PREFIX) for name in shapes}
    widths = {shape[1] for name, shape in shapes.items() if name.endswith(_CROSS_ATTENTION)}
    if not names.intersection(_MARKS) or len(widths) != 1:
        return None
    width = widths.pop()
    if width not in _BY_WIDTH:
        return None
    config = {**_SHARED, **_BY_WIDTH[width], "cross_attention_dim": width}
    if _UNION_MARK in names:
        return {
            **config,
            "_class_name": "ControlNetUnionModel",
            "num_control_type": shapes[_UNION_MARK][0],
        }
    return {**config, "_class_name": "ControlNetModel"}
