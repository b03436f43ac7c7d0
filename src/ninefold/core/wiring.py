"""Stages in a row: their names, and whether each finds what it needs."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ninefold.core.errors import WiringError
from ninefold.core.slots import Slot
from ninefold.core.stage import PipelineStage

OnError = Literal["stop", "skip"]


@dataclass(frozen=True)
class Step:
    """A stage's place in a pipeline, and what happens when it fails."""

    stage: PipelineStage[Any]
    on_error: OnError = "stop"

    @property
    def name(self) -> str:
        """The stage's name, unique in its pipeline."""
        return self.stage.name


def step_names(stages: Iterable[str]) -> list[str]:
    """The name of each step of a pipeline of these stages: of repeated ones `detailer_2` and so
    on, as far as no other step is called that."""
    names: dict[str, None] = {}
    numbers: Counter[str] = Counter()
    for stage in stages:
        name = stage
        while name in names:
            numbers[stage] += 1
            name = f"{stage}_{numbers[stage] + 1}"
        names[name] = None
    return list(names)


def numbered(stages: Sequence[PipelineStage[Any] | Step]) -> Iterator[Step]:
    """Give repeated stages names of their own."""
    steps = [item if isinstance(item, Step) else Step(item) for item in stages]
    for step in steps:
        if not isinstance(step.stage, PipelineStage):
            raise WiringError(_no_stage(step.stage))
    for step, name in zip(steps, step_names(step.name for step in steps), strict=True):
        yield step if name == step.name else replace(step, stage=step.stage.renamed(name))


def unseen_changes(steps: Sequence[Step]) -> Mapping[str, str]:
    """Steps that change what was already made into something else, which no later step makes anew,
    each with a warning of that (`Slot.made_from`)."""
    found: dict[str, str] = {}
    last = {slot: index for index, step in enumerate(steps) for slot in step.stage.provides}
    for slot, index in last.items():
        maker = steps[index].name
        for step in steps[index + 1 :] if slot.made_from is not None else ():
            if slot.made_from in step.stage.provides:
                found[step.name] = (
                    f"it changes the {slot.made_from.name} after {maker} has made its "
                    f"{slot.name}, and no later stage makes them anew. Put {maker} last, or once "
                    "more after it."
                )
    return found


def _no_stage(given: object) -> str:
    if isinstance(given, type) and issubclass(given, PipelineStage):
        return f"expected a PipelineStage, got its class. Write {given.__name__}()."
    if callable(getattr(given, "execute", None)):
        kind = given if isinstance(given, type) else type(given)
        return f"expected a PipelineStage. Write `class {kind.__name__}(PipelineStage):`."
    if inspect.isfunction(given):
        return f"expected a PipelineStage, got the function {given.__name__}. Put @stage above it."
    return f"expected a PipelineStage, got {given!r}."


def wiring_problems(steps: Sequence[Step]) -> Iterator[str]:
    """One line for every stage that would not find what it requires."""
    if not steps:
        yield "stages: expected at least one stage, got none."
    provided: set[Slot[Any]] = set()
    uncertain: dict[Slot[Any], Step] = {}
    for number, step in enumerate(steps, 1):
        where = f"{step.name} (step {number})"
        for slot in step.stage.requires:
            if slot in uncertain:
                yield (
                    f"{where} requires {slot.name!r}, but {uncertain[slot].name} may be skipped: "
                    f"set its on_error to stop."
                )
            elif slot not in provided and not slot.given:
                yield (
                    f"{where} requires {slot.name!r}, which no earlier stage provides. "
                    f"{slot.remedy}"
                )
        for slot in step.stage.provides:
            if step.on_error == "stop":
                provided.add(slot)
                uncertain.pop(slot, None)
            elif slot not in provided and slot not in step.stage.requires:
                uncertain[slot] = step
        provided.update(slot for slot in step.stage.requires if slot.given)
