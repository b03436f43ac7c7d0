"""Runs that stop and go on: checkpoints, cancellation, rewinding."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest

from ninefold import (
    ConfigError,
    Pipeline,
    PipelineContext,
    Rewind,
    Step,
)
from ninefold.core.events import (
    Event,
    PipelineFinished,
    PipelineStarted,
    Rewound,
    StageFinished,
    StageReused,
    StageStarted,
)

from ..support import run
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
    cancelled_while_working,
)

# -- checkpoints and resuming ---------------------------------------------------------------------


def test_the_context_is_saved_after_each_finished_stage(numbered: PipelineContext) -> None:
    saved: list[tuple[list[str], int]] = []

    async def checkpoint(context: PipelineContext) -> None:
        again = PipelineContext.from_json(context.to_json())
        saved.append((again.completed, again[NUMBER]))

    run(Pipeline([Add(), Add(), Fail(), Add()]).execute(numbered, checkpoint=checkpoint))
    assert saved == [(["add"], 2), (["add", "add_2"], 3)]


def test_a_resumed_run_goes_on_at_the_first_unfinished_stage(numbered: PipelineContext) -> None:
    pipeline = Pipeline([Write(amount=2), Fail(times=1), Use()])
    run(pipeline.execute(numbered))
    assert numbered.error is not None
    again = PipelineContext.from_json(numbered.to_json())
    again[NUMBER] = 3
    events: list[Event] = []
    run(pipeline.execute(again, observer=events.append, resume=True))
    assert again.error is None
    assert again.completed == ["write", "fail", "use"]
    assert again[TEXT] == "3"
    assert [type(event) for event in events] == [
        PipelineStarted,
        StageReused,
        StageStarted,
        StageFinished,
        StageStarted,
        StageFinished,
        PipelineFinished,
    ]
    assert events[1] == StageReused("write")
    assert len(again.artifacts) == 1


def test_a_finished_run_resumes_to_nothing(numbered: PipelineContext) -> None:
    pipeline = Pipeline([Add()])
    run(pipeline.execute(numbered))
    run(pipeline.execute(numbered, resume=True))
    assert numbered[NUMBER] == 2


def test_without_resume_everything_runs_again(numbered: PipelineContext) -> None:
    pipeline = Pipeline([Add()])
    run(pipeline.execute(numbered))
    run(pipeline.execute(numbered))
    assert numbered[NUMBER] == 3
    assert numbered.completed == ["add"]


def test_a_context_of_another_pipeline_is_refused(numbered: PipelineContext) -> None:
    run(Pipeline([Add(), Use()]).execute(numbered))
    with pytest.raises(ConfigError, match=r"resume: expected steps write, use.*finished add, use"):
        run(Pipeline([Write(), Use()]).execute(numbered, resume=True))
    with pytest.raises(ConfigError, match="resume"):
        run(Pipeline([Add()]).execute(numbered, resume=True))


# -- cancellation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 5])
def test_cancellation_leaves_a_context_that_can_be_resumed(
    numbered: PipelineContext, times: int
) -> None:
    """With one step the thread has done its work when it hears of it, and must not do it twice."""
    work = Work(times=times, amount=2)
    if times == 1:
        work._run = _unstoppable(work)  # type: ignore[method-assign]
    pipeline = Pipeline([Write(), work, Use()])

    async def main() -> None:
        task = asyncio.create_task(pipeline.execute(numbered))
        await cancelled_while_working(work, task)
        assert task.cancelled()

    run(main())
    assert work.ended.is_set()
    assert numbered.error is None
    assert numbered.completed == ["write"]
    assert numbered[NUMBER] == 2
    again = PipelineContext.from_json(numbered.to_json())
    run(pipeline.execute(again, resume=True))
    assert again.error is None
    assert again[TEXT] == "4"
    assert [artifact.name for artifact in again.artifacts] == ["number.txt"]


def _unstoppable(work: Work) -> Any:
    def finish(context: PipelineContext) -> None:
        work.started.set()
        assert work.gate.wait(10)
        context[NUMBER] = context[NUMBER] + work.params.amount
        context[MADE] = context[NUMBER]
        work.ended.set()

    return finish


def test_cancellation_does_not_skip_a_stage(numbered: PipelineContext) -> None:
    work = Work(times=5)
    pipeline = Pipeline([Add(), Step(work, "skip"), Use()])

    async def main() -> None:
        task = asyncio.create_task(pipeline.execute(numbered))
        await cancelled_while_working(work, task)
        assert task.cancelled()

    run(main())
    assert numbered.completed == ["add"]


# -- rewinding ------------------------------------------------------------------------------------


def test_a_rewind_runs_again_from_the_stage_that_provides_the_slot(
    numbered: PipelineContext,
) -> None:
    numbered[TEXT] = ""
    events: list[Event] = []
    run(Pipeline([Use2(), Write(), Use(), Judge()]).execute(numbered, observer=events.append))
    assert numbered.error is None
    # 1 + 1 = 2; sent back with 2 + 4 = 6, 6 + 1 = 7; sent back with 11, 12.
    assert numbered[MADE] == 12
    assert numbered[TEXT] == "12"
    assert numbered.completed == ["use2", "write", "use", "judge"]
    assert len(numbered.artifacts) == 1
    rewound = [event for event in events if isinstance(event, Rewound)]
    assert rewound == [Rewound("write", "judge")] * 2
    started = [event.stage for event in events if isinstance(event, StageStarted)]
    assert started == ["use2", *["write", "use", "judge"] * 3]


class Use2(Use):
    """Comes before, and is not run again."""

    name = "use2"
    requires: ClassVar[Slots] = (NUMBER,)
    provides: ClassVar[Slots] = ()

    async def execute(self, context: PipelineContext) -> PipelineContext:
        return context


def test_a_rewound_run_that_is_cancelled_can_be_resumed(numbered: PipelineContext) -> None:
    work = Work(times=3)

    class SendBack(Judge):
        async def execute(self, context: PipelineContext) -> PipelineContext:
            work.started.clear()
            work.gate.clear()
            raise Rewind(MADE, {NUMBER: 20})

    async def main() -> None:
        work.gate.set()
        task = asyncio.create_task(Pipeline([Use2(), work, SendBack()]).execute(numbered))
        while "judge" not in numbered.metadata:
            await asyncio.sleep(0)
        await cancelled_while_working(work, task)

    run(main())
    assert numbered.completed == ["use2"]
    assert numbered[NUMBER] == 20
    again = PipelineContext.from_json(numbered.to_json())
    run(Pipeline([Use2(), work, Judge()]).execute(again, resume=True))
    assert again[MADE] == 21
    assert again.completed == ["use2", "work", "judge"]


def test_a_rewind_that_nothing_can_answer_runs_the_stage_itself_again(
    numbered: PipelineContext,
) -> None:
    class Once(Judge):
        name = "once"
        tried = 0

        async def execute(self, context: PipelineContext) -> PipelineContext:
            self.tried += 1
            if self.tried == 1:
                raise Rewind(TEXT, {NUMBER: 5})
            return context

    stage = Once()
    run(Pipeline([Add(), stage]).execute(numbered))
    assert stage.tried == 2
    assert numbered[NUMBER] == 5
