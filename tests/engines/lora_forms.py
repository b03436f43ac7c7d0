"""LoRAs of every form for tiny models, and what they add to the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ninefold.core.values import Lora
from ninefold.engines.loras import find_loras, lora_files
from ninefold.engines.loras.applying import applied

Image = NDArray[np.float32]


RANK = 2


#: Layers of a tiny model by family, and what a kohya file calls them.
LAYERS = {
    "sd15": {
        ("unet", "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"): (
            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
        ),
        ("unet", "down_blocks.0.resnets.0.conv1"): "lora_unet_down_blocks_0_resnets_0_conv1",
        ("unet", "up_blocks.0.attentions.0.proj_in"): "lora_unet_up_blocks_0_attentions_0_proj_in",
        ("text_encoder", "encoder.layers.1.self_attn.q_proj"): (
            "lora_te_text_model_encoder_layers_1_self_attn_q_proj"
        ),
    },
    "sdxl": {
        ("unet", "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0"): (
            "lora_unet_input_blocks_3_1_transformer_blocks_0_attn1_to_out_0"
        ),
        ("unet", "up_blocks.1.resnets.0.conv_shortcut"): (
            "lora_unet_output_blocks_2_0_skip_connection"
        ),
        ("unet", "mid_block.resnets.1.time_emb_proj"): "lora_unet_middle_block_2_emb_layers_1",
        ("text_encoder", "encoder.layers.0.mlp.fc1"): (
            "lora_te1_text_model_encoder_layers_0_mlp_fc1"
        ),
        ("text_encoder_2", "text_model.encoder.layers.0.mlp.fc2"): (
            "lora_te2_text_model_encoder_layers_0_mlp_fc2"
        ),
    },
    "sd3": {
        ("transformer", "transformer_blocks.0.attn.to_q"): (
            "lora_unet_transformer_blocks_0_attn_to_q"
        ),
        ("text_encoder_2", "text_model.encoder.layers.0.self_attn.v_proj"): (
            "lora_te2_text_model_encoder_layers_0_self_attn_v_proj"
        ),
    },
    "flux": {
        ("transformer", "transformer_blocks.0.attn.to_out.0"): (
            "lora_unet_double_blocks_0_img_attn_proj"
        ),
        (
            "transformer",
            "single_transformer_blocks.0.proj_out",
        ): "lora_unet_single_blocks_0_linear2",
        ("text_encoder", "encoder.layers.0.self_attn.k_proj"): (
            "lora_te1_text_model_encoder_layers_0_self_attn_k_proj"
        ),
    },
}


def paint(pipe: Any) -> Image:
    import torch

    made = pipe(
        "a red house",
        num_inference_steps=2,
        guidance_scale=3.0,
        width=64,
        height=64,
        output_type="np",
        generator=torch.Generator("cpu").manual_seed(7),
    )
    image: Image = np.asarray(made.images[0])
    return image


def layer(pipe: Any, part: str, name: str) -> Any:
    return getattr(pipe, part).get_submodule(name)


@contextmanager
def by_hand(
    pipe: Any, deltas: Mapping[tuple[str, str], Any], weight: float = 1.0
) -> Iterator[None]:
    """Add deltas to the weights themselves."""
    layers = {place: layer(pipe, *place) for place in deltas}
    before = {place: found.weight.data.clone() for place, found in layers.items()}
    for place, found in layers.items():
        found.weight.data += deltas[place].reshape(found.weight.shape) * weight
    try:
        yield
    finally:
        for place, found in layers.items():
            found.weight.data = before[place]


def with_loras(pipe: Any, folder: Path, *loras: Lora) -> tuple[Image, list[str]]:
    warnings: list[str] = []
    files = find_loras(loras, lora_files(folder))
    with applied(pipe, files, {}, warnings):
        return paint(pipe), warnings


def random(*shape: int) -> Any:
    import torch

    return torch.randn(shape) * 0.5


def factors(outs: int, ins: int) -> tuple[Any, Any]:
    return random(outs, RANK), random(RANK, ins)


def make(form: str, name: str, weight: Any) -> tuple[dict[str, Any], Any]:
    """The tensors of a layer in a form, and what they add to its weight."""
    import torch

    outs, ins = weight.shape[0], weight[0].numel()
    alpha = {f"{name}.alpha": torch.tensor(1.0)}
    if form == "LoRA":
        up, down = factors(outs, ins)
        shaped = down.reshape(RANK, *weight.shape[1:])
        lifted = up.reshape(outs, RANK, *[1] * (weight.dim() - 2))
        return {
            f"{name}.lora_up.weight": lifted,
            f"{name}.lora_down.weight": shaped,
            **alpha,
        }, up @ down / RANK
    if form == "LoHa":
        (a, b), (c, d) = factors(outs, ins), factors(outs, ins)
        tensors = {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d}
        return named(name, tensors) | alpha, (a @ b) * (c @ d) / RANK
    if form == "LoKr":
        first, second = random(2, 1), random(outs // 2, *weight.shape[1:])
        tensors = {"lokr_w1": first, "lokr_w2": second}
        shaped = first.reshape(2, 1, *[1] * (weight.dim() - 2))
        return named(name, tensors) | alpha, torch.kron(shaped, second)
    if form == "LoKr of low rank":
        first, (up, down) = random(2, 1), factors(outs // 2, ins)
        tensors = {"lokr_w1": first, "lokr_w2_a": up, "lokr_w2_b": down}
        return named(name, tensors) | alpha, torch.kron(first, up @ down) / RANK
    if form == "difference":
        delta = random(*weight.shape)
        return named(name, {"diff": delta}), delta
    if form in ("DoRA", "DoRA by inputs"):
        tensors, delta = make("LoRA", name, weight)
        merged = weight + delta.reshape(weight.shape)
        axis = 0 if form == "DoRA" else 1
        others = [at for at in range(weight.dim()) if at != axis]
        lengths = merged.pow(2).sum(others, keepdim=True).sqrt()
        magnitude = lengths * (1 + random(*lengths.shape).abs())
        return tensors | {f"{name}.dora_scale": magnitude}, merged * magnitude / lengths - weight
    assert form == "OFT"
    blocks = random(2, outs // 2, outs // 2)
    skew = blocks - blocks.transpose(1, 2)
    same = torch.eye(outs // 2)
    turns = (same + skew) @ torch.linalg.inv(same - skew)
    rows = weight.reshape(2, outs // 2, -1)
    turned = torch.stack([turn.T @ part for turn, part in zip(turns, rows, strict=True)])
    return named(name, {"oft_blocks": blocks}), turned.reshape(weight.shape) - weight


def named(name: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{name}.{key}": tensor for key, tensor in tensors.items()}


def save(tensors: Mapping[str, Any], path: Path, **metadata: str) -> None:
    from safetensors.torch import save_file

    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata)


FORMS = [
    "LoRA",
    "LoHa",
    "LoKr",
    "LoKr of low rank",
    "difference",
    "DoRA",
    "DoRA by inputs",
    "OFT",
]


def made(
    pipe: Any, family: str, form: str, path: Path, seed: int = 0
) -> dict[tuple[str, str], Any]:
    """Save a LoRA for all layers of `LAYERS`; returns what it adds to each."""
    import torch

    torch.manual_seed(seed)
    tensors: dict[str, Any] = {}
    deltas: dict[tuple[str, str], Any] = {}
    for place, name in LAYERS[family].items():
        weight = layer(pipe, *place).weight.detach()
        more, delta = make(form, name, weight)
        tensors |= more
        deltas[place] = delta
    save(tensors, path)
    return deltas
