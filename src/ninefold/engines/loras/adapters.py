"""What a LoRA file adds to one layer, in each of the forms that such files have.

`W` is the layer's weight, out x in (x height x width). Forms and their names as in LyCORIS
(github.com/KohakuBlueleaf/LyCORIS) and kohya's sd-scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

from ninefold.core.errors import ModelError


class Adapter(Protocol):
    """What is added to a layer; at strength 1."""

    @property
    def size(self) -> tuple[int, int | None]:
        """Outputs of the layer that it is for, and numbers that each is made of, where it says."""

    def weight(self, layer: Any) -> Any:
        """What is added to `W`, in its shape."""

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """What is added to the layer's output for what it was given."""


@dataclass(frozen=True)
class LowRank:
    """LoRA: `up @ down`; LoCon's for convolutions, with `mid` where it is in Tucker's form."""

    up: Any
    down: Any
    scale: float
    mid: Any = None

    @property
    def size(self) -> tuple[int, int | None]:
        """See `Adapter`."""
        area = 1 if self.mid is None else self.mid[0, 0].numel()
        return self.up.shape[0], self.down[0].numel() * area

    def weight(self, layer: Any) -> Any:
        """See `Adapter`."""
        import torch

        if self.mid is not None:
            up, down = self.up.flatten(1), self.down.flatten(1)
            return torch.einsum("ijkl,pi,jq->pqkl", self.mid, up, down) * self.scale
        return _as(layer, self.up.flatten(1) @ self.down.flatten(1)) * self.scale

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """See `Adapter`; without making the whole weight."""
        from torch.nn import functional

        if self.mid is not None:
            return _applied(layer, self.weight(layer), given)
        if not is_convolution(layer):
            inner = functional.linear(given, self.down.flatten(1))
            return functional.linear(inner, self.up.flatten(1)) * self.scale
        down, up = (
            part if part.dim() == 4 else part[..., None, None] for part in (self.down, self.up)
        )
        return functional.conv2d(_applied(layer, down, given), up) * self.scale


@dataclass(frozen=True)
class Hadamard:
    """LoHa: the product of two low-rank matrices, value by value."""

    first: tuple[Any, Any, Any]
    second: tuple[Any, Any, Any]
    scale: float

    @property
    def size(self) -> tuple[int, int | None]:
        """See `Adapter`."""
        core, first, second = self.first
        if core is None:
            return first.shape[0], second[0].numel()
        return first.shape[1], second.shape[1] * core[0, 0].numel()

    def weight(self, layer: Any) -> Any:
        """See `Adapter`."""
        return _as(layer, _factor(*self.first) * _factor(*self.second)) * self.scale

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """See `Adapter`."""
        return _applied(layer, self.weight(layer), given)


@dataclass(frozen=True)
class Kronecker:
    """LoKr: the Kronecker product of two matrices, each whole or of low rank."""

    first: Any
    second: Any
    scale: float

    @property
    def size(self) -> tuple[int, int | None]:
        """See `Adapter`."""
        return len(self.first) * len(self.second), self.first[0].numel() * self.second[0].numel()

    def weight(self, layer: Any) -> Any:
        """See `Adapter`."""
        import torch

        first = self.first
        while first.dim() < self.second.dim():
            first = first[..., None]
        return _as(layer, torch.kron(first, self.second)) * self.scale

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """See `Adapter`."""
        return _applied(layer, self.weight(layer), given)


@dataclass(frozen=True)
class Difference:
    """A whole weight, or what is added to a bias."""

    delta: Any = None
    bias: Any = None

    @property
    def size(self) -> tuple[int, int | None]:
        """See `Adapter`."""
        if self.delta is None:
            return len(self.bias), None
        return len(self.delta), self.delta[0].numel()

    def weight(self, layer: Any) -> Any:
        """See `Adapter`."""
        return _as(layer, self.delta)

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """See `Adapter`."""
        changed = 0 if self.delta is None else _applied(layer, self.weight(layer), given)
        if self.bias is None:
            return changed
        return changed + (self.bias[:, None, None] if is_convolution(layer) else self.bias)


@dataclass(frozen=True)
class Decomposed:
    """DoRA (arxiv.org/abs/2402.09353): the sum's directions, at lengths of their own.

    `magnitude` has one for each output, or, as older LyCORIS wrote it, for each input.
    """

    inner: Adapter
    magnitude: Any
    _kept: list[Any] = field(default_factory=list)

    @property
    def size(self) -> tuple[int, int | None]:
        """See `Adapter`."""
        return self.inner.size

    def weight(self, layer: Any) -> Any:
        """See `Adapter`."""
        if not self._kept:
            own = base_weight(layer).to(self.magnitude.dtype)
            merged = own + self.inner.weight(layer)
            by_output = self.magnitude.shape[0] == own.shape[0] and self.magnitude.numel() == len(
                own
            )
            others = [axis for axis in range(own.dim()) if axis != (0 if by_output else 1)]
            lengths = merged.float().pow(2).sum(others, keepdim=True).sqrt().to(own.dtype)
            self._kept.append(merged * (self.magnitude.reshape(lengths.shape) / lengths) - own)
        return self._kept[0]

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """See `Adapter`."""
        return _applied(layer, self.weight(layer), given)


@dataclass(frozen=True)
class Rotation:
    """OFT (arxiv.org/abs/2306.07280): outputs are turned, in blocks of neighbours."""

    #: Blocks x size x size.
    turns: Any
    rescale: Any = None

    @property
    def size(self) -> tuple[int, int | None]:
        """See `Adapter`."""
        return self.turns.shape[0] * self.turns.shape[1], None

    @classmethod
    def made(cls, blocks: Any, constraint: float, rescale: Any) -> Rotation:
        """From what is trained, of which the skew-symmetric part counts (Cayley's transform)."""
        import torch

        skew = (blocks - blocks.transpose(1, 2)).float()
        if constraint > 0:
            length = skew.norm() + 1e-8
            skew = skew * (
                torch.clamp(length, max=constraint * blocks.shape[0] * blocks.shape[1]) / length
            )
        same = torch.eye(skew.shape[1], device=skew.device)
        return cls(((same + skew) @ torch.linalg.inv(same - skew)).to(blocks.dtype), rescale)

    def weight(self, layer: Any) -> Any:
        """See `Adapter`."""
        own = base_weight(layer).to(self.turns.dtype)
        return self._turned(own) - own

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """See `Adapter`."""
        return _applied(layer, self.weight(layer), given)

    def _turned(self, own: Any) -> Any:
        import torch

        rows = own.reshape(*self.turns.shape[:2], -1)
        turned = torch.einsum("knm,knp->kmp", self.turns, rows).reshape(own.shape)
        return (
            turned
            if self.rescale is None
            else turned * self.rescale.reshape(-1, *[1] * (own.dim() - 1))
        )


@dataclass(frozen=True)
class Rows:
    """Rows `start` to `end` of an adapter for layers that were trained joined: those of one."""

    inner: Adapter
    joined: Any
    start: int
    end: int

    @property
    def size(self) -> tuple[int, int | None]:
        """See `Adapter`."""
        return self.end - self.start, self.inner.size[1]

    def weight(self, layer: Any) -> Any:
        """See `Adapter`."""
        return self.inner.weight(self.joined)[self.start : self.end]

    def change(self, layer: Any, given: Any, output: Any) -> Any:
        """See `Adapter`."""
        if isinstance(self.inner, LowRank):
            return self.inner.change(self.joined, given, output)[..., self.start : self.end]
        return _applied(layer, self.weight(layer), given)


def moved(adapter: Adapter, device: Any, dtype: Any) -> Adapter:
    """The adapter with its tensors on another device, and of another number format."""

    def placed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(placed, value))
        if isinstance(value, list):  # what was computed for another place
            return []
        if hasattr(value, "is_floating_point"):
            return value.to(device, dtype)
        return moved(value, device, dtype) if hasattr(value, "change") else value

    made: Any = adapter
    changes = {item.name: placed(getattr(made, item.name)) for item in fields(made)}
    found: Adapter = replace(made, **changes)
    return found


def build(parts: Mapping[str, Any], default_scale: float | None = None) -> Adapter | None:
    """The adapter that the tensors of one layer are, by their kohya names; None for unknown ones.

    Where the file says no alpha, `default_scale` holds, or 1.
    """
    alpha = float(parts["alpha"]) if "alpha" in parts else None

    def scale(rank: int) -> float:
        if alpha is None:
            return 1.0 if default_scale is None else default_scale
        return alpha / rank

    found: Adapter
    if parts.keys() >= {"lora_up", "lora_down"}:
        down = parts["lora_down"]
        found = LowRank(parts["lora_up"], down, scale(down.shape[0]), parts.get("lora_mid"))
    elif parts.keys() >= {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}:
        first, second = (
            (parts.get(f"hada_t{n}"), parts[f"hada_w{n}_a"], parts[f"hada_w{n}_b"]) for n in "12"
        )
        found = Hadamard(first, second, scale(parts["hada_w1_b"].shape[0]))
    elif any(name.startswith("lokr_w1") for name in parts):
        ranks = [parts[name].shape[0] for name in ("lokr_w2_b", "lokr_w1_b") if name in parts]
        found = Kronecker(
            _either(parts, "lokr_w1"), _either(parts, "lokr_w2"), scale(ranks[0]) if ranks else 1.0
        )
    elif "diff" in parts or "diff_b" in parts:
        found = Difference(parts.get("diff"), parts.get("diff_b"))
    elif "oft_blocks" in parts:
        return Rotation.made(parts["oft_blocks"], alpha or 0.0, parts.get("rescale"))
    else:
        return None
    return Decomposed(found, parts["dora_scale"]) if "dora_scale" in parts else found


def _either(parts: Mapping[str, Any], name: str) -> Any:
    if name in parts:
        return parts[name]
    return _factor(parts.get(f"{name.replace('_w', '_t')}"), parts[f"{name}_a"], parts[f"{name}_b"])


def _factor(core: Any, first: Any, second: Any) -> Any:
    import torch

    if core is not None:
        return torch.einsum("ijkl,ip,jq->pqkl", core, first, second)
    return (first @ second.flatten(1)).reshape(first.shape[0], *second.shape[1:])


def is_convolution(layer: Any) -> bool:
    """Whether a layer slides over an image."""
    return hasattr(layer, "kernel_size")


def shape_of(layer: Any) -> tuple[int, ...]:
    """The shape of a layer's weight, also where it is stored in another form."""
    if is_convolution(layer):
        inner = layer.in_channels // layer.groups
        return (layer.out_channels, inner, *layer.kernel_size)
    return (layer.out_features, layer.in_features)


def base_weight(layer: Any) -> Any:
    """A layer's own weight; raises `ModelError` where it is quantised."""
    weight = layer.weight
    if not weight.is_floating_point() or tuple(weight.shape) != shape_of(layer):
        raise ModelError(
            "DoRA and OFT need the model's weights as they are, and these are quantised. Use the "
            "model in bfloat16 or float16, or a plain LoRA."
        )
    return weight.detach()


def _as(layer: Any, delta: Any) -> Any:
    return delta.reshape(shape_of(layer))


def _applied(layer: Any, weight: Any, given: Any) -> Any:
    from torch.nn import functional

    if not is_convolution(layer):
        return functional.linear(given, weight)
    return functional.conv2d(
        given, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups
    )
