"""Tiny ControlNets, T2I-Adapters and IP-Adapters for the tiny models, as they are shipped."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import diffusers as untyped

from tests.tiny_models.registry import build_tiny, enliven

diffusers: Any = untyped

#: Levels of the part that brings a picture to the size of latents of 8 pixels a position.
_EMBEDDING = (4, 4, 4, 4)
#: Width of the images' summary in tiny image encoders.
_SUMMARY = 8


def _controlnet(base: str, network: str = "ControlNetModel") -> Any:
    unet = build_tiny(base).unet
    build = getattr(diffusers, network)
    return build.from_unet(unet, conditioning_embedding_out_channels=_EMBEDDING)


def _union() -> Any:
    """Of SDXL's size in nothing but what joins the pictures."""
    config = dict(_controlnet("sdxl").config)
    config |= {
        "num_control_type": 8,
        "num_trans_channel": 8,
        "num_proj_channel": 8,
        "num_trans_head": 2,
    }
    return diffusers.ControlNetUnionModel.from_config(config)


def _flux(modes: int | None = None) -> Any:
    config = dict(build_tiny("flux").transformer.config)
    return diffusers.FluxControlNetModel.from_config({**config, "num_mode": modes})


def _sd3() -> Any:
    config = dict(build_tiny("sd3").transformer.config)
    return diffusers.SD3ControlNetModel.from_config({**config, "extra_conditioning_channels": 0})


def _like(base: str, network: str, **changes: Any) -> Any:
    """A network with what its config has in common with that of the model's transformer."""
    build = getattr(diffusers, network)
    known = signature(build.__init__).parameters
    config = dict(build_tiny(base).transformer.config)
    return build(**{name: config[name] for name in config if name in known} | changes)


def _z_image() -> Any:
    return _like(
        "z-image",
        "ZImageControlNetModel",
        control_layers_places=[0],
        control_refiner_layers_places=[0],
        control_in_dim=16,
    )


def _t2i() -> Any:
    return diffusers.T2IAdapter(
        channels=[8, 16, 16, 16],
        num_res_blocks=1,
        downscale_factor=16,
        adapter_type="full_adapter_xl",
    )


_NETWORKS: dict[str, Callable[[], Any]] = {
    "sd15-controlnet": lambda: _controlnet("sd15"),
    "sdxl-controlnet": lambda: _controlnet("sdxl"),
    "sdxl-union": _union,
    "flux-controlnet": _flux,
    "flux-union": lambda: _flux(7),
    "sd3-controlnet": _sd3,
    "sdxl-t2i": _t2i,
    "qwen-controlnet": lambda: _like("qwen-image", "QwenImageControlNetModel"),
    "z-image-controlnet": _z_image,
    "hunyuan-controlnet": lambda: _like(
        "hunyuan-dit", "HunyuanDiT2DControlNetModel", transformer_num_layers=4
    ),
    "sana-controlnet": lambda: _like("sana", "SanaControlNetModel"),
}


def tiny_control(name: str, folder: Path) -> Path:
    """Save the network called `name` into `folder`, and return the folder."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = _NETWORKS[name]().eval()
        enliven(network)
    network.save_pretrained(folder)
    return folder


def tiny_ip_adapter(base: str, folder: Path) -> Path:
    """Save an IP-Adapter for a tiny model into `folder`, with the encoder that it looks through;
    returns its file."""
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        pipe = build_tiny(base)
        _image_encoder(siglip=base == "sd3").save_pretrained(folder / "image_encoder")
        tensors = {"flux": _xlabs, "sd3": _instantx}.get(base, _tencent)(pipe)
    path = folder / f"{base}-ip.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    return path


def _image_encoder(*, siglip: bool) -> Any:
    from transformers import (
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
        SiglipVisionConfig,
        SiglipVisionModel,
    )

    sizes: dict[str, Any] = {
        "hidden_size": 8,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    }
    untyped_clip: Any = CLIPVisionModelWithProjection
    untyped_siglip: Any = SiglipVisionModel
    if siglip:
        return untyped_siglip(SiglipVisionConfig(**sizes))
    return untyped_clip(CLIPVisionConfig(projection_dim=_SUMMARY, **sizes))


def _tencent(pipe: Any) -> dict[str, Any]:
    """For UNets."""
    import torch

    width = pipe.unet.config.cross_attention_dim
    tensors = {
        "image_proj.proj.weight": torch.randn(4 * width, _SUMMARY),
        "image_proj.proj.bias": torch.randn(4 * width),
        "image_proj.norm.weight": torch.ones(width),
        "image_proj.norm.bias": torch.zeros(width),
    }
    layers = [name for name in pipe.unet.attn_processors if name.endswith("attn2.processor")]
    for number, name in enumerate(layers):  # counted among those of self-attention
        layer = pipe.unet.get_submodule(name.removesuffix(".processor"))
        for part in ("k", "v"):
            shape = getattr(layer, f"to_{part}").weight.shape
            tensors[f"ip_adapter.{2 * number + 1}.to_{part}_ip.weight"] = torch.randn(shape)
    return tensors


def _xlabs(pipe: Any) -> dict[str, Any]:
    """For FLUX.1."""
    import torch

    config = pipe.transformer.config
    width, inner = config.joint_attention_dim, pipe.transformer.inner_dim
    tensors = {
        "ip_adapter_proj_model.proj.weight": torch.randn(4 * width, _SUMMARY),
        "ip_adapter_proj_model.proj.bias": torch.randn(4 * width),
        "ip_adapter_proj_model.norm.weight": torch.ones(width),
        "ip_adapter_proj_model.norm.bias": torch.zeros(width),
    }
    for number in range(config.num_layers):
        for part in ("k", "v"):
            place = f"double_blocks.{number}.processor.ip_adapter_double_stream_{part}_proj"
            tensors[f"{place}.weight"] = torch.randn(inner, width)
            tensors[f"{place}.bias"] = torch.randn(inner)
    return tensors


def _instantx(pipe: Any) -> dict[str, Any]:
    """For Stable Diffusion 3."""
    from diffusers.models.attention_processor import SD3IPAdapterJointAttnProcessor2_0
    from diffusers.models.embeddings import IPAdapterTimeImageProjection

    config = pipe.transformer.config
    inner = config.attention_head_dim * config.num_attention_heads
    projection = IPAdapterTimeImageProjection(
        embed_dim=8, output_dim=inner, hidden_dim=64, heads=1, num_queries=4
    )
    tensors = {f"image_proj.{name}": value for name, value in projection.state_dict().items()}
    for number in range(len(pipe.transformer.attn_processors)):
        layer = SD3IPAdapterJointAttnProcessor2_0(
            inner, inner, config.attention_head_dim, timesteps_emb_dim=64
        )
        for name, value in layer.state_dict().items():
            tensors[f"ip_adapter.{number}.{name}"] = value
    return tensors
