from __future__ import annotations

import asyncio
from functools import cached_property
from typing import Any, ClassVar

import pytest
from pydantic import ValidationError

from ninefold import (
    ConfigError,
    ContractError,
    InputError,
    PipelineContext,
    PipelineStage,
    Rewind,
    StageInputError,
)
from ninefold.core.errors import UnknownSlotError

from ..support import run
from .toys import (
    MADE,
    NUMBER,
    TEXT,
    Add,
    Fail,
    Judge,
    NoParams,
    Slots,
    Use,
    Work,
    cancelled_while_working,
)


class Touch(PipelineStage[NoParams]):
    """Does to the context what a test asks for."""

    name = "touch"
    params_type = NoParams
    requires = (NUMBER,)
    accepts = (TEXT,)
    provides = (MADE,)

    def __init__(self, action: Any) -> None:
        super().__init__()
        self.action = action

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Do it."""
        self.action(context)
        return context


@pytest.fixture
def numbered(context: PipelineContext) -> PipelineContext:
    context[NUMBER] = 1
    return context


def test_a_stage_does_its_work_and_returns_the_context(numbered: PipelineContext) -> None:
    assert run(Add(amount=2).validate_input(numbered))
    assert run(Add(amount=2).execute(numbered)) is numbered
    assert numbered[NUMBER] == numbered[MADE] == 3
    assert numbered.metadata["add"]["amount"] == 2
    assert numbered.error is None


# -- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("blank", [None, "", "  \n\t"])
def test_a_missing_or_blank_input_is_refused_by_name(
    context: PipelineContext, blank: str | None
) -> None:
    class NeedsText(Use):
        requires: ClassVar[Slots] = (TEXT,)

    stage = NeedsText()
    if blank is not None:
        context[TEXT] = blank
    assert run(stage.validate_input(context)) is False
    with pytest.raises(StageInputError) as raised:
        run(stage.execute(context))
    error = raised.value
    assert isinstance(error, ValueError)
    assert (error.stage, error.slot, error.remedy) == ("use", "toy_text", "Give a text.")
    assert str(error) == "use: no 'toy_text' in the context. Give a text."
    assert context.error is not None
    assert (context.error.stage, context.error.kind) == ("use", "StageInputError")
    assert context.error.user_error


def test_inputs_are_checked_before_anything_else(context: PipelineContext) -> None:
    called: list[object] = []
    with pytest.raises(StageInputError):
        run(Touch(called.append).execute(context))
    assert called == []


def test_a_stage_may_refuse_for_reasons_of_its_own(numbered: PipelineContext) -> None:
    class Picky(Add):
        async def validate_input(self, context: PipelineContext) -> bool:
            return await super().validate_input(context) and context[NUMBER] > 5

    with pytest.raises(StageInputError, match=r"add: .*Its validate_input refused the context"):
        run(Picky().execute(numbered))
    numbered[NUMBER] = 6
    assert run(Picky().execute(numbered))[NUMBER] == 7


# -- scope ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action",
    [
        lambda context: context.get(NUMBER),
        lambda context: context.get("toy_text"),
        lambda context: context[NUMBER],
        lambda context: context.set("toy_made", 3),
        lambda context: context.__setitem__(MADE, 3) or context[MADE],
    ],
)
def test_declared_slots_can_be_touched(numbered: PipelineContext, action: Any) -> None:
    run(Touch(action).execute(numbered))


@pytest.mark.parametrize(
    ("action", "reported"),
    [
        (lambda context: context.get("prompt"), "touch: tried to read 'prompt'.*`requires or acc"),
        (lambda context: context["prompt"], "touch: tried to read 'prompt'"),
        (lambda context: context.get("prompt", "x"), "touch: tried to read 'prompt'"),
        (lambda context: context.set("seed", 3), "touch: tried to write 'seed'.*`provides`"),
        (lambda context: context.set(NUMBER, 3), "touch: tried to write 'toy_number'"),
        (lambda context: context.set("job_id", "job"), "touch: tried to write 'job_id'"),
    ],
)
def test_other_slots_cannot_be_touched(
    numbered: PipelineContext, action: Any, reported: str
) -> None:
    with pytest.raises(ContractError, match=reported):
        run(Touch(action).execute(numbered))
    assert numbered.error is not None
    assert not numbered.error.user_error
    numbered.set("seed", 3)  # after the stage everything is free again
    assert numbered.scope is None


def test_a_typo_in_a_stage_is_an_error(numbered: PipelineContext) -> None:
    with pytest.raises(UnknownSlotError, match="Did you mean 'toy_number'"):
        run(Touch(lambda context: context.get("toy_numbr")).execute(numbered))


def test_a_declared_input_that_is_unset_names_stage_slot_and_remedy(
    numbered: PipelineContext,
) -> None:
    with pytest.raises(StageInputError, match=r"touch: no 'toy_text' in the context. Give a text."):
        run(Touch(lambda context: context[TEXT]).execute(numbered))


# -- failure, time, inheritance -------------------------------------------------------------------


def test_a_failure_is_recorded_and_raised(numbered: PipelineContext) -> None:
    with pytest.raises(RuntimeError, match="it broke"):
        run(Fail().execute(numbered))
    assert numbered.error is not None
    assert str(numbered.error) == "fail: it broke"
    assert (numbered.error.kind, numbered.error.user_error) == ("RuntimeError", False)
    assert numbered.metadata["fail"]["duration_ms"] >= 0
    with pytest.raises(RuntimeError):
        numbered.raise_for_error()


def test_a_mendable_failure_is_reported_from_a_bug(numbered: PipelineContext) -> None:
    with pytest.raises(InputError):
        run(Fail(error=InputError("no such file")).execute(numbered))
    assert numbered.error is not None
    assert numbered.error.user_error


def test_the_time_taken_is_recorded(numbered: PipelineContext) -> None:
    class Slow(Add):
        async def execute(self, context: PipelineContext) -> PipelineContext:
            await asyncio.sleep(0.02)
            return await super().execute(context)

    run(Slow().execute(numbered))
    assert 15 < numbered.metadata["add"]["duration_ms"] < 10_000


def test_super_execute_is_the_same_run(numbered: PipelineContext) -> None:
    class Twice(Add):
        checked = 0

        async def validate_input(self, context: PipelineContext) -> bool:
            self.checked += 1
            return await super().validate_input(context)

        async def execute(self, context: PipelineContext) -> PipelineContext:
            await super().execute(context)
            return await super().execute(context)

    stage = Twice(amount=2)
    run(stage.execute(numbered))
    assert numbered[NUMBER] == 5
    assert stage.checked == 1


def test_a_stage_within_a_stage_keeps_to_its_own_slots(numbered: PipelineContext) -> None:
    class Outer(Use):
        requires: ClassVar[Slots] = (NUMBER,)

        async def execute(self, context: PipelineContext) -> PipelineContext:
            await Add().execute(context)
            context[TEXT] = "done"
            return context

    run(Outer().execute(numbered))
    assert (numbered[MADE], numbered[TEXT]) == (2, "done")


def test_a_rewind_is_no_failure(numbered: PipelineContext) -> None:
    numbered[MADE] = 1
    with pytest.raises(Rewind):
        run(Judge().execute(numbered))
    assert numbered.error is None


def test_cancellation_is_no_failure(numbered: PipelineContext) -> None:
    work = Work(times=3)

    async def main() -> None:
        task = asyncio.create_task(work.execute(numbered))
        await cancelled_while_working(work, task)
        assert task.cancelled()

    run(main())
    assert work.ended.is_set()
    assert work.steps_done == 0
    assert numbered.error is None


def test_a_stage_without_execute_cannot_be_made() -> None:
    class Nothing(PipelineStage[NoParams]):
        name = "nothing"
        params_type = NoParams

    with pytest.raises(ContractError, match="Nothing: has no `execute`"):
        Nothing()  # type: ignore[abstract]


# -- parameters -----------------------------------------------------------------------------------


def test_every_wrong_parameter_is_reported_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        Add(amount=11, times="x", tims=1)
    assert raised.value.problems == (
        "add.amount: input should be less than or equal to 10, got 11.",
        "add.times: input should be a valid integer, unable to parse string as an integer, "
        "got 'x'.",
        "add.tims: unknown. Did you mean 'times'?",
    )
    assert str(raised.value) == "\n".join(raised.value.problems)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("name", ["self", "context", "params"])
def test_any_name_may_be_misspelt(name: str) -> None:
    with pytest.raises(ConfigError, match=f"add.{name}: unknown"):
        Add(**{name: 1})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_parameters_are_finite(value: float) -> None:
    with pytest.raises(ConfigError, match="finite"):
        Add(amount=value)


def test_parameters_are_frozen() -> None:
    stage = Add()
    with pytest.raises(ValidationError, match="frozen"):
        stage.params.amount = 3  # type: ignore[misc]


def test_a_repeated_stage_numbers_its_name_and_its_files() -> None:
    stage = Add(amount=3)
    second = stage.renamed("add_2")
    assert (stage.name, second.name) == ("add", "add_2")
    assert second.params == stage.params
    assert stage.artifact_name("generated_added") == "generated_added.png"
    assert second.artifact_name("generated_added") == "generated_added_2.png"
    assert second.artifact_name("regions/1", "") == "regions/1_2"


def test_a_stage_shows_its_parameters() -> None:
    assert repr(Add(amount=3)) == "Add(AddParams(amount=3, times=1))"


class Equipped(Add):
    """Computes something of its engines, once."""

    @cached_property
    def tools(self) -> str:
        """What it found out."""
        return f"tools of {self._engines}"


def test_a_stage_with_other_engines_keeps_nothing_that_was_computed_with_the_first() -> None:
    stage = Equipped(engines="one", amount=3)
    assert stage.tools == "tools of one"
    twin = stage.with_engines("two")
    assert isinstance(twin, Equipped)
    assert (twin.tools, stage.tools) == ("tools of two", "tools of one")
    assert twin.params == stage.params
