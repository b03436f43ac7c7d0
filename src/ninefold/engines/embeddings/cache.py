"""Embeddings of prompts that were encoded before, by everything that they hang on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, TypeVar

N = TypeVar("N")

#: Bytes of embeddings that a model keeps: some sixty prompts of FLUX, thousands of SDXL.
_LIMIT = 256 << 20


@dataclass
class EmbeddingCache:
    """What encoders gave, least recently used first; for one thread at a time.

    Tensors lie in main memory as copies of their own, so no caller can change what another gets.
    """

    limit: int = _LIMIT
    #: How many were found here, and how many had to be made.
    hits: int = 0
    misses: int = 0
    _entries: OrderedDict[Hashable, tuple[Any, Any, int]] = field(default_factory=OrderedDict)
    _size: int = 0

    def encoded(self, key: Hashable, make: Callable[[], tuple[Any, N]]) -> tuple[Any, N]:
        """What `make` gives, kept under `key`: tensors in tuples, lists and dicts, beside values;
        and a note on it, which is handed out as it is.

        With no key (None), and where the result holds other things, it is made each time.
        """
        if key is None:
            return make()
        if key in self._entries:
            self.hits += 1
            self._entries.move_to_end(key)
            kept, note, _ = self._entries[key]
            return _copied(kept, lambda held: held.tensor.to(held.device, copy=True)), note
        self.misses += 1
        made, note = make()
        self._keep(key, made, note)
        return made, note

    def _keep(self, key: Hashable, made: Any, note: Any) -> None:
        size = 0

        def held(tensor: Any) -> _Held:
            nonlocal size
            size += tensor.numel() * tensor.element_size()
            return _Held(tensor.detach().to("cpu", copy=True), tensor.device)

        try:
            kept = _copied(made, held)
        except TypeError:
            return
        if size > self.limit:
            return
        self._entries[key] = (kept, note, size)
        self._size += size
        while self._size > self.limit:
            _, (_, _, freed) = self._entries.popitem(last=False)
            self._size -= freed


@dataclass(frozen=True)
class _Held:
    tensor: Any
    #: Where it was made, and is wanted.
    device: Any


def _copied(value: Any, tensor: Callable[[Any], Any]) -> Any:
    """The value with every tensor, or held one, replaced; raises `TypeError` for unknown things."""
    import torch

    if isinstance(value, torch.Tensor | _Held):
        return tensor(value)
    if value is None or isinstance(value, str | int | float | torch.device | torch.dtype):
        return value
    if isinstance(value, tuple | list):
        return type(value)(_copied(item, tensor) for item in value)
    if isinstance(value, dict):
        return {name: _copied(item, tensor) for name, item in value.items()}
    raise TypeError(f"expected tensors and plain values, got {type(value).__name__}")
