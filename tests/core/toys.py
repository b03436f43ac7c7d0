"""Tiny stages and slots of their own, for tests of the spine."""

from __future__ import annotations

import asyncio
import threading
from typing import Annotated, Any, ClassVar

from pydantic import Field

from ninefold import Artifact, PipelineContext, PipelineStage, Rewind, Slot, StageParams
from ninefold.core.blocking import run_blocking

Slots = tuple[Slot[Any], ...]

NUMBER: Slot[int] = Slot("toy_number", int, "A number.", remedy="Give a number.")
TEXT: Slot[str] = Slot("toy_text", str, "A text.", remedy="Give a text.")
MADE: Slot[int] = Slot(
    "toy_made", int, "What a stage made of it.", remedy="Put add before.", given=False
)
SHARE: Slot[float] = Slot("toy_share", Annotated[float, Field(ge=0, le=1)], "A number from 0 to 1.")


class NoParams(StageParams):
    """None."""


class AddParams(StageParams):
    """Parameters of `add`."""

    amount: int = Field(1, ge=0, le=10, description="What is added.")
    times: int = Field(1, ge=1, description="How often.")


class Add(PipelineStage[AddParams]):
    """Adds to the number."""

    name = "add"
    params_type = AddParams
    requires = (NUMBER,)
    provides = (NUMBER, MADE)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set both numbers."""
        for step in range(self.params.times):
            context[NUMBER] = context[NUMBER] + self.params.amount
            context.progress.step(step + 1, self.params.times)
        context[MADE] = context[NUMBER]
        context.add_metadata(self.name, amount=self.params.amount)
        return context


class Use(PipelineStage[NoParams]):
    """Needs what only `add` makes."""

    name = "use"
    params_type = NoParams
    requires: ClassVar[Slots] = (MADE,)
    accepts = (TEXT,)
    provides: ClassVar[Slots] = (TEXT,)

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set the text."""
        context[TEXT] = f"{context.get(TEXT) or ''}{context[MADE]}"
        return context


class Fail(PipelineStage[NoParams]):
    """Fails, as often as it is reported to."""

    name = "fail"
    params_type = NoParams
    requires = (NUMBER,)
    provides = (NUMBER,)

    def __init__(self, times: int = 1_000_000, error: Exception | None = None) -> None:
        super().__init__()
        self.times = times
        self.error = error or RuntimeError("it broke")

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Spoil the number and raise."""
        if self.times > 0:
            self.times -= 1
            context[NUMBER] = -1
            raise self.error
        return context


class Work(PipelineStage[AddParams]):
    """Works in a thread, step by step, as slowly as its `gate` opens."""

    name = "work"
    params_type = AddParams
    requires = (NUMBER,)
    provides = (NUMBER, MADE)

    def __init__(self, **params: int) -> None:
        super().__init__(**params)
        self.started = threading.Event()
        self.gate = threading.Event()
        self.ended = threading.Event()
        self.steps_done = 0

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Set both numbers, from the thread."""
        await run_blocking(context, self._run, context)
        return context

    def _run(self, context: PipelineContext) -> None:
        try:
            for step in range(self.params.times):
                self.started.set()
                assert self.gate.wait(10)
                context.progress.step(step + 1, self.params.times)
                self.steps_done += 1
            context[NUMBER] = context[NUMBER] + self.params.amount
            context[MADE] = context[NUMBER]
        finally:
            self.ended.set()


class Judge(PipelineStage[NoParams]):
    """Sends the run back until the number is large enough."""

    name = "judge"
    params_type = NoParams
    requires = (MADE,)
    accepts = (NUMBER,)
    enough: ClassVar[int] = 12

    async def execute(self, context: PipelineContext) -> PipelineContext:
        """Raise `Rewind`, or let pass."""
        if context[MADE] < self.enough:
            raise Rewind(MADE, {NUMBER: context[MADE] + 4})
        return context


async def cancelled_while_working(work: Work, task: asyncio.Task[PipelineContext]) -> None:
    """Cancel `task` once the thread of `work` is running, let that go on, and wait for both."""
    await asyncio.to_thread(work.started.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    await asyncio.wait({task})


class Write(Add):
    """Adds, and makes a file."""

    name = "write"

    async def execute(self, context: PipelineContext) -> PipelineContext:
        await super().execute(context)
        name = self.artifact_name("number", ".txt")
        path = context.file(name)
        path.write_text(str(context[NUMBER]))
        context.add_artifact(Artifact(name, path, self.name, "text/plain", "0" * 64))
        return context
