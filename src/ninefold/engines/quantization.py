"""Weights of networks in fewer bits, where a setting asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, Literal

from ninefold.core.errors import ModelError

Quantization = Literal["none", "fp8", "int8", "nf4"]

#: Layers that keep their format, by parts of their names: positions, norms, the first and last
#: projections, and T5's `wo`, to whose format T5 casts what goes through it.
_KEPT = ("pos_embed", "patch_embed", "norm", r"^proj_in$", r"^proj_out$", r"(^|\.)wo$")
#: Networks that are left alone: they are small, and errors of theirs are pixels at once.
_WHOLE = ("vae", "movq", "vqgan", "image_encoder", "safety_checker")


def installed(scheme: Quantization) -> Quantization:
    """The scheme; raises `ValueError` where the library for it is missing."""
    if scheme in ("int8", "nf4") and find_spec("bitsandbytes") is None:
        raise ValueError(
            "expected fp8 or none, for bitsandbytes, which int8 and nf4 need, is not installed: "
            "pip install 'ninefold[quantization]'"
        )
    return scheme


def is_left_whole(component: str) -> bool:
    """Whether a network, by what its pipeline calls it, is left alone."""
    return component.startswith(_WHOLE)


def quantize(network: Any, component: str, scheme: Quantization, dtype: Any) -> None:
    """Store the weights of a network, called `component` in its pipeline, as `scheme` says.

    It computes in `dtype` as before. `fp8` is one number in eight bits with four of exponent, of
    linear and convolutional layers; `int8` a number in eight bits and a scale for each row of a
    linear layer (https://arxiv.org/abs/2208.07339); `nf4` four bits and a scale for each 64
    (https://arxiv.org/abs/2305.14314). The latter two are packed when the network goes to its
    device. Raises `ModelError` where the library for it is missing.
    """
    if scheme != "none" and not is_left_whole(component):
        _SCHEMES[scheme](network, dtype)


def _fp8(network: Any, dtype: Any) -> None:
    import torch
    from diffusers.hooks import apply_layerwise_casting

    kept = _kept_by(network)
    apply_layerwise_casting(
        network,
        torch.float8_e4m3fn,
        dtype,
        skip_modules_pattern=kept,
        skip_modules_classes=(torch.nn.Embedding,),  # a text encoder's format is read from it
    )


def _int8(network: Any, dtype: Any) -> None:
    nn = _bitsandbytes("int8")

    def packed(layer: Any) -> Any:
        sizes, bias = (layer.in_features, layer.out_features), layer.bias is not None
        made = nn.Linear8bitLt(*sizes, bias, has_fp16_weights=False, device="meta")
        made.weight = nn.Int8Params(layer.weight.data, requires_grad=False, has_fp16_weights=False)
        return made

    _replace_linear(network, packed)


def _nf4(network: Any, dtype: Any) -> None:
    nn = _bitsandbytes("nf4")

    def packed(layer: Any) -> Any:
        sizes, bias = (layer.in_features, layer.out_features), layer.bias is not None
        made = nn.Linear4bit(*sizes, bias, compute_dtype=dtype, quant_type="nf4", device="meta")
        made.weight = nn.Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
        return made

    _replace_linear(network, packed)


_SCHEMES: Mapping[str, Callable[[Any, Any], None]] = {"fp8": _fp8, "int8": _int8, "nf4": _nf4}


def _replace_linear(network: Any, packed: Callable[[Any], Any]) -> None:
    """Put `packed` layers, which share the bias, in the place of the linear ones."""
    import torch

    kept = [re.compile(pattern) for pattern in _kept_by(network)]
    for name, layer in list(network.named_modules()):
        if isinstance(layer, torch.nn.Linear) and not any(item.search(name) for item in kept):
            made = packed(layer)
            made.bias = layer.bias
            parent, _, last = name.rpartition(".")
            setattr(network.get_submodule(parent), last, made)


def _kept_by(network: Any) -> tuple[str, ...]:
    """Patterns of the layers that keep their format, with those that the network itself names."""
    own = (
        *(getattr(network, "_keep_in_fp32_modules", None) or ()),
        *(getattr(network, "_skip_layerwise_casting_patterns", None) or ()),
    )
    return (*_KEPT, *own)


def _bitsandbytes(scheme: str) -> Any:
    try:
        from bitsandbytes import nn
    except ImportError as error:
        raise ModelError(
            f"quantization={scheme} needs bitsandbytes, which is not installed: "
            "pip install 'ninefold[quantization]'. fp8 needs nothing more."
        ) from error
    return nn
