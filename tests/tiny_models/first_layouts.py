"""Tensors of transformers by the names that their authors first shipped.

The way back from diffusers' names for SD3, Z-Image, FLUX.2, AuraFlow and Sana.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Tensors = dict[str, Any]
#: Patterns of diffusers' names, and what stands in their place.
Renames = Sequence[tuple[str, str]]
#: By the pattern of a first part, the parts that are one tensor there, and its name.
Joins = Sequence[tuple[str, Sequence[str], str]]


def first_layout(name: str, network: Any) -> Tensors:
    """The tensors of a network of the tiny model called `name`."""
    renames, joins = _LAYOUTS[name.removesuffix("-klein")]
    return _renamed(_joined(network.state_dict(), joins), renames) | _unused(name)


def _joined(weights: Mapping[str, Any], joins: Joins) -> Tensors:
    import torch

    found = dict(weights)
    for name in weights:
        for pattern, parts, target in joins:
            if (match := re.fullmatch(pattern, name)) is None:
                continue
            names = [match.expand(part) for part in parts]
            found[match.expand(target)] = torch.cat([found.pop(part) for part in names])
    return found


def _renamed(weights: Mapping[str, Any], renames: Renames) -> Tensors:
    import torch

    found: Tensors = {}
    is_sd3 = "pos_embed.pos_embed" in weights and "norm_out.linear.bias" in weights
    numbers = [int(name.split(".")[1]) for name in weights if name.startswith("transformer_bl")]
    last = str(max(numbers, default=0))
    for name, tensor in weights.items():
        outer = "norm_out.linear." in name
        # Of SD3's last block, which leaves the prompt behind, the same.
        inner = "norm1_context.linear." in name and name.split(".")[1] == last and is_sd3
        if outer or inner:  # scale and shift change places
            scale, shift = tensor.chunk(2)
            tensor = torch.cat([shift, scale])
        for pattern, replacement in renames:
            name = re.sub(pattern, replacement, name)
        found[name] = tensor.clone()
    return found


def _unused(name: str) -> Tensors:
    """Tensors that files hold and nobody reads."""
    import torch

    names = ("pos_embed", "y_embedder.y_embedding") if name == "sana" else ()
    return {key: torch.zeros(1, 1) for key in names}


def _parts(before: str, after: str) -> list[str]:
    return [f"{before}{part}{after}" for part in "qkv"]


_LAYOUTS: dict[str, tuple[Renames, Joins]] = {
    "z-image": (
        [
            (r"all_(final_layer|x_embedder)\.2-1", r"\1"),
            (r"\.attention\.to_out\.0", ".attention.out"),
            (r"\.attention\.norm_([qk])", r".attention.\1_norm"),
        ],
        [
            (
                r"(.+\.attention)\.to_q\.weight",
                _parts(r"\1.to_", ".weight"),
                r"\1.qkv.weight",
            )
        ],
    ),
    "flux2": (
        [
            (r"^x_embedder", "img_in"),
            (r"^context_embedder", "txt_in"),
            (r"^time_guidance_embed\.timestep_embedder\.linear_1", "time_in.in_layer"),
            (r"^time_guidance_embed\.timestep_embedder\.linear_2", "time_in.out_layer"),
            (r"^time_guidance_embed\.guidance_embedder\.linear_1", "guidance_in.in_layer"),
            (r"^time_guidance_embed\.guidance_embedder\.linear_2", "guidance_in.out_layer"),
            (r"(_stream_modulation(_\w+)?)\.linear", r"\1.lin"),
            (r"^proj_out", "final_layer.linear"),
            (r"^norm_out\.linear", "final_layer.adaLN_modulation.1"),
            (
                r"^(single_)transformer_blocks(\.\d+)\.attn\.to_qkv_mlp_proj",
                r"single_blocks\2.linear1",
            ),
            (r"^(single_)transformer_blocks(\.\d+)\.attn\.to_out", r"single_blocks\2.linear2"),
            (
                r"^single_transformer_blocks(\.\d+)\.attn\.norm_q\.weight",
                r"single_blocks\1.norm.query_norm.scale",
            ),
            (
                r"^single_transformer_blocks(\.\d+)\.attn\.norm_k\.weight",
                r"single_blocks\1.norm.key_norm.scale",
            ),
            (r"^transformer_blocks", "double_blocks"),
            (r"\.attn\.norm_q\.weight", ".img_attn.norm.query_norm.scale"),
            (r"\.attn\.norm_k\.weight", ".img_attn.norm.key_norm.scale"),
            (r"\.attn\.norm_added_q\.weight", ".txt_attn.norm.query_norm.scale"),
            (r"\.attn\.norm_added_k\.weight", ".txt_attn.norm.key_norm.scale"),
            (r"\.attn\.to_out\.0", ".img_attn.proj"),
            (r"\.attn\.to_add_out", ".txt_attn.proj"),
            (r"\.ff\.linear_in", ".img_mlp.0"),
            (r"\.ff\.linear_out", ".img_mlp.2"),
            (r"\.ff_context\.linear_in", ".txt_mlp.0"),
            (r"\.ff_context\.linear_out", ".txt_mlp.2"),
        ],
        [
            (
                r"(transformer_blocks\.\d+)\.attn\.to_q\.weight",
                _parts(r"\1.attn.to_", ".weight"),
                r"\1.img_attn.qkv.weight",
            ),
            (
                r"(transformer_blocks\.\d+)\.attn\.add_q_proj\.weight",
                _parts(r"\1.attn.add_", "_proj.weight"),
                r"\1.txt_attn.qkv.weight",
            ),
        ],
    ),
    "auraflow": (
        [
            (r"^time_step_proj\.linear_1", "t_embedder.mlp.0"),
            (r"^time_step_proj\.linear_2", "t_embedder.mlp.2"),
            (r"^context_embedder", "cond_seq_linear"),
            (r"^proj_out", "final_linear"),
            (r"^norm_out\.linear", "modF.1"),
            (r"^pos_embed\.pos_embed", "positional_encoding"),
            (r"^pos_embed\.proj", "init_x_linear"),
            (r"\.linear_1\.weight", ".c_fc1.weight"),
            (r"\.linear_2\.weight", ".c_fc2.weight"),
            (r"\.out_projection\.weight", ".c_proj.weight"),
            (r"^single_transformer_blocks(\.\d+)\.ff\.", r"single_layers\1.mlp."),
            (r"^single_transformer_blocks(\.\d+)\.norm1\.linear", r"single_layers\1.modCX.1"),
            (r"^single_transformer_blocks(\.\d+)\.attn\.to_([qkv])", r"single_layers\1.attn.w1\2"),
            (r"^single_transformer_blocks(\.\d+)\.attn\.to_out\.0", r"single_layers\1.attn.w1o"),
            (r"^joint_transformer_blocks", "double_layers"),
            (r"\.ff\.", ".mlpX."),
            (r"\.ff_context\.", ".mlpC."),
            (r"\.norm1\.linear", ".modX.1"),
            (r"\.norm1_context\.linear", ".modC.1"),
            (r"\.attn\.to_([qkv])\.", r".attn.w2\1."),
            (r"\.attn\.to_out\.0", ".attn.w2o"),
            (r"\.attn\.add_([qkv])_proj", r".attn.w1\1"),
            (r"\.attn\.to_add_out", ".attn.w1o"),
        ],
        [],
    ),
    "sana": (
        [
            (r"^patch_embed\.proj", "x_embedder.proj"),
            (r"^time_embed\.emb\.timestep_embedder\.linear_1", "t_embedder.mlp.0"),
            (r"^time_embed\.emb\.timestep_embedder\.linear_2", "t_embedder.mlp.2"),
            (r"^time_embed\.linear", "t_block.1"),
            (r"^caption_projection\.linear_([12])", r"y_embedder.y_proj.fc\1"),
            (r"^caption_norm", "attention_y_norm"),
            (r"^proj_out", "final_layer.linear"),
            (r"^scale_shift_table", "final_layer.scale_shift_table"),
            (r"^transformer_blocks", "blocks"),
            (r"\.attn1\.to_out\.0", ".attn.proj"),
            (r"\.attn2\.to_q", ".cross_attn.q_linear"),
            (r"\.attn2\.to_out\.0", ".cross_attn.proj"),
            (r"\.ff\.conv_inverted", ".mlp.inverted_conv.conv"),
            (r"\.ff\.conv_depth", ".mlp.depth_conv.conv"),
            (r"\.ff\.conv_point", ".mlp.point_conv.conv"),
        ],
        [
            (
                r"(.+)\.attn1\.to_q\.weight",
                _parts(r"\1.attn1.to_", ".weight"),
                r"\1.attn.qkv.weight",
            ),
            (
                r"(.+)\.attn2\.to_k\.(weight|bias)",
                [r"\1.attn2.to_k.\2", r"\1.attn2.to_v.\2"],
                r"\1.cross_attn.kv_linear.\2",
            ),
        ],
    ),
    "sd3": (
        [
            (r"^pos_embed\.pos_embed", "pos_embed"),
            (r"^pos_embed\.proj", "x_embedder.proj"),
            (r"^time_text_embed\.timestep_embedder\.linear_1", "t_embedder.mlp.0"),
            (r"^time_text_embed\.timestep_embedder\.linear_2", "t_embedder.mlp.2"),
            (r"^time_text_embed\.text_embedder\.linear_1", "y_embedder.mlp.0"),
            (r"^time_text_embed\.text_embedder\.linear_2", "y_embedder.mlp.2"),
            (r"^norm_out\.linear", "final_layer.adaLN_modulation.1"),
            (r"^proj_out", "final_layer.linear"),
            (r"^transformer_blocks", "joint_blocks"),
            (r"\.attn\.to_out\.0", ".x_block.attn.proj"),
            (r"\.attn\.to_add_out", ".context_block.attn.proj"),
            (r"\.norm1\.linear", ".x_block.adaLN_modulation.1"),
            (r"\.norm1_context\.linear", ".context_block.adaLN_modulation.1"),
            (r"\.ff\.net\.0\.proj", ".x_block.mlp.fc1"),
            (r"\.ff\.net\.2", ".x_block.mlp.fc2"),
            (r"\.ff_context\.net\.0\.proj", ".context_block.mlp.fc1"),
            (r"\.ff_context\.net\.2", ".context_block.mlp.fc2"),
        ],
        [
            (
                r"(.+)\.attn\.to_q\.(weight|bias)",
                _parts(r"\1.attn.to_", r".\2"),
                r"\1.x_block.attn.qkv.\2",
            ),
            (
                r"(.+)\.attn\.add_q_proj\.(weight|bias)",
                _parts(r"\1.attn.add_", r"_proj.\2"),
                r"\1.context_block.attn.qkv.\2",
            ),
        ],
    ),
}
