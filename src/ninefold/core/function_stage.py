"""A stage from a function, for one that needs no class."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any, Protocol, TypeVar, get_type_hints, overload

from ninefold.core.blocking import run_blocking
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ContractError
from ninefold.core.slots import Slot
from ninefold.core.stage import NoParams, PipelineStage, StageParams

P = TypeVar("P", bound=StageParams)
Slots = Collection[Slot[Any]]


class _Decorator(Protocol):
    """Turns functions into stages."""

    @overload
    def __call__(
        self, function: Callable[[PipelineContext], Any], /
    ) -> type[PipelineStage[NoParams]]: ...
    @overload
    def __call__(
        self, function: Callable[[PipelineContext, P], Any], /
    ) -> type[PipelineStage[P]]: ...


@overload
def stage(*, requires: Slots = (), accepts: Slots = (), provides: Slots = ()) -> _Decorator: ...
@overload
def stage(function: Callable[[PipelineContext], Any], /) -> type[PipelineStage[NoParams]]: ...
@overload
def stage(function: Callable[[PipelineContext, P], Any], /) -> type[PipelineStage[P]]: ...
def stage(
    function: Callable[..., Any] | None = None,
    /,
    *,
    requires: Slots = (),
    accepts: Slots = (),
    provides: Slots = (),
) -> Any:
    """Makes a stage of a function, under the function's name.

        @stage(requires=[IMAGE], provides=[IMAGE])
        def mirror(context: PipelineContext, params: MirrorParams) -> None:
            \"\"\"Flips the image.\"\"\"

    What stands in its place is the stage's class: `mirror(upside_down=True)` is a stage, and an
    entry point names it like any other. A plain function runs in a worker thread, an `async def`
    in the event loop; it returns nothing, or its context. The second argument, where there is
    one, is annotated with the `StageParams` that it takes. Raises `ContractError` where the
    function is no such function.
    """

    def decorate(function: Callable[..., Any]) -> type[PipelineStage[Any]]:
        return _stage_of(function, requires=requires, accepts=accepts, provides=provides)

    return decorate if function is None else decorate(function)


def _stage_of(function: Callable[..., Any], **slots: Slots) -> type[PipelineStage[Any]]:
    params_type = _params_type(function)
    is_async = inspect.iscoroutinefunction(function)

    async def execute(stage: PipelineStage[Any], context: PipelineContext) -> PipelineContext:
        given = (context,) if params_type is NoParams else (context, stage.params)
        if is_async:
            result = await function(*given)
        else:
            result = await run_blocking(context, function, *given)
        return context if result is None else result

    body = {
        **{kind: _tuple(given) for kind, given in slots.items()},
        "name": function.__name__,
        "params_type": params_type,
        "execute": execute,
        "__doc__": function.__doc__,
        "__module__": function.__module__,
        "__qualname__": function.__qualname__,
    }
    return type(function.__name__, (PipelineStage,), body)


def _tuple(slots: Slots) -> Any:
    """The slots as a class declares them; what is no collection of them is refused there."""
    return tuple(slots) if isinstance(slots, list | set | frozenset) else slots


def _params_type(function: Callable[..., Any]) -> type[StageParams]:
    """What the function's second argument is annotated with; raises `ContractError`."""
    name = getattr(function, "__name__", repr(function))
    if not inspect.isfunction(function):
        raise ContractError(f"@stage: expected a function, got {function!r}.")
    context, *others = inspect.signature(function).parameters.values() or (None,)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if (
        context is None
        or len(others) > 1
        or any(given.kind not in positional for given in (context, *others))
    ):
        raise ContractError(
            f"@stage: expected {name}(context) or {name}(context, params), got "
            f"{name}{inspect.signature(function)}."
        )
    if not others:
        return NoParams
    (params,) = others
    remedy = f"Annotate `{params.name}` with a subclass of StageParams that the module defines."
    try:
        annotated = SimpleNamespace(__annotations__={params.name: params.annotation})
        found = get_type_hints(annotated, function.__globals__)[params.name]
    except NameError as error:
        raise ContractError(f"@stage: {name}: {error}. {remedy}") from None
    if not (isinstance(found, type) and issubclass(found, StageParams)) or (
        params.annotation is inspect.Parameter.empty
    ):
        raise ContractError(f"@stage: {name}: {params.name}: got {found!r}. {remedy}")
    return found
