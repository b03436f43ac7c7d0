"""The engines that a pipeline's stages share: by kind, several of one kind side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

from ninefold.core.errors import ModelError
from ninefold.core.model_refs import ModelRef
from ninefold.core.signing import SigningKey, SigningSettings
from ninefold.engines.detection import DETECTION, DetectionEngine
from ninefold.engines.diffusion import DIFFUSION, DiffusionEngine
from ninefold.engines.kinds import Engine, EngineKind
from ninefold.engines.local_models.lookup import LocalModels
from ninefold.engines.registry import find_kind
from ninefold.engines.upscaling import UPSCALING, UpscaleEngine

E = TypeVar("E")


@dataclass(frozen=True)
class EngineStats:
    """What engines hold, and what they counted since they were made."""

    #: Bytes of each loaded model, by what its kind calls models, and its name.
    resident: Mapping[tuple[str, str], int] = field(default_factory=dict)
    #: How many diffusion calls made so many images at once.
    batches: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class EngineSet:
    """Engines by kind: `engines[DETECTION].detect(model, image, 0.5)`."""

    #: Those of each kind, the one that is asked first standing first.
    engines: Mapping[EngineKind[Any], Sequence[Any]]
    #: Names and versions of the libraries underneath, for manifests.
    versions: Mapping[str, str] = field(default_factory=dict)
    #: The folder of text files that `__name__` in a prompt chooses from; None where there is none.
    wildcards: Path | None = None
    #: Asked from any thread at any time; quick.
    stats: Callable[[], EngineStats] = EngineStats
    #: Models in the user's folders, and those that were added or pulled.
    local_models: LocalModels = field(default_factory=LocalModels)
    #: The key that published files are signed with, where it is not the settings'.
    signing_key: SigningKey | None = None
    #: That key, and who confirms the time.
    signing: SigningSettings = field(default_factory=SigningSettings)
    #: The folder where a key to sign with and manifests of published images are kept; None keeps
    #: neither.
    marks: Path | None = None

    def __getitem__(self, kind: EngineKind[E]) -> E:
        """The engine of a kind. Where there are several, what it is asked goes to the one whose
        model it is, by what the model's file is.

        Raises `ModelError` where there is none.
        """
        engines = self.engines.get(kind, ())
        if not engines:
            raise ModelError(
                f"No engine of the kind {kind.name!r} is here. Install one; `ninefold plugins` "
                "lists what there is."
            )
        return cast(E, engines[0] if len(engines) == 1 else _Choosing(kind, tuple(engines)))

    @property
    def diffusion(self) -> DiffusionEngine:
        """Short for `engines[DIFFUSION]`."""
        return self[DIFFUSION]

    @property
    def detection(self) -> DetectionEngine:
        """Short for `engines[DETECTION]`."""
        return self[DETECTION]

    @property
    def upscaling(self) -> UpscaleEngine:
        """Short for `engines[UPSCALING]`."""
        return self[UPSCALING]

    def models(self, ref: ModelRef) -> tuple[str, ...]:
        """What a parameter may name without a path or a download; raises `ConfigError` for a
        reference to no kind that is there."""
        kind = find_kind(ref.kind)
        names = self[kind].models() if self.engines.get(kind) else ()
        return (*names, *ref.also)

    def check_model(self, ref: ModelRef, model: str) -> None:
        """Raise `UserError` for a model that is not at hand, or is none of the kind."""
        if model not in ref.also:
            engine: Engine = self[find_kind(ref.kind)]
            engine.check(model)

    def with_engines(self, kind: EngineKind[E], *engines: E) -> EngineSet:
        """The same set with other engines of one kind."""
        return replace(self, engines={**self.engines, kind: engines})

    def keep_lookups(self) -> EngineSet:
        """The same engines, which answer from memory what they were asked before.

        For checks of many jobs, all of one moment: each lookup otherwise goes through the models'
        files, to see whether they changed.
        """
        kept = {
            kind: tuple(_KeptLookups(kind, engine) for engine in engines)
            for kind, engines in self.engines.items()
        }
        return replace(self, engines=kept)


class _Choosing:
    """Several engines of one kind, as one: each model is run by the first that accepts it."""

    def __init__(self, kind: EngineKind[Any], engines: tuple[Any, ...]) -> None:
        self._kind = kind
        self._engines = engines

    def accepts(self, model: str) -> bool:
        """Whether any of them does."""
        return any(engine.accepts(model) for engine in self._engines)

    def __getattr__(self, name: str) -> Any:
        if name not in self._kind.methods:
            raise AttributeError(f"engines of the kind {self._kind.name!r} have no {name!r}")

        def ask(*args: Any, **options: Any) -> Any:
            if not args and not options:
                found = (value for engine in self._engines for value in getattr(engine, name)())
                return tuple(dict.fromkeys(found))
            asked = args[0] if args else next(iter(options.values()))
            engine = self._engine(asked if isinstance(asked, str) else asked.model)
            return getattr(engine, name)(*args, **options)

        return ask

    def _engine(self, model: str) -> Engine:
        """The engine of a model; raises `ModelError` where none accepts it."""
        for engine in self._engines:
            if engine.accepts(model):
                return cast(Engine, engine)
        first, *others = self._engines
        try:
            first.check(model)
        except ModelError as error:
            names = [name for engine in others for name in engine.models()]
            beside = f" Other engines run: {', '.join(names)}." if names else ""
            raise ModelError(f"{error}{beside}") from error
        return cast(Engine, first)


class _KeptLookups:
    """An engine of any kind."""

    def __init__(self, kind: EngineKind[Any], engine: object) -> None:
        self._kind = kind
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)
        if name in self._kind.methods and name != self._kind.runs:
            method = _kept(method)
            setattr(self, name, method)
        return method


def _kept(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method, which answers from memory but where it is given arrays or other such things."""
    kept = cache(method)

    def ask(*args: Any, **options: Any) -> Any:
        try:
            hash((args, tuple(options.values())))
        except TypeError:
            return method(*args, **options)
        return kept(*args, **options)

    return ask
