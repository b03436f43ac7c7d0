"""The orchestrator: stages in order, with everything that is common to them around."""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ninefold.core.context import PipelineContext
from ninefold.core.control_flow import Rewind
from ninefold.core.errors import (
    ConfigError,
    InputError,
    SetupError,
    StageInputError,
    UserError,
    WiringError,
)
from ninefold.core.events import (
    Event,
    Observer,
    PipelineFinished,
    PipelineStarted,
    Rewound,
    StageFailed,
    StageFinished,
    StageProgressed,
    StageReused,
    StageStarted,
    StageWaiting,
)
from ninefold.core.progress import PreviewMaker, Previews, StageProgress
from ninefold.core.record import StageRecord
from ninefold.core.slots import Slot, find_slot
from ninefold.core.stage import PipelineStage
from ninefold.core.wiring import Step, numbered, unseen_changes, wiring_problems

#: Saves the context after each finished stage.
Checkpoint = Callable[[PipelineContext], Awaitable[None]]
#: Runs a step's stage once; called again, it first undoes what the last call did.
Attempt = Callable[[], Awaitable[StageRecord]]


#: Carries out a step: by the attempt, by several, or by a record that was kept of an earlier one.
Around = Callable[[Step, PipelineContext, Attempt], Awaitable[StageRecord]]


class Pipeline:
    """Runs stages in order over one context.

    `defaults` are slots to set where the context has none. Wiring is checked here, before any
    model is loaded; raises `WiringError` with every problem.
    """

    def __init__(
        self,
        stages: Sequence[PipelineStage[Any] | Step],
        *,
        defaults: Mapping[str, Any] | None = None,
    ) -> None:
        self.steps: tuple[Step, ...] = tuple(numbered(stages))
        self.defaults: dict[str, Any] = dict(defaults or {})
        if problems := tuple(wiring_problems(self.steps)):
            raise WiringError(problems)

    def with_engines(self, engines: Any) -> Pipeline:
        """The same pipeline with other engines: None for the shared default set."""
        twin = copy.copy(self)
        twin.steps = tuple(
            replace(step, stage=step.stage.with_engines(engines)) for step in self.steps
        )
        return twin

    def with_defaults(self, defaults: Mapping[str, Any]) -> Pipeline:
        """The same pipeline with other `defaults`."""
        twin = copy.copy(self)
        twin.defaults = dict(defaults)
        return twin

    @property
    def inputs(self) -> tuple[Slot[Any], ...]:
        """What the stages require and no earlier stage provides."""
        return tuple({slot: None for _, slot in self._needs()})

    def missing_inputs(self, context: PipelineContext) -> tuple[StageInputError, ...]:
        """One error for every input that the context lacks."""
        return tuple(
            StageInputError(step.name, slot.name, slot.remedy)
            for step, slot in self._needs()
            if slot.name not in self.defaults and step.stage.is_missing(context, slot)
        )

    def prepare(self, context: PipelineContext) -> None:
        """Set the defaults that the context lacks."""
        for key, value in self.defaults.items():
            if key not in context:
                context.set(key, value)

    def problems(self, context: PipelineContext) -> tuple[str, ...]:
        """Everything that is known to be wrong before a stage runs, each reported once."""
        self.prepare(context)
        missing = [str(error) for error in self.missing_inputs(context)]
        found = list(self.unused_inputs(context))
        ahead = context.scratch()
        for step in self.steps:
            found += [*step.stage.unusable_models(), *step.stage.problems(ahead)]
            found += step.stage.setup_problems()
            step.stage.dry_run(ahead)
        return tuple(dict.fromkeys([*missing, *found] or self._size_problems(context)))

    def check(self, context: PipelineContext) -> None:
        """Raise `ConfigError` with all `problems`; `SetupError` where some are the machine's."""
        if problems := self.problems(context):
            setup = {line for step in self.steps for line in step.stage.setup_problems()}
            raise SetupError(problems, setup) if setup else ConfigError(problems)

    def unused_inputs(self, context: PipelineContext) -> tuple[str, ...]:
        """Why inputs that were given would do nothing, of those that must (`Slot.must_act`)."""
        given = [find_slot(name) for name in context.data if name not in self.defaults]
        found: list[str] = []
        for slot in [slot for slot in given if slot.must_act]:
            if (reason := self._why_unused(slot, given)) is not None:
                found.append(f"{slot.name}: would have no effect. {reason}")
            elif unused := self._unused_names(slot, context[slot]):
                found.append(
                    f"{slot.name}: {', '.join(unused)} would have no effect. No stage names "
                    f"{'it' if len(unused) == 1 else 'them'}. Leave out what is not used."
                )
        return tuple(found)

    @property
    def warnings(self) -> Mapping[str, str]:
        """What a step does in vain, by its name."""
        return unseen_changes(self.steps)

    async def execute(
        self,
        context: PipelineContext,
        *,
        observer: Observer | None = None,
        checkpoint: Checkpoint | None = None,
        around: Around | None = None,
        previews: Previews | None = None,
        resume: bool = False,
    ) -> PipelineContext:
        """Run every stage and return the context.

        Does not raise when a stage fails: the run stops, `context.error` says why, and all that
        was made stays. With `resume`, goes on after the last step in `context.completed`; a
        context from another pipeline raises `ConfigError`. Cancellation passes through, and
        leaves a context that can be resumed. `around` carries out each step; a cache and durable
        jobs are such. With `previews` the observer is shown unfinished images now and then.
        """
        return await _Run(self, context, observer, checkpoint, around, previews).execute(resume)

    def _why_unused(self, slot: Slot[Any], given: Sequence[Slot[Any]]) -> str | None:
        present = set(given)
        reasons: list[str] = []
        for step in self.steps:
            stage = step.stage
            if slot in (*stage.requires, *stage.accepts):
                if (reason := stage.ignored_inputs(present).get(slot)) is None:
                    return None
                reasons.append(reason)
            present.update(stage.provides)
        return " ".join(dict.fromkeys(reasons)) or (
            "No stage of this pipeline takes it. Leave it out, or choose another pipeline."
        )

    def _unused_names(self, slot: Slot[Any], value: Any) -> Sequence[str]:
        """Of values by name, the names that no stage uses."""
        if not isinstance(value, Mapping):
            return ()
        stages = [step.stage for step in self.steps]
        takers = [stage for stage in stages if slot in (*stage.requires, *stage.accepts)]
        used = [stage.used_names(slot) for stage in takers]
        if any(names is None for names in used):
            return ()
        return sorted(value.keys() - {name for names in used for name in names or ()})

    def _size_problems(self, context: PipelineContext) -> Iterator[str]:
        """The first stage that would get an image of a size that it cannot take or make."""
        size: tuple[int, int] | None = None
        for step in self.steps:
            try:
                size = step.stage.output_size(context, size)
            except UserError as error:
                if step.on_error == "stop":
                    yield str(error)
                return

    def _needs(self) -> Iterator[tuple[Step, Slot[Any]]]:
        provided: set[Slot[Any]] = set()
        for step in self.steps:
            yield from ((step, slot) for slot in step.stage.requires if slot not in provided)
            provided.update(step.stage.requires, step.stage.provides)


class _Run:
    """One execution of a pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        context: PipelineContext,
        observer: Observer | None,
        checkpoint: Checkpoint | None,
        around: Around | None,
        previews: Previews | None,
    ) -> None:
        self.pipeline = pipeline
        self.steps = pipeline.steps
        self.context = context
        self.observer = observer
        self.checkpoint = checkpoint
        self.around = around
        self.previews = previews

    async def execute(self, resume: bool) -> PipelineContext:
        context = self.context
        names = tuple(step.name for step in self.steps)
        if resume and tuple(context.completed) != names[: len(context.completed)]:
            raise ConfigError(
                f"resume: expected steps {', '.join(names)}, but the context has finished "
                f"{', '.join(context.completed)}. Resume with the config that it was run with."
            )
        if not resume:
            context.completed, context.inputs_by_step = [], {}
        for name in names[len(context.completed) :]:
            if (
                name in context.inputs_by_step
            ):  # it was begun; what it did before it stopped is undone
                context.undo([name])
        context.clear_error()
        self._emit(PipelineStarted(context.job_id, names))
        self.pipeline.prepare(context)
        if missing := self.pipeline.missing_inputs(context):
            context.set_error(_as_one(missing))
        elif unused := () if context.completed else self.pipeline.unused_inputs(context):
            context.set_error(InputError("\n".join(unused)))
        for name in context.completed:
            self._emit(StageReused(name))
        index = len(context.completed)
        while context.error is None and index < len(self.steps):
            index = await self._run_step(index)
        self._emit(PipelineFinished(context.job_id, context.error))
        return context

    async def _run_step(self, index: int) -> int:
        """Run one step and return the index of the next."""
        step, context = self.steps[index], self.context
        context.begin(step.name)
        self._emit(StageStarted(step.name, index + 1, len(self.steps)))
        attempt = _StepAttempt(step, context, self._progress(step.name))
        try:
            if self.around is None:
                record = await attempt()
            else:
                record = await self.around(step, context, attempt)
        except BaseException:
            # Cut short. Its thread may have finished all the same; a resumed run does it anew.
            context.undo([step.name])
            raise
        if record is not attempt.record:  # not the work of this run
            attempt.undo()
            context.apply(record)
        if record.remake is not None:
            return self._rewind(index, record)
        if record.failure is not None:
            self._failed(step)
        else:
            if (warning := self.pipeline.warnings.get(step.name)) is not None:
                context.warn(step.name, warning)
            names = tuple(artifact["name"] for artifact in record.artifacts)
            self._emit(StageFinished(step.name, record.metadata, names))
        if context.error is None:
            context.completed.append(step.name)
            await self._save()
        return index + 1

    async def _save(self) -> None:
        """Write a checkpoint; one that cannot be written stops the run like a failed stage."""
        if self.checkpoint is None:
            return
        try:
            await self.checkpoint(self.context)
        except UserError as error:
            self.context.set_error(error)

    def _failed(self, step: Step) -> None:
        context = self.context
        failure = context.error
        assert failure is not None
        skipped = step.on_error == "skip"
        if skipped:
            context.undo([step.name])
            context.warn(step.name, f"skipped after a failure: {failure.message}")
            context.clear_error()
        self._emit(StageFailed(step.name, failure, skipped))

    def _rewind(self, index: int, record: StageRecord) -> int:
        """Go back to the first step that makes what is to be remade."""
        target = next(
            position
            for position, step in enumerate(self.steps)
            if position == index or record.remake in {slot.name for slot in step.stage.provides}
        )
        self.context.undo([step.name for step in self.steps[target:]])
        self.context.apply(StageRecord(record.step, record.data, metadata=record.metadata))
        self._emit(Rewound(self.steps[target].name, self.steps[index].name))
        return target

    def _emit(self, event: Event) -> None:
        if self.observer is not None:
            self.observer(event)

    def _progress(self, stage: str) -> Callable[[], StageProgress]:
        """Makes the progress of each attempt at a stage."""
        if self.observer is None:
            return StageProgress
        emit = self._emitter()

        def report(done: int, total: int, preview: PreviewMaker | None) -> None:
            picture = self.previews.make(preview) if self.previews is not None else None
            emit(StageProgressed(stage, done, total, picture))

        return lambda: StageProgress(report, lambda: emit(StageWaiting(stage)))

    def _emitter(self) -> Callable[[Event], None]:
        """Emits events from any thread, on the event loop's."""
        loop, home = asyncio.get_running_loop(), threading.get_ident()

        def emit(event: Event) -> None:
            if threading.get_ident() == home:  # later would be after the stage has finished
                self._emit(event)
            else:
                loop.call_soon_threadsafe(self._emit, event)

        return emit


class _StepAttempt:
    """Runs one step's stage, as often as it is called."""

    def __init__(
        self, step: Step, context: PipelineContext, progress: Callable[[], StageProgress]
    ) -> None:
        self.step = step
        self.context = context
        self.progress = progress
        #: What the last call did; None before the first.
        self.record: StageRecord | None = None

    async def __call__(self) -> StageRecord:
        step, context = self.step, self.context
        self.undo()
        context.progress = self.progress()
        try:
            await step.stage.execute(context)
        except Rewind as rewind:
            remake, changes = rewind.remake.name, rewind.changes
            self.record = context.record(step.name, remake=remake, changes=changes)
        except Exception as error:
            if context.error is None:  # a stage that bypassed its guard
                context.set_error(error, step.name)
            self.record = context.record(step.name)
        else:
            self.record = context.record(step.name)
        finally:
            context.progress = StageProgress()
        return self.record

    def undo(self) -> None:
        """Go back to where the step began."""
        if self.record is not None:
            self.context.undo([self.step.name])
            self.context.begin(self.step.name)
            self.context.clear_error()
            self.record = None


def _as_one(missing: Sequence[StageInputError]) -> InputError:
    if len(missing) == 1:
        return missing[0]
    return InputError("\n".join(map(str, missing)))
