"""Kinds of engine: what each is called, and what its engines can be asked.

A kind is declared once, beside the protocol of its engines:

    class DepthEngine(Engine, Protocol):
        def depth(self, model: str, image: Pixels) -> Depth: ...

    DEPTH: EngineKind[DepthEngine] = EngineKind("depth", DepthEngine, runs="depth")

and `engines[DEPTH]` is then a `DepthEngine`, for the type checker too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar

from ninefold.engines.faults import Faults


class Engine(Protocol):
    """What engines of every kind can be asked, from any thread.

    Every other method of a kind takes the name of a model, or a request that holds it as `model`,
    as its first argument, so that a set with several engines of the kind can choose among them; or
    it takes nothing, and returns a tuple of names.
    """

    def models(self) -> tuple[str, ...]:
        """Names of the models that are at hand without a path or a download."""

    def accepts(self, model: str) -> bool:
        """Whether a model is this engine's, by its name or by what its file is.

        Quick, and without a look at more than the file's beginning.
        """

    def check(self, model: str) -> None:
        """Raise `ModelError` for a model that is not at hand, or that is none of this kind.

        One that does not ship may be tried on a tiny input.
        """

    def hash(self, model: str) -> str:
        """The SHA-256 of the weights in hex; raises `ModelError`."""


E = TypeVar("E")


@dataclass(frozen=True, eq=False)
class EngineKind(Generic[E]):
    """A kind of engine; one object for each, by which a set of engines is asked."""

    name: str
    #: What engines of this kind fulfil.
    protocol: type[Any]
    #: The method that runs a model, empty where engines of another kind do. What the others return
    #: holds for as long as files stay.
    runs: str
    #: What one of its models is called, in lists and parameters; by default as the kind.
    model: str = ""
    #: Makes an engine for tests, which fails where `Faults` say so.
    fake: Callable[[Faults], E] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", self.model or self.name)

    @property
    def plural(self) -> str:
        """What several of its models are called."""
        return self.name if self.model == self.name else f"{self.model}s"

    def answers_to(self, name: str) -> bool:
        """Whether `name` is the kind's, or what one of its models is called."""
        return name in (self.name, self.model)

    @cached_property
    def methods(self) -> frozenset[str]:
        """Names of all that its engines can be asked."""
        return frozenset(
            name
            for part in self.protocol.__mro__
            if getattr(part, "_is_protocol", False)
            for name in vars(part)
            if not name.startswith("_")
        )

    def __repr__(self) -> str:
        return f"EngineKind({self.name!r})"
