"""What jobs will take, before any is stored: by the times of those that ended here."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ConfigError, InputError, SetupError, UserError
from ninefold.core.pipeline import Pipeline
from ninefold.engines.engine_set import EngineSet
from ninefold.job_schema import StepEstimate
from ninefold.jobs.group_rows import GroupRow, Pipelines
from ninefold.jobs.lineage import Rerun
from ninefold.jobs.submission import MAX_PROBLEMS
from ninefold.jobs.timings import Timing, Timings, estimated, work_of
from ninefold.model_catalog import public_summary
from ninefold.server.callers import Caller
from ninefold.server.config_checking import warnings_of
from ninefold.server.grid_cells import group_of, problems_of_grid
from ninefold.server.problems import problem_of
from ninefold.server.request_validation import RequestValidator
from ninefold.server.schemas.estimates import EstimateDocument, RerunPlanDocument
from ninefold.server.schemas.requests import (
    EstimateRequest,
    GridRequest,
    GroupRequest,
    JobRequest,
)
from ninefold.slots import IMAGE, MASK, MODEL, REFERENCES
from ninefold.stages.base import DiffusionStage
from ninefold.stages.sizes import size_before

_log = logging.getLogger(__name__)

#: Inputs of one request that are looked through as their jobs will be, and others by their kind.
MAX_CHECKED = 100
#: What the time of an input's job hangs on, beside the config.
_DECIDING = (MODEL.name, IMAGE.name, MASK.name, REFERENCES.name)


class Estimates:
    """Estimates requests; its methods block."""

    def __init__(self, validator: RequestValidator, engines: EngineSet, timings: Timings) -> None:
        self._validator, self._engines, self._timings = validator, engines, timings

    def estimate(self, caller: Caller, request: EstimateRequest) -> EstimateDocument:
        """What the jobs of a request will take; what is wrong with them is in the answer."""
        try:
            with TemporaryDirectory() as folder:
                if request.x is None:
                    return self._estimate(caller, _order(request), Path(folder))
                grid = _grid(request)
                group = group_of(grid, self._engines)
                with problems_of_grid(grid):
                    return self._estimate(caller, group, Path(folder))
        except UserError as error:
            if isinstance(error, SetupError):
                _log.error("estimate: %s", error)
            return EstimateDocument(problems=problem_of(error).errors)

    def of_rerun(self, rerun: Rerun, context: PipelineContext) -> RerunPlanDocument:
        """What a rerun would do, which begins with `context`."""
        config = rerun.spec.pipeline_config
        pipeline = config.build(self._engines.keep_lookups())
        found = _steps(config, pipeline, context, self._timings.recent())
        steps = [step for step in found if step.stage in rerun.runs]
        return RerunPlanDocument(
            from_stage=rerun.from_stage,
            reused=list(rerun.reused),
            runs=list(rerun.runs),
            config=config.document(),
            seconds=_sum([step.seconds for step in steps]),
            steps=steps,
            warnings=warnings_of(pipeline, context),
        )

    def _estimate(
        self, caller: Caller, order: JobRequest | GroupRequest, folder: Path
    ) -> EstimateDocument:
        rows = self._validator.jobs(caller, order)
        pipelines = Pipelines(self._engines)
        first = _checked(pipelines, rows, folder)
        timings = self._timings.recent()
        each = order.count if isinstance(order, GroupRequest) else 1
        images = Counter(map(_kind, rows))
        kinds = {
            kind: list(_steps(row.config, pipelines.of(row.config), context, timings))
            for kind, (row, context) in first.items()
        }
        steps = next(iter(kinds.values()))
        seconds = [
            step.seconds and step.seconds * images[kind] * each
            for kind, found in kinds.items()
            for step in found
        ]
        row, context = next(iter(first.values()))
        return EstimateDocument(
            steps=steps,
            seconds=_sum(seconds),
            weights_bytes=self._weights([step for found in kinds.values() for step in found]),
            images=sum(images.values()) * each,
            warnings=warnings_of(pipelines.of(row.config), context),
        )

    def _weights(self, steps: Sequence[StepEstimate]) -> int | None:
        """Bytes of the largest diffusion model that a step runs; None where one is not known.

        Engines know those that are loaded, and the library those in its folders.
        """
        loaded = {name: size for (_, name), size in self._engines.stats().resident.items()}
        found = []
        for name in {step.model for step in steps if step.enabled and step.model is not None}:
            size = loaded.get(name)
            if size is None:
                size = public_summary(self._engines, "diffusion", name).get("size_bytes")
            if size is None:
                return None
            found.append(int(size))
        return max(found, default=None)


def _grid(request: EstimateRequest) -> GridRequest:
    """The request for a grid that this one is the estimate of."""
    if request.input is None or request.inputs is not None:
        raise ConfigError("input: expected the input of a grid's cells. Write input, not inputs.")
    if request.count != 1 or request.variants:
        raise ConfigError("x: a grid has one image a cell. Leave count and variants out.")
    shared = request.model_dump(include=set(JobRequest.model_fields) - {"input"})
    return GridRequest(**shared, input=request.input, x=request.x, y=request.y)


def _order(request: EstimateRequest) -> JobRequest | GroupRequest:
    """The request for a job or a group that this one is the estimate of."""
    if request.y is not None:
        raise ConfigError("y: expected with x, got it alone. Name the axis x.")
    shared = request.model_dump(include=set(JobRequest.model_fields) - {"input"})
    if (request.input is None) == (request.inputs is None):
        raise ConfigError("input: expected either input, or inputs of a group. Give one of them.")
    if request.input is not None:
        if request.count != 1 or request.variants:
            raise ConfigError("input: expected inputs with count or variants. Write inputs.")
        return JobRequest(**shared, input=request.input)
    return GroupRequest(
        **shared, inputs=request.inputs, count=request.count, variants=request.variants
    )


def _sum(seconds: Sequence[float | None]) -> float | None:
    known = [one for one in seconds if one is not None]
    return round(sum(known), 3) if len(known) == len(seconds) else None


def _kind(row: GroupRow) -> tuple[int, str]:
    return id(row.config), repr([row.slots.get(name) for name in _DECIDING])


def _checked(
    pipelines: Pipelines, rows: Sequence[GroupRow], folder: Path
) -> dict[tuple[int, str], tuple[GroupRow, PipelineContext]]:
    """A row of each kind with its context; raises `ConfigError` with what is wrong with any that
    it looks through: the first `MAX_CHECKED`, and the first of each kind."""
    first: dict[tuple[int, str], tuple[GroupRow, PipelineContext]] = {}
    problems: dict[str, None] = {}
    for number, row in enumerate(rows):
        if number >= MAX_CHECKED and _kind(row) in first:
            continue
        context = PipelineContext(folder / str(number))
        found: list[str] = []
        for name, value in row.slots.items():
            try:
                context.set(name, value)
            except InputError as error:
                found.append(str(error))
        if not found:
            try:
                pipelines.of(row.config).check(context)
            except SetupError:  # of the machine, and no row's
                raise
            except ConfigError as error:
                found += error.problems
        problems |= dict.fromkeys(map(row.problem, found))
        if len(problems) >= MAX_PROBLEMS:
            break
        first.setdefault(_kind(row), (row, context))
    if problems:
        raise ConfigError(list(problems))
    return first


def _steps(
    config: PipelineConfig,
    pipeline: Pipeline,
    context: PipelineContext,
    timings: Sequence[Timing],
) -> Iterator[StepEstimate]:
    """What each step will take, of a job with these inputs."""
    size: tuple[int, int] | None = None
    from_image = any(name in context for name in (IMAGE.name, REFERENCES.name))
    for item, step in zip(config.stages, pipeline.steps, strict=True):
        stage = step.stage
        size = stage.output_size(context, size_before(context, size))
        model = count = None
        enabled = True
        if isinstance(stage, DiffusionStage):
            info = stage.model_info(context)
            model, count = info.name, stage.params.steps or info.steps
            enabled = stage.changes_image
        work = work_of(item.stage, stage, model, size, count, from_image)
        seconds, basis = estimated(work, timings)
        yield StepEstimate(
            stage=step.name,
            enabled=enabled,
            model=model,
            width=size and size[0],
            height=size and size[1],
            steps=count,
            seconds=None if seconds is None else round(seconds, 3),
            basis=basis,
        )
