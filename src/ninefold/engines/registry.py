"""Engines by name: those of ninefold, and those of installed plugins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, ClassVar, Protocol

from ninefold.core.errors import ConfigError, ContractError
from ninefold.core.plugins import Plugin, load_plugins
from ninefold.core.problems import suggest
from ninefold.engines.control_files import DiffusersControlEngine
from ninefold.engines.diffusers_engine import DiffusersEngine
from ninefold.engines.kinds import EngineKind
from ninefold.engines.matting import OnnxMattingEngine
from ninefold.engines.onnx_detection import OnnxDetectionEngine
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.spandrel_upscaling import SpandrelUpscaleEngine
from ninefold.engines.transformers_detection import TransformersDetectionEngine
from ninefold.engines.watermark import SpreadSpectrumEngine


class EngineClass(Protocol):
    """What can be registered: a class of engines of one kind.

    `kind` may be the name of a kind that another engine brings.
    """

    name: ClassVar[str]
    kind: ClassVar[EngineKind[Any] | str]

    def __call__(self, resources: EngineResources) -> Any:
        """An engine; must be quick and load nothing."""


#: Those that ship; of several of a kind, the first is asked first.
ENGINES: tuple[Any, ...] = (
    DiffusersEngine,
    OnnxDetectionEngine,
    TransformersDetectionEngine,
    OnnxUpscaleEngine,
    SpandrelUpscaleEngine,
    OnnxMattingEngine,
    DiffusersControlEngine,
    SpreadSpectrumEngine,
)


@dataclass(frozen=True)
class Installed:
    """What this Python has: kinds by name, engines of each, and all that plugins offer."""

    kinds: Mapping[str, EngineKind[Any]]
    engines: Mapping[EngineKind[Any], tuple[EngineClass, ...]]
    plugins: tuple[Plugin, ...]


@cache
def installed() -> Installed:
    """The engines at hand, ninefold's first; plugins name theirs in the entry points
    `ninefold.engines`, such as `my_engine = "my_package.module:MyEngine"`."""
    own = {engine.name: engine for engine in ENGINES}
    found, plugins = load_plugins("engine", own, check_engine_class)
    kinds: dict[str, EngineKind[Any]] = {}
    engines: dict[EngineKind[Any], tuple[EngineClass, ...]] = {}
    problems: dict[str, str] = {}
    # Those that bring a kind come first: others may name it.
    for engine in sorted((*ENGINES, *found.values()), key=lambda item: isinstance(item.kind, str)):
        try:
            kind = _kind_of(engine, kinds)
            if engine not in ENGINES:
                make_plugin_engine(engine, EngineResources())
        except (ConfigError, ContractError) as error:
            problems[engine.name] = str(error)
        else:
            kinds[kind.name] = kind
            engines[kind] = (*engines.get(kind, ()), engine)
    reported = (replace(p, problem=p.problem or problems.get(p.name)) for p in plugins)
    return Installed(kinds, engines, tuple(reported))


def find_kind(name: str) -> EngineKind[Any]:
    """The kind of that name, or that calls its models so; raises `ConfigError`."""
    return _find_kind(name, installed().kinds)


def check_engine_class(engine: Any) -> None:
    """Raise `ContractError` where `engine` is no class of engines, with every problem of it."""
    if not isinstance(engine, type):
        raise ContractError(f"expected a class of engines, got {engine!r}.")
    if problems := tuple(_wrong_declarations(engine)):
        raise ContractError(" ".join(problems))


def _wrong_declarations(engine: Any) -> Iterator[str]:
    where = engine.__name__
    if not isinstance(getattr(engine, "name", None), str):
        yield f'{where}: has no `name`: write `name = "{where.lower()}"` in the class.'
    kind = getattr(engine, "kind", None)
    if not isinstance(kind, EngineKind | str):
        yield f"{where}.kind: expected an EngineKind, or the name of one, got {kind!r}."


def make_plugin_engine(engine: EngineClass, resources: EngineResources) -> Any:
    """An engine of a plugin, which can be asked for its models as those of every set are.

    Raises `ContractError`.
    """
    try:
        made = engine(resources)
    except (Exception, SystemExit) as error:
        raise ContractError(f"cannot be made: {error!r}.") from error
    try:
        names, _ = made.models(), made.accepts("")
    except (Exception, SystemExit) as error:
        raise ContractError(f"cannot say which models it has: {error!r}.") from error
    if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
        raise ContractError(f"models(): expected a tuple of names, got {names!r:.200}.")
    return made


def _kind_of(engine: Any, kinds: Mapping[str, EngineKind[Any]]) -> EngineKind[Any]:
    """The kind of an engine's class; raises `ConfigError` or `ContractError`."""
    if isinstance(engine.kind, str):
        kind = _find_kind(engine.kind, kinds)
    else:
        kind = engine.kind
        for other in kinds.values():
            if other is not kind and (other.answers_to(kind.name) or other.answers_to(kind.model)):
                raise ContractError(f"the kind {kind.name!r} is there already. Use that one.")
    if problem := _missing_methods(engine, kind):
        raise ContractError(problem)
    return kind


def _find_kind(name: str, kinds: Mapping[str, EngineKind[Any]]) -> EngineKind[Any]:
    for kind in kinds.values():
        if kind.answers_to(name):
            return kind
    known = dict.fromkeys(name for kind in kinds.values() for name in (kind.name, kind.model))
    raise ConfigError(f"kind of engine {name!r}: unknown.{suggest(name, known)}")


def _missing_methods(engine: Any, kind: EngineKind[Any]) -> str | None:
    missing = sorted(n for n in kind.methods if not callable(getattr(engine, n, None)))
    if not missing:
        return None
    return f"{engine.__name__}: engines of the kind {kind.name!r} also have {', '.join(missing)}."
