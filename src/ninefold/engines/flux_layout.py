"""FLUX.1 and Chroma: from the names of their first files to those of diffusers.

As diffusers does it, but for any width, and without a copy of the weights: what one file joins is
divided where it lies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

#: Patterns of names, and what they are in diffusers; each is a layer with a weight and a bias.
_NAMES = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"img_in", "x_embedder"),
        (r"txt_in", "context_embedder"),
        (r"time_in\.in_layer", "time_text_embed.timestep_embedder.linear_1"),
        (r"time_in\.out_layer", "time_text_embed.timestep_embedder.linear_2"),
        (r"vector_in\.in_layer", "time_text_embed.text_embedder.linear_1"),
        (r"vector_in\.out_layer", "time_text_embed.text_embedder.linear_2"),
        (r"guidance_in\.in_layer", "time_text_embed.guidance_embedder.linear_1"),
        (r"guidance_in\.out_layer", "time_text_embed.guidance_embedder.linear_2"),
        (r"final_layer\.linear", "proj_out"),
        (r"double_blocks\.(\d+)\.img_mod\.lin", r"transformer_blocks.\1.norm1.linear"),
        (r"double_blocks\.(\d+)\.txt_mod\.lin", r"transformer_blocks.\1.norm1_context.linear"),
        (r"double_blocks\.(\d+)\.img_mlp\.0", r"transformer_blocks.\1.ff.net.0.proj"),
        (r"double_blocks\.(\d+)\.img_mlp\.2", r"transformer_blocks.\1.ff.net.2"),
        (r"double_blocks\.(\d+)\.txt_mlp\.0", r"transformer_blocks.\1.ff_context.net.0.proj"),
        (r"double_blocks\.(\d+)\.txt_mlp\.2", r"transformer_blocks.\1.ff_context.net.2"),
        (r"double_blocks\.(\d+)\.img_attn\.proj", r"transformer_blocks.\1.attn.to_out.0"),
        (r"double_blocks\.(\d+)\.txt_attn\.proj", r"transformer_blocks.\1.attn.to_add_out"),
        (r"double_blocks\.(\d+)\.img_attn\.norm\.query_norm", r"transformer_blocks.\1.attn.norm_q"),
        (r"double_blocks\.(\d+)\.img_attn\.norm\.key_norm", r"transformer_blocks.\1.attn.norm_k"),
        (
            r"double_blocks\.(\d+)\.txt_attn\.norm\.query_norm",
            r"transformer_blocks.\1.attn.norm_added_q",
        ),
        (
            r"double_blocks\.(\d+)\.txt_attn\.norm\.key_norm",
            r"transformer_blocks.\1.attn.norm_added_k",
        ),
        (r"single_blocks\.(\d+)\.modulation\.lin", r"single_transformer_blocks.\1.norm.linear"),
        (r"single_blocks\.(\d+)\.linear2", r"single_transformer_blocks.\1.proj_out"),
        (r"single_blocks\.(\d+)\.norm\.query_norm", r"single_transformer_blocks.\1.attn.norm_q"),
        (r"single_blocks\.(\d+)\.norm\.key_norm", r"single_transformer_blocks.\1.attn.norm_k"),
        # Chroma's modulation is made by a network of its own.
        (r"distilled_guidance_layer\.layers\.(\d+)\.in_layer",
         r"distilled_guidance_layer.layers.\1.linear_1"),
        (r"distilled_guidance_layer\.layers\.(\d+)\.out_layer",
         r"distilled_guidance_layer.layers.\1.linear_2"),
    )
)  # fmt: skip
_JOINED = re.compile(r"double_blocks\.(\d+)\.(img|txt)_attn\.qkv")
_SINGLE = re.compile(r"single_blocks\.(\d+)\.linear1")


def to_diffusers(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The tensors of a transformer by diffusers' names; other names stay as they are."""
    width = tensors["img_in.bias"].shape[0]
    return {
        f"{place}.{'weight' if kind == 'scale' else kind}": part
        for name, tensor in tensors.items()
        for layer, _, kind in (name.rpartition("."),)
        for place, part in _places(layer, tensor, width)
    }


def _places(layer: str, tensor: Any, width: int) -> Iterator[tuple[str, Any]]:
    if (found := _JOINED.fullmatch(layer)) is not None:
        names = "attn.to_{}" if found[2] == "img" else "attn.add_{}_proj"
        for part, rows in zip("qkv", tensor.split(width), strict=True):
            yield f"transformer_blocks.{found[1]}.{names.format(part)}", rows
    elif (found := _SINGLE.fullmatch(layer)) is not None:
        block = f"single_transformer_blocks.{found[1]}"
        rest = tensor.shape[0] - 3 * width
        places = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        for place, rows in zip(places, tensor.split([width] * 3 + [rest]), strict=True):
            yield f"{block}.{place}", rows
    elif layer == "final_layer.adaLN_modulation.1":
        import torch

        shift, scale = tensor.chunk(2)  # diffusers has them the other way round
        yield "norm_out.linear", torch.cat([scale, shift])
    else:
        yield _renamed(layer), tensor


def _renamed(layer: str) -> str:
    for pattern, name in _NAMES:
        if (found := pattern.fullmatch(layer)) is not None:
            return found.expand(name)
    return layer
