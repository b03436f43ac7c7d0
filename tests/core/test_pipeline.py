from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest

from ninefold import (
    InputError,
    Pipeline,
    PipelineContext,
    Previews,
    StageInputError,
    Step,
    WiringError,
)
from ninefold.core.blocking import run_blocking
from ninefold.core.events import (
    Event,
    PipelineFinished,
    PipelineStarted,
    StageFailed,
    StageFinished,
    StageProgressed,
    StageStarted,
)
from ninefold.core.wiring import step_names

from ..support import Stage, run
from .toys import (
    MADE,
    NUMBER,
    TEXT,
    Add,
    Fail,
    Judge,
    Slots,
    Use,
    Work,
    Write,
)

# -- running --------------------------------------------------------------------------------------


def test_stages_run_in_order_over_one_context(numbered: PipelineContext) -> None:
    pipeline = Pipeline([Add(amount=2), Use(), Add(amount=4), Use()])
    assert run(pipeline.execute(numbered)) is numbered
    assert numbered[TEXT] == "37"
    assert numbered.error is None
    assert numbered.completed == ["add", "use", "add_2", "use_2"]
    assert list(numbered.metadata) == ["add", "use", "add_2", "use_2"]
    assert all(entry["duration_ms"] >= 0 for entry in numbered.metadata.values())
    numbered.raise_for_error()


def test_the_first_failure_stops_the_run_and_keeps_what_was_made(
    numbered: PipelineContext,
) -> None:
    later = Work()
    run(Pipeline([Write(amount=2), Fail(), later]).execute(numbered))
    assert numbered.error is not None
    assert (numbered.error.stage, numbered.error.message) == ("fail", "it broke")
    assert numbered[MADE] == 3
    assert [artifact.name for artifact in numbered.artifacts] == ["number.txt"]
    assert numbered.artifacts[0].path.read_text() == "3"
    assert numbered.metadata["write"]["amount"] == 2
    assert numbered.completed == ["write"]
    assert not later.started.is_set()
    assert "work" not in numbered.metadata


def test_raise_for_error_raises_the_very_exception(numbered: PipelineContext) -> None:
    error = LookupError("gone")
    run(Pipeline([Fail(error=error)]).execute(numbered))
    with pytest.raises(LookupError) as raised:
        numbered.raise_for_error()
    assert raised.value is error


def test_a_failing_validation_of_a_stage_is_a_failure_too(numbered: PipelineContext) -> None:
    class Broken(Add):
        async def validate_input(self, context: PipelineContext) -> bool:
            raise RuntimeError("no idea")

    run(Pipeline([Broken()]).execute(numbered))
    assert str(numbered.error) == "add: no idea"


def test_a_stage_that_may_be_skipped_leaves_no_trace_but_a_warning(
    numbered: PipelineContext,
) -> None:
    class WriteAndFail(Write):
        name = "write_and_fail"

        async def execute(self, context: PipelineContext) -> PipelineContext:
            await super().execute(context)
            raise InputError("no paper")

    events: list[Event] = []
    stages: list[Stage | Step] = [Add(amount=2), Step(WriteAndFail(), "skip"), Use()]
    run(Pipeline(stages).execute(numbered, observer=events.append))
    assert numbered.error is None
    assert (numbered[NUMBER], numbered[TEXT]) == (3, "3")
    assert numbered.artifacts == []
    assert numbered.completed == ["add", "write_and_fail", "use"]
    assert numbered.metadata["write_and_fail"]["warnings"] == ["skipped after a failure: no paper"]
    numbered.raise_for_error()
    (failed,) = [event for event in events if isinstance(event, StageFailed)]
    assert failed.skipped
    assert failed.failure.message == "no paper"


def test_a_pipeline_can_run_many_times(tmp_path: Path) -> None:
    pipeline = Pipeline([Add(), Add()])

    async def main() -> list[PipelineContext]:
        contexts = [PipelineContext(tmp_path / str(i), toy_number=i) for i in range(4)]
        return await asyncio.gather(*map(pipeline.execute, contexts))

    assert [context[NUMBER] for context in run(main())] == [2, 3, 4, 5]


# -- inputs and defaults --------------------------------------------------------------------------


def test_inputs_are_what_no_earlier_stage_provides() -> None:
    assert Pipeline([Add(), Use()]).inputs == (NUMBER,)
    assert Pipeline([Add(), Add()]).inputs == (NUMBER,)


class NeedsText(Use):
    """Needs a text as well."""

    name = "needs_text"
    requires: ClassVar[Slots] = (MADE, TEXT)


def test_missing_inputs_are_reported_before_anything_runs(context: PipelineContext) -> None:
    events: list[Event] = []
    run(Pipeline([Add(), Use()]).execute(context, observer=events.append))
    assert isinstance(events[-1], PipelineFinished)
    assert len(events) == 2
    with pytest.raises(StageInputError, match=r"add: no 'toy_number' in the context. Give a numb"):
        context.raise_for_error()
    assert context.metadata == {}


def test_all_missing_inputs_are_reported_at_once(context: PipelineContext) -> None:
    context[TEXT] = "  "
    pipeline = Pipeline([Add(), NeedsText()])
    assert [error.slot for error in pipeline.missing_inputs(context)] == ["toy_number", "toy_text"]
    run(pipeline.execute(context))
    assert context.error is not None
    assert context.error.user_error
    assert str(context.error).splitlines() == [
        "add: no 'toy_number' in the context. Give a number.",
        "needs_text: no 'toy_text' in the context. Give a text.",
    ]


def test_defaults_are_set_where_the_context_has_none(tmp_path: Path) -> None:
    pipeline = Pipeline([Add(), NeedsText()], defaults={"toy_number": 5, "toy_text": "n"})
    first = run(pipeline.execute(PipelineContext(tmp_path)))
    assert (first[NUMBER], first[TEXT]) == (6, "n6")
    second = run(pipeline.execute(PipelineContext(tmp_path, toy_number=1)))
    assert second[NUMBER] == 2


# -- wiring ---------------------------------------------------------------------------------------


def test_an_empty_pipeline_is_refused() -> None:
    with pytest.raises(WiringError, match="at least one stage"):
        Pipeline([])


def test_what_is_no_stage_is_refused() -> None:
    with pytest.raises(WiringError, match="expected a PipelineStage, got 'add'"):
        Pipeline(["add"])  # type: ignore[list-item]
    with pytest.raises(WiringError, match="expected a PipelineStage"):
        Pipeline([Add])  # type: ignore[list-item]


def test_every_wiring_problem_is_reported_at_once() -> None:
    with pytest.raises(WiringError) as raised:
        Pipeline([Use(), Judge(), Step(Add(), "skip"), NeedsText()])
    assert raised.value.problems == (
        "use (step 1) requires 'toy_made', which no earlier stage provides. Put add before.",
        "judge (step 2) requires 'toy_made', which no earlier stage provides. Put add before.",
        "needs_text (step 4) requires 'toy_made', but add may be skipped: set its on_error to "
        "stop.",
    )


def test_a_stage_that_may_be_skipped_is_enough_where_another_provides() -> None:
    Pipeline([Add(), Step(Add(), "skip"), Use()])
    Pipeline([Step(Add(), "skip"), Add(), Use()])


def test_repeated_stages_get_names_of_their_own(numbered: PipelineContext) -> None:
    stage = Write()
    pipeline = Pipeline([stage, Add(), stage, Step(Write(), "skip")])
    assert [step.name for step in pipeline.steps] == ["write", "add", "write_2", "write_3"]
    assert stage.name == "write"
    run(pipeline.execute(numbered))
    assert [artifact.name for artifact in numbered.artifacts] == [
        "number.txt",
        "number_2.txt",
        "number_3.txt",
    ]
    assert [artifact.stage for artifact in numbered.artifacts] == ["write", "write_2", "write_3"]
    assert Pipeline(pipeline.steps).steps == pipeline.steps


# -- events ---------------------------------------------------------------------------------------


def test_the_events_of_a_run_in_order(numbered: PipelineContext) -> None:
    events: list[Event] = []
    pipeline = Pipeline([Write(times=2), Fail(), Use()])
    run(pipeline.execute(numbered, observer=events.append))
    assert numbered.error is not None
    assert events == [
        PipelineStarted("job", ("write", "fail", "use")),
        StageStarted("write", 1, 3),
        StageProgressed("write", 1, 2),
        StageProgressed("write", 2, 2),
        StageFinished("write", numbered.metadata["write"], ("number.txt",)),
        StageStarted("fail", 2, 3),
        StageFailed("fail", numbered.error, skipped=False),
        PipelineFinished("job", numbered.error),
    ]


def test_progress_from_a_thread_arrives_in_order_on_the_event_loop(
    numbered: PipelineContext,
) -> None:
    events: list[Event] = []
    threads: set[int] = set()

    def observe(event: Event) -> None:
        events.append(event)
        threads.add(threading.get_ident())

    work = Work(times=20)
    work.gate.set()
    run(Pipeline([work, Use()]).execute(numbered, observer=observe))
    assert [type(event) for event in events] == [
        PipelineStarted,
        StageStarted,
        *[StageProgressed] * 20,
        StageFinished,
        StageStarted,
        StageFinished,
        PipelineFinished,
    ]
    steps = [event.done for event in events if isinstance(event, StageProgressed)]
    assert steps == list(range(1, 21))
    assert threads == {threading.get_ident()}


def picture_of(step: int) -> tuple[int, int]:
    return step, threading.get_ident()


class Shows(Add):
    """Shows a picture at each of three steps, made in the thread that reports them."""

    async def execute(self, context: PipelineContext) -> PipelineContext:
        def report() -> None:
            for step in range(3):
                context.progress.step(step + 1, 3, partial(picture_of, step))
            made.add(threading.get_ident())

        made: set[int] = set()
        await run_blocking(context, report)
        self.thread = made.pop()
        return await super().execute(context)


@pytest.mark.parametrize(
    ("previews", "steps"),
    [(None, []), (Previews(0.0, 0.0, lambda: 1e9), [0, 1, 2]), (Previews(3600.0), [])],
)
def test_previews_travel_with_the_progress_where_they_are_asked_for(
    numbered: PipelineContext, previews: Previews | None, steps: list[int]
) -> None:
    seen: list[tuple[int, int]] = []

    def observe(event: Event) -> None:
        if isinstance(event, StageProgressed) and event.preview is not None:
            seen.append(event.preview)

    stage = Shows()
    run(Pipeline([stage]).execute(numbered, observer=observe, previews=previews))
    assert seen == [(step, stage.thread) for step in steps]


@pytest.mark.parametrize(
    ("stages", "names"),
    [
        (["a", "b", "a", "a"], ["a", "b", "a_2", "a_3"]),
        (["a", "a_2", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_2", "a_2_2"]),
        (["a_2", "a_2"], ["a_2", "a_2_2"]),
    ],
)
def test_every_step_has_a_name_of_its_own(stages: list[str], names: list[str]) -> None:
    """Though the name of a plugin's stage may end in a number."""
    assert step_names(stages) == names
