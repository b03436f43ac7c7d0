"""A stage: one thing done to a context."""

from __future__ import annotations

import copy
import functools
import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Generic, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from typing_extensions import TypeVar

from ninefold.core.context import PipelineContext, Scope
from ninefold.core.control_flow import Rewind
from ninefold.core.errors import ConfigError, ContractError, StageInputError
from ninefold.core.model_refs import ModelCatalog, named_models
from ninefold.core.problems import (
    check_texts,
    field_names,
    problems_of,
    problems_raised,
    suggest,
)
from ninefold.core.slots import Slot
from ninefold.core.timing import FINISHED, StageClock, current_clock
from ninefold.core.values import Json


class StageParams(BaseModel):
    """Base of every stage's parameters: frozen, nothing extra, finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    _without_nul = field_validator("*")(check_texts)


class NoParams(StageParams):
    """No parameters."""


P = TypeVar("P", bound=StageParams, default=NoParams)
Execute = Callable[[Any, PipelineContext], Coroutine[Any, Any, PipelineContext]]

#: What a stage may be called: it stands before the dot in `--set stage.parameter=value`.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


class PipelineStage(ABC, Generic[P]):
    """One step from context to context.

    A subclass sets `name` and writes `execute`; where it has parameters or touches slots, it sets
    `params_type` and the slots, too. A declaration of the wrong kind raises `ContractError` when
    the class is made, a missing one when the stage is. Whoever calls
    `execute` gets the same guarantees, alone or in a pipeline: inputs are checked first, only
    declared slots can be touched, a failure is recorded in the context and raised, and the time
    taken lands in the metadata: `duration_ms` for its own work, `waited_ms` and `load_ms` for the
    time until a model was free and loaded, where there was any.
    """

    #: What configs call it. In a pipeline that repeats a stage, later ones are `name_2`, `name_3`.
    name: str
    params_type: type[P] = NoParams  # type: ignore[assignment]  # the default of P
    #: Part of the key under which results may be reused: raise it when the same input would
    #: give another output.
    version: ClassVar[str] = "1"
    #: What it usually takes, in steps of a diffusion model: how much of a job's progress it is.
    usual_steps: ClassVar[float] = 1.0
    #: The parameters that most people want, which a form shows first.
    important: ClassVar[tuple[str, ...]] = ()
    #: Slots it cannot run without.
    requires: ClassVar[tuple[Slot[Any], ...]] = ()
    #: Slots it uses when they are set.
    accepts: ClassVar[tuple[Slot[Any], ...]] = ()
    #: Slots it sets.
    provides: ClassVar[tuple[Slot[Any], ...]] = ()

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Raises `ContractError` where the class lacks what every stage declares."""
        check_stage_type(cls)
        return super().__new__(cls)

    def __init__(self, /, *, engines: Any = None, **params: Any) -> None:
        """`params` are the fields of `params_type`; raises `ConfigError` with every problem."""
        try:
            self.params: P = self.params_type(**params)
        except ValidationError as error:
            known = field_names(self.params_type)
            raise ConfigError(problems_of(error, self.name, known)) from None
        self._engines = engines

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if problems := tuple(_wrong_declarations(cls, cls.__dict__)):
            raise ContractError("\n".join(problems))
        if "execute" in cls.__dict__:
            cls.execute = _guarded(cls.__dict__["execute"])  # type: ignore[assignment, method-assign]

    @abstractmethod
    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Do the work and return the context."""

    async def validate_input(self, context: PipelineContext) -> bool:
        """Whether everything that `execute` needs is there."""
        return not self.missing_inputs(context)

    def missing_inputs(self, context: PipelineContext) -> tuple[Slot[Any], ...]:
        """The required slots that are unset or hold a blank text."""
        return tuple(slot for slot in self.requires if self.is_missing(context, slot))

    def is_missing(self, context: PipelineContext, slot: Slot[Any]) -> bool:
        """Whether what `slot` holds is too little for it: by default nothing, or a blank text."""
        return context.is_missing(slot)

    @property
    def model_catalog(self) -> ModelCatalog | None:
        """What the models that its parameters name are looked up in; None where there is none."""
        catalog: ModelCatalog | None = self._engines
        return catalog

    def unusable_models(self) -> Iterator[str]:
        """What is wrong with the models that its parameters name (`ModelRef`)."""
        if (catalog := self.model_catalog) is not None:
            for named in named_models(self.params_type, self.params):
                check = partial(catalog.check_model, named.ref, named.name)
                yield from problems_raised(f"{self.name}.{named.where}", check)

    def problems(self, context: PipelineContext) -> Iterator[str]:
        """What would stop it later, as far as that is known before anything runs.

        Called with the pipeline's inputs in the context, beside `unusable_models`. Must be quick
        and load no weights.
        """
        yield from ()

    def setup_problems(self) -> Iterator[str]:
        """What of the machine's settings would stop it, whatever it is given; as `problems`."""
        yield from ()

    def dry_run(self, context: PipelineContext) -> None:
        """Set what `execute` will set, as far as that is known before anything runs.

        Called after `problems`, with a copy of the context, so that the `problems` of later stages
        see it. Must be quick, load no weights, and raise nothing.
        """

    def ignored_inputs(self, present: Collection[Slot[Any]]) -> Mapping[Slot[Any], str]:
        """Slots that it accepts and that would do nothing, where `present` are set, each with why.

        The reason is a sentence that ends in the remedy.
        """
        return {}

    def used_names(self, slot: Slot[Any]) -> Collection[str] | None:
        """Of an input that holds values by name, the names of those that it uses; None for all."""
        return None

    def output_size(
        self, context: PipelineContext, size: tuple[int, int] | None
    ) -> tuple[int, int] | None:
        """Width and height of the image that it leaves, from those before it, in pixels.

        None stands for no image yet, or one of a size that cannot be known. Called before anything
        runs, as `problems` is, and only where that found nothing; raises `UserError` for a size
        that it cannot take or make.
        """
        return size

    @classmethod
    def expected_steps(cls, params: Mapping[str, Any]) -> float:
        """What it will take with these parameters, as a config holds them, in steps of a diffusion
        model, until it reports steps itself."""
        return cls.usual_steps

    def fingerprint(self, context: PipelineContext) -> Json | None:
        """What its result depends on beside its parameters and slots: hashes of models and files.

        None where the same may come out differently; such a result is never reused. Called with
        the stage's inputs in the context.
        """
        return None

    def renamed(self, name: str) -> PipelineStage[P]:
        """The same stage under another name, for a pipeline that repeats it."""
        twin = copy.copy(self)
        twin.name = name
        return twin

    def with_engines(self, engines: Any) -> PipelineStage[P]:
        """The same stage with other engines: None for the shared default set."""
        twin = copy.copy(self)
        twin._engines = engines
        for name in tuple(vars(twin)):  # what was computed with the others
            if isinstance(getattr(type(twin), name, None), functools.cached_property):
                del vars(twin)[name]
        return twin

    def artifact_name(self, stem: str, suffix: str = ".png") -> str:
        """`stem` and `suffix`, with `_2` between them where this is the second of its kind."""
        return f"{stem}{self.name.removeprefix(type(self).name)}{suffix}"

    def scope(self) -> Scope:
        """What it may touch."""
        writes = frozenset(slot.name for slot in self.provides)
        inputs = frozenset(slot.name for slot in (*self.requires, *self.accepts))
        return Scope(self.name, inputs | writes, writes)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.params!r})"


def check_stage_type(stage: Any) -> None:
    """Raise `ContractError` where `stage` is no class of stages that can be made."""
    if not (isinstance(stage, type) and issubclass(stage, PipelineStage)):
        raise ContractError(f"expected a PipelineStage, got {stage!r}.")
    missing = []
    if not hasattr(stage, "name"):
        missing.append(f'`name`: write `name = "{stage.__name__.lower()}"` in the class')
    if "execute" in stage.__abstractmethods__:
        missing.append("`execute`: write `async def execute(self, context)`")
    if missing:
        raise ContractError(f"{stage.__name__}: has no {', and no '.join(missing)}.")


def _wrong_declarations(stage: type, declared: Mapping[str, Any]) -> Iterator[str]:
    """What a class of stages declares itself that is of the wrong kind."""
    where = stage.__name__
    name = declared.get("name", "mine")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        yield (
            f"{where}.name: expected letters, digits, `_` or `-`, beginning with a letter, got "
            f"{name!r}."
        )
    params = declared.get("params_type", NoParams)
    if not (isinstance(params, type) and issubclass(params, StageParams)):
        yield f"{where}.params_type: expected a subclass of StageParams, got {params!r}."
    elif "important" in declared or "params_type" in declared:
        yield from _wrong_important(stage)
    for kind in ("requires", "accepts", "provides"):
        slots = declared.get(kind, ())
        if not isinstance(slots, tuple) or not all(isinstance(slot, Slot) for slot in slots):
            shown = f"the slot {slots.name!r} alone" if isinstance(slots, Slot) else repr(slots)
            yield f"{where}.{kind}: expected a tuple of slots, such as (IMAGE,), got {shown}."
    if not callable(declared.get("execute", len)):
        yield f"{where}.execute: expected `async def execute(self, context)`."


def _wrong_important(stage: Any) -> Iterator[str]:
    """Whether `important`, its own or that of the class before it, names its parameters."""
    where, given, params = f"{stage.__name__}.important", stage.important, stage.params_type
    names = field_names(params)
    if not isinstance(given, tuple) or not all(isinstance(name, str) for name in given):
        yield (
            f'{where}: expected a tuple of names of parameters, such as ("strength",), got '
            f"{given!r}."
        )
    elif unknown := [name for name in given if name not in names]:
        hint = suggest(unknown[0], names)
        yield f"{where}: {params.__name__} has no field {unknown[0]!r}.{hint}"


def _guarded(execute: Execute) -> Execute:
    @functools.wraps(execute)
    async def run(stage: PipelineStage[Any], context: PipelineContext) -> PipelineContext:
        scope = stage.scope()
        if context.scope == scope:  # a subclass calling super().execute()
            return await execute(stage, context)
        clock = StageClock(context.progress.waiting)
        outer = current_clock.set(clock)
        try:
            with context.limited_to(scope):
                if not await _awaited(stage, "validate_input", stage.validate_input(context)):
                    raise _input_error(stage, context)
                result: object = await _awaited(stage, "execute", execute(stage, context))
            if result is not context:
                raise ContractError(
                    f"{stage.name}: expected execute to return its context, got {result!r}. "
                    "End it with `return context`."
                )
        except Rewind:
            raise
        except Exception as error:
            context.set_error(error, stage.name)
            raise
        finally:
            current_clock.reset(outer)
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            context.add_metadata(stage.name, **clock.fields(), **{FINISHED: now})
        return context

    return run


async def _awaited(stage: PipelineStage[Any], method: str, outcome: Any) -> Any:
    """What a stage's method returned; raises `ContractError` where that is no awaitable."""
    if not inspect.isawaitable(outcome):
        raise ContractError(f"{stage.name}: expected `async def {method}`, got a plain function.")
    return await outcome


def _input_error(stage: PipelineStage[Any], context: PipelineContext) -> StageInputError:
    missing = stage.missing_inputs(context)
    if not missing:
        return StageInputError(stage.name, "input", "Its validate_input refused the context.")
    return StageInputError(stage.name, missing[0].name, missing[0].remedy)
