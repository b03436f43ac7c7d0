"""Which layer of a pipeline a name in a LoRA file means, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

#: How names begin, and the part of the pipeline that they then mean; "" is its denoising network.
_PREFIXES = (
    ("lora_unet_", ""),
    ("lora_transformer_", ""),
    ("lycoris_", ""),
    ("lora_te1_", "text_encoder"),
    ("lora_te2_", "text_encoder_2"),
    ("lora_te3_", "text_encoder_3"),
    ("lora_te_", "text_encoder"),
    ("model.diffusion_model.", ""),
    ("diffusion_model.", ""),
    ("base_model.model.", ""),
    ("unet.", ""),
    ("transformer.", ""),
    ("text_encoder.", "text_encoder"),
    ("text_encoder_2.", "text_encoder_2"),
    ("text_encoder_3.", "text_encoder_3"),
    ("text_encoders.clip_l.transformer.", "text_encoder"),
    ("text_encoders.clip_g.transformer.", "text_encoder_2"),
)

#: FLUX's blocks as its authors name them: layers that diffusers has apart are joined there.
_FLUX = (
    (r"double_blocks_(\d+)_img_attn_qkv", r"transformer_blocks_\1_attn_to_{q,k,v}"),
    (
        r"double_blocks_(\d+)_txt_attn_qkv",
        r"transformer_blocks_\1_attn_add_{q,k,v}_proj",
    ),
    (r"double_blocks_(\d+)_img_attn_proj", r"transformer_blocks_\1_attn_to_out_0"),
    (r"double_blocks_(\d+)_txt_attn_proj", r"transformer_blocks_\1_attn_to_add_out"),
    (r"double_blocks_(\d+)_img_mlp_0", r"transformer_blocks_\1_ff_net_0_proj"),
    (r"double_blocks_(\d+)_img_mlp_2", r"transformer_blocks_\1_ff_net_2"),
    (r"double_blocks_(\d+)_txt_mlp_0", r"transformer_blocks_\1_ff_context_net_0_proj"),
    (r"double_blocks_(\d+)_txt_mlp_2", r"transformer_blocks_\1_ff_context_net_2"),
    (r"double_blocks_(\d+)_img_mod_lin", r"transformer_blocks_\1_norm1_linear"),
    (r"double_blocks_(\d+)_txt_mod_lin", r"transformer_blocks_\1_norm1_context_linear"),
    (
        r"single_blocks_(\d+)_linear1",
        r"single_transformer_blocks_\1_{attn_to_q,attn_to_k,attn_to_v,proj_mlp}",
    ),
    (r"single_blocks_(\d+)_linear2", r"single_transformer_blocks_\1_proj_out"),
    (r"single_blocks_(\d+)_modulation_lin", r"single_transformer_blocks_\1_norm_linear"),
)

#: Layers inside a block of Stable Diffusion's UNet as its authors name them.
_RESNET = {
    "in_layers_2": "conv1",
    "emb_layers_1": "time_emb_proj",
    "out_layers_3": "conv2",
    "skip_connection": "conv_shortcut",
}
_OUTSIDE = {
    "input_blocks_0_0": "conv_in",
    "time_embed_0": "time_embedding_linear_1",
    "time_embed_2": "time_embedding_linear_2",
    "label_emb_0_0": "add_embedding_linear_1",
    "label_emb_0_2": "add_embedding_linear_2",
    "out_2": "conv_out",
}


@dataclass(frozen=True)
class Layer:
    """A layer of a pipeline; of several that a name means together, one."""

    part: str
    name: str
    module: Any


@dataclass(frozen=True)
class Joined:
    """Layers of one input that a LoRA was trained on as if they were one; looks like a layer."""

    layers: Sequence[Any]

    @property
    def in_features(self) -> int:
        """As of each."""
        return int(self.layers[0].in_features)

    @property
    def out_features(self) -> int:
        """Of all together."""
        return sum(int(layer.out_features) for layer in self.layers)

    @property
    def weight(self) -> Any:
        """All weights, one below the other."""
        import torch

        return torch.cat([layer.weight for layer in self.layers])


class Layers:
    """The layers of a pipeline's networks by their names."""

    def __init__(self, pipe: Any) -> None:
        """Look at the parts of `pipe`."""
        self.pipe = pipe
        self.network = "unet" if getattr(pipe, "unet", None) is not None else "transformer"

    @cached_property
    def _named(self) -> dict[str, dict[str, Layer]]:
        """By part and name, the name with underscores alone."""
        found: dict[str, dict[str, Layer]] = {}
        for part, network in self.pipe.components.items():
            if part == self.network or part.startswith("text_encoder"):
                named = network.named_modules() if network is not None else ()
                found[part] = {
                    name.replace(".", "_"): Layer(part, name, module)
                    for name, module in named
                    if hasattr(module, "in_features") or hasattr(module, "kernel_size")
                }
        return found

    def find(self, name: str) -> tuple[Layer, ...]:
        """The layer that a name in a file means, or those that it means joined; else none."""
        part, rest = _part(name)
        part = part or self.network
        named = self._named.get(part, {})
        for candidate in _candidates(rest.replace(".", "_"), part, self.levels):
            found = tuple(named[each] for each in candidate if each in named)
            if found and len(found) == len(candidate):
                return found
        return ()

    @property
    def outputs(self) -> int:
        """Layers of the UNet on its way up; 0 where there is no UNet."""
        return len(getattr(getattr(self.pipe, "unet", None), "up_blocks", ())) * (self.levels + 1)

    @property
    def levels(self) -> int:
        """Layers in each block of the UNet."""
        config = getattr(getattr(self.pipe, self.network, None), "config", None)
        layers = getattr(config, "layers_per_block", 2)
        return layers if isinstance(layers, int) else int(layers[0])


def _part(name: str) -> tuple[str, str]:
    for prefix, part in _PREFIXES:
        if name.startswith(prefix):
            return part, name.removeprefix(prefix)
    return "", name


def _candidates(name: str, part: str, levels: int) -> Iterator[Sequence[str]]:
    """Names that a layer may have in diffusers; several where it is joined in the file."""
    yield [name]
    if part.startswith("text_encoder"):
        # Whether CLIP's layers lie inside `text_model` hangs on the version of transformers.
        yield [name.removeprefix("text_model_")]
        yield [f"text_model_{name}"]
        return
    yield [_from_sgm(name, levels)]
    for pattern, ours in _FLUX:
        match = re.fullmatch(pattern, name)
        if match:
            written = match.expand(ours)
            before, brace, inner = written.partition("{")
            choices, _, after = inner.partition("}")
            yield [f"{before}{each}{after}" for each in choices.split(",")] if brace else [written]


def _from_sgm(name: str, levels: int) -> str:
    """A layer of Stable Diffusion's UNet, from the name that its authors gave it."""
    if name in _OUTSIDE:
        return _OUTSIDE[name]
    match = re.fullmatch(r"(input|output)_blocks_(\d+)_(\d+)_?(.*)|middle_block_(\d+)_(.*)", name)
    if match is None:
        return name
    side, block, inner, rest, middle, middle_rest = match.groups()
    if middle is not None:
        kind = "attentions_0" if middle == "1" else f"resnets_{int(middle) // 2}"
        return f"mid_block_{kind}_{_RESNET.get(middle_rest, middle_rest)}"
    # Down, each level ends with a layer that halves; up, each has one layer more.
    level, layer = divmod(int(block) - (side == "input"), levels + 1)
    where = "down" if side == "input" else "up"
    if rest == "op":
        return f"down_blocks_{level}_downsamplers_0_conv"
    if rest == "conv":
        return f"up_blocks_{level}_upsamplers_0_conv"
    kind = "resnets" if inner == "0" else "attentions"
    return f"{where}_blocks_{level}_{kind}_{layer}_{_RESNET.get(rest, rest)}"
