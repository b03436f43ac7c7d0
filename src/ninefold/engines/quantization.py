"""Weights of networks in fewer bits, where a setting asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from ninefold.core.errors import ModelError

Quantization = Literal["none", "fp8", "int8", "nf4"]

#: Layers that keep their format, by parts of their names: positions, norms, the first and last
#: projections, and T5's `wo`, to whose format T5 casts what goes through it.
_KEPT = ("pos_embed", "patch_embed", "norm", r"^proj_in$", r"^proj_out$", r"(^|\.)wo$")
#: Networks that are left alone: they are small, and errors of theirs are pixels at once.
_WHOLE = ("vae", "movq", "vqgan", "image_encoder", "safety_checker")


def quantize(network: Any, component: str, scheme: Quantization, dtype: Any) -> None:
    """Store the weights of a network, called `component` in its pipeline, as `scheme` says.

    It computes in `dtype` as before. `fp8` is one number in eight bits with four of exponent, of
    linear and convolutional layers; `int8` a number in eight bits and a scale for each row of a
    linear layer; `nf4` four bits and a scale for each 64 (https://arxiv.org/abs/2305.14314), packed
    when the network goes to its device. Raises `ModelError` where the library for it is missing.
    """
    if scheme != "none" and not component.startswith(_WHOLE):
        _SCHEMES[scheme](network, dtype)


def stored_bytes(tensor: Any) -> int:
    """Bytes of a tensor, or of the tensors that a quantized one is made of."""
    if hasattr(tensor, "__tensor_flatten__"):
        names, _ = tensor.__tensor_flatten__()
        return sum(stored_bytes(getattr(tensor, name)) for name in names)
    return int(tensor.numel() * tensor.element_size())


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
    try:
        from torchao.quantization import Int8WeightOnlyConfig, quantize_
    except ImportError as error:
        raise _missing("int8", "torchao") from error
    chosen = {id(layer) for _, layer in _linear_layers(network)}
    quantize_(network, Int8WeightOnlyConfig(), filter_fn=lambda layer, _: id(layer) in chosen)


def _nf4(network: Any, dtype: Any) -> None:
    try:
        from bitsandbytes.nn import Linear4bit, Params4bit
    except ImportError as error:
        raise _missing("nf4", "bitsandbytes") from error
    for name, layer in list(_linear_layers(network)):
        packed = Linear4bit(
            layer.in_features,
            layer.out_features,
            layer.bias is not None,
            compute_dtype=dtype,
            quant_type="nf4",
            device="meta",
        )
        packed.weight = Params4bit(layer.weight.data, requires_grad=False, quant_type="nf4")
        packed.bias = layer.bias
        parent, _, last = name.rpartition(".")
        setattr(network.get_submodule(parent), last, packed)


_SCHEMES: Mapping[str, Callable[[Any, Any], None]] = {"fp8": _fp8, "int8": _int8, "nf4": _nf4}


def _linear_layers(network: Any) -> Iterator[tuple[str, Any]]:
    import torch

    kept = [re.compile(pattern) for pattern in _kept_by(network)]
    for name, layer in network.named_modules():
        if isinstance(layer, torch.nn.Linear) and not any(item.search(name) for item in kept):
            yield name, layer


def _kept_by(network: Any) -> tuple[str, ...]:
    """Patterns of the layers that keep their format, with those that the network itself names."""
    own = (
        *(getattr(network, "_keep_in_fp32_modules", None) or ()),
        *(getattr(network, "_skip_layerwise_casting_patterns", None) or ()),
    )
    return (*_KEPT, *own)


def _missing(scheme: str, package: str) -> ModelError:
    return ModelError(
        f"quantization={scheme} needs {package}, which is not installed: "
        "pip install 'ninefold[quantization]'. fp8 needs nothing more."
    )
