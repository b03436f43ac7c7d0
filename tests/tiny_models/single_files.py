"""Tensors of tiny models by the names that single files have, as their authors first shipped them.

    save_file(stable_diffusion_tensors(pipe), "model.safetensors")

The way back from diffusers' names: what its conversions read is written here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Tensors = dict[str, Any]

_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_UNET = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def stable_diffusion_tensors(pipe: Any) -> Tensors:
    """Stable Diffusion 1 and 2, SDXL and its refiner, whole."""
    found = unet_tensors(pipe.unet, "model.diffusion_model.")
    found |= vae_tensors(pipe.vae, "first_stage_model.")
    second = getattr(pipe, "text_encoder_2", None)
    if second is None:
        if pipe.text_encoder.config.hidden_act == "gelu":
            return found | open_clip_tensors(pipe.text_encoder, "cond_stage_model.model.")
        return found | clip_tensors(pipe.text_encoder, "cond_stage_model.transformer.")
    place = "conditioner.embedders.{}.".format
    if pipe.text_encoder is None:
        return found | open_clip_tensors(second, f"{place(0)}model.")
    found |= clip_tensors(pipe.text_encoder, f"{place(0)}transformer.")
    return found | open_clip_tensors(second, f"{place(1)}model.")


def unet_tensors(unet: Any, prefix: str = "") -> Tensors:
    """A UNet."""
    places = dict(_unet_places(unet))
    return {f"{prefix}{_moved(name, places)}": w for name, w in _copied(unet).items()}


def _unet_places(unet: Any) -> Iterator[tuple[str, str]]:
    yield from _UNET.items()
    index = 1
    for level, block in enumerate(unet.down_blocks):
        for layer in range(len(block.resnets)):
            yield from _block(f"down_blocks.{level}", layer, f"input_blocks.{index}")
            index += 1
        if getattr(block, "downsamplers", None):
            yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{index}.0.op"
            index += 1
    yield from _resnet("mid_block.resnets.0", "middle_block.0")
    yield "mid_block.attentions.0", "middle_block.1"
    yield from _resnet("mid_block.resnets.1", "middle_block.2")
    index = 0
    for level, block in enumerate(unet.up_blocks):
        for layer in range(len(block.resnets)):
            yield from _block(f"up_blocks.{level}", layer, f"output_blocks.{index}")
            index += 1
        if getattr(block, "upsamplers", None):
            part = 2 if hasattr(block, "attentions") else 1
            yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{index - 1}.{part}.conv"


def _block(ours: str, layer: int, theirs: str) -> Iterator[tuple[str, str]]:
    yield from _resnet(f"{ours}.resnets.{layer}", f"{theirs}.0")
    yield f"{ours}.attentions.{layer}", f"{theirs}.1"


def _resnet(ours: str, theirs: str) -> Iterator[tuple[str, str]]:
    for name, place in _RESNET.items():
        yield f"{ours}.{name}", f"{theirs}.{place}"


def vae_tensors(vae: Any, prefix: str = "") -> Tensors:
    """Stable Diffusion's autoencoder."""
    found: Tensors = {}
    levels = len(vae.config.block_out_channels)
    for name, tensor in _copied(vae).items():
        name = re.sub(r"down_blocks\.(\d+)\.resnets\.", r"down.\1.block.", name)
        name = re.sub(r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample", name)
        up = re.search(r"up_blocks\.(\d+)\.", name)
        if up is not None:
            name = name.replace(up[0], f"up.{levels - 1 - int(up[1])}.")
            name = name.replace(".resnets.", ".block.").replace(".upsamplers.0.", ".upsample.")
        name = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", name)
        name = name.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
        if "mid_block.attentions.0." in name:
            name = name.replace("mid_block.attentions.0.", "mid.attn_1.")
            for ours, theirs in (("group_norm", "norm"), ("to_out.0", "proj_out")):
                name = name.replace(ours, theirs)
            name = re.sub(r"to_([qkv])\.", r"\1.", name)
            if tensor.dim() == 2:
                tensor = tensor[:, :, None, None]
        found[f"{prefix}{name}"] = tensor
    return found


def clip_tensors(encoder: Any, prefix: str = "") -> Tensors:
    """CLIP's text encoder in the layout of transformers."""
    return {
        f"{prefix}{name if name.startswith('text_') else f'text_model.{name}'}": tensor
        for name, tensor in _copied(encoder).items()
    }


def open_clip_tensors(encoder: Any, prefix: str = "") -> Tensors:
    """CLIP's text encoder in OpenCLIP's layout."""
    import torch

    moves = {
        "embeddings.token_embedding": "token_embedding",
        "embeddings.position_embedding.weight": "positional_embedding",
        "encoder.layers": "transformer.resblocks",
        "layer_norm1": "ln_1",
        "layer_norm2": "ln_2",
        "mlp.fc1": "mlp.c_fc",
        "mlp.fc2": "mlp.c_proj",
        "self_attn.out_proj": "attn.out_proj",
        "final_layer_norm": "ln_final",
    }
    found: Tensors = {}
    weights = {name.removeprefix("text_model."): w for name, w in _copied(encoder).items()}
    for name, tensor in weights.items():
        if name == "text_projection.weight":
            found[f"{prefix}text_projection"] = tensor.T.contiguous()
            continue
        joined = re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", name)
        if joined is not None:
            parts = [weights[name.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            place = f"transformer.resblocks.{joined[1]}.attn.in_proj_{joined[2]}"
            found[f"{prefix}{place}"] = torch.cat(parts)
        elif ".k_proj." not in name and ".v_proj." not in name:
            for ours, theirs in moves.items():
                name = name.replace(ours, theirs)
            found[f"{prefix}{name}"] = tensor
    return found


def flux_tensors(transformer: Any, prefix: str = "") -> Tensors:
    """The transformer of FLUX.1 or Chroma."""
    import torch

    weights = _copied(transformer)
    found: Tensors = {}

    def move(ours: str, theirs: str) -> None:
        for kind in ("weight", "bias"):
            if f"{ours}.{kind}" in weights:
                found[f"{prefix}{theirs}.{kind}"] = weights[f"{ours}.{kind}"]

    def join(ours: list[str], theirs: str) -> None:
        for kind in ("weight", "bias"):
            found[f"{prefix}{theirs}.{kind}"] = torch.cat([weights[f"{n}.{kind}"] for n in ours])

    def scale(ours: str, theirs: str) -> None:
        found[f"{prefix}{theirs}.scale"] = weights[f"{ours}.weight"]

    embed = "time_text_embed"
    for ours, theirs in (
        ("x_embedder", "img_in"),
        ("context_embedder", "txt_in"),
        ("proj_out", "final_layer.linear"),
        *(
            (f"{embed}.{kind}_embedder.linear_{n}", f"{place}.{layer}")
            for kind, place in (
                ("timestep", "time_in"), ("text", "vector_in"), ("guidance", "guidance_in")
            )
            for n, layer in ((1, "in_layer"), (2, "out_layer"))
        ),
    ):  # fmt: skip
        move(ours, theirs)
    for name, tensor in weights.items():
        if name.startswith("distilled_guidance_layer."):  # Chroma's
            name = re.sub(r"(norms\.\d+)\.weight", r"\1.scale", name)
            name = name.replace("linear_1", "in_layer").replace("linear_2", "out_layer")
            found[f"{prefix}{name}"] = tensor
    for kind in ("weight", "bias") if "norm_out.linear.weight" in weights else ():
        scale_, shift = weights[f"norm_out.linear.{kind}"].chunk(2)
        found[f"{prefix}final_layer.adaLN_modulation.1.{kind}"] = torch.cat([shift, scale_])
    for index in range(transformer.config.num_layers):
        ours, theirs = f"transformer_blocks.{index}", f"double_blocks.{index}"
        for stream, norm, added, out, ff, names in (
            ("img", "norm1", "", "to_out.0", "ff", "to_{}"),
            ("txt", "norm1_context", "added_", "to_add_out", "ff_context", "add_{}_proj"),
        ):
            move(f"{ours}.{norm}.linear", f"{theirs}.{stream}_mod.lin")
            join(
                [f"{ours}.attn.{names.format(part)}" for part in "qkv"],
                f"{theirs}.{stream}_attn.qkv",
            )
            for long, short in (("query", "q"), ("key", "k")):
                scale(
                    f"{ours}.attn.norm_{added}{short}", f"{theirs}.{stream}_attn.norm.{long}_norm"
                )
            move(f"{ours}.attn.{out}", f"{theirs}.{stream}_attn.proj")
            move(f"{ours}.{ff}.net.0.proj", f"{theirs}.{stream}_mlp.0")
            move(f"{ours}.{ff}.net.2", f"{theirs}.{stream}_mlp.2")
    for index in range(transformer.config.num_single_layers):
        ours, theirs = f"single_transformer_blocks.{index}", f"single_blocks.{index}"
        move(f"{ours}.norm.linear", f"{theirs}.modulation.lin")
        join(
            [f"{ours}.attn.to_{part}" for part in "qkv"] + [f"{ours}.proj_mlp"], f"{theirs}.linear1"
        )
        move(f"{ours}.proj_out", f"{theirs}.linear2")
        for long, short in (("query", "q"), ("key", "k")):
            scale(f"{ours}.attn.norm_{short}", f"{theirs}.norm.{long}_norm")
    return found


def _copied(network: Any) -> Tensors:
    """Its weights, none of which shares memory with another."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _moved(name: str, places: dict[str, str]) -> str:
    start = max((place for place in places if name.startswith(f"{place}.")), key=len)
    return places[start] + name.removeprefix(start)
