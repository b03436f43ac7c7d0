"""The tiny models by name, and how one is made and saved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[[], Any])

_FACTORIES: dict[str, Callable[[], Any]] = {}
#: By the model's name, what its `model_index.json` says otherwise than `save_pretrained` writes.
_INDEX: dict[str, dict[str, Any]] = {}
#: How much stronger attention is than in fresh layers: a few tokens among hundreds must show.
_ATTENTION = 3.0
#: Names that `tiny_model` takes.
NAMES = _FACTORIES.keys()


def tiny(name: str, **index: Any) -> Callable[[F], F]:
    """Register a function that builds the pipeline called `name`.

    `index` replaces entries of `model_index.json`, where models that ship have others than
    diffusers writes today.
    """

    def register(factory: F) -> F:
        _FACTORIES[name] = factory
        _INDEX[name] = index
        return factory

    return register


def build_tiny(name: str) -> Any:
    """The pipeline itself, of the weights that `tiny_model` saves; in float32, on the CPU."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pipe = _FACTORIES[name]()
        for name, part in pipe.components.items():
            if isinstance(part, torch.nn.Module):
                enliven(part.eval(), _ATTENTION if name == "transformer" else 1.0)
    return pipe


def tiny_model(name: str, folder: Path) -> Path:
    """Save the tiny model called `name` into `folder`, and return the folder."""
    build_tiny(name).save_pretrained(folder)
    if _INDEX[name]:
        index = folder / "model_index.json"
        index.write_text(json.dumps(json.loads(index.read_text()) | _INDEX[name], indent=2))
    return folder


def enliven(network: Any, attention: float = 1.0) -> None:
    """Spread weights that a fresh layer starts with all alike (norms, gates, last layers), and
    strengthen those of attention."""
    import torch

    with torch.no_grad():
        for name, weight in network.named_parameters():
            if "attn" in name and weight.ndim > 1:
                weight.mul_(attention)
            if weight.is_floating_point() and bool((weight == weight.flatten()[0]).all()):
                weight.add_(torch.randn_like(weight) * 0.1)
