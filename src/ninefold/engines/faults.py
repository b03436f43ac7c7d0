"""What fake engines share: failing on request, and randomness that repeats."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import ClassVar

import numpy as np

from ninefold.core.errors import ModelError


@dataclass
class Faults:
    """When the fakes fail: calls named in `on`, with `error`, at most `times` times."""

    #: Of `ninefold.testing.CALLS`.
    on: frozenset[str] = frozenset()
    error: Callable[[str], Exception] = ModelError
    #: How many calls fail before the fakes work again; None means all.
    times: int | None = None
    _failed: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def strike(self, call: str) -> None:
        """Raise the error if this call should fail."""
        with self._lock:
            if call not in self.on or (self.times is not None and self._failed >= self.times):
                return
            self._failed += 1
        raise self.error(f"The fake engine was asked to fail on {call}.")


def fake_hash(number: int) -> str:
    """What stands for the SHA-256 of weights that there are none of."""
    return f"fa4e{number:06}".ljust(64, "0")


@dataclass(frozen=True)
class FakeModels:
    """What every fake engine says of its models, which are there by fixed names."""

    faults: Faults = field(default_factory=Faults)
    #: The models, and the hash of each.
    names: ClassVar[tuple[str, ...]] = ()
    digest: ClassVar[str] = ""

    def models(self) -> tuple[str, ...]:
        """Stands in for the built-in models, by their names."""
        return self.names

    def accepts(self, model: str) -> bool:
        """Whether it is one of its names."""
        return model in self.models()

    def check(self, model: str) -> None:
        """Raise `ModelError` for any other name."""
        if model not in self.models():
            known = ", ".join(self.models())
            raise ModelError(f"No model {model!r}: the fake engine knows {known}.")

    def hash(self, model: str) -> str:
        """A constant; raises `ModelError` for any other name."""
        self.check(model)
        return self.digest


def random_from(content: bytes) -> np.random.Generator:
    """Random numbers that `content` alone decides."""
    digest = hashlib.blake2b(content, digest_size=8).digest()
    return np.random.default_rng(int.from_bytes(digest))
