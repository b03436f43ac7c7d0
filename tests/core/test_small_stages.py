"""The smallest stages, a class or a function, and what is said where something is wrong."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from ninefold import (
    ConfigError,
    ContractError,
    Pipeline,
    PipelineContext,
    PipelineStage,
    StageParams,
    WiringError,
    stage,
)
from ninefold.catalogue import describe_stage
from ninefold.cli.parameters import parameters_of
from ninefold.core.stage import NoParams

from ..support import run
from .toys import MADE, NUMBER


class Mine(PipelineStage):
    """Does nothing much."""

    name = "mine"

    async def execute(self, context: PipelineContext) -> PipelineContext:
        context.add_metadata(self.name, seen=True)
        return context


class DoubleParams(StageParams):
    times: int = Field(2, ge=1, description="How often.")


@stage(requires=[NUMBER], provides=[MADE])
def double(context: PipelineContext, params: DoubleParams) -> None:
    """Multiplies."""
    context[MADE] = context[NUMBER] * params.times
    context.add_metadata("double", thread=threading.get_ident())


@stage(requires=(NUMBER,))
async def waits(context: PipelineContext) -> PipelineContext:
    """Waits for a moment."""
    await asyncio.sleep(0)
    context.add_metadata("waits", thread=threading.get_ident())
    return context


@stage
def bare(context: PipelineContext) -> None:
    """Touches nothing."""
    context.add_metadata("bare", seen=True)


def test_a_name_and_execute_make_a_stage(context: PipelineContext) -> None:
    run(Pipeline([Mine(), Mine()]).execute(context))
    context.raise_for_error()
    assert context.completed == ["mine", "mine_2"]
    assert context.metadata["mine"]["seen"]
    assert context.metadata["mine_2"]["duration_ms"] >= 0
    assert repr(Mine()) == "Mine(NoParams())"
    with pytest.raises(ConfigError, match=r"^mine\.size: unknown\.$"):
        Mine(size=3)


def test_a_function_makes_a_stage(context: PipelineContext) -> None:
    context[NUMBER] = 4
    run(Pipeline([double(), waits(), bare(), double(times=3)]).execute(context))
    context.raise_for_error()
    assert context.completed == ["double", "waits", "bare", "double_2"]
    assert context[MADE] == 12
    assert context.metadata["double"]["thread"] != threading.get_ident()
    assert context.metadata["waits"]["thread"] == threading.get_ident()
    assert context.metadata["bare"]["seen"]
    assert issubclass(double, PipelineStage)
    assert (double.__doc__, double.__module__) == ("Multiplies.", __name__)
    with pytest.raises(ConfigError, match=r"^double\.times: input should be greater"):
        double(times=0)


def test_a_function_is_held_to_its_slots(context: PipelineContext) -> None:
    @stage(accepts=[NUMBER])
    def sly(context: PipelineContext) -> None:
        context[MADE] = 1

    run(Pipeline([sly()]).execute(context))
    with pytest.raises(ContractError, match="sly: tried to write 'toy_made'"):
        context.raise_for_error()


def test_a_function_can_be_cancelled(context: PipelineContext) -> None:
    started = threading.Event()
    ended: list[str] = []

    @stage
    def long(context: PipelineContext) -> None:
        started.set()
        try:
            while True:
                context.progress.step(1, 2)
        finally:
            ended.append("ended")

    async def main() -> None:
        task = asyncio.create_task(Pipeline([long()]).execute(context))
        await asyncio.to_thread(started.wait, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert ended == ["ended"]


@pytest.mark.parametrize("small", [Mine, double, waits, bare])
def test_they_are_described_like_others(small: type[PipelineStage[Any]]) -> None:
    found = describe_stage(small)
    assert found["name"] == small.name
    assert found["summary"]
    assert found["params"]["additionalProperties"] is False
    assert len(parameters_of(small.params_type)) == (1 if small is double else 0)


# -- what is wrong is said ------------------------------------------------------------------------


async def _execute(self: Any, context: PipelineContext) -> PipelineContext:
    return context


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ({"name": 5}, r"Wrong\.name: expected letters, digits.*got 5"),
        ({"name": ""}, r"Wrong\.name: expected letters, digits.*got ''"),
        ({"name": "a.b"}, r"Wrong\.name: .*got 'a\.b'"),
        ({"name": None}, r"Wrong\.name: .*got None"),
        ({"params_type": dict}, r"Wrong\.params_type: expected a subclass of StageParams, got"),
        ({"params_type": DoubleParams()}, r"Wrong\.params_type: expected a subclass"),
        ({"requires": NUMBER}, r"Wrong\.requires: expected a tuple.*the slot 'toy_number' alone"),
        ({"accepts": ("prompt",)}, r"Wrong\.accepts: expected a tuple of slots.*\('prompt',\)"),
        ({"provides": [MADE]}, r"Wrong\.provides: expected a tuple of slots"),
        ({"provides": None}, r"Wrong\.provides: expected a tuple of slots.*got None"),
        ({"important": "number"}, r"Wrong\.important: expected a tuple of names.*got 'number'"),
        ({"important": (5,)}, r"Wrong\.important: expected a tuple of names.*got \(5,\)"),
        ({"important": ("number",)}, r"Wrong\.important: NoParams has no field 'number'\."),
        (
            {"params_type": DoubleParams, "important": ("tims",)},
            r"Wrong\.important: DoubleParams has no field 'tims'\. Did you mean 'times'\?",
        ),
        ({"execute": 3}, r"Wrong\.execute: expected `async def execute\(self, context\)`"),
    ],
)
def test_a_wrong_declaration_is_reported_when_the_class_is_made(
    body: dict[str, Any], reported: str
) -> None:
    with pytest.raises(ContractError, match=reported):
        type("Wrong", (PipelineStage,), {"name": "wrong", "execute": _execute} | body)


def test_what_is_important_may_be_of_inherited_parameters() -> None:
    class First(PipelineStage[DoubleParams]):
        name = "first"
        params_type = DoubleParams
        important: ClassVar[tuple[str, ...]] = ("times",)

        async def execute(self, context: PipelineContext) -> PipelineContext:
            return context

    class Second(First):
        important: ClassVar[tuple[str, ...]] = ()

    class Third(Second):
        important = ("times",)

    assert describe_stage(Third)["important"] == ["times"]
    with pytest.raises(ContractError, match=r"Other\.important: NoParams has no field 'times'"):
        type("Other", (First,), {"params_type": NoParams})


def test_every_wrong_declaration_is_reported_at_once() -> None:
    with pytest.raises(ContractError) as raised:
        type("Wrong", (PipelineStage,), {"name": 1, "requires": 2, "params_type": 3})
    assert len(str(raised.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ({"execute": _execute}, 'Less: has no `name`: write `name = "less"` in the class.'),
        ({"name": "less"}, "Less: has no `execute`: write `async def execute(self, context)`."),
        (
            {},
            'Less: has no `name`: write `name = "less"` in the class, and no `execute`: write '
            "`async def execute(self, context)`.",
        ),
    ],
)
def test_a_missing_declaration_is_reported_when_the_stage_is_made(
    body: dict[str, Any], reported: str
) -> None:
    less: Any = type("Less", (PipelineStage,), body)
    with pytest.raises(ContractError) as raised:
        less()
    assert str(raised.value) == reported


def _returns_nothing(self: Any, context: PipelineContext) -> Any:
    async def nothing() -> None:
        return None

    return nothing()


def _not_async(self: Any, context: PipelineContext) -> Any:
    return context


@pytest.mark.parametrize(
    ("body", "reported"),
    [
        ({"execute": _returns_nothing}, "wrong: expected execute to return its context, got None"),
        ({"execute": _not_async}, "wrong: expected `async def execute`, got a plain function"),
        (
            {"execute": _execute, "validate_input": lambda self, context: True},
            "wrong: expected `async def validate_input`, got a plain function",
        ),
    ],
)
def test_a_wrong_method_is_reported_when_it_runs(
    context: PipelineContext, body: dict[str, Any], reported: str
) -> None:
    wrong: Any = type("Wrong", (PipelineStage,), {"name": "wrong"} | body)
    run(Pipeline([wrong()]).execute(context))
    assert context.error is not None
    with pytest.raises(ContractError, match=reported):
        context.raise_for_error()


class _Duck:
    name = "duck"

    async def execute(self, context: PipelineContext) -> PipelineContext:
        return context


def _function(context: PipelineContext) -> None:
    """Is no stage yet."""


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        (Mine, "expected a PipelineStage, got its class. Write Mine()."),
        (_Duck(), "expected a PipelineStage. Write `class _Duck(PipelineStage):`."),
        (_Duck, "expected a PipelineStage. Write `class _Duck(PipelineStage):`."),
        (_function, "expected a PipelineStage, got the function _function. Put @stage above it."),
        (None, "expected a PipelineStage, got None."),
    ],
)
def test_a_pipeline_says_how_to_make_a_stage_of_what_is_none(given: Any, reported: str) -> None:
    with pytest.raises(WiringError) as raised:
        Pipeline([given])
    assert str(raised.value) == reported


def _three(context: PipelineContext, params: DoubleParams, more: int) -> None: ...
def _none() -> None: ...
def _unannotated(context: PipelineContext, params) -> None: ...  # type: ignore[no-untyped-def]
def _mapping(context: PipelineContext, params: dict[str, int]) -> None: ...
def _unknown(context: PipelineContext, params: NotThere) -> None: ...  # type: ignore[name-defined]  # noqa: F821
def _starred(*contexts: PipelineContext) -> None: ...


@pytest.mark.parametrize(
    ("function", "reported"),
    [
        (_three, r"expected _three\(context\) or _three\(context, params\), got _three\("),
        (_none, r"expected _none\(context\) or"),
        (_starred, r"expected _starred\(context\) or"),
        (_unannotated, r"_unannotated: params: .*Annotate `params` with a subclass of StageParams"),
        (_mapping, r"_mapping: params: got dict\[str, int\]\. Annotate"),
        (_unknown, r"_unknown: name 'NotThere' is not defined\. Annotate"),
        (lambda context: None, r"<lambda>\.name: expected letters"),
        (5, "@stage: expected a function, got 5"),
        (Mine, "@stage: expected a function, got <class"),
    ],
)
def test_a_function_that_makes_no_stage_is_reported(function: Any, reported: str) -> None:
    with pytest.raises(ContractError, match=reported):
        stage(function)


def test_slots_of_a_function_are_checked() -> None:
    with pytest.raises(ContractError, match=r"_function\.requires: expected a tuple of slots"):
        stage(requires=NUMBER)(_function)  # type: ignore[call-overload]
    with pytest.raises(ContractError, match=r"_function\.provides: .*'image'"):
        stage(provides=["image"])(_function)  # type: ignore[list-item]


def test_the_context_after_a_small_stage_is_json(context: PipelineContext, tmp_path: Path) -> None:
    run(Pipeline([Mine()]).execute(context))
    assert PipelineContext.from_json(context.to_json()).metadata == context.metadata
