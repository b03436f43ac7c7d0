"""`ninefold run`: one job an image, as many at once as gain by it, with progress and a report."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
import yaml

from ninefold.cli import report
from ninefold.cli.guard import BAD_INPUT, DONE, FAILED, INTERRUPTED, say, say_error
from ninefold.cli.interrupt import cancelled_by_interrupt
from ninefold.cli.options import RunOptions, planned, resolve_config, resumed
from ninefold.cli.process import between_images, collector_held
from ninefold.cli.progress import progress_for_each
from ninefold.cli.report import Result, Status
from ninefold.cli.settings import engines_for
from ninefold.config import PipelineConfig
from ninefold.core.context import PipelineContext
from ninefold.core.errors import ModelError, UserError
from ninefold.core.events import Observer
from ninefold.core.json_text import json_text
from ninefold.core.pipeline import Attempt
from ninefold.core.record import StageRecord
from ninefold.core.turns import Line, Turn, current_turn
from ninefold.core.wiring import Step
from ninefold.engines.capabilities import capabilities
from ninefold.engines.engine_set import EngineSet
from ninefold.plan_warnings import plan_warnings
from ninefold.runs import Run
from ninefold.slots import MODEL, resolve_model
from ninefold.stages.base import DiffusionStage
from ninefold.stages.text_to_image import TextToImageStage

#: Most seconds that an image waits for the others, where the model may make them in one call.
PATIENCE = 1.0

_CODES = {"succeeded": DONE, "failed": FAILED, "cancelled": INTERRUPTED}


@collector_held()
def run(options: RunOptions, given: EngineSet | None) -> int:
    """Make the images and return the exit code; `given` are engines instead of the settings'."""
    results: list[Result] = []
    warnings: set[str] = set()
    refused: UserError | None = None
    try:
        engines = engines_for(options.settings_file, given, options.memory)
        if options.dry_run:
            return _dry_run(options, engines)
        for jobs in _together(_runs(options, engines), _at_once(options, engines)):
            if results:
                between_images()
            for result in _execute(jobs, options, engines, len(results) + 1):
                report.tell(result, warnings, quiet=options.quiet, as_json=options.as_json)
                result.context.pixels.clear()
                results.append(result)
            if results[-1].status == "cancelled":
                break
    except UserError as error:
        say_error(str(error))
        refused = error
    if results and (left := options.count - len(results)):
        say(f"{left} of {options.count} images were not begun.")
    if options.as_json:
        report.print_json(results, refused, several=options.count > 1)
    codes = [_CODES[result.status] for result in results]
    if refused is not None:
        codes.append(FAILED if results else BAD_INPUT)
    return max(codes)


def _runs(options: RunOptions, engines: EngineSet) -> Iterator[Run]:
    if options.resume is not None:
        yield resumed(options, options.resume, engines)
    else:
        yield from planned(options, resolve_config(options), engines)


def _at_once(options: RunOptions, engines: EngineSet) -> int:
    """How many images are begun together: as many as the model may make in one call."""
    if options.resume is not None or options.count == 1:
        return 1
    pipeline = resolve_config(options).build(engines)
    for step in pipeline.steps:
        if isinstance(step.stage, TextToImageStage):
            params = step.stage.params
            model = resolve_model(params.model, pipeline.defaults.get(MODEL.name))
            try:
                width, height = engines.diffusion.describe(model).native_size
                size = params.width or width, params.height or height
                return min(options.count, engines.diffusion.batch_limit(model, *size))
            except ModelError:  # reported with what else is wrong
                return 1
    return 1


def _together(runs: Iterator[Run], count: int) -> Iterator[list[Run]]:
    """The runs, `count` at a time; those before one that is refused come out before its error."""
    refused: UserError | None = None
    while refused is None:
        jobs: list[Run] = []
        try:
            for job in islice(runs, count):
                jobs.append(job)
        except UserError as error:
            refused = error
        if jobs:
            yield jobs
        elif refused is None:
            return
    raise refused


def _execute(
    jobs: Sequence[Run], options: RunOptions, engines: EngineSet, first: int
) -> Sequence[Result]:
    """Run jobs side by side; `first` is the number of the first of them."""
    labels = [""]
    if options.count > 1:
        labels = [f"image {first + index} of {options.count}" for index in range(len(jobs))]
    with progress_for_each(options.quiet, labels) as observers:
        statuses = asyncio.run(_run_all(jobs, engines, observers))
    return [Result(job.context, status) for job, status in zip(jobs, statuses, strict=True)]


async def _run_all(
    jobs: Sequence[Run], engines: EngineSet, observers: Sequence[Observer | None]
) -> Sequence[Status]:
    line = Line(PATIENCE)
    turns = [line.join(0, number, "run") for number in range(len(jobs))]
    with cancelled_by_interrupt():
        tasks = [
            asyncio.create_task(_run(job, engines, observer, turn))
            for job, observer, turn in zip(jobs, observers, turns, strict=True)
        ]
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
    return ["cancelled" if task.cancelled() else task.result() for task in tasks]


async def _run(job: Run, engines: EngineSet, observer: Observer | None, turn: Turn) -> Status:
    names = [step.name for step in job.config.build(engines).steps]

    async def around(step: Step, context: PipelineContext, attempt: Attempt) -> StageRecord:
        await turn.begin(names[names.index(step.name) :])
        return await attempt()

    current_turn.set(turn)
    try:
        await job.execute(engines, observer, around=around)
    finally:
        turn.leave()
    return "failed" if job.context.error else "succeeded"


def _dry_run(options: RunOptions, engines: EngineSet) -> int:
    """Check everything as for a run, in a folder that goes away, and print the pipeline; on stderr,
    what its models can do and what of the settings does not act on them."""
    config = resolve_config(options)
    with TemporaryDirectory() as folder:
        job = next(planned(replace(options, out=Path(folder), count=1), config, engines))
        _show_models(config, job.context, engines)
    document = config.resolved()
    if options.as_json:
        typer.echo(json_text(document, indent=2))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip())
    return DONE


def _show_models(config: PipelineConfig, context: PipelineContext, engines: EngineSet) -> None:
    shown: set[str] = set()
    pipeline = config.build(engines)
    for step in pipeline.steps:
        if not isinstance(step.stage, DiffusionStage):
            continue
        info = step.stage.model_info(context)
        if info.name not in shown:
            shown.add(info.name)
            say(f"model {info.name}")
            lines = capabilities(info)
            width = max(len(name) for name, _ in lines)
            for name, value in lines:
                say(f"  {name:<{width}}  {value}")
    for warning in plan_warnings(pipeline, context):
        say(f"warning: {warning}")
