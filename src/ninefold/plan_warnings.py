"""What a job would do in vain, as far as that is known before it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from ninefold.core.context import PipelineContext
from ninefold.core.errors import ModelError
from ninefold.core.pipeline import Pipeline
from ninefold.stages.base import DiffusionStage


@dataclass(frozen=True)
class PlanWarning:
    """What a step does in vain."""

    step: str
    detail: str

    def __str__(self) -> str:
        return f"{self.step}: {self.detail}"


def plan_warnings(pipeline: Pipeline, context: PipelineContext) -> Iterator[PlanWarning]:
    """The warnings of each step, in order; `context` holds the inputs, and was prepared.

    Those that hang on a model that is not at hand are left out: `Pipeline.problems` reports it.
    """
    for step in pipeline.steps:
        if (warning := pipeline.warnings.get(step.name)) is not None:
            yield PlanWarning(step.name, warning)
        if not isinstance(stage := step.stage, DiffusionStage):
            continue
        with suppress(ModelError):
            info = stage.model_info(context)
            for warning in stage.settings_without_effect(context, info):
                yield PlanWarning(step.name, warning)
